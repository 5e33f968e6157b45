;; Two functions that call each other without end, in a core module.
(module
  (func $even (param i64) (result i64) (i64.add (call $odd (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))

  (func $odd (param i64) (result i64) (i64.add (call $even (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
  (func (export "run") (result i64) (call $even (i64.const 0)))
)
