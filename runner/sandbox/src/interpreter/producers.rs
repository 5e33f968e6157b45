//! Reads what made a plugin from the `producers` sections of its modules, which toolchains write.

use wasmparser::KnownCustom;
use wasmparser::Parser;
use wasmparser::Payload;

/// The most characters that are shown. The text comes from the file and may be anything.
const MOST: usize = 80;

/// Returns the language that a plugin was written in, and its compiler: `Rust, rustc 1.95.0`. The
/// first module decides, because adapters and libraries come after it.
pub(crate) fn language(binary: &[u8]) -> Option<String> {
    for payload in Parser::new(0).parse_all(binary).map_while(Result::ok) {
        let Payload::CustomSection(section) = payload else { continue };
        let KnownCustom::Producers(fields) = section.as_known() else { continue };
        let (mut languages, mut compilers) = (Vec::new(), Vec::new());
        for field in fields.into_iter().map_while(Result::ok) {
            let into = match field.name {
                "language" => &mut languages,
                "processed-by" => &mut compilers,
                _ => continue,
            };
            into.extend(field.values.into_iter().map_while(Result::ok).map(|value| (value.name, value.version)));
        }
        // Most languages include some C.
        let is_c =
            |name: &str| name.strip_prefix('C').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        // Rust's own standard library names only the C in it.
        let is_rust = compilers.iter().any(|(name, _)| *name == "rustc");
        let rust = is_rust.then_some(&("Rust", ""));
        let language = languages.iter().find(|(name, _)| !is_c(name)).or(rust).or(languages.first());
        if let Some((language, of)) = language {
            return Some(said(language, of, compilers.first().copied()));
        }
    }
    None
}

fn said(language: &str, of: &str, compiler: Option<(&str, &str)>) -> String {
    // A date and a commit may follow the version of a compiler.
    let version = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let said = match (of.is_empty(), compiler) {
        (false, _) => format!("{language} {of}"),
        (true, Some((name, of))) => format!("{language}, {name} {}", version(of)).trim_end().to_owned(),
        (true, None) => language.to_owned(),
    };
    said.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use wasm_encoder::Component;
    use wasm_encoder::Module;
    use wasm_encoder::ModuleSection;
    use wasm_encoder::ProducersField;
    use wasm_encoder::ProducersSection;

    use super::*;

    fn module(language: &str, of: &str, compiler: &str) -> Module {
        let mut section = ProducersSection::new();
        let (mut languages, mut compilers) = (ProducersField::new(), ProducersField::new());
        languages.value("C99", "").value(language, of);
        compilers.value("rustc", compiler);
        section.field("language", &languages).field("processed-by", &compilers);
        let mut module = Module::new();
        module.section(&section);
        module
    }

    #[test]
    fn a_language_is_told_wherever_it_stands() {
        let rust = module("Rust", "", "1.95.0 (59807616e 2026-04-14)");
        assert_eq!(language(rust.as_slice()).as_deref(), Some("Rust, rustc 1.95.0"));
        let mut component = Component::new();
        component.section(&ModuleSection(&module("Zig", "5", "")));
        assert_eq!(language(component.as_slice()).as_deref(), Some("Zig 5"));
        assert_eq!(language(module("C11", "", "1.96.0").as_slice()).as_deref(), Some("Rust, rustc 1.96.0"));
        assert_eq!(language(Module::new().as_slice()), None);
        assert_eq!(language(b"no wasm"), None);
        assert_eq!(language(module(&"x".repeat(500), "", "1").as_slice()).map(|text| text.len()), Some(MOST));
    }
}
