;; Hands whatever numbers it is given to `log.write`. Its memory is 128 KiB of `x`, then bytes that are no UTF-8, then
;; zeroes.
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
  (core module $memory
    (memory (export "memory") 3)
    (data (i32.const 131072) "\ff\fe\fd\fc")
  )
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $write (canon lower (func $log "write") (memory $mem)))
  (core module $m
    (import "memory" "memory" (memory 3))
    (import "log" "write"
      (func $write (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (func (export "write")
      (param $level i32) (param $message i32) (param $length i32) (param $fields i32) (param $count i32)
      (param $times i32)
      (memory.fill (i32.const 0) (i32.const 0x78) (i32.const 131072))
      (loop $again
        (call $write
          (local.get $level) (local.get $message) (local.get $length) (i32.const 0) (i32.const 0)
          (local.get $fields) (local.get $count) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times))))
    (func (export "write-umlauts") (param $length i32) (local $at i32)
      (i32.store8 (i32.const 0) (i32.const 0x78))
      (local.set $at (i32.const 1))
      (loop $again
        (i32.store16 (local.get $at) (i32.const 0xbcc3))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br_if $again (i32.lt_u (local.get $at) (local.get $length))))
      (call $write
        (i32.const 1) (i32.const 0) (local.get $length) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0)))
    (func (export "caught") (param $length i32)
      (memory.fill (i32.const 0) (i32.const 0x78) (i32.const 131072))
      (i32.store (i32.const 131076) (i32.const 0))
      (i32.store (i32.const 131080) (local.get $length))
      (call $write
        (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)
        (i32.const 131076) (i32.const 1) (i32.const 0) (i32.const 0)))
  )
  (core instance $i (instantiate $m
    (with "memory" (instance $memory))
    (with "log" (instance (export "write" (func $write))))))
  (func (export "write")
    (param "level" u32) (param "message" u32) (param "length" u32) (param "fields" u32) (param "count" u32)
    (param "times" u32)
    (canon lift (core func $i "write")))
  (func (export "write-umlauts") (param "length" u32) (canon lift (core func $i "write-umlauts")))
  (func (export "caught") (param "length" u32) (canon lift (core func $i "caught")))
)
