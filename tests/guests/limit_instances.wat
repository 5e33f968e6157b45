;; Four core instances.
(component
  (core module $m
    (func (export "run"))
  )
  (core instance (instantiate $m))
  (core instance (instantiate $m))
  (core instance (instantiate $m))
  (core instance $i (instantiate $m))
  (func (export "run") (canon lift (core func $i "run")))
)
