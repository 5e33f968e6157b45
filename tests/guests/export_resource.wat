;; A function that returns a resource, which no job can keep.
(component
  (component $shop
    (type $basket' (resource (rep i32)))
    (export $basket "basket" (type $basket'))
    (core module $m
      (import "shop" "new" (func $new (param i32) (result i32)))
      (func (export "take") (result i32) (call $new (i32.const 1)))
    )
    (core func $new (canon resource.new $basket'))
    (core instance $i (instantiate $m (with "shop" (instance (export "new" (func $new))))))
    (func (export "take-basket") (result (own $basket)) (canon lift (core func $i "take")))
  )
  (instance $shop (instantiate $shop))
  (export "example:shop/baskets" (instance $shop))
)
