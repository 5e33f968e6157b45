;; A command that opens its folder fifty times for each argument; with four and more it closes it each time.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ".")
  (func (export "_start") (local $left i32)
    (drop (call $args (i32.const 16) (i32.const 20)))
    (local.set $left (i32.mul (i32.const 50) (i32.sub (i32.load (i32.const 16)) (i32.const 1))))
    (loop $next
      (if (call $open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 2) (i64.const 0) (i64.const 0)
            (i32.const 0) (i32.const 24)) (then unreachable))
      (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 4)) (then (drop (call $close (i32.load (i32.const 24))))))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
