;; Returns a list whose elements are one byte long, and nest thirty deep.
(component
  (core module $m
    (memory (export "memory") 2)
    (func (export "list") (param $count i32) (result i32)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (local.get $count))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func (export "nested") (param "count" u32) (result (list
    (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple (tuple bool))))))))))))))))))))))))))))))))
    (canon lift (core func $i "list") (memory (core memory $i "memory"))))
)
