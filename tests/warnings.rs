//! What `check` warns of, and that it does not fail for it; which files `check FILE` reads, and why
//! others are not read.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

fn echo(yaml: &str) -> Folder {
    let folder = Folder::new().guest("values_echo.wat").guest("shop.wat");
    folder.file("jobs/x.yaml", yaml)
}

/// Code and place of all that `check` says, which has to be warnings.
#[track_caller]
fn warned(yaml: &str) -> Vec<(String, u64, u64)> {
    let folder = echo(yaml);
    let json = folder.json(&["check"]);
    folder.run(&["check"]).code(0);
    let found = json["diagnostics"].as_array().expect("a list").iter().map(|d| {
        assert_eq!(d["severity"], "warning", "{d:#}");
        let number = |key: &str| d[key].as_u64().expect("a number");
        (d["code"].as_str().expect("a code").to_owned(), number("line"), number("column"))
    });
    found.collect()
}

fn at(code: &str, line: u64, column: u64) -> Vec<(String, u64, u64)> {
    vec![(code.to_owned(), line, column)]
}

#[test]
fn a_text_that_a_comment_cuts_off() {
    let text = |value: &str| format!("function: values_echo:a-string\nkwargs:\n  it: {value}\n");
    assert_eq!(warned(&text("issue #42 is done")), at("JC0116", 3, 13));
    assert_eq!(warned("function: shop:tidy\ntitle: #general\n"), at("JC0116", 2, 8));
    for fine in ["issue # a comment", "'issue #42'", "a#b", "hello ## a comment", "|\n    issue #42"] {
        assert_eq!(warned(&text(fine)), [], "{fine}");
    }
    // A number is whole before a comment, and a key has its value in the lines below.
    assert_eq!(warned("function: values_echo:a-s64 \nkwargs: #here\n  it: 5 #five\n"), []);
}

#[test]
fn an_anchor_that_nothing_uses() {
    assert_eq!(warned("function: shop:tidy\ntitle: &co is tidy\n"), at("JC0117", 2, 8));
    let shared = "x-shared: &it { it: 5 }\nfunction: values_echo:a-s64\nkwargs: *it\n";
    assert_eq!(warned(shared), []);
}

#[test]
fn a_reference_inside_a_text() {
    let text = |value: &str| format!("function: values_echo:a-string\nkwargs: {{ it: {value} }}\n");
    assert_eq!(warned(&text("see !retval fetch")), at("JC0218", 2, 15));
    assert_eq!(warned(&text("'!retval fetch'")), at("JC0218", 2, 15));
    assert_eq!(warned(&text("the !retval tag of a.b")), at("JC0218", 2, 15));
    assert_eq!(warned(&text("about !retval")), []);
}

#[test]
fn a_number_with_a_leading_zero() {
    let number = |value: &str| format!("function: values_echo:a-s64\nkwargs: {{ it: {value} }}\n");
    let warning = |value: &str| {
        let told = echo(&number(value)).json(&["check"]);
        assert_eq!(told["diagnostics"][0]["code"], "JC0219", "{told:#}");
        told["diagnostics"][0]["help"][0].as_str().expect("a help").to_owned()
    };
    assert_eq!(warning("0755"), "write `0o755` for octal, `755` for the number, or `'0755'` for a text");
    assert_eq!(warning("08"), "write `8` for the number, or `'08'` for a text");
    assert_eq!(warning("-007"), "write `-0o7` for octal, `-7` for the number, or `'-007'` for a text");
    for fine in ["0o755", "0x1F", "0", "-0", "10"] {
        assert_eq!(warned(&number(fine)), [], "{fine}");
    }
    assert_eq!(warned("id: 007\nfunction: shop:tidy\n"), []);
}

#[test]
fn a_file_that_looks_like_a_manifest() {
    let job = "function: shop:tidy\n";
    let folder = echo(job);
    for name in ["a.yaml.txt", "b.YML.bak", ".c.yaml", "d.ymal", "deep/.e.yml", "g.yaml.j2", "h (copy).yml.1", "i.txt"]
    {
        folder.write(&format!("jobs/{name}"), job);
    }
    folder.write("jobs/f.json", "{ \"jobs\": [] }");
    // None of these has jobs.
    folder.write("jobs/j.yml.swp", b"b0VIM \xff\njobs:\n");
    for name in ["notes.yaml.txt", ".hidden.yaml", "data.json", "a.txt", "b.toml"] {
        folder.write(&format!("jobs/{name}"), "{}\n");
    }
    let json = folder.json(&["check"]);
    let found = json["diagnostics"].as_array().expect("a list").iter();
    let found: Vec<_> = found.map(|d| (&d["code"], d["file"].as_str().expect("a file"))).collect();
    let code = json!("JC0118");
    let files = [
        ".c.yaml",
        "a.yaml.txt",
        "b.YML.bak",
        "d.ymal",
        "deep/.e.yml",
        "f.json",
        "g.yaml.j2",
        "h (copy).yml.1",
        "i.txt",
    ];
    let paths: Vec<_> = files.iter().map(|file| format!("jobs/{file}")).collect();
    assert_eq!(found, paths.iter().map(|path| (&code, path.as_str())).collect::<Vec<_>>());
    assert_eq!(json["summary"], json!({ "manifests": 1, "jobs": 1, "errors": 0, "warnings": 9 }));
}

