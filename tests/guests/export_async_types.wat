;; Functions whose types a job cannot give or keep.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "take") (param i32))
    (func (export "give") (result i32) (i32.const 0))
  )
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $mem))
  (type $stream (stream u8))
  (type $future (future u8))
  (func (export "a-stream") (param "it" $stream) (canon lift (core func $i "take")))
  (func (export "a-future") (result $future) (canon lift (core func $i "give")))
  (func (export "an-error-context") (param "it" (tuple error-context)) (canon lift (core func $i "take")))
)
