//! Converts a stored value of one type into another type that it fits. Follows `fits` rule by rule.

use crate::value::Name;
use crate::value::Value;

use super::ty::IntType;
use super::ty::Named;
use super::ty::Type;

/// Converts `value` of type `from` into a value of type `to`, which `from` must fit.
///
/// # Errors
///
/// Returns an error if the value is not of type `from`, or if `from` does not fit `to`. Then the
/// stored value was damaged, or the caller did not check with `fits` first.
pub fn convert(value: Value, from: &Type, to: &Type) -> Result<Value, String> {
    match (value, from, to) {
        (value, Type::Option(a), Type::Option(b)) => convert_option(value, a, b),
        (value, from, Type::Option(to)) => Ok(some(convert(value, from, to)?, to)),
        (Value::Int(i), Type::Int(_), Type::Int(int)) => {
            let (min, max) = int.range();
            if (min..=max).contains(&i) { Ok(Value::Int(i)) } else { Err(format!("{i} is out of range for {to}")) }
        }
        #[expect(clippy::cast_precision_loss, reason = "fits lets only integers through that are exact")]
        (Value::Int(i), Type::Int(_), Type::F32 | Type::F64) => Ok(Value::Float(i as f64)),
        (value @ Value::Bytes(_), from, to) if from.is_bytes() && to.is_bytes() => Ok(value),
        (Value::Bytes(bytes), from, Type::List(b)) if from.is_bytes() => {
            let item = Type::Int(IntType::U8);
            let items = bytes.into_iter().map(|byte| convert(Value::Int(byte.into()), &item, b));
            all(items)
        }
        (Value::List(items), Type::List(a), Type::List(b)) => {
            let items = items.into_iter().map(|item| convert(item, a, b));
            all(items)
        }
        (Value::List(items), Type::Tuple(a), Type::Tuple(b)) if items.len() == a.len() && a.len() == b.len() => {
            let items = items.into_iter().zip(a.iter().zip(b.iter())).map(|(item, (a, b))| convert(item, a, b));
            all(items)
        }
        (Value::Map(entries), Type::Record(a), Type::Record(b)) => convert_record(entries, a, b),
        (value, Type::Variant(a), Type::Variant(b)) => {
            convert_case(value, |case| Some((a.get(case)?.1.as_ref(), b.get(case)?.1.as_ref())))
        }
        (value, Type::Result(a_ok, a_err), Type::Result(b_ok, b_err)) => convert_case(value, |case| match case {
            "ok" => Some((a_ok.as_deref(), b_ok.as_deref())),
            "err" => Some((a_err.as_deref(), b_err.as_deref())),
            _ => None,
        }),
        (Value::List(set), Type::Flags(_), Type::Flags(b)) => {
            // The flags in the order in which the target declares them.
            let in_order = b.names().filter(|name| set.iter().any(|flag| flag.as_str() == Some(*name)));
            Ok(Value::List(in_order.map(Value::string).collect()))
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is the f32 that was returned")]
        (Value::Float(x), Type::F32, Type::F64) => Ok(Value::Float((x as f32).into())),
        (value, Type::Enum(_), Type::Enum(_)) | (value, Type::F32, Type::F64) => Ok(value),
        (value, from, to) if from == to => Ok(value),
        (value, from, to) => Err(format!("{} is not a value of {from} that fits {to}", value.kind())),
    }
}

/// Collects a list with exactly the capacity it needs, because there may be millions of small ones.
fn all(items: impl ExactSizeIterator<Item = Result<Value, String>>) -> Result<Value, String> {
    let mut list = Vec::with_capacity(items.len());
    for item in items {
        list.push(item?);
    }
    Ok(Value::List(list))
}

/// Wraps the payload of an option. If the payload may itself be null, it is written as `{some: x}`.
pub(super) fn some(value: Value, inner: &Type) -> Value {
    if matches!(inner, Type::Option(_)) { Value::entry("some", value) } else { value }
}

fn convert_option(value: Value, a: &Type, b: &Type) -> Result<Value, String> {
    let inner = match value {
        Value::Null => return Ok(Value::Null),
        Value::Map(mut entries) if matches!(a, Type::Option(_)) && entries.len() == 1 => entries.remove(0).1,
        value => value,
    };
    Ok(some(convert(inner, a, b)?, b))
}

fn convert_record(mut entries: Vec<(Name, Value)>, a: &Named<Type>, b: &Named<Type>) -> Result<Value, String> {
    let mut fields = Vec::with_capacity(b.members.len());
    for (i, (name, to)) in b.members.iter().enumerate() {
        // Fields are in declared order, so the one at the same index is tried first.
        let at = match entries.get(i) {
            Some((key, _)) if key == name => Some(i),
            _ => entries.iter().position(|(key, _)| key == name),
        };
        let field = match (at, a.get(name)) {
            (Some(at), Some((_, from))) => {
                let (key, value) = &mut entries[at];
                (key.clone(), convert(std::mem::replace(value, Value::Null), from, to)?)
            }
            _ if matches!(to, Type::Option(_)) => (name.into(), Value::Null),
            _ => return Err(format!("field `{name}` is missing")),
        };
        fields.push(field);
    }
    Ok(Value::Map(fields))
}

/// What a case carries in the source and in the target.
type Payloads<'a> = (Option<&'a Type>, Option<&'a Type>);

fn convert_case<'a>(value: Value, payloads: impl Fn(&str) -> Option<Payloads<'a>>) -> Result<Value, String> {
    let (case, inner) = match value {
        Value::String(case) => return Ok(Value::String(case)),
        Value::Map(mut entries) if entries.len() == 1 => entries.remove(0),
        other => return Err(format!("{} is not a case", other.kind())),
    };
    match payloads(&case) {
        Some((Some(a), Some(b))) => Ok(Value::entry(case, convert(inner, a, b)?)),
        Some((None, None)) => Ok(Value::entry(case, inner)),
        _ => Err(format!("there is no case `{case}`")),
    }
}
