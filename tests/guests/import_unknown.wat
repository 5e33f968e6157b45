;; Wants something of the host that nobody has.
(component
  (import "acme:oracle/answers@1.0.0" (instance $oracle (export "answer" (func (result u32)))))
  (core func $answer (canon lower (func $oracle "answer")))
  (core module $m
    (import "oracle" "answer" (func $answer (result i32)))
    (func (export "ask") (result i32) (call $answer))
  )
  (core instance $i (instantiate $m (with "oracle" (instance (export "answer" (func $answer))))))
  (func (export "ask") (result u32) (canon lift (core func $i "ask")))
)
