;; Between steps of memory that are allowed, asks for more than there are bytes: 2^64 - 64 KiB, or what the type cannot
;; say at all, and as many table elements.
(module
  (memory $a 1)
  (memory $b i64 1)
  (table $t 1 funcref)
  (table $u i64 1 funcref)
  (func $of_memory (export "of_memory") (param $pages i64) (result i32) (local $steps i32)
    (loop $next
      (if (i32.eq (memory.grow $a (i32.const 1)) (i32.const -1)) (then (return (local.get $steps))))
      (drop (memory.grow $b (local.get $pages)))
      (drop (memory.grow $b (local.get $pages)))
      (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $steps) (i32.const 100))))
    (local.get $steps))
  (func (export "of_narrow_memory") (param $pages i32) (result i32) (local $steps i32)
    (loop $next
      (if (i32.eq (memory.grow $a (i32.const 1)) (i32.const -1)) (then (return (local.get $steps))))
      (drop (memory.grow $a (local.get $pages)))
      (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $steps) (i32.const 100))))
    (local.get $steps))
  (func (export "of_table") (param $elements i64) (result i32) (local $steps i32)
    (loop $next
      (if (i32.eq (table.grow $t (ref.null func) (i32.const 10)) (i32.const -1)) (then (return (local.get $steps))))
      (drop (table.grow $u (ref.null func) (local.get $elements)))
      (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $steps) (i32.const 100))))
    (local.get $steps)))
