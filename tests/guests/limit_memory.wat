;; Grows its memories by pages of 64 KiB: two of one core instance and one of another, each of one page at first.
(component
  (core module $m
    (memory $first 1)
    (memory $second 1)
    (func (export "first") (param i32) (result i32) (memory.grow $first (local.get 0)))
    (func (export "second") (param i32) (result i32) (memory.grow $second (local.get 0)))
  )
  (core module $other
    (memory 1)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  )
  (core instance $i (instantiate $m))
  (core instance $o (instantiate $other))
  (core module $all
    (import "m" "first" (func $first (param i32) (result i32)))
    (import "m" "second" (func $second (param i32) (result i32)))
    (import "o" "grow" (func $other (param i32) (result i32)))
    (func (export "grow") (param i32 i32 i32) (result i32)
      (drop (call $first (local.get 0)))
      (drop (call $second (local.get 1)))
      (call $other (local.get 2)))
  )
  (core instance $a (instantiate $all (with "m" (instance $i)) (with "o" (instance $o))))
  (func (export "grow") (param "first" u32) (param "second" u32) (param "other" u32) (result s32)
    (canon lift (core func $a "grow")))
)
