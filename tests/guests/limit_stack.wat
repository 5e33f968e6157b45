;; Calls itself without end.
(component
  (core module $m
    (func $deeper (param i64) (result i64)
      (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
    (func (export "recurse") (drop (call $deeper (i64.const 0))))
  )
  (core instance $i (instantiate $m))
  (func (export "recurse") (canon lift (core func $i "recurse")))
)
