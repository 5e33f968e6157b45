;; Makes a file of a gigabyte in the first folder that it has, and ends with the errno of that.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $fd_filestat_set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "big")
  (func (export "_start")
    (local i32 i32 i32 i64)
    (call $proc_exit (i32.or (call $path_open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 3) (i32.const 1) (i64.const 0x1fffffff) (i64.const 0x1fffffff) (i32.const 0) (i32.const 16)) (call $fd_filestat_set_size (i32.load (i32.const 16)) (i64.const 1000000000))))))
