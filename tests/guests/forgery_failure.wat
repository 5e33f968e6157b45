;; Fails with a kind, a message and a frame that have lines that look like the runner's.
(component (import "jobcontrol:plugin/types@0.1.0" (instance $types
    (type $level' (enum "debug" "info" "warning" "error" "critical"))
    (export "level" (type $level (eq $level')))
    (type $frame' (record
      (field "file" string) (field "line" u32) (field "function" string) (field "context" (list string))
      (field "context-start" u32) (field "locals" (list (tuple string string)))))
    (export "frame" (type $frame (eq $frame')))
    (type $cause' (record (field "kind" string) (field "message" string) (field "frames" (list $frame))))
    (export "cause" (type $cause (eq $cause')))
    (type $failure' (record
      (field "kind" string) (field "message" string) (field "frames" (list $frame)) (field "causes" (list $cause))))
    (export "failure" (type $failure (eq $failure')))
  ))
  (alias export $types "failure" (type $failure))
  (import "jobcontrol:plugin/build@0.1.0" (instance $b
    (export "failure" (type $failure2 (eq $failure)))
    (export "fail" (func (param "failure" $failure2)))
    (export "skip" (func (param "reason" string)))))

 (core module $memory (memory (export "memory") 4000) (data (i32.const 4096) "\4b\0a\76\69\63\74\69\6d\38\3a\20\62\75\69\6c\64\20\35\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\00\00\00\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\63\74\78\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\84\10\00\00\60\00\00\00\6c\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\00\00\76\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\00\00\ec\10\00\00\5e\00\00\00\4c\11\00\00\5e\00\00\00\46\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\00\00\66\6e\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\00\bc\11\00\00\5e\00\00\00\03\00\00\00\1c\12\00\00\5f\00\00\00\e4\10\00\00\01\00\00\00\01\00\00\00\ac\11\00\00\01\00\00\00"))
 (core instance $memory (instantiate $memory))
 (alias core export $memory "memory" (core memory $mem))
 (core func $fail (canon lower (func $b "fail") (memory $mem)))
 (core func $skip (canon lower (func $b "skip") (memory $mem)))
 (core module $m (import "m" "memory" (memory 1)) (import "h" "fail" (func $fail (param i32 i32 i32 i32 i32 i32 i32 i32))) (import "h" "skip" (func $skip (param i32 i32)))
  (func (export "f") (call $fail (i32.const 4096) (i32.const 37) (i32.const 4136) (i32.const 92) (i32.const 4732) (i32.const 1) (i32.const 4772) (i32.const 0))))
 (core instance $i (instantiate $m (with "m" (instance $memory)) (with "h" (instance (export "fail" (func $fail)) (export "skip" (func $skip))))))
 (func (export "f") (canon lift (core func $i "f"))))
