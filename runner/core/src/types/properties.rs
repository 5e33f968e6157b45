//! What must hold for every type and every value of it.

use proptest::prelude::*;

use super::*;
use crate::job::Arg;
use crate::value::Value;
use crate::value::pack;
use crate::value::unpack;

fn named<T: Clone + std::fmt::Debug + 'static>(
    name: &'static str,
    member: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Named<T>> {
    // Members are numbered, so that no two share a name; the count is part of the name, so that shapes differ by it.
    prop::collection::vec(member, 1..4).prop_map(move |members| Named {
        name: format!("{name}-of{}", members.len()),
        members: members.into_iter().enumerate().map(|(i, t)| (format!("m-{name}{i}"), t)).collect(),
    })
}

fn any_type() -> impl Strategy<Value = Type> {
    let int = prop::sample::select(vec![
        IntType::S8,
        IntType::S16,
        IntType::S32,
        IntType::S64,
        IntType::U8,
        IntType::U16,
        IntType::U32,
        IntType::U64,
    ]);
    let leaf = prop_oneof![
        Just(Type::Bool),
        int.prop_map(Type::Int),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        named("enum", Just(())).prop_map(Type::Enum),
        named("flags", Just(())).prop_map(Type::Flags),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Type::List),
            boxed().prop_map(Type::Option),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Type::Tuple),
            (prop::option::of(boxed()), prop::option::of(boxed())).prop_map(|(ok, err)| Type::Result(ok, err)),
            named("record", inner.clone()).prop_map(Type::Record),
            named("variant", prop::option::of(inner.clone())).prop_map(Type::Variant),
        ]
    })
}

fn value_of(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Int(int) => {
            let (min, max) = int.range();
            (min..=max).prop_map(Value::Int).boxed()
        }
        Type::F32 => {
            any::<f32>().prop_filter("a NaN is no number", |x| !x.is_nan()).prop_map(|x| Value::Float(x.into())).boxed()
        }
        Type::F64 => any::<f64>().prop_filter("a NaN is no number", |x| !x.is_nan()).prop_map(Value::Float).boxed(),
        Type::Char => any::<char>().prop_map(Value::string).boxed(),
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        ty if ty.is_bytes() => any::<Vec<u8>>().prop_map(Value::Bytes).boxed(),
        Type::List(item) => prop::collection::vec(value_of(item), 0..4).prop_map(Value::List).boxed(),
        Type::Option(inner) => {
            let nested = matches!(**inner, Type::Option(_));
            let some = value_of(inner).prop_map(move |v| if nested { Value::entry("some", v) } else { v });
            prop_oneof![Just(Value::Null), some].boxed()
        }
        Type::Tuple(types) => types.iter().map(value_of).collect::<Vec<_>>().prop_map(Value::List).boxed(),
        Type::Result(ok, err) => {
            let side = |ty: &Option<Box<Type>>| ty.as_ref().map_or_else(|| Just(Value::Null).boxed(), |t| value_of(t));
            let ok = side(ok).prop_map(|v| Value::entry("ok", v));
            prop_oneof![ok, side(err).prop_map(|v| Value::entry("err", v))].boxed()
        }
        Type::Record(record) => {
            let names: Vec<_> = record.names().map(str::to_owned).collect();
            let values = record.members.iter().map(|(_, t)| value_of(t)).collect::<Vec<_>>();
            values.prop_map(move |values| Value::Map(names.iter().cloned().zip(values).collect())).boxed()
        }
        Type::Variant(variant) => {
            let case = |(name, ty): &(String, Option<Type>)| {
                let name = name.clone();
                match ty {
                    Some(ty) => value_of(ty).prop_map(move |v| Value::entry(name.clone(), v)).boxed(),
                    None => Just(Value::String(name)).boxed(),
                }
            };
            prop::strategy::Union::new(variant.members.iter().map(case)).boxed()
        }
        Type::Enum(cases) => prop::sample::select(cases.names().map(Value::string).collect::<Vec<_>>()).boxed(),
        Type::Flags(flags) => {
            let names: Vec<_> = flags.names().map(Value::string).collect();
            let count = names.len();
            prop::sample::subsequence(names, 0..=count).prop_map(Value::List).boxed()
        }
        Type::Unsupported(_) => Just(Value::Null).boxed(),
    }
}

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

/// A wider type that `ty` fits.
fn widened(ty: &Type) -> Type {
    match ty {
        Type::Int(IntType::U8) => Type::Int(IntType::S16),
        Type::Int(IntType::S8 | IntType::S16 | IntType::S32 | IntType::U16) => Type::Int(IntType::S64),
        Type::Int(IntType::U32) | Type::F32 => Type::F64,
        Type::List(item) => Type::List(Box::new(widened(item))),
        Type::Option(inner) => Type::Option(Box::new(widened(inner))),
        Type::Tuple(types) => Type::Tuple(types.iter().map(widened).collect()),
        Type::Result(ok, err) => {
            let side = |t: &Option<Box<Type>>| t.as_ref().map(|t| Box::new(widened(t)));
            Type::Result(side(ok), side(err))
        }
        Type::Record(record) => {
            // One field goes, one comes, the order turns round.
            let mut members: Vec<_> = record.members.iter().skip(1).map(|(n, t)| (n.clone(), widened(t))).collect();
            members.push(("added".to_owned(), Type::Option(Box::new(Type::Bool))));
            members.reverse();
            Type::Record(Named { name: "wide".to_owned(), members })
        }
        Type::Variant(variant) => {
            let mut members: Vec<_> =
                variant.members.iter().map(|(n, t)| (n.clone(), t.as_ref().map(widened))).collect();
            members.insert(0, ("added".to_owned(), None));
            Type::Variant(Named { name: "wide".to_owned(), members })
        }
        other => Type::Option(Box::new(other.clone())),
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
        let mut problems = Vec::new();
        let resolved = resolve(&Arg::literal(value.clone()), "x", &ty, &Nothing, &mut problems);
        prop_assert_eq!(problems, vec![]);
        prop_assert_eq!(resolved, value);
    }

    #[test]
    fn what_fits_converts_and_the_result_is_of_the_type((ty, value) in typed_value()) {
        prop_assert_eq!(convert(value.clone(), &ty, &ty), Ok(value.clone()));
        let wide = widened(&ty);
        let converted = convert(value, &ty, &wide);
        prop_assert!(converted.is_ok(), "{:?}", converted);
        let converted = converted.unwrap();
        let mut problems = Vec::new();
        let resolved = resolve(&Arg::literal(converted.clone()), "x", &wide, &Nothing, &mut problems);
        prop_assert_eq!(problems, vec![]);
        prop_assert_eq!(resolved, converted);
    }

    #[test]
    fn a_value_survives_the_store((_, value) in typed_value()) {
        prop_assert_eq!(unpack(&pack(&value).unwrap()).unwrap(), value);
    }
}