#[test]
fn warnings_fail_only_where_they_are_denied() {
    let folder = echo("function: shop:tidy\ntitle: issue #42\n");
    let expected = "warning[JC0116]: the text ends before ` #`, where a comment begins\n \
                    --> jobs/x.yaml:2:14\n  |\n\
                    2 | title: issue #42\n  |              ^^^\n  |\n  \
                    = help: put the text in quotes: `'issue #42'`\n  \
                    = help: or write a space after the `#` of a comment\n\n\
                    1 warning; run `jobcontrol explain JC0116` for more\n";
    folder.run(&["check"]).code(0).stdout(&format!("{expected}1 job in 1 manifest: no errors\n"));
    folder.run(&["check", "--deny-warnings"]).code(3);
    folder.run(&["check", "--deny-warnings", "jobs/x.yaml"]).code(3);
    let sarif: Value =
        serde_json::from_str(&folder.run(&["check", "--format", "sarif"]).code(0).stdout).expect("one document");
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "warning");
    folder.write("jobs/x.yaml", "function: shop:tidy\n");
    folder.run(&["check", "--deny-warnings"]).code(0).stdout("1 job in 1 manifest: all good\n");
    folder.write("jobs/y.yaml", "function: shop:tidy\ntitle: issue #42\nnope: 1\n");
    folder.run(&["check"]).code(3).tells("1 error, 1 warning; run `jobcontrol explain JC0201` for more");
}

#[test]
fn a_job_runs_whatever_is_warned_of() {
    let folder = echo("function: values_echo:a-s64\nkwargs: { it: 010 }\n");
    folder.run(&["run", "x"]).code(0).tells("10");
}

#[test]
fn a_file_that_check_is_asked_for_is_read_or_refused() {
    let broken = "jobs: [\n";
    let folder = echo("function: shop:tidy\n");
    let folder = folder.file("outside.yaml", broken).file("jobs/a.yaml", "function: shop:tidy\ntitle: issue #1\n");
    for name in ["B.YML", "C.YAML", ".hidden.yaml", "x.yaml.txt", "text"] {
        folder.write(&format!("jobs/{name}"), broken);
    }
    std::fs::create_dir(folder.path("jobs/empty")).expect("a folder");
    let first = |path: &str, code: i32| {
        let answer = folder.run(&["check", path]).code(code);
        answer.stdout.lines().next().unwrap_or_default().to_owned()
    };
    for name in ["jobs/B.YML", "jobs/C.YAML"] {
        assert_eq!(first(name, 3), "error[JC0104]: this is not valid YAML: this `[` is not closed");
    }
    let why = [
        ("jobs/.hidden.yaml", "it is hidden, and hidden files are not read"),
        ("jobs/x.yaml.txt", "it is not a manifest by its name"),
        ("jobs/text", "it is not a manifest by its name"),
        ("jobs/shop.wat", "it is a plugin"),
        ("jobs/empty", "it has no manifests below it"),
        ("outside.yaml", "it is outside the jobs folder `jobs`"),
        ("/etc/passwd", "it is outside the jobs folder `jobs`"),
    ];
    for (path, reason) in why {
        assert_eq!(first(path, 3), format!("error[JC0119]: `{path}` is not read: {reason}"));
    }
    assert_eq!(first("jobs/x.yaml", 0), "1 job in 1 manifest: all good");
    assert_eq!(first("jobs/a.yaml", 0), "warning[JC0116]: the text ends before ` #`, where a comment begins");
    folder.run(&["check", "jobs/y.yaml"]).code(2).says("did you mean `jobs/");
    folder.run(&["check", "x.yml"]).code(2).says("did you mean `jobs/x.yaml`?");
}

#[test]
fn paths_that_lead_nowhere_have_their_nearest() {
    let folder = echo("function: shop:tidy\n").file("other.yaml", "jobs: jobs\n");
    folder.run(&["check", "--jobs", "job"]).code(2).says("did you mean `jobs`?");
    folder.run(&["check", "--config", "othr.yaml"]).code(2).says("did you mean `other.yaml`?");
    folder.run(&["inspect", "shpo"]).code(4).says("did you mean `jobs/shop.wat`?");
    folder.write("jobs/x.yaml", "function: ./shpo.wat:tidy\n");
    folder.run(&["check"]).code(3).tells("did you mean `./shop.wat`?");
}

#[test]
fn arguments_by_hand_have_their_nearest() {
    let folder = echo("function: values_echo:a-s64\nkwargs: { it: 5 }\n");
    folder.run(&["run", "x", "--arg", "itt=5"]).code(2).says("there is no parameter `itt`").says("did you mean `it`?");
    folder.run(&["run", "x", "--arg", "it=five"]).code(2).says("expected s64, found the string `five`");
}

