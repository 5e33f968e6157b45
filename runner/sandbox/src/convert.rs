//! Values of the house and values of the engine, by the types of the house.
//!
//! What goes in was made by `core::types::resolve` and has the type's own shape: fields in declared order, options
//! filled in. The checks here are the last line, since an argument of a wrong type costs the instance.

use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Named;
use jobcontrol_core::types::Type;
use jobcontrol_core::value::Value;
use wasmtime::component::Val;

/// Makes a value of the engine.
///
/// # Errors
///
/// A value that is not of the type.
pub(crate) fn to_val(value: &Value, ty: &Type) -> Result<Val, String> {
    Ok(match (value, ty) {
        (Value::Bool(b), Type::Bool) => Val::Bool(*b),
        (Value::Int(i), Type::Int(int)) => int_to_val(*i, *int)?,
        #[expect(clippy::cast_possible_truncation, reason = "an f32 was made from one")]
        (Value::Float(x), Type::F32) => Val::Float32(*x as f32),
        (Value::Float(x), Type::F64) => Val::Float64(*x),
        (Value::String(s), Type::String) => Val::String(s.clone()),
        (Value::String(s), Type::Char) => Val::Char(s.chars().next().ok_or("an empty string is no char")?),
        (Value::Bytes(bytes), ty) if ty.is_bytes() => Val::List(bytes.iter().map(|b| Val::U8(*b)).collect()),
        (Value::List(items), Type::List(item)) => {
            Val::List(items.iter().map(|value| to_val(value, item)).collect::<Result<_, _>>()?)
        }
        (Value::List(items), Type::Tuple(types)) if items.len() == types.len() => {
            let items = items.iter().zip(types).map(|(value, ty)| to_val(value, ty));
            Val::Tuple(items.collect::<Result<_, _>>()?)
        }
        (Value::List(names), Type::Flags(_)) => {
            Val::Flags(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        (Value::Null, Type::Option(_)) => Val::Option(None),
        (value, Type::Option(inner)) => {
            let value = if matches!(**inner, Type::Option(_)) { value.get("some").unwrap_or(value) } else { value };
            Val::Option(Some(Box::new(to_val(value, inner)?)))
        }
        (Value::Map(entries), Type::Record(record)) => record_to_val(entries, record)?,
        (Value::String(case), Type::Enum(_)) => Val::Enum(case.clone()),
        (Value::String(case), Type::Variant(_)) => Val::Variant(case.clone(), None),
        (Value::Map(entries), Type::Variant(variant)) => {
            let (case, payload) = one(entries)?;
            let ty = variant.get(case).and_then(|(_, ty)| ty.as_ref()).ok_or("the case carries nothing")?;
            Val::Variant(case.to_owned(), Some(Box::new(to_val(payload, ty)?)))
        }
        (Value::Map(entries), Type::Result(ok, err)) => {
            let (case, payload) = one(entries)?;
            let side = |ty: &Option<Box<Type>>| ty.as_ref().map(|ty| to_val(payload, ty).map(Box::new)).transpose();
            Val::Result(if case == "ok" { Ok(side(ok)?) } else { Err(side(err)?) })
        }
        (value, ty) => return Err(format!("{} is no {ty}", value.kind())),
    })
}

fn int_to_val(int: i128, ty: IntType) -> Result<Val, String> {
    let out_of_range = |_| format!("{int} is out of range");
    Ok(match ty {
        IntType::S8 => Val::S8(int.try_into().map_err(out_of_range)?),
        IntType::S16 => Val::S16(int.try_into().map_err(out_of_range)?),
        IntType::S32 => Val::S32(int.try_into().map_err(out_of_range)?),
        IntType::S64 => Val::S64(int.try_into().map_err(out_of_range)?),
        IntType::U8 => Val::U8(int.try_into().map_err(out_of_range)?),
        IntType::U16 => Val::U16(int.try_into().map_err(out_of_range)?),
        IntType::U32 => Val::U32(int.try_into().map_err(out_of_range)?),
        IntType::U64 => Val::U64(int.try_into().map_err(out_of_range)?),
    })
}

fn record_to_val(entries: &[(String, Value)], record: &Named<Type>) -> Result<Val, String> {
    if entries.len() != record.members.len() {
        return Err(format!("`{}` has {} fields, found {}", record.name, record.members.len(), entries.len()));
    }
    let fields = entries.iter().zip(&record.members).map(|((key, value), (name, ty))| {
        if key != name {
            return Err(format!("field `{name}` is not in its place"));
        }
        Ok((name.clone(), to_val(value, ty)?))
    });
    Ok(Val::Record(fields.collect::<Result<_, _>>()?))
}

fn one(entries: &[(String, Value)]) -> Result<(&str, &Value), String> {
    match entries {
        [(case, payload)] => Ok((case, payload)),
        _ => Err("a case has one key".to_owned()),
    }
}

/// Makes a value of the house.
///
/// # Errors
///
/// A value that is not of the type, which would be a fault of the engine or of this file.
pub(crate) fn from_val(val: Val, ty: &Type) -> Result<Value, String> {
    Ok(match (val, ty) {
        (Val::Bool(b), _) => Value::Bool(b),
        (Val::S8(i), _) => Value::Int(i.into()),
        (Val::S16(i), _) => Value::Int(i.into()),
        (Val::S32(i), _) => Value::Int(i.into()),
        (Val::S64(i), _) => Value::Int(i.into()),
        (Val::U8(i), _) => Value::Int(i.into()),
        (Val::U16(i), _) => Value::Int(i.into()),
        (Val::U32(i), _) => Value::Int(i.into()),
        (Val::U64(i), _) => Value::Int(i.into()),
        (Val::Float32(x), _) => Value::Float(x.into()),
        (Val::Float64(x), _) => Value::Float(x),
        (Val::Char(c), _) => Value::String(c.to_string()),
        (Val::String(s), _) => Value::String(s),
        (Val::List(items), ty) if ty.is_bytes() => {
            let byte = |item| if let Val::U8(b) = item { Some(b) } else { None };
            Value::Bytes(items.into_iter().filter_map(byte).collect())
        }
        (Val::List(items), Type::List(item)) => {
            Value::List(items.into_iter().map(|val| from_val(val, item)).collect::<Result<_, _>>()?)
        }
        (Val::Tuple(items), Type::Tuple(types)) => {
            let items = items.into_iter().zip(types).map(|(val, ty)| from_val(val, ty));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        (Val::Record(fields), Type::Record(record)) => {
            let fields = fields.into_iter().zip(&record.members);
            let fields = fields.map(|((name, val), (_, ty))| Ok((name, from_val(val, ty)?)));
            Value::Map(fields.collect::<Result<_, String>>()?)
        }
        (Val::Variant(case, None), _) | (Val::Enum(case), _) => Value::String(case),
        (Val::Variant(case, Some(payload)), Type::Variant(variant)) => {
            let ty = variant.get(&case).and_then(|(_, ty)| ty.as_ref()).ok_or("the case carries nothing")?;
            let payload = from_val(*payload, ty)?;
            Value::entry(case, payload)
        }
        (Val::Option(None), _) => Value::Null,
        (Val::Option(Some(val)), Type::Option(inner)) => {
            let value = from_val(*val, inner)?;
            if matches!(**inner, Type::Option(_)) { Value::entry("some", value) } else { value }
        }
        (Val::Result(result), Type::Result(ok, err)) => {
            let (case, payload, ty) = match result {
                Ok(payload) => ("ok", payload, ok),
                Err(payload) => ("err", payload, err),
            };
            let payload = match (payload, ty) {
                (Some(val), Some(ty)) => from_val(*val, ty)?,
                _ => Value::Null,
            };
            Value::entry(case, payload)
        }
        (Val::Flags(names), _) => Value::List(names.into_iter().map(Value::String).collect()),
        (_, ty) => return Err(format!("the engine returned something that is no {ty}")),
    })
}
