;; A library for preview1 whose memory has a fixed size, as some toolchains make it, with all that such a library does: it
;; writes in its start function, in `_initialize` and when it is called, ends itself, reads its environment and a folder.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "env" "emscripten_notify_memory_growth" (func $notify (param i32)))
  (memory (export "memory") 4 4)
  (data (i32.const 100) "from start\n")
  (data (i32.const 120) "from _initialize\n")
  (data (i32.const 140) "from hello\n")

  ;; Where a text is and how long at 0 and 4, what was written or read at 8.
  (func $say (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $begin (call $say (i32.const 100) (i32.const 11)))
  (start $begin)
  (func (export "_initialize") (call $say (i32.const 120) (i32.const 17)))
  (func (export "hello") (call $notify (i32.const 0)) (call $say (i32.const 140) (i32.const 11)))
  (func (export "leave") (param $code i32) (call $proc_exit (local.get $code)))

  ;; How long the last variable is, its name included: pointers from 1024, texts from 4096.
  (func (export "last-variable") (result i32)
    (local $count i32) (local $start i32) (local $end i32)
    (drop (call $environ_sizes (i32.const 8) (i32.const 12)))
    (drop (call $environ_get (i32.const 1024) (i32.const 4096)))
    (local.set $count (i32.load (i32.const 8)))
    (local.set $start (i32.load (i32.add (i32.const 1020) (i32.mul (local.get $count) (i32.const 4)))))
    (local.set $end (local.get $start))
    (block $ended (loop $next
      (br_if $ended (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $next)))
    (i32.sub (local.get $end) (local.get $start)))

  ;; How many entries the first folder has, read through a buffer in which few of them fit.
  (func (export "entries") (result i32)
    (local $cookie i64) (local $count i32) (local $at i32) (local $end i32) (local $past i32)
    (loop $more
      (if (call $fd_readdir (i32.const 3) (i32.const 8192) (i32.const 500) (local.get $cookie) (i32.const 8))
        (then (return (i32.const -1))))
      (local.set $at (i32.const 8192))
      (local.set $end (i32.add (local.get $at) (i32.load (i32.const 8))))
      (block $out (loop $next
        (br_if $out (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $end)))
        (local.set $past (i32.add (i32.add (local.get $at) (i32.const 24)) (i32.load offset=16 (local.get $at))))
        (br_if $out (i32.gt_u (local.get $past) (local.get $end)))
        (local.set $cookie (i64.load (local.get $at)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $at (local.get $past))
        (br $next)))
      (br_if $more (i32.eq (i32.load (i32.const 8)) (i32.const 500))))
    (local.get $count)))