#[test]
fn keys_that_begin_with_x_are_free() {
    let list = "x-left: &left { it: 7 }\njobs:\n  - id: a\n    function: values_echo:a-s64\n    kwargs: *left\n";
    let folder = echo("x-own: anything\nfunction: values_echo:a-s64\nargs: [4.0]\n").file("jobs/list.yaml", list);
    folder.run(&["check"]).code(0).stdout("2 jobs in 2 manifests: all good\n");
    folder.run(&["run", "a"]).code(0).tells("7");
    folder.run(&["run", "x"]).code(0).tells("4");
    folder.write("jobs/list.yaml", "jobs:\n  - id: a\n    x-own: 1\n    function: values_echo:a-s64\n    args: [1]\n");
    folder.run(&["check"]).code(3).tells("unknown key `x-own`");
}

#[test]
fn an_empty_title_is_none_and_a_number_is_an_id() {
    let jobs = "jobs:\n  - id: 1\n    title:\n    notes:\n    function: shop:tidy\n  - id: b\n    function: shop:tidy\n    dependencies: [1]\n";
    let folder = echo("function: shop:tidy\n").file("jobs/list.yaml", jobs);
    folder.run(&["check"]).code(0);
    assert_eq!(folder.json(&["graph"])["edges"], json!([{ "from": "1", "to": "b" }]));
}

#[test]
fn a_secret_of_the_environment_is_not_shown() {
    let folder = echo("function: values_echo:a-s64\nargs: [\"${SECRET}\"]\n");
    folder.write("jobs/y.yaml", "function: shop:tidy\nprotected: ${SECRET}\n");
    folder.write("jobcontrol.yaml", "environment: [SECRET]\n");
    let told = folder.command(&["check"]).env("SECRET", "hunter2").output().expect("the program starts");
    let told = String::from_utf8(told.stdout).expect("a text");
    assert!(told.contains("expected s64, found a string") && told.contains("true or false, found a string"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn run_answers_about_the_job_that_was_asked_for_first() {
    let folder = echo("id: wrong\nfunction: values_echo:a-s64\nargs: [x]\n").file("jobs/a.yaml", "jobs: [\n");
    let first = |job: &str| {
        let told = folder.run(&["run", job]).code(3).stderr;
        told.lines().find(|line| line.starts_with("error")).unwrap_or_default().to_owned()
    };
    assert_eq!(first("wrong"), "error[JC0405]: it: expected s64, found the string `x`");
    assert_eq!(first("wrng"), "error[JC0501]: there is no job `wrng` in the files that can be read");
    folder.write("jobs/z.yaml", "jobs:\n  - id: later\n    function: [\n");
    let told = folder.run(&["run", "later"]).code(3).stderr;
    let of = |file: &str| told.find(file).expect("each file is told of");
    assert!(of("jobs/z.yaml") < of("jobs/a.yaml"), "{told}");
}

#[test]
fn a_float_of_32_bits_is_shown_in_its_shortest_form() {
    let folder = echo("function: values_echo:an-f32\nargs: [0.1]\n");
    folder.run(&["run", "x"]).code(0);
    assert_eq!(folder.json(&["build", "show", "1"])["retval"], json!(0.1));
    folder.write("jobs/x.yaml", "function: values_echo:an-f32\nargs: [1e-60]\n");
    folder.run(&["check"]).code(3).tells("1e-60 is too small for f32");
    folder.write("jobs/x.yaml", "function: values_echo:an-f64\nargs: [1e-400]\n");
    folder.run(&["check"]).code(3).tells("error[JC0216]: 1e-400 is too small for every float");
    folder.write("jobs/x.yaml", "function: values_echo:an-f64\nargs: [0e-400]\n");
    folder.run(&["check"]).code(0);
}

#[test]
fn a_long_cycle_shows_its_ends() {
    let job = |i: u32| format!("  - {{ id: j{i}, function: shop:tidy, dependencies: [j{}] }}\n", (i + 1) % 12_000);
    let jobs: String = (0..12_000).map(job).collect();
    let folder = echo("function: shop:tidy\n").file("jobs/list.yaml", format!("jobs:\n{jobs}"));
    let told = folder.json(&["check"]);
    let message = told["diagnostics"][0]["message"].as_str().expect("a message");
    let expected = "these jobs wait for each other: j0 -> j1 -> j2 -> j3 -> j4 -> j5 -> j6 -> j7 -> j8 -> j9 \
                    -> .. 11981 more .. -> \
                    j11991 -> j11992 -> j11993 -> j11994 -> j11995 -> j11996 -> j11997 -> j11998 -> j11999 -> j0";
    assert_eq!(message, expected);
    assert_eq!(told["diagnostics"][0]["related"].as_array().map(Vec::len), Some(17));
}
