//! Property tests: what must hold for every type and each of its values.

use std::sync::Arc;

use proptest::prelude::*;

use super::any_type::any_type;
use super::any_type::value_of;
use super::*;
use crate::job::Arg;
use crate::manifest::parse_value;
use crate::value::Json;
use crate::value::Value;
use crate::value::Yaml;
use crate::value::pack;
use crate::value::unpack;

fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(|ty| {
        let values = value_of(&ty);
        (Just(ty), values)
    })
}

struct Nothing;

impl Retvals for Nothing {
    fn retval(&self, _job: &str) -> Option<(&Type, Option<&Value>)> {
        None
    }
}

/// Returns the value of a manifest's literal, or what is wrong with it.
fn literal(value: Value, ty: &Type) -> Result<Value, String> {
    let mut problems = Vec::new();
    let resolved = resolve(&Arg::literal(value), "x", ty, &Nothing, &mut problems);
    if problems.is_empty() { Ok(resolved) } else { Err(format!("{problems:?}")) }
}

/// Turns base64 from JSON back into bytes. A manifest does not accept a string as bytes, because a
/// word can look like base64.
fn unbased(value: Value, ty: &Type) -> Value {
    let side = |value, ty: Option<&Type>| match ty {
        Some(ty) => unbased(value, ty),
        None => value,
    };
    match (value, ty) {
        (Value::String(text), ty) if ty.is_bytes() => {
            Value::Bytes(data_encoding::BASE64.decode(text.as_bytes()).unwrap())
        }
        (Value::List(items), Type::List(item)) => Value::List(items.into_iter().map(|v| unbased(v, item)).collect()),
        (Value::List(items), Type::Tuple(types)) => {
            Value::List(items.into_iter().zip(types.iter()).map(|(v, ty)| unbased(v, ty)).collect())
        }
        (Value::Null, _) => Value::Null,
        (Value::Map(entries), ty) => {
            let inner = |key: &str| match ty {
                Type::Option(inner) if matches!(**inner, Type::Option(_)) => Some(&**inner),
                Type::Record(record) => record.get(key).map(|(_, ty)| ty),
                Type::Variant(variant) => variant.get(key).and_then(|(_, ty)| ty.as_ref()),
                Type::Result(ok, err) => if key == "ok" { ok } else { err }.as_deref(),
                _ => None,
            };
            match ty {
                Type::Option(some) if !matches!(**some, Type::Option(_)) => unbased(Value::Map(entries), some),
                _ => Value::Map(
                    entries
                        .into_iter()
                        .map(|(k, v)| {
                            let v = side(v, inner(&k));
                            (k, v)
                        })
                        .collect(),
                ),
            }
        }
        (value, Type::Option(inner)) => unbased(value, inner),
        (value, _) => value,
    }
}

/// Returns a wider type that `ty` fits.
fn widened(ty: &Type) -> Type {
    match ty {
        Type::Int(IntType::U8) => Type::Int(IntType::S16),
        Type::Int(IntType::S8 | IntType::S16 | IntType::S32 | IntType::U16) => Type::Int(IntType::S64),
        Type::Int(IntType::U32) | Type::F32 => Type::F64,
        Type::List(item) => Type::List(Arc::new(widened(item))),
        Type::Option(inner) => Type::Option(Arc::new(widened(inner))),
        Type::Tuple(types) => Type::Tuple(types.iter().map(widened).collect()),
        Type::Result(ok, err) => {
            let side = |t: &Option<Arc<Type>>| t.as_ref().map(|t| Arc::new(widened(t)));
            Type::Result(side(ok), side(err))
        }
        Type::Record(record) => {
            // One field is removed, one is added, and the order is reversed.
            let mut members: Vec<_> = record.members.iter().skip(1).map(|(n, t)| (n.clone(), widened(t))).collect();
            members.push((format!("added-{}", members.len()), Type::Option(Arc::new(Type::Bool))));
            members.reverse();
            Type::Record(Arc::new(Named::new("wide".to_owned(), members).unwrap()))
        }
        Type::Variant(variant) => {
            let mut members: Vec<_> =
                variant.members.iter().map(|(n, t)| (n.clone(), t.as_ref().map(widened))).collect();
            members.insert(0, (format!("added-{}", members.len()), None));
            Type::Variant(Arc::new(Named::new("wide".to_owned(), members).unwrap()))
        }
        other => Type::Option(Arc::new(other.clone())),
    }
}

