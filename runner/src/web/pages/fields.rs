//! Converts a WIT type and a value to form fields, and the typed text back to JSON. The JSON is
//! checked like any other argument. Integers are strings because numbers in a browser are exact
//! only up to 2^53.

use askama::Template;
use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Named;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::same_name;
use serde_json::Map;
use serde_json::Number;
use serde_json::Value as Json;

use super::super::posted::Posted;
use super::super::problem::pointer;
use super::times::thousands;

/// Most choices to show as buttons; more are shown as a list.
const BUTTONS: usize = 5;
/// Most items of a list with one field each, most levels of fields, and most columns of a table.
/// Anything larger is entered as YAML.
const ITEMS: usize = 50;
const DEPTH: usize = 4;
const COLUMNS: usize = 4;

/// A part of an argument, as a form field.
#[derive(Clone, Debug, Template)]
#[template(path = "field.html")]
pub(super) struct Field {
    /// Its name in the form.
    pub(super) name: String,
    /// The label beside it.
    pub(super) label: String,
    pub(super) kind: String,
    pub(super) input: Input,
    pub(super) hint: String,
    pub(super) errors: Vec<String>,
}

/// How it is filled in.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// One line.
    Line { value: String, is_number: bool },
    /// Several lines.
    Lines(String),
    /// A checkbox: yes or no.
    Box(bool),
    /// One of several choices: whether to show them as buttons, all choices, and the chosen one.
    One { buttons: bool, all: Vec<String>, chosen: String },
    /// Any number of these choices, each with whether it is chosen.
    Some(Vec<(String, bool)>),
    /// Nothing, or a value.
    Optional { is_given: bool, inner: Box<Field> },
    /// One of several cases, with its payload.
    Cases(Vec<(String, bool, Option<Field>)>),
    /// A group of fields.
    Record(Vec<Field>),
    /// Items one below the other. A table shows each item on one line, with these columns.
    List { columns: Vec<String>, items: Vec<Field>, one: String },
    /// YAML text, as in a manifest.
    Yaml(String),
    /// Nothing to fill in.
    Nothing,
}

/// The mistakes in parts of an argument, by their place as a JSON pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Wrong {
    left: Vec<(String, String)>,
}

impl Wrong {
    /// Creates the mistakes, each with its place below the argument.
    pub(super) fn new(all: Vec<(String, String)>) -> Self {
        Self { left: all }
    }

    fn take(&mut self, at: &str) -> Vec<String> {
        let (mine, left) = std::mem::take(&mut self.left).into_iter().partition(|(place, _)| place == at);
        self.left = left;
        let mine: Vec<(String, String)> = mine;
        mine.into_iter().map(|(_, reason)| reason).collect()
    }
}

impl Field {
    /// Builds the field of a parameter; with `as_yaml` the whole value is one YAML text. Mistakes
    /// in places without a field are shown at the whole argument.
    pub(super) fn of(name: &str, ty: &Type, value: Option<&Json>, as_yaml: bool, wrong: Wrong) -> Self {
        let mut wrong = wrong;
        let as_yaml = as_yaml || value.is_some_and(|value| !fits(ty, value, 0));
        let mut field = if as_yaml {
            let text = value.map(yaml_of).unwrap_or_default();
            plain(&format!("a.{name}"), name, ty, Input::Yaml(text), wrong.take(""))
        } else {
            made(&format!("a.{name}"), name, ty, value, 0, "", &mut wrong)
        };
        field.errors.extend(wrong.left.drain(..).map(|(_, reason)| reason));
        field
    }

    /// Returns whether the field or a part of it has a mistake.
    pub(super) fn is_wrong(&self) -> bool {
        let inner = match &self.input {
            Input::Optional { inner, .. } => inner.is_wrong(),
            Input::Cases(cases) => cases.iter().any(|(.., inner)| inner.as_ref().is_some_and(Self::is_wrong)),
            Input::Record(fields) | Input::List { items: fields, .. } => fields.iter().any(Self::is_wrong),
            _ => false,
        };
        inner || !self.errors.is_empty()
    }

