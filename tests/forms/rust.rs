//! What jobs in Rust have beside.

use serde_json::json;

use super::Form;

/// A form with one more job.
fn with(function: &str, args: &str) -> Form {
    let form = Form::new("rust-form", "tests/guests/rust-form.wasm");
    let job = format!("id: it\nfunction: rust-form:{function}\nargs: {args}\ngrants: {{ http: [] }}\n");
    form.folder.write("jobs/it.yaml", job);
    form
}

#[test]
fn every_type_of_wit_goes_there_and_back() {
    let more = "{ rights: [run, read], twice: { some: null }, either: { err: no }, payment: { rate: 0.25 }, \
                boxed: { first: a, unit-price: 3 } }";
    let it = with("more-there-and-back", &format!("[{more}]")).built("it");
    let wanted = json!({
        "rights": ["read", "run"], "twice": { "some": null }, "either": { "err": "no" }, "payment": { "rate": 0.25 },
        "boxed": { "first": "a", "unit-price": 3.0 },
    });
    assert_eq!(it["retval"], wanted, "{it:#}");
    for payment in
        ["cash", "{ card: x }", "{ invoice: 7 }", "{ rate: 0.5 }", "{ half: 1.5 }", "{ later: 18446744073709551615 }"]
    {
        let it = with("one-by-one", &format!("[-1, -2, 0.5, 0.25, true, é, -3, {payment}]")).built("it");
        let values = it["retval"].as_array().expect("a tuple");
        assert_eq!(values[..7], [json!(-1), json!(-2), json!(0.5), json!(0.25), json!(true), json!("é"), json!(-3)]);
        let text = values[7].to_string();
        assert!(payment.split([' ', ':']).all(|word| ["{", "}", ""].contains(&word) || text.contains(word)), "{text}");
    }
}

#[test]
fn a_job_may_be_called_as_a_function_of_c() {
    let form = with("write", "[hello]");
    let it = form.built("it");
    assert_eq!(it["retval"], "hello", "{it:#}");
    form.run(&["logs", "it"]).code(0).tells("stdout  hello");
}

#[test]
fn more_arguments_than_single_values_go_through_memory() {
    let every = super::EVERY.replace("long: 18446744073709551615", "long: 9223372036854775807");
    let it = with("many", &format!("[{every}, {every}]")).built("it");
    assert_eq!(it["retval"], json!(["a\nüa\nü", "18446744073709551614"]), "{it:#}");
}

#[test]
fn errors_are_values_where_they_are_data_and_failures_where_they_are_not() {
    let it = with("checked", "[false]").built("it");
    assert_eq!(it["exception"]["value"], json!({ "rate": 0.5 }), "{it:#}");
    let it = with("broken", "[x]").built("it");
    assert_eq!(it["exception"]["kind"], "Broken", "{it:#}");
    let it = with("boxed", "[/nowhere]").built("it");
    assert!(it["exception"]["message"].to_string().contains("Capabilities insufficient"), "{it:#}");
    let it = with("panics", "[[1], 3]").built("it");
    assert_eq!(it["exception"]["kind"], "panic");
    assert!(it["exception"]["message"].to_string().contains("the index is 3"), "{it:#}");
}
