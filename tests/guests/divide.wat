;; A job that traps where the second number is zero.
(component
  (core module $m
    (func $divide (export "divide") (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1)))
  )
  (core instance $i (instantiate $m))
  (func (export "divide") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "divide")))
)
