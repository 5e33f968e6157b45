//! Values of every type, there and back.

use serde_json::Value;
use serde_json::json;

use super::built;

/// What a function of the echo answers to an argument, written as YAML.
#[track_caller]
fn comes_back(function: &str, argument: &str, expected: &Value) {
    let built = built("values_echo.wat", &format!("function: values_echo:{function}\nargs: [{argument}]\n"));
    assert_eq!(built.retval(), expected);
}

#[test]
fn both_booleans() {
    comes_back("a-bool", "true", &json!(true));
    comes_back("a-bool", "false", &json!(false));
}

#[test]
fn the_extremes_of_small_integers() {
    comes_back("a-s8", "-128", &json!(-128));
    comes_back("a-s8", "127", &json!(127));
    comes_back("a-s16", "-32768", &json!(-32768));
    comes_back("a-s32", "-2147483648", &json!(-2_147_483_648_i64));
    comes_back("a-u8", "255", &json!(255));
    comes_back("a-u16", "65535", &json!(65535));
    comes_back("a-u32", "4294967295", &json!(4_294_967_295_u64));
}

#[test]
fn integers_beyond_2_to_the_53_are_strings_in_json() {
    comes_back("a-s64", "-9223372036854775808", &json!("-9223372036854775808"));
    comes_back("a-s64", "9223372036854775807", &json!("9223372036854775807"));
    comes_back("a-u64", "18446744073709551615", &json!("18446744073709551615"));
    comes_back("a-u64", "9007199254740993", &json!("9007199254740993"));
    comes_back("a-u64", "9007199254740992", &json!(9_007_199_254_740_992_u64));
}

#[test]
fn floats_that_json_has_no_number_for_are_strings() {
    for function in ["an-f32", "an-f64"] {
        comes_back(function, ".nan", &json!("NaN"));
        comes_back(function, ".inf", &json!("Infinity"));
        comes_back(function, "-.inf", &json!("-Infinity"));
    }
}

#[test]
fn floats_keep_their_precision() {
    comes_back("an-f64", "0.1", &json!(0.1));
    comes_back("an-f64", "1.7976931348623157e308", &json!(f64::MAX));
    comes_back("an-f32", "0.5", &json!(0.5));
    for (text, float) in
        [("0.1", 0.1), ("3.4e38", 3.4e38), ("-1.5e-10", -1.5e-10), ("16777216.0", 16_777_216.0), ("1e20", 1e20)]
    {
        comes_back("an-f32", text, &json!(float));
    }
}

#[test]
fn a_char_beyond_the_basic_plane() {
    comes_back("a-char", "🦀", &json!("🦀"));
}

#[test]
fn text_in_any_script() {
    comes_back("a-string", "'Grüße, 世界 🦀'", &json!("Grüße, 世界 🦀"));
    comes_back("a-string", "''", &json!(""));
    comes_back("a-string", r#""a\0b""#, &json!("a\0b"));
}

#[test]
fn bytes_are_base64_in_json() {
    comes_back("bytes", "!!binary AP+A", &json!("AP+A"));
    comes_back("bytes", "[0, 255, 128]", &json!("AP+A"));
    comes_back("bytes", "[]", &json!(""));
}

#[test]
fn lists() {
    comes_back("numbers", "[0, 1, 4294967295]", &json!([0, 1, 4_294_967_295_u64]));
    comes_back("numbers", "[]", &json!([]));
    comes_back("strings", "[a, '', ü]", &json!(["a", "", "ü"]));
}

#[test]
fn record_fields_in_any_order_and_in_snake_case() {
    comes_back(
        "points",
        "[{y_axis: 2.5, outcome: {ok: 7}, x: -1}, {outcome: {err: no}, x: 1}]",
        &json!([
            {"x": -1, "y-axis": 2.5, "outcome": {"ok": 7}},
            {"x": 1, "y-axis": null, "outcome": {"err": "no"}},
        ]),
    );
}

#[test]
fn a_record_keeps_its_declared_order() {
    let manifest = "function: values_echo:points\nargs: [[{outcome: {ok: 7}, y_axis: 1.0, x: 1}]]\n";
    let built = built("values_echo.wat", manifest);
    built.retval();
    let shown = built.folder.run(&["build", "show", "1", "--format", "json"]).code(0).stdout;
    let retval = &shown[shown.find("\"retval\"").expect("a retval")..];
    let at = |key: &str| retval.find(key).unwrap_or_else(|| panic!("no {key} in {retval}"));
    assert!(at("\"x\"") < at("\"y-axis\"") && at("\"y-axis\"") < at("\"outcome\""), "{retval}");
}

#[test]
fn a_record_too_large_for_parameters_goes_through_memory() {
    let numbered = |f: fn(usize, char) -> String| ('a'..='p').enumerate().map(|(i, c)| f(i, c)).collect::<Vec<_>>();
    let given = format!("{{{}, q: 255}}", numbered(|i, c| format!("{c}: {i}")).join(", "));
    let expected = format!("{{{}, \"q\": 255}}", numbered(|i, c| format!("\"{c}\": {i}")).join(", "));
    comes_back("a-large", &given, &serde_json::from_str(&expected).expect("JSON"));
}

#[test]
fn options_with_and_without_something() {
    comes_back("options", "[null, 0, 65535]", &json!([null, 0, 65535]));
    comes_back("nested-options", "[null, {some: null}, {some: 3}]", &json!([null, {"some": null}, {"some": 3}]));
}

#[test]
fn an_enum_in_kebab_and_in_snake_case() {
    comes_back("a-colour", "dark-green", &json!("dark-green"));
    comes_back("a-colour", "dark_green", &json!("dark-green"));
}

#[test]
fn variants_with_and_without_something() {
    comes_back(
        "shapes",
        "[dot, {circle: 0.5}, {box: {x: 1, outcome: {ok: 2}}}]",
        &json!(["dot", {"circle": 0.5}, {"box": {"x": 1, "y-axis": null, "outcome": {"ok": 2}}}]),
    );
}

#[test]
fn tuples() {
    comes_back("pairs", "[[1, one], [2, two]]", &json!([[1, "one"], [2, "two"]]));
}

#[test]
fn flags_in_declared_order() {
    comes_back("an-access", "[run, read]", &json!(["read", "run"]));
    comes_back("an-access", "[]", &json!([]));
}
