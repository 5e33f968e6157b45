//! Guests that give the host numbers that point nowhere: traps, and never a crash.

use super::Built;
use super::built;

fn logged(args: &str) -> Built {
    built("log_raw.wat", &format!("function: log_raw:write\nargs: [{args}]\n"))
}

fn returned(function: &str, args: &str) -> Built {
    built("hostile_retval.wat", &format!("function: hostile_retval:{function}\nargs: [{args}]\n"))
}

#[test]
fn a_message_of_more_than_64_kib_is_cut() {
    let built = logged("1, 0, 70000, 0, 0, 1");
    built.retval();
    let lines = built.lines();
    assert_eq!(lines.len(), 1);
    let kept = lines[0].2.strip_suffix(".. (cut)").expect("it is cut");
    assert!(kept.len() == 64 << 10 && kept.bytes().all(|b| b == b'x'), "{} bytes are kept", kept.len());
}

#[test]
fn a_message_is_cut_by_its_bytes_and_between_characters() {
    let built = built("log_raw.wat", "function: log_raw:write-umlauts\nargs: [70001]\n");
    built.retval();
    let message = &built.lines()[0].2;
    let kept = message.strip_suffix(".. (cut)").expect("it is cut");
    assert_eq!((kept.len(), kept.chars().count()), ((64 << 10) - 1, 64 << 9));
    assert!(kept.strip_prefix('x').is_some_and(|rest| rest.chars().all(|c| c == 'ü')));
}

#[test]
fn a_message_that_is_no_utf8() {
    assert_eq!(logged("1, 131072, 4, 0, 0, 1").failed("trap"), "invalid utf-8 sequence of 1 bytes from index 0");
}

#[test]
fn a_message_outside_of_the_memory() {
    for args in ["1, 4294967295, 4, 0, 0, 1", "1, 0, 4294967295, 0, 0, 1", "1, 196607, 2, 0, 0, 1"] {
        assert_eq!(logged(args).failed("trap"), "string pointer/length out of bounds of memory", "{args}");
    }
}

#[test]
fn fields_outside_of_the_memory() {
    for args in ["1, 0, 1, 131076, 4294967295, 1", "1, 0, 1, 4294967292, 1, 1"] {
        assert_eq!(logged(args).failed("trap"), "list pointer/length out of bounds of memory", "{args}");
    }
    assert_eq!(logged("1, 0, 1, 131077, 1, 1").failed("trap"), "list pointer is not aligned");
}

#[test]
fn a_level_that_does_not_exist() {
    let built = logged("9, 0, 1, 0, 0, 1");
    assert_eq!(built.failed("trap"), "unexpected discriminant: 9");
    assert!(built.log().is_empty());
}

#[test]
fn a_progress_group_with_too_long_a_name_is_ignored_with_one_warning() {
    let built = built("progress_raw.wat", "function: progress_raw:report\nargs: [129, 1, 2, 3]\n");
    built.retval();
    let message = "a progress report was ignored: a progress group has 129 characters, at most 128 are allowed";
    assert_eq!(built.lines(), [(30, "jobcontrol".to_owned(), message.to_owned())]);
    assert_eq!(built.folder.json(&["build", "show", "1"])["progress"], serde_json::json!([]));
}

#[test]
fn progress_that_no_column_holds_is_ignored_with_one_warning() {
    for (args, numbers) in [
        ("5, 9223372036854775808, 2, 3", "9223372036854775808 of 2"),
        ("5, 1, 18446744073709551615, 2", "1 of 18446744073709551615"),
    ] {
        let built = built("progress_raw.wat", &format!("function: progress_raw:report\nargs: [{args}]\n"));
        built.retval();
        let message = format!("a progress report was ignored: progress of {numbers} is above 2^63 - 1");
        assert_eq!(built.lines(), [(30, "jobcontrol".to_owned(), message)]);
    }
}

#[test]
fn a_retval_outside_of_the_memory() {
    assert_eq!(returned("a-pointer", "4294967292").failed("trap"), "pointer out of bounds of memory");
    assert_eq!(returned("a-pointer", "3").failed("trap"), "return pointer not aligned");
    assert_eq!(returned("a-string", "0, 65537").failed("trap"), "string pointer/length out of bounds of memory");
    assert_eq!(returned("numbers", "0, 4294967295").failed("trap"), "list pointer/length out of bounds of memory");
    assert_eq!(returned("numbers", "4, 1").failed("trap"), "list pointer is not aligned");
}

