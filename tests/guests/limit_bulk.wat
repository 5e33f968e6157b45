;; Bulk operations on as much as it is told, again and again: each is one instruction, in which nothing interrupts it.
(component
  (core module $m
    (memory 1)
    (table $table 1 funcref)
    (data $bytes "0123456789abcdef")
    (func $grown (param $pages i32) (result i32)
      (if (i32.eq (memory.grow (i32.sub (local.get $pages) (i32.const 1))) (i32.const -1)) (then unreachable))
      (i32.shl (local.get $pages) (i32.const 16)))
    (func (export "fill") (param $pages i32)
      (local.set $pages (call $grown (local.get $pages)))
      (loop $again
        (memory.fill (i32.const 0) (i32.const 1) (local.get $pages))
        (br $again)))
    (func (export "copy") (param $pages i32)
      (local.set $pages (call $grown (local.get $pages)))
      (loop $again
        (memory.copy (i32.const 1) (i32.const 0) (i32.sub (local.get $pages) (i32.const 1)))
        (br $again)))
    (func (export "init") (param $pages i32)
      (local.set $pages (call $grown (local.get $pages)))
      (loop $again
        (memory.init $bytes (i32.sub (local.get $pages) (i32.const 16)) (i32.const 0) (i32.const 16))
        (br $again)))
    (func (export "fill-table") (param $elements i32)
      (if (i32.eq (table.grow $table (ref.null func) (i32.sub (local.get $elements) (i32.const 1))) (i32.const -1))
        (then unreachable))
      (loop $again
        (table.fill $table (i32.const 0) (ref.null func) (local.get $elements))
        (br $again)))
    (func (export "copy-table") (param $elements i32)
      (if (i32.eq (table.grow $table (ref.null func) (i32.sub (local.get $elements) (i32.const 1))) (i32.const -1))
        (then unreachable))
      (loop $again
        (table.copy (i32.const 1) (i32.const 0) (i32.sub (local.get $elements) (i32.const 1)))
        (br $again))))
  (core instance $i (instantiate $m))
  (func (export "fill") (param "pages" u32) (canon lift (core func $i "fill")))
  (func (export "copy") (param "pages" u32) (canon lift (core func $i "copy")))
  (func (export "init") (param "pages" u32) (canon lift (core func $i "init")))
  (func (export "fill-table") (param "elements" u32) (canon lift (core func $i "fill-table")))
  (func (export "copy-table") (param "elements" u32) (canon lift (core func $i "copy-table"))))
