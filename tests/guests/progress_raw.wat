;; Reports progress of one group with a name of any length, or of many groups with short names.
(component
  (import "jobcontrol:plugin/progress@0.1.0" (instance $progress
    (export "report" (func
      (param "group" (list string)) (param "current" u64) (param "total" u64) (param "status-line" string)))
  ))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $report (canon lower (func $progress "report") (memory $mem)))
  (core module $m
    (import "memory" "memory" (memory 1))
    (import "progress" "report" (func $report (param i32 i32 i64 i64 i32 i32)))
    (func $one (param $length i32) (param $current i64) (param $total i64)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (local.get $length))
      (call $report
        (i32.const 0) (i32.const 1) (local.get $current) (local.get $total) (i32.const 0) (i32.const 0)))
    (func (export "report") (param $length i32) (param $current i64) (param $total i64) (param $times i32)
      (memory.fill (i32.const 16) (i32.const 0x67) (i32.const 1024))
      (loop $again
        (call $one (local.get $length) (local.get $current) (local.get $total))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times))))
    (func (export "groups") (param $count i32)
      (loop $again
        (i32.store8 (i32.const 16) (i32.add (i32.const 0x61) (i32.and (local.get $count) (i32.const 15))))
        (i32.store8 (i32.const 17)
          (i32.add (i32.const 0x61) (i32.and (i32.shr_u (local.get $count) (i32.const 4)) (i32.const 15))))
        (i32.store8 (i32.const 18)
          (i32.add (i32.const 0x61) (i32.and (i32.shr_u (local.get $count) (i32.const 8)) (i32.const 15))))
        (call $one (i32.const 3) (i64.const 1) (i64.const 2))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br_if $again (local.get $count))))
  )
  (core instance $i (instantiate $m
    (with "memory" (instance $memory))
    (with "progress" (instance (export "report" (func $report))))))
  (func (export "report") (param "length" u32) (param "current" u64) (param "total" u64) (param "times" u32)
    (canon lift (core func $i "report")))
  (func (export "groups") (param "count" u32) (canon lift (core func $i "groups")))
)
