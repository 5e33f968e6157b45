;; An interpreter of scripts that counts, in a page that it adds, how often it ran the program and how often it was
;; called since.
(component
  (type $random' (instance (export "get-random-u64" (func (result u64)))))
  (import "wasi:random/random@0.2.0" (instance $random (type $random')))
  (core func $draw (canon lower (func $random "get-random-u64")))
  (core module $m
    (import "host" "draw" (func $draw (result i64)))
    (memory (export "memory") 4)
    (data (i32.const 1024) "{\22loads\22:0,\22calls\22:0}")
    ;; Its memory grows only when none is free, of which it has three pages first.
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.add (i32.load (i32.const 32)) (i32.const 4096)))
      (i32.store (i32.const 32) (i32.add (i32.load (i32.const 32)) (local.get $size)))
      (block $enough
        (loop $more
          (br_if $enough (i32.ge_u (i32.shl (memory.size) (i32.const 16)) (i32.add (local.get $at) (local.get $size))))
          (drop (memory.grow (i32.const 1)))
          (br $more)))
      (local.get $at))
    ;; Draws a number if the program is long, which only that of `random.py` is.
    (func $load (export "load") (param $program i32) (param $len i32) (result i32)
      (if (i32.eqz (local.get $len)) (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $len) (i32.const 400)) (then (drop (call $draw))))
      (if (i32.eqz (i32.load (i32.const 16)))
        (then (i32.store (i32.const 16) (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))))
      (call $add (i32.const 1033) (i32.const 0))
      (i32.const 1))
    ;; Adds one to a digit, and to its copy in the new page.
    (func $add (param $at i32) (param $place i32)
      (local $copy i32)
      (local.set $copy (i32.add (i32.load (i32.const 16)) (local.get $place)))
      (i32.store8 (local.get $copy) (i32.add (i32.load8_u (local.get $copy)) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.load8_u (local.get $copy)))))
    (func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32)
      (if (i32.eqz (i32.load (i32.const 16)))
        (then
          (drop (call $load (local.get 0) (local.get 1)))
          ;; It was not loaded before it was called.
          (i32.store8 (i32.const 1033) (i32.const 48))))
      (call $add (i32.const 1043) (i32.const 1))
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 21))
      (i32.const 0)))
  (core instance $host (export "draw" (func $draw)))
  (core instance $i (instantiate $m (with "host" (instance $host))))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "call") (param "program" string) (param "plan" string) (param "arguments" string) (result string)
    (canon lift (core func $i "call") (memory (core memory $mem)) (realloc (core func $realloc))))
  (func (export "load") (param "program" string) (result bool)
    (canon lift (core func $i "load") (memory (core memory $mem)) (realloc (core func $realloc))))
)