#[test]
fn a_retval_that_is_no_utf8() {
    assert_eq!(returned("a-string", "64, 2").failed("trap"), "invalid utf-8 sequence of 1 bytes from index 0");
}

#[test]
fn a_retval_of_a_case_that_does_not_exist() {
    assert_eq!(returned("an-enum", "2").failed("trap"), "discriminant 2 out of range [0..2)");
    assert_eq!(returned("an-option", "255").failed("trap"), "discriminant 255 out of range [0..2)");
}

#[test]
fn a_retval_of_a_char_that_does_not_exist() {
    for code in ["55296", "1114112"] {
        assert_eq!(returned("a-char", code).failed("trap"), "converted integer out of range for `char`");
    }
}

#[test]
fn a_retval_whose_parts_are_all_the_same_bytes() {
    let message = "the encoded size of the return value is above 16 MiB; raise it with `limits: { retval: .. }`";
    for function in ["alike-strings", "alike-bytes"] {
        assert_eq!(returned(function, "1000000, 1000000").failed("limit"), message, "{function}");
    }
    // Its tuples of one have a byte each, and 48 in the host.
    let held = "the memory that the return value takes in the host (32 bytes per byte of `retval`) is above 512 MiB; \
        raise it with `limits: { retval: .. }`";
    assert_eq!(returned("alike-lists", "1000000, 1000000").failed("limit"), held);
    assert_eq!(returned("alike-strings", "2, 3").retval(), &serde_json::json!(["\0\u{4}\0", "\0\u{4}\0"]));
}

#[test]
fn a_retval_of_more_elements_than_the_memory_has_bytes() {
    for function in ["booleans", "numbers"] {
        assert_eq!(
            returned(function, "0, 4294967295").failed("trap"),
            "list pointer/length out of bounds of memory",
            "{function}"
        );
    }
    assert_eq!(returned("alike-bytes", "1, 4294967295").failed("trap"), "list pointer/length out of bounds of memory");
}

#[test]
fn a_retval_of_other_encodings_outside_of_the_memory() {
    for function in ["a-utf16-string", "a-compact-string"] {
        for args in ["0, 65537", "0, 2147483648", "0, 4294967295", "4294967294, 2"] {
            let args = if function == "a-compact-string" && args == "0, 2147483648" { "0, 2147549184" } else { args };
            let built = returned(function, args);
            assert_eq!(built.failed("trap"), "string pointer/length out of bounds of memory", "{function} {args}");
        }
        assert_eq!(returned(function, "1, 1").failed("trap"), "string pointer not aligned to 2");
    }
    assert_eq!(returned("a-utf16-string", "72, 2").failed("trap"), "unpaired surrogate found: d800");
    assert_eq!(returned("a-compact-string", "72, 2147483650").failed("trap"), "unpaired surrogate found: d800");
    assert_eq!(returned("a-compact-string", "64, 2").retval(), "ÿþ");
    assert_eq!(returned("a-compact-string", "74, 2147483649").retval(), "A");
}

#[test]
fn a_retval_with_more_bits_than_its_type() {
    assert_eq!(returned("a-boolean", "256").retval(), true);
    assert_eq!(returned("a-byte", "511").retval(), -1);
    assert_eq!(returned("a-byte", "384").retval(), -128);
    assert_eq!(returned("an-enum", "257").failed("trap"), "discriminant 257 out of range [0..2)");
    assert_eq!(returned("a-cases-result", "2").failed("trap"), "discriminant 2 out of range [0..2)");
    assert_eq!(returned("a-cases-result", "1").failed("error"), "the function returned an error");
}

#[test]
fn arguments_whose_room_is_given_twice() {
    let take = |lists: usize| {
        let numbers = vec!["1"; 1000].join(", ");
        let lists = vec![format!("[{numbers}]"); lists].join(", ");
        built("hostile_realloc.wat", &format!("function: hostile_realloc:take\nargs: [[[{lists}]]]\n"))
    };
    take(8).retval();
    assert_eq!(take(9).failed("trap"), "realloc return: the same memory again");
}