    /// Returns the id of the field on the page.
    fn id(&self) -> String {
        self.name.clone()
    }
}

fn plain(name: &str, label: &str, ty: &Type, input: Input, errors: Vec<String>) -> Field {
    Field { name: name.to_owned(), label: label.to_owned(), kind: ty.to_string(), input, hint: hint(ty), errors }
}

/// Describes what may be typed.
fn hint(ty: &Type) -> String {
    match ty {
        Type::Int(int) => {
            let (low, high) = int.range();
            let show = |number: i128| {
                format!(
                    "{}{}",
                    if number < 0 { "-" } else { "" },
                    thousands(u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX))
                )
            };
            format!("{} to {}", show(low), show(high))
        }
        Type::Char => "one character".to_owned(),
        Type::Option(_) => "Null if left out.".to_owned(),
        _ => String::new(),
    }
}

/// Returns whether a type has fields at this depth, rather than only YAML.
fn has_fields(ty: &Type, depth: usize) -> bool {
    match ty {
        Type::List(_) if ty.is_bytes() => false,
        Type::List(_) | Type::Record(_) | Type::Tuple(_) | Type::Variant(_) | Type::Result(..) => depth < DEPTH,
        Type::Unsupported(_) => false,
        _ => true,
    }
}

/// Returns whether the fields of a type can show the whole value.
fn fits(ty: &Type, value: &Json, depth: usize) -> bool {
    match (ty, value) {
        // Fields cannot show such a value: it would be lost.
        (_, Json::Object(entries)) if entries.len() == 1 && entries.keys().all(|key| key.starts_with('!')) => false,
        (Type::List(item), Json::Array(items)) => {
            !has_fields(ty, depth) || items.len() <= ITEMS && items.iter().all(|value| fits(item, value, depth + 1))
        }
        (Type::Option(inner), value) => value.is_null() || fits(inner, value, depth + 1),
        (Type::Record(record), Json::Object(entries)) => {
            entries.iter().all(|(key, value)| record.get(key).is_some_and(|(_, ty)| fits(ty, value, depth + 1)))
        }
        (Type::Tuple(types), Json::Array(items)) => {
            types.len() == items.len() && types.iter().zip(items).all(|(ty, value)| fits(ty, value, depth + 1))
        }
        (Type::Variant(_) | Type::Result(..), Json::Object(entries)) => entries.len() == 1,
        _ => true,
    }
}

fn made(name: &str, label: &str, ty: &Type, value: Option<&Json>, depth: usize, at: &str, wrong: &mut Wrong) -> Field {
    // A mistake in an optional value is shown at the inner field.
    let errors = if matches!(ty, Type::Option(_)) { Vec::new() } else { wrong.take(at) };
    let below = |key: &str| format!("{at}{}", pointer([key]));
    let text = || value.map(text_of).unwrap_or_default();
    let input = match ty {
        _ if !has_fields(ty, depth) => Input::Yaml(value.map(yaml_of).unwrap_or_default()),
        Type::Bool => Input::Box(value == Some(&Json::Bool(true))),
        Type::String if text().contains('\n') => Input::Lines(text()),
        Type::String | Type::Char => Input::Line { value: text(), is_number: false },
        Type::Int(_) | Type::F32 | Type::F64 => Input::Line { value: text(), is_number: true },
        Type::Enum(named) => {
            let all: Vec<String> = named.names().map(str::to_owned).collect();
            let chosen = all.iter().find(|case| same_name(case, &text())).cloned().unwrap_or_default();
            Input::One { buttons: all.len() <= BUTTONS, all, chosen }
        }
        Type::Flags(named) => {
            let given: Vec<String> = value.and_then(Json::as_array).into_iter().flatten().map(text_of).collect();
            let is = |flag: &str| given.iter().any(|other| same_name(other, flag));
            Input::Some(named.names().map(|flag| (flag.to_owned(), is(flag))).collect())
        }
        Type::Option(inner) => {
            let given = value.filter(|value| !value.is_null());
            let inner = made(&format!("{name}.v"), label, inner, given, depth, at, wrong);
            Input::Optional {
                is_given: given.is_some() || inner.is_wrong() || !errors.is_empty(),
                inner: Box::new(inner),
            }
        }
        Type::Record(record) => Input::Record(of_record(name, record, value, depth, at, wrong)),
        Type::Tuple(types) => {
            let part = |(nth, ty): (usize, &Type)| {
                let (key, value) = (nth.to_string(), value.and_then(|value| value.get(nth)));
                made(&format!("{name}.{nth}"), &format!("{}.", nth + 1), ty, value, depth + 1, &below(&key), wrong)
            };
            Input::Record(types.iter().enumerate().map(part).collect())
        }
        Type::List(item) => {
            let given = value.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
            let part = |(nth, value): (usize, &Json)| {
                let key = nth.to_string();
                made(
                    &format!("{name}.{nth}"),
                    &format!("{label} {}", nth + 1),
                    item,
                    Some(value),
                    depth + 1,
                    &below(&key),
                    wrong,
                )
            };
            let items = given.iter().enumerate().map(part).collect();
            Input::List { columns: columns(item), items, one: item.to_string() }
        }
        Type::Variant(named) => {
            let cases = named.members.iter().map(|(case, ty)| (case.as_str(), ty.as_ref()));
            Input::Cases(of_cases(name, cases.collect(), value, depth, at, wrong))
        }
        Type::Result(ok, err) => {
            let cases = vec![("ok", ok.as_deref()), ("err", err.as_deref())];
            Input::Cases(of_cases(name, cases, value, depth, at, wrong))
        }
        Type::Unsupported(_) => Input::Nothing,
    };
    plain(name, label, ty, input, errors)
}

