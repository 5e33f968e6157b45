//! A core module whose exports take and return plain numbers, treated as if it had WIT that says
//! so.

use std::collections::HashSet;

use jobcontrol_core::diagnostic::some_of;
use jobcontrol_core::types::IntType;
use jobcontrol_core::types::Signature;
use jobcontrol_core::types::Type;
use wasmparser::FuncType;
use wasmparser::ValType;

use super::core_module::CoreModule;
use super::core_module::Export;
use super::core_module::START;

/// The most parameters that the canonical ABI passes as plain numbers.
const MAX_PARAMS: usize = 16;

/// Exports for the component's own machinery, which no job calls.
const MACHINERY: &[&str] = &["memory", "_initialize", "cabi_realloc"];

/// A callable function: the export, and its name and parameters in WIT.
pub(crate) struct Lifted<'a> {
    exported: &'a str,
    ty: &'a FuncType,
    name: String,
    params: Vec<String>,
}

/// Exports that no job can call, each with the reason.
pub(crate) type Uncallable = Vec<(String, String)>;

/// Returns the functions of a module that can be called, and the exports that no job can call.
///
/// # Errors
///
/// Returns an error if no export can be called.
pub(crate) fn functions(module: &CoreModule) -> Result<(Vec<Lifted<'_>>, Uncallable), String> {
    let (lifted, refused) = lift(module);
    if !lifted.is_empty() {
        return Ok((lifted, refused));
    }
    let named = some_of(refused.iter().map(|(name, reason)| format!("`{name}` {reason}")));
    let refused = if refused.is_empty() { String::new() } else { format!(": {named}") };
    Err(format!(
        "is a core module without WIT and exports no function of plain numbers, the only kind that can be \
         called{refused}"
    ))
}

/// Returns the functions that a command exports beside its start. None of them can be called,
/// because a command runs as a whole.
pub(crate) fn beside_start(module: &CoreModule) -> Uncallable {
    let reason = "it belongs to a command, which runs as a whole from `_start`; to call its functions, build it as a library: \
                  `-mexec-model=reactor` in C, C++ and Zig, `cdylib` in Rust, `-buildmode=c-shared` in Go";
    let (functions, _) = lift(module);
    let functions = functions.into_iter().filter(|function| function.exported != START);
    functions.map(|function| (function.exported.to_owned(), reason.to_owned())).collect()
}

impl Lifted<'_> {
    /// Returns the signature that a job sees.
    pub(crate) fn signature(&self) -> Signature {
        let ty = |ty: &ValType| match ty {
            ValType::I32 => Type::Int(IntType::S32),
            ValType::I64 => Type::Int(IntType::S64),
            ValType::F32 => Type::F32,
            _ => Type::F64,
        };
        let params = self.params.iter().cloned().zip(self.ty.params().iter().map(ty)).collect();
        let result = self.ty.results().first().map(ty);
        let (interface, name, docs) = (None, self.name.clone(), None);
        Signature { interface, name, params, result, docs, command: false }
    }
}

fn lift(module: &CoreModule) -> (Vec<Lifted<'_>>, Uncallable) {
    let (mut lifted, mut refused) = (Vec::new(), Vec::new());
    let mut taken = HashSet::new();
    for export in &module.exports {
        let Some(ty) = &export.func else {
            continue;
        };
        if export.name.starts_with("__") || MACHINERY.contains(&export.name.as_str()) {
            continue;
        }
        match callable(export, ty) {
            Ok(name) if taken.insert(name.clone()) => {
                let params = params(module, export, ty);
                lifted.push(Lifted { exported: &export.name, ty, name, params });
            }
            Ok(name) => refused.push((export.name.clone(), format!("is `{name}` in WIT, like another export"))),
            Err(reason) => refused.push((export.name.clone(), reason)),
        }
    }
    (lifted, refused)
}

fn callable(export: &Export, ty: &FuncType) -> Result<String, String> {
    let is_number = |ty: &ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
    if let Some(other) = ty.params().iter().chain(ty.results()).find(|ty| !is_number(ty)) {
        return Err(format!("takes or returns `{other}`, which is not a plain number"));
    }
    if ty.results().len() > 1 {
        return Err(format!("returns {} values", ty.results().len()));
    }
    if ty.params().len() > MAX_PARAMS {
        return Err(format!("has {} parameters; at most {MAX_PARAMS} are supported", ty.params().len()));
    }
    kebab(&export.name).ok_or_else(|| "has a name that WIT cannot have".to_owned())
}

/// Returns the author's parameter names if the binary has all of them, otherwise `p0`, `p1`, ..
fn params(module: &CoreModule, export: &Export, ty: &FuncType) -> Vec<String> {
    let count = u32::try_from(ty.params().len()).unwrap_or(0);
    let named: Option<Vec<String>> =
        (0..count).map(|position| kebab(module.param_name(export.index, position)?)).collect();
    let distinct = named.filter(|names| names.iter().collect::<HashSet<_>>().len() == names.len());
    distinct.unwrap_or_else(|| (0..count).map(|position| format!("p{position}")).collect())
}

/// Converts `addTwo` and `add_two` to `add-two`, and `v_2` to `v2`. Returns `None` for a name with
/// anything but letters, digits and `_`.
pub(crate) fn kebab(name: &str) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for c in name.chars() {
        let new_word = match c {
            '_' | '-' => false,
            'A'..='Z' => !before.is_ascii_uppercase(),
            'a'..='z' => matches!(before, '_' | '-'),
            '0'..='9' => words.is_empty(),
            _ => return None,
        };
        if new_word {
            words.push(String::new());
        }
        if let (Some(word), true) = (words.last_mut(), c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.first()?.starts_with(|c: char| c.is_ascii_lowercase()).then(|| words.join("-"))
}

/// Returns the functions as WIT text.
pub(crate) fn wit(lifted: &[Lifted<'_>]) -> String {
    let name = |ty: &ValType| match ty {
        ValType::I32 => "s32",
        ValType::I64 => "s64",
        ValType::F32 => "f32",
        _ => "f64",
    };
    let functions = lifted.iter().map(|function| {
        let params = function.params.iter().zip(function.ty.params());
        let params = params.map(|(param, ty)| format!("%{param}: {}", name(ty))).collect::<Vec<_>>().join(", ");
        let result = function.ty.results().first().map(|ty| format!(" -> {}", name(ty))).unwrap_or_default();
        format!("  export %{}: func({params}){result};\n", function.name)
    });
    format!("package root:component;\n\nworld root {{\n{}}}\n", functions.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_kebab() {
        let good = [
            ("add", "add"),
            ("add_two", "add-two"),
            ("addTwo", "add-two"),
            ("_start__it_", "start-it"),
            ("HTTPGet", "httpget"),
            ("v_2", "v2"),
            ("x2Y", "x2-y"),
        ];
        for (name, expected) in good {
            assert_eq!(kebab(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["", "_", "$x", "a.b", "2x", "é"] {
            assert_eq!(kebab(name), None, "{name}");
        }
    }
}
