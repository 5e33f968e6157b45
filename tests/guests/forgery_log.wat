;; Logs a message, a target and a field of which each has lines that look like the runner's.
(component
  (import "jobcontrol:plugin/types@0.1.0" (instance $types
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
  (alias export $types "level" (type $level))
  (alias export $types "failure" (type $failure))
  (import "jobcontrol:plugin/log@0.1.0" (instance $log
    (export "level" (type $level' (eq $level)))
    (export "failure" (type $failure' (eq $failure)))
    (type $entry' (record
      (field "level" $level') (field "message" string) (field "target" string)
      (field "fields" (list (tuple string string))) (field "failure" (option $failure'))))
    (export "entry" (type $entry (eq $entry')))
    (export "write" (func (param "entry" $entry)))
  ))
  (core module $memory (memory (export "memory") 3) (data (i32.const 1024) "\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\54\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\00\00\6e\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\00\00\76\0a\6f\6b\0a\76\69\63\74\69\6d\39\3a\20\62\75\69\6c\64\20\37\37\20\53\55\43\43\45\53\53\46\55\4c\20\69\6e\20\31\20\6d\73\0a\66\61\6b\65\20\32\30\32\36\2d\30\31\2d\30\31\54\30\30\3a\30\30\3a\30\30\2e\30\30\30\30\30\30\5a\20\45\52\52\4f\52\20\20\72\6f\6f\74\20\20\66\6f\72\67\65\64\00\00\bc\04\00\00\5e\00\00\00\1c\05\00\00\5e\00\00\00"))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (core func $write (canon lower (func $log "write") (memory $mem)))
  (core module $m (import "log" "write" (func $write (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
   (func (export "f") (call $write (i32.const 3) (i32.const 1024) (i32.const 92) (i32.const 1116) (i32.const 94) (i32.const 1404) (i32.const 1) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))
  (core instance $i (instantiate $m (with "log" (instance (export "write" (func $write))))))
  (func (export "f") (canon lift (core func $i "f"))))
