;; Says the text that it is given in every way in which a plugin can say something.
(component
  (import "jobcontrol:plugin/types@0.1.0" (instance $types
    (type $level' (enum "debug" "info" "warning" "error" "critical"))
    (export "level" (type $level (eq $level')))
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
  (alias export $types "level" (type $level))
  (alias export $types "failure" (type $failure))
  (import "jobcontrol:plugin/log@0.1.0" (instance $log
    (export "level" (type $level' (eq $level)))
    (export "failure" (type $failure' (eq $failure)))
    (type $entry' (record
      (field "level" $level') (field "message" string) (field "target" string)
      (field "fields" (list (tuple string string))) (field "failure" (option $failure'))))
    (export "entry" (type $entry (eq $entry')))
    (export "write" (func (param "entry" $entry)))
  ))
  (import "jobcontrol:plugin/progress@0.1.0" (instance $progress
    (export "report" (func
      (param "group" (list string)) (param "current" u64) (param "total" u64) (param "status-line" string)))
  ))
  (import "jobcontrol:plugin/build@0.1.0" (instance $build
    (export "failure" (type $failure'' (eq $failure)))
    (export "fail" (func (param "failure" $failure'')))
    (export "skip" (func (param "reason" string)))
  ))
  (core module $memory
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      global.get $next
      (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $write (canon lower (func $log "write") (memory $mem)))
  (core func $report (canon lower (func $progress "report") (memory $mem)))
  (core func $fail (canon lower (func $build "fail") (memory $mem)))
  (core func $skip (canon lower (func $build "skip") (memory $mem)))
  (core module $m
    (import "host" "memory" (memory 4))
    (import "host" "write"
      (func $write (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "report" (func $report (param i32 i32 i64 i64 i32 i32)))
    (import "host" "fail" (func $fail (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "skip" (func $skip (param i32 i32)))

    ;; A text at a place in memory.
    (func $text (param $place i32) (param $at i32) (param $length i32)
      (i32.store (local.get $place) (local.get $at))
      (i32.store offset=4 (local.get $place) (local.get $length)))

    ;; A pair of texts at 16, a list of one text at 32, a frame at 64, a cause at 128.
    (func $failure (param $at i32) (param $length i32)
      (call $text (i32.const 16) (local.get $at) (local.get $length))
      (call $text (i32.const 24) (local.get $at) (local.get $length))
      (call $text (i32.const 32) (local.get $at) (local.get $length))
      (call $text (i32.const 64) (local.get $at) (local.get $length))
      (i32.store (i32.const 72) (i32.const 7))
      (call $text (i32.const 76) (local.get $at) (local.get $length))
      (call $text (i32.const 84) (i32.const 32) (i32.const 1))
      (i32.store (i32.const 92) (i32.const 7))
      (call $text (i32.const 96) (i32.const 16) (i32.const 1))
      (call $text (i32.const 128) (local.get $at) (local.get $length))
      (call $text (i32.const 136) (local.get $at) (local.get $length))
      (call $text (i32.const 144) (i32.const 64) (i32.const 1)))

    (func $log (param $at i32) (param $length i32)
      (call $write (i32.const 1) (local.get $at) (local.get $length)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0)))

    (func (export "say") (param $at i32) (param $length i32)
      (call $failure (local.get $at) (local.get $length))
      (call $write (i32.const 1) (local.get $at) (local.get $length)
        (local.get $at) (local.get $length) (i32.const 16) (i32.const 1) (i32.const 1)
        (local.get $at) (local.get $length) (local.get $at) (local.get $length)
        (i32.const 64) (i32.const 1) (i32.const 128) (i32.const 1))
      (call $report (i32.const 32) (i32.const 1) (i64.const 1) (i64.const 2) (local.get $at) (local.get $length)))

    (func (export "split") (param $at i32) (param $length i32) (param $first i32)
      (call $log (local.get $at) (local.get $first))
      (call $log (i32.add (local.get $at) (local.get $first)) (i32.sub (local.get $length) (local.get $first))))

    (func $digit (param $at i32) (param $value i32)
      (i32.store8 (local.get $at)
        (i32.add (local.get $value)
          (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $value) (i32.const 10))))))
    (func (export "hex") (param $at i32) (param $length i32) (local $i i32) (local $byte i32)
      (loop $next
        (local.set $byte (i32.load8_u (i32.add (local.get $at) (local.get $i))))
        (call $digit (i32.add (i32.const 65536) (i32.mul (local.get $i) (i32.const 2)))
          (i32.shr_u (local.get $byte) (i32.const 4)))
        (call $digit (i32.add (i32.const 65537) (i32.mul (local.get $i) (i32.const 2)))
          (i32.and (local.get $byte) (i32.const 15)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (local.get $length))))
      (call $log (i32.const 65536) (i32.mul (local.get $length) (i32.const 2))))

    (func (export "clean") (param i32))

    (func (export "length") (param $at i32) (param $length i32) (result i32) (local.get $length))

    (func (export "give") (param $at i32) (param $length i32) (result i32)
      (call $text (i32.const 160) (local.get $at) (local.get $length))
      (i32.const 160))

    (func (export "refuse") (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 176) (i32.const 1))
      (call $text (i32.const 180) (local.get $at) (local.get $length))
      (i32.const 176))

    (func (export "fail") (param $at i32) (param $length i32)
      (call $failure (local.get $at) (local.get $length))
      (call $fail (local.get $at) (local.get $length) (local.get $at) (local.get $length)
        (i32.const 64) (i32.const 1) (i32.const 128) (i32.const 1)))

    (func (export "skip") (param $at i32) (param $length i32)
      (call $skip (local.get $at) (local.get $length))))
  (core instance $i (instantiate $m (with "host" (instance
    (export "memory" (memory $mem))
    (export "write" (func $write))
    (export "report" (func $report))
    (export "fail" (func $fail))
    (export "skip" (func $skip))))))
  (func (export "say") (param "text" string) (canon lift (core func $i "say") (memory $mem) (realloc $realloc)))
  (func (export "split") (param "text" string) (param "first" u32)
    (canon lift (core func $i "split") (memory $mem) (realloc $realloc)))
  (func (export "hex") (param "text" string) (canon lift (core func $i "hex") (memory $mem) (realloc $realloc)))
  (func (export "clean") (param "length" u32) (canon lift (core func $i "clean")))
  (func (export "length") (param "text" (list u8)) (result u32)
    (canon lift (core func $i "length") (memory $mem) (realloc $realloc)))
  (func (export "give") (param "text" string) (result string)
    (canon lift (core func $i "give") (memory $mem) (realloc $realloc)))
  (func (export "refuse") (param "text" string) (result (result (error string)))
    (canon lift (core func $i "refuse") (memory $mem) (realloc $realloc)))
  (func (export "fail") (param "text" string) (canon lift (core func $i "fail") (memory $mem) (realloc $realloc)))
  (func (export "skip") (param "reason" string) (canon lift (core func $i "skip") (memory $mem) (realloc $realloc)))
)
