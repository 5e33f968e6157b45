;; Counts the folders it was granted, and tries to make the file `made.txt` in the first one.
(component
  (import "wasi:filesystem/types@0.2.0" (instance $types
    (export "descriptor" (type $descriptor (sub resource)))
    (type $path-flags' (flags "symlink-follow"))
    (export "path-flags" (type $path-flags (eq $path-flags')))
    (type $open-flags' (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $open-flags')))
    (type $descriptor-flags'
      (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync" "mutate-directory"))
    (export "descriptor-flags" (type $descriptor-flags (eq $descriptor-flags')))
    (type $error-code' (enum
      "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist" "file-too-large"
      "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop" "too-many-links"
      "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space"
      "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow"
      "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $error-code (eq $error-code')))
    (export "[method]descriptor.open-at" (func
      (param "self" (borrow $descriptor)) (param "path-flags" $path-flags) (param "path" string)
      (param "open-flags" $open-flags) (param "flags" $descriptor-flags)
      (result (result (own $descriptor) (error $error-code)))))
  ))
  (alias export $types "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (export "descriptor" (type $descriptor' (eq $descriptor)))
    (export "get-directories" (func (result (list (tuple (own $descriptor') string)))))
  ))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $free (i32.add (global.get $free) (i32.const 256)))
      (global.get $free))
    (global $free (mut i32) (i32.const 1024))
    (data (i32.const 16) "made.txt")
  )
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $get-directories (canon lower (func $preopens "get-directories") (memory $mem) (realloc $realloc)))
  (core func $open-at
    (canon lower (func $types "[method]descriptor.open-at") (memory $mem) (realloc $realloc)))
  (core module $m
    (import "memory" "memory" (memory 1))
    (import "host" "get-directories" (func $get-directories (param i32)))
    (import "host" "open-at" (func $open-at (param i32 i32 i32 i32 i32 i32 i32)))
    (func $folders (export "folders") (result i32)
      (call $get-directories (i32.const 0))
      (i32.load (i32.const 4)))
    (func (export "create") (result i32)
      (drop (call $folders))
      (call $open-at
        (i32.load (i32.load (i32.const 0))) (i32.const 0) (i32.const 16) (i32.const 8)
        (i32.const 1) (i32.const 2) (i32.const 32))
      (i32.eqz (i32.load8_u (i32.const 32))))
  )
  (core instance $i (instantiate $m
    (with "memory" (instance $memory))
    (with "host" (instance
      (export "get-directories" (func $get-directories))
      (export "open-at" (func $open-at))))))
  (func (export "folders") (result u32) (canon lift (core func $i "folders")))
  (func (export "create") (result bool) (canon lift (core func $i "create")))
)
