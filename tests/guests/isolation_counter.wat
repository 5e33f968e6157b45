;; Counts its calls in a global, in memory and in a table's size.
(component
  (core module $m
    (memory 1)
    (table $t 0 10 funcref)
    (global $calls (mut i32) (i32.const 0))
    (func (export "count") (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
      (drop (table.grow $t (ref.null func) (i32.const 1)))
      (i32.add (global.get $calls)
        (i32.add (i32.mul (i32.load (i32.const 8)) (i32.const 10)) (i32.mul (table.size $t) (i32.const 100)))))
  )
  (core instance $i (instantiate $m))
  (func (export "count") (result u32) (canon lift (core func $i "count")))
)
