;; Wants 2 MiB before its first instruction.
(component
  (core module $m
    (memory 32)
    (func (export "run"))
  )
  (core instance $i (instantiate $m))
  (func (export "run") (canon lift (core func $i "run")))
)
