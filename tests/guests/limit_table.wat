;; Grows its table, which has ten elements at first.
(component
  (core module $m
    (table $t 10 funcref)
    (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
  )
  (core instance $i (instantiate $m))
  (func (export "grow") (param "elements" u32) (result s32) (canon lift (core func $i "grow")))
)