#[test]
fn bytes_that_do_not_fit_are_one_mistake() {
    for item in [Type::String, Type::Bool, Type::Int(IntType::S8)] {
        let mut problems = Vec::new();
        let bytes = Arg::literal(Value::Bytes(vec![200; 1_000]));
        resolve(&bytes, "x", &Type::List(Arc::new(item)), &Nothing, &mut problems);
        assert_eq!(problems.len(), 1);
    }
}

proptest! {
    #[test]
    fn a_type_survives_its_text(ty in any_type()) {
        let read = from_text(&to_text(&ty)).unwrap();
        prop_assert_eq!(fits(&ty, &read), Ok(()));
        prop_assert_eq!(fits(&read, &ty), Ok(()));
    }

    #[test]
    fn fits_is_reflexive_and_transitive_where_it_widens(ty in any_type()) {
        prop_assert_eq!(fits(&ty, &ty), Ok(()));
        let (once, twice) = (widened(&ty), widened(&widened(&ty)));
        prop_assert_eq!(fits(&ty, &once), Ok(()));
        prop_assert_eq!(fits(&once, &twice), Ok(()));
        prop_assert_eq!(fits(&ty, &twice), Ok(()));
    }

    #[test]
    fn a_value_of_a_type_is_a_literal_of_it((ty, value) in typed_value()) {
        prop_assert_eq!(literal(value.clone(), &ty), Ok(value));
    }

    #[test]
    fn a_value_survives_yaml((ty, value) in typed_value()) {
        let text = serde_saphyr::to_string(&Yaml(&value)).unwrap();
        prop_assert_eq!(parse_value(&text).and_then(|read| literal(read, &ty)), Ok(value), "{}", text);
    }

    #[test]
    fn a_value_survives_json((ty, value) in typed_value()) {
        // Literals are written in YAML, which accepts all of JSON except for some characters that
        // must be escaped.
        let escaped = |c: char| match c {
            '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        };
        let text: String = serde_json::to_string(&Json(&value)).unwrap().chars().map(escaped).collect();
        let read = parse_value(&text).and_then(|read| literal(unbased(read, &ty), &ty));
        prop_assert_eq!(read, Ok(value), "{}", text);
    }

    #[test]
    fn two_types_fit_only_if_each_value_converts((a, value) in typed_value(), b in any_type()) {
        if fits(&a, &b).is_ok() {
            let converted = convert(value, &a, &b);
            prop_assert!(converted.is_ok(), "{:?}", converted);
            prop_assert_eq!(literal(converted.clone().unwrap(), &b), converted);
        }
    }

    #[test]
    fn what_fits_converts_and_the_result_is_of_the_type((ty, value) in typed_value()) {
        prop_assert_eq!(convert(value.clone(), &ty, &ty), Ok(value.clone()));
        let wide = widened(&ty);
        let converted = convert(value, &ty, &wide);
        prop_assert!(converted.is_ok(), "{:?}", converted);
        let converted = converted.unwrap();
        prop_assert_eq!(literal(converted.clone(), &wide), Ok(converted));
    }

    #[test]
    fn a_value_survives_the_store((_, value) in typed_value()) {
        prop_assert_eq!(unpack(&pack(&value).unwrap()).unwrap(), value);
    }
}

/// Returns small types of every kind, similar enough that many fit each other.
fn pool() -> Vec<Type> {
    let int = |int| Type::Int(int);
    let members = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), ())).collect::<Vec<_>>();
    let set = |names: &[&str]| Arc::new(Named::new("set".to_owned(), members(names)).unwrap());
    let mut types: Vec<_> = IntType::ALL.into_iter().map(int).collect();
    types.extend([Type::Bool, Type::F32, Type::F64, Type::Char, Type::String]);
    for names in [&["a"][..], &["b", "a"], &["a", "b"], &["a", "b", "c"]] {
        types.extend([Type::Enum(set(names)), Type::Flags(set(names))]);
    }
    let small = [int(IntType::U8), int(IntType::S16), Type::F32, Type::String];
    let some = |ty: &Type| Type::Option(Arc::new(ty.clone()));
    for ty in &small {
        types.extend([some(ty), some(&some(ty)), Type::List(Arc::new(ty.clone())), Type::Tuple([ty.clone()].into())]);
        types.push(Type::List(Arc::new(some(ty))));
        let side = Some(Arc::new(ty.clone()));
        types.extend([Type::Result(side.clone(), None), Type::Result(None, side.clone()), Type::Result(side, None)]);
        let named = |members: Vec<(&str, Type)>| {
            let members = members.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
            Arc::new(Named::new("many".to_owned(), members).unwrap())
        };
        let cases = |members: Vec<(&str, Option<Type>)>| {
            let members = members.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
            Arc::new(Named::new("cases".to_owned(), members).unwrap())
        };
        types.extend([
            Type::Record(named(vec![("a", ty.clone())])),
            Type::Record(named(vec![("b", Type::Bool), ("a", ty.clone())])),
            Type::Record(named(vec![("b", some(ty))])),
            Type::Record(named(vec![("a", some(ty)), ("c", some(&Type::Bool))])),
            Type::Variant(cases(vec![("a", Some(ty.clone()))])),
            Type::Variant(cases(vec![("b", None), ("a", Some(ty.clone()))])),
            Type::Variant(cases(vec![("a", Some(some(ty))), ("b", None)])),
        ]);
    }
    types
}

