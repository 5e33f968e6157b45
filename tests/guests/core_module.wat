;; A core module of which nothing can be called: it exports no function of plain numbers.
(module (memory (export "memory") 1) (func (export "run") (result i32 i32) (i32.const 1) (i32.const 2)))
