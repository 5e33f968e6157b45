//! Every way to write a function and an argument, given to the schema and to `check`: what `check`
//! takes, the schema takes, and what an editor marks is a mistake to both.

use std::fmt::Write;

use crate::editor;
use crate::folder::Folder;

/// Values of each type: a function of `values_echo`, which returns its argument, and what `check`
/// takes for it.
const VALUES: &[(&str, &[&str])] = &[
    ("a-bool", &["true", "false"]),
    ("a-s8", &["-128", "127", "0x1F"]),
    ("a-s64", &["-9223372036854775808", "'-9223372036854775808'"]),
    ("a-u64", &["18446744073709551615", "'18446744073709551615'"]),
    ("an-f32", &["1", "-0.5", "1e3", "NaN"]),
    ("an-f64", &["1", "-0.5", "Infinity", "-Infinity"]),
    ("a-char", &["x", "🌍"]),
    ("a-string", &["''", "'any text: 5 > 4'", "'7'"]),
    ("a-colour", &["red", "dark-green", "dark_green"]),
    ("an-access", &["[]", "[read]", "[run, write]"]),
    ("bytes", &["[0, 255]", "!!binary aGk/", "[]"]),
    ("numbers", &["[0, 4294967295]", "[]", "!!binary aGk/"]),
    ("strings", &["[a, b c]"]),
    (
        "points",
        &[
            "[{ x: 1, outcome: { ok: 7 } }, { x: 2, y-axis: 0.5, outcome: { err: full } }]",
            "[{ x: 1, y_axis: null, outcome: { ok: 7 } }]",
        ],
    ),
    ("options", &["[null, 7]"]),
    ("nested-options", &["[null, 7, { some: null }, { some: 7 }]"]),
    ("shapes", &["[dot, { dot: null }, { circle: 1.5 }, { box: { x: 1, outcome: { ok: 7 } } }]"]),
    ("pairs", &["[[1, a], [2, b]]"]),
    (
        "a-large",
        &[
            "{ a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10, k: 11, l: 12, m: 13, n: 14, o: 15, p: 16, q: 17 }",
        ],
    ),
];

/// Return values within arguments: the function, and what it is given of the jobs that
/// `values_echo` makes.
const RETVALS: &[(&str, &str)] = &[
    ("values_echo:bytes", "[1, !retval of-a-u8]"),
    ("values_echo:numbers", "[1, !retval of-a-u8]"),
    ("values_echo:strings", "[!retval of-a-string, b]"),
    ("values_echo:points", "[{ x: !retval of-a-s8, y-axis: !retval of-an-f64, outcome: { ok: !retval of-a-u8 } }]"),
    ("values_echo:points", "[{ x: 1, y_axis: !retval of-an-f32, outcome: { err: !retval of-a-string } }]"),
    ("values_echo:options", "[!retval of-a-u8, null]"),
    ("values_echo:nested-options", "[{ some: !retval of-a-u8 }, !retval of-a-u8]"),
    ("values_echo:shapes", "[{ circle: !retval of-an-f64 }]"),
    ("values_echo:pairs", "[[!retval of-a-u8, !retval of-a-string]]"),
    ("values_echo:a-u64", "!retval of-a-large.a"),
];

/// Ways to write functions and their arguments, each the rest of an entry.
const TAKEN: &[&str] = &[
    "function: sales:fetch-orders, args: [today]",
    "function: sales:fetch_orders, args: [today]",
    "function: sales.wat:fetch-orders, kwargs: { date: today }",
    "function: ./sales.wat:fetch-orders, kwargs: { date: today }",
    "function: sales:cleanup",
    "function: sales:cleanup, args: [], kwargs: {}",
    "function: sales:cleanup, args: null, kwargs: null",
    "function: sales:summarise, args: [[], 3]",
    "function: sales:summarise, args: [[]], kwargs: { top: 3 }",
    "function: sales:summarise, kwargs: { top: 3, orders: [{ id: A, total: 1 }, { id: B, total: 2, coupon: X }] }",
    "function: sales:summarise, args: [!retval orders, 3]",
    "function: sales:summarise, kwargs: { orders: !retval page.orders, top: 3 }",
    "function: sales:print-lines, args: [[{ id: A, total: 1 }]]",
    "function: types:all",
    "function: types:all, args: [null, 7]",
    "function: types:all, args: [true], kwargs: { a-byte: 7, a_signed: -1, a-string: x }",
    "function: types:all, kwargs: { a-pair: [7, x], a_point: { x: 1, y_axis: 2 }, a-list: !!binary aGk/ }",
    "function: types:all, kwargs: { a-colour: dark_green, a-shape: { circle: 2 }, an-access: [write], an_outcome: { ok: 7 } }",
    "function: types:all, kwargs: { a-nested: { some: null }, some-bytes: !!binary aGk=, a-char: é, a-bool: null }",
    "function: command, args: [a, '2']",
    "function: command",
];

