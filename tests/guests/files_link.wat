;; A command that puts a link to the folder `../secret` in the place of the empty folder `out` of its first grant.
(module
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $remove (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $link (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "out")
  (data (i32.const 16) "../secret")
  (func (export "_start")
    (drop (call $remove (i32.const 3) (i32.const 0) (i32.const 3)))
    (call $exit (call $link (i32.const 16) (i32.const 9) (i32.const 3) (i32.const 0) (i32.const 3))))
)
