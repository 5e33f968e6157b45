;; Waits until there is a file `go` in its first granted folder, then fails if there is a file `bad` there.
(module
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "gobad")
  (func $is_there (param $name i32) (param $length i32) (result i32)
    (i32.eqz (call $stat (i32.const 3) (i32.const 0) (local.get $name) (local.get $length) (i32.const 1024))))
  ;; A subscription to the monotonic clock, for 1 ms.
  (func $rest
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const 1000000))
    (drop (call $poll (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 512))))
  (func (export "_start")
    (block $found
      (loop $again
        (br_if $found (call $is_there (i32.const 0) (i32.const 2)))
        (call $rest)
        (br $again)))
    (if (call $is_there (i32.const 2) (i32.const 3)) (then unreachable))))