/// Mistakes that both see.
const REFUSED: &[&str] = &[
    // How many, and which.
    "function: sales:cleanup, args: [1]",
    "function: sales:cleanup, kwargs: { date: today }",
    "function: sales:fetch-orders",
    "function: sales:fetch_orders, kwargs: {}",
    "function: sales:fetch-orders, args: [today, tomorrow]",
    "function: sales:fetch-orders, kwargs: { dat: today }",
    "function: sales:summarise, kwargs: { orders: [] }",
    "function: sales.wat:summarise, kwargs: { top: 3 }",
    "function: types:all, kwargs: { a-bite: 7 }",
    "function: types:all, kwargs: { A-BYTE: 7 }",
    "function: command, kwargs: { it: 1 }",
    "function: command, args: [2]",
    "function: sales:fetch-orders, args: { date: today }",
    "function: sales:fetch-orders, kwargs: [today]",
    // Kinds.
    "function: sales:fetch-orders, args: [7]",
    "function: sales:fetch-orders, kwargs: { date: true }",
    "function: types:all, args: [7]",
    "function: types:all, kwargs: { a-bool: 'tr ue' }",
    "function: types:all, kwargs: { a-byte: 256 }",
    "function: types:all, kwargs: { a_byte: -1 }",
    "function: types:all, kwargs: { a-byte: 1.5 }",
    "function: types:all, kwargs: { a-byte: [1] }",
    "function: types:all, kwargs: { a-signed: 9223372036854775808 }",
    "function: types:all, kwargs: { a-float: true }",
    "function: types:all, kwargs: { a-single: [1] }",
    "function: types:all, kwargs: { a-char: 7 }",
    "function: types:all, kwargs: { a-char: 'x y' }",
    "function: types:all, kwargs: { a-string: 7 }",
    "function: types:all, kwargs: { a-string: [x] }",
    // Lists, tuples, bytes.
    "function: types:all, kwargs: { a-list: 7 }",
    "function: types:all, kwargs: { a-list: [1, 65536] }",
    "function: types:all, kwargs: { a-list: { x: 1 } }",
    "function: types:all, kwargs: { a-pair: [7] }",
    "function: types:all, kwargs: { a-pair: [7, x, y] }",
    "function: types:all, kwargs: { a-pair: [7, 7] }",
    "function: types:all, kwargs: { some-bytes: [256] }",
    // Records.
    "function: types:all, kwargs: { a-point: {} }",
    "function: types:all, kwargs: { a-point: { x: 1, z: 2 } }",
    "function: types:all, kwargs: { a-point: { x: 1, y-axis: true } }",
    "function: types:all, kwargs: { a-point: [1, 2] }",
    "function: sales:summarise, args: [[{ id: A }], 3]",
    "function: sales:print-lines, args: [[{ id: A, total: 4294967296 }]]",
    // Enums, variants, results, flags, options.
    "function: types:all, kwargs: { a-colour: 'light green' }",
    "function: types:all, kwargs: { a-colour: [red] }",
    "function: types:all, kwargs: { a-shape: { circle: true } }",
    "function: types:all, kwargs: { a-shape: { triangle: 1 } }",
    "function: types:all, kwargs: { a-shape: { dot: 1 } }",
    "function: types:all, kwargs: { a-shape: { dot: null, circle: 1 } }",
    "function: types:all, kwargs: { a-shape: {} }",
    "function: types:all, kwargs: { a-shape: { box: { y-axis: 1 } } }",
    "function: types:all, kwargs: { an-outcome: { ok: 256 } }",
    "function: types:all, kwargs: { an-outcome: { no: 1 } }",
    "function: types:all, kwargs: { an-access: [run] }",
    "function: types:all, kwargs: { an-access: [7] }",
    "function: types:all, kwargs: { an-access: { read: true } }",
    "function: types:all, kwargs: { a-nested: { some: 256 } }",
    "function: types:all, kwargs: { a-nested: { any: 7 } }",
];

