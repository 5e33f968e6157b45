;; A module that is no component.
(module (func (export "run")))
