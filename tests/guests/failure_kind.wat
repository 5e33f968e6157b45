;; fail(kind): ends the build by `build.fail` with a kind that the caller chooses
(component
  (import "jobcontrol:plugin/types@0.1.0" (instance $types
    (type $frame' (record
      (field "file" string) (field "line" u32) (field "function" string) (field "context" (list string))
      (field "context-start" u32) (field "locals" (list (tuple string string)))))
    (export "frame" (type $frame (eq $frame')))
    (type $cause' (record (field "kind" string) (field "message" string) (field "frames" (list $frame))))
    (export "cause" (type $cause (eq $cause')))
    (type $failure' (record
      (field "kind" string) (field "message" string) (field "frames" (list $frame)) (field "causes" (list $cause))))
    (export "failure" (type $failure (eq $failure')))
  ))
  (alias export $types "failure" (type $failure))
  (import "jobcontrol:plugin/build@0.1.0" (instance $build
    (export "failure" (type $failure2 (eq $failure)))
    (export "fail" (func (param "failure" $failure2)))
  ))
  (core module $memory
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      global.get $next
      (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $fail (canon lower (func $build "fail") (memory $mem)))
  (core module $m
    (import "host" "fail" (func $fail (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (func (export "fail") (param $kind i32) (param $len i32)
      (call $fail (local.get $kind) (local.get $len) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))
  (core instance $m (instantiate $m (with "host" (instance (export "fail" (func $fail))))))
  (func (export "fail") (param "kind" string)
    (canon lift (core func $m "fail") (memory $mem) (realloc $realloc)))
)