fn folder() -> Folder {
    Folder::with_guests(&["command.wat", "sales.wat", "types.wat", "values_echo.wat"])
}

/// Has the manifest checked by the program and by the schema of its folder.
#[track_caller]
fn both_take(entries: &[String]) {
    let folder = folder();
    let mut manifest = String::from(
        "jobs:\n  - { id: orders, function: sales:fetch-orders, args: [today] }\n  - { id: page, function: sales:fetch-page, args: [today] }\n",
    );
    for (function, values) in VALUES.iter().chain(&[("a-u8", &["7"] as &[_])]) {
        writeln!(manifest, "  - {{ id: of-{function}, function: values_echo:{function}, args: [{}] }}", values[0])
            .expect("a line");
    }
    for (i, entry) in entries.iter().enumerate() {
        writeln!(manifest, "  - {{ id: job{i}, {entry} }}").expect("a line");
    }
    folder.write("jobs/jobs.yaml", &manifest);
    let report = folder.json(&["check", "--format", "json"]);
    let refused: Vec<_> = report["diagnostics"].as_array().expect("a list").iter().collect();
    let line = |diagnostic: &serde_json::Value| diagnostic["line"].as_u64().and_then(|n| usize::try_from(n).ok());
    let refused: Vec<_> =
        refused.into_iter().map(|one| (&one["message"], line(one).and_then(|n| manifest.lines().nth(n - 1)))).collect();
    assert!(refused.is_empty(), "`check` refuses {refused:#?}");
    let validator = folder.validator();
    let errors = |entry: &String| {
        let entry = editor::read(&format!("{{ id: job, {entry} }}")).expect("YAML");
        validator.iter_errors(&entry).map(|e| format!("{}: {e}", e.instance_path())).collect::<Vec<_>>()
    };
    let marked = entries.iter().map(|entry| (entry, errors(entry))).filter(|(_, errors)| !errors.is_empty());
    let marked: Vec<_> = marked.collect();
    assert!(marked.is_empty(), "`check` takes what the schema does not: {marked:#?}");
}

#[test]
fn functions_by_every_name_with_arguments_by_position_and_by_name() {
    both_take(&TAKEN.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>());
}

#[test]
fn values_of_every_type() {
    let by_position = |function: &str, value: &str| format!("function: values_echo:{function}, args: [{value}]");
    let by_name = |function: &str, value: &str| format!("function: values_echo:{function}, kwargs: {{ it: {value} }}");
    let mut entries = Vec::new();
    for (function, values) in VALUES {
        entries.extend(values.iter().flat_map(|value| [by_position(function, value), by_name(function, value)]));
    }
    both_take(&entries);
}

#[test]
fn return_values_wherever_a_value_may_stand() {
    let mut entries: Vec<_> =
        RETVALS.iter().map(|(function, value)| format!("function: {function}, args: [{value}]")).collect();
    for (function, _) in VALUES {
        entries.push(format!("function: values_echo:{function}, args: [!retval of-{function}]"));
        entries.push(format!("function: values_echo:{function}, kwargs: {{ it: !retval of-{function} }}"));
    }
    both_take(&entries);
}

#[test]
fn functions_of_plugins_that_are_not_there_may_take_anything() {
    let validator = folder().validator();
    for entry in [
        "function: new-plugin:anything, kwargs: { whatever: [1, { x: !retval b }] }",
        "function: sales:no-such-function, args: [1, 2, 3]",
        "function: a-command",
    ] {
        let entry = editor::read(&format!("{{ id: job, {entry} }}")).expect("YAML");
        assert!(validator.is_valid(&entry), "{entry:#}");
    }
    assert!(validator.is_valid(&editor::read("jobs:\n").expect("YAML")));
}

#[test]
fn mistakes_of_arguments_are_mistakes_to_both() {
    let folder = folder();
    let validator = folder.validator();
    for entry in REFUSED {
        let manifest = format!("{{ id: job, {entry} }}");
        assert!(!validator.is_valid(&editor::read(&manifest).expect("YAML")), "the schema takes {manifest}");
        folder.write("jobs/job.yaml", &manifest);
        let report = folder.json(&["check", "--format", "json"]);
        assert_ne!(report["summary"]["errors"], 0, "`check` takes {manifest}");
    }
}
