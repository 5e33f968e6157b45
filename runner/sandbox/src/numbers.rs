//! Functions of a core module that take and return plain numbers, without the component model.

use jobcontrol_core::types::Signature;
use jobcontrol_core::value::Value;
use jobcontrol_core::value::shortest;
use wasmtime::FuncType;
use wasmtime::Module;
use wasmtime::Store;
use wasmtime::Val;
use wasmtime::ValType;

use crate::host::Host;
use crate::interpreter::kebab;
use crate::transfer::Mismatch;
use crate::transfer::Returned;

/// The export to call before any other function, if a module has it.
const INITIALIZE: &str = "_initialize";

/// Returns the export that a job calls by its name in WIT.
pub(crate) fn export(module: &Module, signature: &Signature) -> Option<String> {
    let is_it = |ty: &FuncType| {
        ty.params().len() == signature.params.len() && ty.results().len() == usize::from(signature.result.is_some())
    };
    let mut exports = module.exports().filter(|export| export.ty().func().is_some_and(is_it));
    let found = exports
        .find(|export| !export.name().starts_with("__") && kebab(export.name()).as_deref() == Some(&signature.name));
    found.map(|export| export.name().to_owned())
}

/// Calls an export in a fresh instance, after the module's `_initialize`.
pub(crate) async fn call(
    store: &mut Store<Host>,
    pre: &wasmtime::InstancePre<Host>,
    export: &str,
    args: &[Value],
) -> wasmtime::Result<Returned> {
    let instance = pre.instantiate_async(&mut *store).await?;
    if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut *store, INITIALIZE) {
        initialize.call_async(&mut *store, ()).await?;
    }
    let function = instance
        .get_func(&mut *store, export)
        .ok_or_else(|| wasmtime::Error::msg("the instance has no such function"))?;
    let ty = function.ty(&*store);
    if ty.params().len() != args.len() {
        return Err(Mismatch(format!("{} arguments for {} parameters", args.len(), ty.params().len())).into());
    }
    let args = args.iter().zip(ty.params()).map(|(arg, ty)| number(arg, &ty)).collect::<Result<Vec<_>, _>>()?;
    let mut results = vec![Val::I32(0); ty.results().len()];
    function.call_async(&mut *store, &args, &mut results).await?;
    Ok(Returned::Value(results.first().and_then(value)))
}

fn number(value: &Value, ty: &ValType) -> Result<Val, Mismatch> {
    let misfit = || Mismatch(format!("a value is not a number of the type {ty}"));
    let number = match (value, ty) {
        (Value::Int(x), ValType::I32) => Val::I32(i32::try_from(*x).map_err(|_| misfit())?),
        (Value::Int(x), ValType::I64) => Val::I64(i64::try_from(*x).map_err(|_| misfit())?),
        #[expect(clippy::cast_possible_truncation, reason = "an f32 was made from one")]
        (Value::Float(x), ValType::F32) => Val::F32((*x as f32).to_bits()),
        (Value::Float(x), ValType::F64) => Val::F64(x.to_bits()),
        _ => return Err(misfit()),
    };
    Ok(number)
}

fn value(number: &Val) -> Option<Value> {
    match number {
        Val::I32(x) => Some(Value::Int((*x).into())),
        Val::I64(x) => Some(Value::Int((*x).into())),
        Val::F32(bits) => Some(Value::Float(shortest(f32::from_bits(*bits)))),
        Val::F64(bits) => Some(Value::Float(f64::from_bits(*bits))),
        _ => None,
    }
}