fn of_record(
    name: &str,
    record: &Named<Type>,
    value: Option<&Json>,
    depth: usize,
    at: &str,
    wrong: &mut Wrong,
) -> Vec<Field> {
    let given = value.and_then(Json::as_object);
    let find = |field: &str| given.and_then(|entries| entries.iter().find(|(key, _)| same_name(key, field)));
    let part = |(field, ty): &(String, Type)| {
        let found = find(field);
        // The pointer uses the name that was sent.
        let key = found.map_or(field.as_str(), |(key, _)| key.as_str());
        let at = format!("{at}{}", pointer([key]));
        made(&format!("{name}.{field}"), field, ty, found.map(|(_, value)| value), depth + 1, &at, wrong)
    };
    record.members.iter().map(part).collect()
}

type Case = (String, bool, Option<Field>);

fn of_cases(
    name: &str,
    cases: Vec<(&str, Option<&Type>)>,
    value: Option<&Json>,
    depth: usize,
    at: &str,
    wrong: &mut Wrong,
) -> Vec<Case> {
    let (chosen, payload) = match value {
        Some(Json::Object(entries)) => {
            entries.iter().next().map(|(case, payload)| (case.clone(), Some(payload))).unwrap_or_default()
        }
        Some(value) => (text_of(value), None),
        None => (String::new(), None),
    };
    let case = |(case, ty): (&str, Option<&Type>)| {
        let is_chosen = same_name(case, &chosen);
        let value = payload.filter(|_| is_chosen);
        let at = format!("{at}{}", pointer([if is_chosen { chosen.as_str() } else { case }]));
        let inner = ty.map(|ty| made(&format!("{name}.{case}"), case, ty, value, depth + 1, &at, wrong));
        (case.to_owned(), is_chosen, inner)
    };
    cases.into_iter().map(case).collect()
}

