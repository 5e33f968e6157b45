;; A WASI 0.2 command: its result is an error where it has more than one argument after its name, and where it has
;; exactly one it ends itself with success from within.
(component
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit
    (export "exit" (func (param "status" (result))))))
  (core module $libc
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $new)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (core func $get_arguments (canon lower (func $environment "get-arguments")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $exit (canon lower (func $exit "exit")))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "get-arguments" (func $get_arguments (param i32)))
    (import "host" "exit" (func $exit (param i32)))
    (func (export "run") (result i32)
      (call $get_arguments (i32.const 16))
      (if (i32.eq (i32.load (i32.const 20)) (i32.const 2)) (then (call $exit (i32.const 0))))
      (i32.gt_u (i32.load (i32.const 20)) (i32.const 2))))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "get-arguments" (func $get_arguments))
      (export "exit" (func $exit))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $runs (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $runs)))
