;; Traps, each some calls deep.
(component
  (core module $m
    (func $innermost unreachable)
    (func $middle (call $innermost))
    (func $fall (export "fall") (call $middle))
    (func $quotient (param i32 i32) (result i32)
      (i32.div_s (local.get 0) (local.get 1)))
    (func $divide (export "divide") (param i32 i32) (result i32)
      (call $quotient (local.get 0) (local.get 1)))
  )
  (core instance $i (instantiate $m))
  (func $fall (export "fall") (canon lift (core func $i "fall")))
  (func (export "divide") (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $i "divide")))
)