/// Returns the columns of a table of records, if each member fits in one field.
fn columns(item: &Type) -> Vec<String> {
    let is_one = |ty: &Type| {
        matches!(ty, Type::Bool | Type::String | Type::Char | Type::Int(_) | Type::F32 | Type::F64 | Type::Enum(_))
    };
    match item {
        Type::Record(record) if record.members.len() <= COLUMNS && record.members.iter().all(|(_, ty)| is_one(ty)) => {
            record.names().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the text of a value in a single field.
fn text_of(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Formats a value as YAML.
fn yaml_of(value: &Json) -> String {
    use serde::Deserialize;
    let Ok(value) = jobcontrol_core::value::Value::deserialize(value) else { return value.to_string() };
    super::build::yaml(&value).trim_end().to_owned()
}

/// Returns the JSON of what was typed for a parameter.
///
/// # Errors
///
/// Returns an error with the reason if the YAML cannot be parsed.
pub(super) fn typed(name: &str, ty: &Type, form: &Posted) -> Result<Json, String> {
    read(&format!("a.{name}"), ty, form, 0)
}

fn read(name: &str, ty: &Type, form: &Posted, depth: usize) -> Result<Json, String> {
    if let Some(text) = form.get(&format!("{name}.yaml")) {
        return from_yaml(text);
    }
    let text = || form.get(name).unwrap_or_default();
    Ok(match ty {
        Type::Bool => Json::Bool(form.has(name)),
        Type::Int(int) => integer(text(), *int),
        Type::F32 | Type::F64 => match text().trim().parse::<f64>().ok().and_then(Number::from_f64) {
            Some(number) => Json::Number(number),
            // `NaN` and the infinities are strings, and so is invalid input.
            None => Json::String(text().trim().to_owned()),
        },
        Type::String | Type::Char => Json::String(text().to_owned()),
        Type::Enum(_) => {
            form.get(name).filter(|text| !text.is_empty()).map_or(Json::Null, |text| Json::String(text.to_owned()))
        }
        Type::Flags(_) => Json::Array(form.all(name).map(|flag| Json::String(flag.to_owned())).collect()),
        Type::Option(inner) => match form.has(&format!("{name}.some")) {
            true => read(&format!("{name}.v"), inner, form, depth)?,
            false => Json::Null,
        },
        Type::Record(record) => {
            let mut entries = Map::new();
            for (field, ty) in &record.members {
                entries.insert(field.clone(), read(&format!("{name}.{field}"), ty, form, depth + 1)?);
            }
            Json::Object(entries)
        }
        Type::Tuple(types) => {
            let parts = types.iter().enumerate().map(|(nth, ty)| read(&format!("{name}.{nth}"), ty, form, depth + 1));
            Json::Array(parts.collect::<Result<_, _>>()?)
        }
        Type::List(item) => {
            let count = form.get(&format!("{name}.n")).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
            let items = (0..count.min(ITEMS + 1)).map(|nth| read(&format!("{name}.{nth}"), item, form, depth + 1));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Type::Variant(named) => {
            let case = form.get(&format!("{name}.case")).unwrap_or_default();
            let payload = named.get(case).and_then(|(_, ty)| ty.as_ref());
            of_case(name, case, payload, form, depth)?
        }
        Type::Result(ok, err) => {
            let case = form.get(&format!("{name}.case")).unwrap_or_default();
            let payload = if case == "err" { err.as_deref() } else { ok.as_deref() };
            match payload {
                // A side without a payload is written with `null`.
                None => Json::Object(Map::from_iter([(case.to_owned(), Json::Null)])),
                payload => of_case(name, case, payload, form, depth)?,
            }
        }
        Type::Unsupported(_) => Json::Null,
    })
}

fn of_case(name: &str, case: &str, payload: Option<&Type>, form: &Posted, depth: usize) -> Result<Json, String> {
    Ok(match payload {
        None if case.is_empty() => Json::Null,
        None => Json::String(case.to_owned()),
        Some(ty) => {
            let value = read(&format!("{name}.{case}"), ty, form, depth + 1)?;
            Json::Object(Map::from_iter([(case.to_owned(), value)]))
        }
    })
}

fn integer(text: &str, int: IntType) -> Json {
    let text = text.trim();
    let (low, _) = int.range();
    let number =
        if low < 0 { text.parse::<i64>().ok().map(Number::from) } else { text.parse::<u64>().ok().map(Number::from) };
    // Text that is not a valid integer stays as typed; the check refuses it.
    number.map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

fn from_yaml(text: &str) -> Result<Json, String> {
    let value = jobcontrol_core::manifest::parse_value(text)?;
    serde_json::to_value(jobcontrol_core::value::Json(&value)).map_err(|error| error.to_string())
}

/// Returns the fields after the button of a list was pressed: one more item, or one less.
pub(super) fn changed(fields: &[(String, String)]) -> Option<Vec<(String, String)>> {
    let button = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let counted = |list: &str| {
        fields.iter().find(|(name, _)| *name == format!("{list}.n")).and_then(|(_, n)| n.parse::<usize>().ok())
    };
    let with_count = |fields: Vec<(String, String)>, list: &str, count: usize| {
        let name = format!("{list}.n");
        fields
            .into_iter()
            .map(|(other, value)| if other == name { (other, count.to_string()) } else { (other, value) })
            .collect()
    };
    let rest: Vec<(String, String)> =
        fields.iter().filter(|(name, _)| name != "add" && name != "drop").cloned().collect();
    if let Some(list) = button("add") {
        let count = counted(&list)?;
        return Some(with_count(rest, &list, count + 1));
    }
    let place = button("drop")?;
    let (list, gone) = place.rsplit_once('.')?;
    let (gone, count) = (gone.parse::<usize>().ok()?, counted(list)?);
    let moved = rest.into_iter().filter_map(|(name, value)| {
        // The items after the removed one move up.
        let Some(after) = name.strip_prefix(list).and_then(|after| after.strip_prefix('.')) else {
            return Some((name, value));
        };
        let (index, inner) = after.split_once('.').map_or((after, None), |(index, inner)| (index, Some(inner)));
        let Ok(at) = index.parse::<usize>() else { return Some((name, value)) };
        if at == gone {
            return None;
        }
        let at = if at > gone { at - 1 } else { at };
        let inner = inner.map(|inner| format!(".{inner}")).unwrap_or_default();
        Some((format!("{list}.{at}{inner}"), value))
    });
    Some(with_count(moved.collect(), list, count.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jobcontrol_core::types::from_text;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Collects the fields of a page as a browser sends them.
    fn sent(field: &Field, out: &mut Vec<(String, String)>) {
        let name = &field.name;
        let mut push = |name: String, value: &str| out.push((name, value.to_owned()));
        match &field.input {
            Input::Line { value, .. } | Input::Lines(value) => push(name.clone(), value),
            Input::Box(true) => push(name.clone(), "on"),
            Input::One { chosen, .. } => push(name.clone(), chosen),
            Input::Some(all) => all.iter().filter(|(_, is)| *is).for_each(|(flag, _)| push(name.clone(), flag)),
            Input::Optional { is_given, inner } => {
                if *is_given {
                    push(format!("{name}.some"), "on");
                }
                sent(inner, out);
            }
            Input::Cases(cases) => {
                for (case, chosen, inner) in cases {
                    if *chosen {
                        out.push((format!("{name}.case"), case.clone()));
                    }
                    inner.iter().for_each(|inner| sent(inner, out));
                }
            }
            Input::Record(fields) => fields.iter().for_each(|field| sent(field, out)),
            Input::List { items, .. } => {
                push(format!("{name}.n"), &items.len().to_string());
                items.iter().for_each(|item| sent(item, out));
            }
            Input::Yaml(text) => push(format!("{name}.yaml"), text),
            Input::Box(false) | Input::Nothing => {}
        }
    }

    fn there_and_back(ty: &Type, value: &Json) -> Json {
        let field = Field::of("p", ty, Some(value), false, Wrong::default());
        let mut fields = Vec::new();
        sent(&field, &mut fields);
        typed("p", ty, &Posted::of(fields)).unwrap()
    }

    fn ty(text: &str) -> Type {
        from_text(&format!("type retval = {text};")).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_largest_numbers_stay_exact() {
        for (name, value) in
            [("u64", json!(u64::MAX)), ("s64", json!(i64::MIN)), ("s64", json!(i64::MAX)), ("u8", json!(255))]
        {
            assert_eq!(there_and_back(&ty(name), &value), value, "{name}");
        }
        assert_eq!(
            typed("p", &ty("u32"), &Posted::of(vec![("a.p".to_owned(), "5 million".to_owned())])),
            Ok(json!("5 million"))
        );
        assert_eq!(typed("p", &ty("u64"), &Posted::default()), Ok(json!("")), "an empty field is not zero");
    }

    #[test]
    fn null_is_a_box_that_is_not_ticked_and_an_empty_text_is_not_null() {
        let option = ty("option<string>");
        for value in [json!(null), json!(""), json!("x"), json!("null")] {
            assert_eq!(there_and_back(&option, &value), value);
        }
        let nested = Type::Option(Arc::new(ty("list<option<u32>>")));
        for value in [json!(null), json!([]), json!([null, 7, null])] {
            assert_eq!(there_and_back(&nested, &value), value);
        }
    }

    #[test]
    fn what_has_no_field_is_yaml_and_loses_nothing() {
        let many: Vec<u32> = (0..200).collect();
        assert_eq!(there_and_back(&ty("list<u32>"), &json!(many)), json!(many));
        let deep = json!([[[[[[1, 2]]]]]]);
        assert_eq!(
            there_and_back(&ty("list<list<list<list<list<list<u8>>>>>>"), &json!([[[[[]]]]])),
            json!([[[[[]]]]])
        );
        assert_eq!(there_and_back(&ty("list<list<list<list<list<list<u32>>>>>>"), &deep), deep);
        assert!(typed("p", &ty("list<u32>"), &Posted::of(vec![("a.p.yaml".to_owned(), "[1".to_owned())])).is_err());
    }

    #[test]
    fn an_item_more_or_less_leaves_the_others_as_they_are() {
        let list = ty("list<u32>");
        let mut fields = Vec::new();
        sent(&Field::of("p", &list, Some(&json!([1, 2, 3])), false, Wrong::default()), &mut fields);
        let after = |button: (&str, &str)| {
            let mut fields = fields.clone();
            fields.push((button.0.to_owned(), button.1.to_owned()));
            typed("p", &list, &Posted::of(changed(&fields).unwrap())).unwrap()
        };
        assert_eq!(after(("drop", "a.p.0")), json!([2, 3]));
        assert_eq!(after(("drop", "a.p.1")), json!([1, 3]));
        assert_eq!(after(("add", "a.p")), json!([1, 2, 3, ""]));
        assert!(changed(&fields).is_none(), "no button");
        assert!(changed(&[("drop".to_owned(), "nonsense".to_owned())]).is_none());
    }

    #[test]
    fn a_mistake_stands_at_its_field_and_one_without_a_field_at_the_whole() {
        let wrong = |place: &str| Wrong::new(vec![(place.to_owned(), "no".to_owned())]);
        let field = Field::of("p", &ty("list<u32>"), Some(&json!([1, "x"])), false, wrong("/1"));
        let Input::List { items, .. } = &field.input else { panic!("{field:?}") };
        assert_eq!((items[1].errors.len(), field.errors.len(), field.is_wrong()), (1, 0, true));
        let field = Field::of("p", &ty("list<u32>"), Some(&json!([])), false, wrong("/9/x"));
        assert_eq!(field.errors, ["no"]);
        let field = Field::of("p", &ty("option<u32>"), Some(&json!("x")), false, wrong(""));
        assert!(field.is_wrong());
    }

    proptest! {
        #[test]
        fn any_value_of_simple_types_comes_back(
            numbers in proptest::collection::vec(any::<i64>(), 0..6),
            texts in proptest::collection::vec("[ -~\n\u{e9}]{0,12}", 0..4),
            flag in any::<bool>(), float in any::<f64>(),
        ) {
            prop_assert_eq!(there_and_back(&ty("list<s64>"), &json!(numbers)), json!(numbers));
            prop_assert_eq!(there_and_back(&ty("list<string>"), &json!(texts)), json!(texts));
            prop_assert_eq!(there_and_back(&ty("list<bool>"), &json!([flag])), json!([flag]));
            if float.is_finite() {
                prop_assert_eq!(there_and_back(&ty("f64"), &json!(float)), json!(float));
            }
        }
    }
}
