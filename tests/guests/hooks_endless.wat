;; A function whose repr and cleanup functions never end, or take more memory than they may.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "seven") (result i32) (i32.const 7))
    (func (export "show") (param i32) (result i32) (loop $again (br $again)) (i32.const 0))
    (func (export "clean") (param i32) (loop $again (br $again)))
    (func (export "grow") (param i32) (drop (memory.grow (i32.const 100)))))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $mem))
  (func (export "seven") (result u32) (canon lift (core func $i "seven")))
  (func (export "show") (param "x" u32) (result string) (canon lift (core func $i "show") (memory $mem)))
  (func (export "clean") (param "x" u32) (canon lift (core func $i "clean")))
  (func (export "grow") (param "x" u32) (canon lift (core func $i "grow"))))
