;; A function that never ends, and one that ends at once.
(component
  (core module $m
    (func $round-and-round (loop $again (br $again)))
    (func $spin (export "spin") (call $round-and-round))
    (func (export "quick") (result i32) (i32.const 7))
  )
  (core instance $i (instantiate $m))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "quick") (result u32) (canon lift (core func $i "quick")))
)