/// Returns whether a field of `a` is dropped on the way to `b` and comes back in `c` as an option.
/// It has then lost its value, and its type was not compared.
fn comes_again(a: &Type, b: &Type, c: &Type) -> bool {
    match (a, b, c) {
        (Type::Record(a), Type::Record(b), Type::Record(c)) => {
            c.members.iter().any(|(name, last)| match (a.get(name), b.get(name)) {
                (Some(_), None) => true,
                (Some((_, first)), Some((_, middle))) => comes_again(first, middle, last),
                _ => false,
            })
        }
        _ => false,
    }
}

#[test]
fn fits_is_transitive_but_for_fields_that_were_dropped() {
    let (pool, mut triples) = (pool(), 0);
    for a in &pool {
        for b in pool.iter().filter(|b| fits(a, b).is_ok()) {
            for c in pool.iter().filter(|c| fits(b, c).is_ok() && !comes_again(a, b, c)) {
                triples += 1;
                assert_eq!(fits(a, c), Ok(()), "{} fits {}, which fits {}", to_text(a), to_text(b), to_text(c));
            }
        }
    }
    assert!(triples > 800, "only {triples} chains");
}

proptest! {
    #[test]
    fn two_conversions_are_one(
        (a, value) in prop::sample::select(pool()).prop_flat_map(|ty| (Just(ty.clone()), value_of(&ty))),
        b in any::<prop::sample::Selector>(),
        c in any::<prop::sample::Selector>(),
    ) {
        let pool = pool();
        let b = b.select(pool.iter().filter(|b| fits(&a, b).is_ok()));
        let c = c.select(pool.iter().filter(|c| fits(b, c).is_ok()));
        let converted = convert(value.clone(), &a, b);
        prop_assert_eq!(converted.clone().and_then(|value| literal(value, b)), converted);
        if !comes_again(&a, b, c) {
            let once = convert(value.clone(), &a, c);
            prop_assert_eq!(convert(value, &a, b).and_then(|value| convert(value, b, c)), once);
        }
    }
}

proptest! {
    #[test]
    fn a_sample_is_an_argument_on_one_line_and_on_several(ty in any_type()) {
        let entry = sample::Entry::new("sample", &ty);
        let mut spread = String::new();
        entry.write(0, &mut spread);
        let spread = crate::manifest::parse_value(&spread).expect("YAML");
        let Value::Map(entries) = spread else { panic!("a mapping was written") };
        let flow = crate::manifest::parse_value(&entry.value.flow()).expect("YAML");
        for value in [&entries[0].1, &flow] {
            let mut problems = Vec::new();
            resolve(&Arg::literal(value.clone()), "sample", &ty, &Nothing, &mut problems);
            prop_assert!(problems.is_empty(), "{problems:?}");
        }
        prop_assert_eq!(&entries[0].1, &flow);
    }
}
