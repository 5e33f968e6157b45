//! Any type and any value of it, for property tests here and in the core.

use std::sync::Arc;

use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Named;
use jobcontrol_core::types::Type;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::shortest;
use proptest::prelude::*;

fn named<T: Clone + std::fmt::Debug + 'static>(
    name: &'static str,
    member: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Arc<Named<T>>> {
    // Members are numbered, so that no two share a name; the count is part of the name, so that
    // shapes differ by it.
    prop::collection::vec(member, 1..4).prop_map(move |members| {
        let own = format!("{name}-of{}", members.len());
        let members = members.into_iter().enumerate().map(|(i, t)| (format!("m-{name}{i}"), t)).collect();
        Arc::new(Named::new(own, members).expect("members of different names"))
    })
}

/// A type of any shape that a function of a job may have.
pub(crate) fn any_type() -> impl Strategy<Value = Type> {
    let int = prop::sample::select(IntType::ALL.to_vec());
    let leaf = prop_oneof![
        Just(Type::Bool),
        int.prop_map(Type::Int),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        named("enum", Just(())).prop_map(Type::Enum),
        named("flags", Just(())).prop_map(Type::Flags),
        Just(Type::List(Arc::new(Type::Int(IntType::U8)))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = || inner.clone().prop_map(Arc::new);
        prop_oneof![
            boxed().prop_map(Type::List),
            boxed().prop_map(Type::Option),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|items| Type::Tuple(items.into())),
            (prop::option::of(boxed()), prop::option::of(boxed())).prop_map(|(ok, err)| Type::Result(ok, err)),
            named("record", inner.clone()).prop_map(Type::Record),
            named("variant", prop::option::of(inner.clone())).prop_map(Type::Variant),
        ]
    })
}

/// Values of a type; no NaN, which is not equal to itself.
pub(crate) fn value_of(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Int(int) => {
            let (min, max) = int.range();
            let extreme = prop::sample::select(vec![min, max, 0, max - 1]);
            prop_oneof![3 => min..=max, 1 => extreme].prop_map(Value::Int).boxed()
        }
        Type::F32 => any::<f32>()
            .prop_filter("a NaN is no number", |x| !x.is_nan())
            .prop_map(|x| Value::Float(shortest(x)))
            .boxed(),
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
            let side = |ty: &Option<Arc<Type>>| ty.as_ref().map_or_else(|| Just(Value::Null).boxed(), |t| value_of(t));
            let ok = side(ok).prop_map(|v| Value::entry("ok", v));
            prop_oneof![ok, side(err).prop_map(|v| Value::entry("err", v))].boxed()
        }
        Type::Record(record) => {
            let names: Vec<_> = record.names().map(str::to_owned).collect();
            let values = record.members.iter().map(|(_, t)| value_of(t)).collect::<Vec<_>>();
            values.prop_map(move |values| Value::map(names.iter().cloned().zip(values))).boxed()
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
