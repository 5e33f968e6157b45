//! Reads what the Rust library writes into a plugin beside its types: the comments of jobs, and
//! where types were declared. These are lines of JSON in custom sections of its modules, because a
//! component keeps no comments from its modules.

use std::collections::HashMap;

use jobcontrol_core::types::Signature;
use serde::Deserialize;
use wasmparser::Parser;
use wasmparser::Payload;

use super::task::Refused;
use super::task::Why;

/// The name of the section.
const SECTION: &str = "jobcontrol-plugin";

/// The most lines that are read. A plugin has one for each job and each of its types.
const LINES: usize = 20_000;

/// The most bytes of a comment that are kept.
const DOCS: usize = 4 << 10;

/// The comments of jobs.
#[derive(Default)]
pub(crate) struct Library {
    docs: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Job { job: String, docs: String },
    Type { r#type: String, shape: String, file: String, line: u32 },
}

impl Library {
    /// Reads the sections of a plugin.
    ///
    /// # Errors
    ///
    /// Returns an error if two different types have the same name. Code that joins the types of the
    /// jobs would keep only one of them.
    pub(crate) fn read(binary: &[u8]) -> Result<Self, Refused> {
        let mut library = Self::default();
        let mut types: HashMap<String, (String, String)> = HashMap::new();
        for payload in Parser::new(0).parse_all(binary).map_while(Result::ok) {
            let Payload::CustomSection(section) = payload else { continue };
            if section.name() != SECTION {
                continue;
            }
            let lines = section.data().split(|byte| *byte == b'\n').take(LINES);
            for line in lines.map_while(|line| serde_json::from_slice(line).ok()) {
                match line {
                    Line::Job { job, docs } => library.describe(job, docs),
                    Line::Type { r#type, shape, file, line } => {
                        let place = format!("{file}:{line}");
                        let (known, before) =
                            types.entry(r#type.clone()).or_insert_with(|| (shape.clone(), place.clone()));
                        if *known != shape {
                            return Err(two_of_one_name(&r#type, before, &place));
                        }
                    }
                }
            }
        }
        Ok(library)
    }

    fn describe(&mut self, job: String, mut docs: String) {
        if !docs.is_empty() {
            docs.truncate(docs.floor_char_boundary(DOCS));
            self.docs.insert(job, docs);
        }
    }

    /// Sets the comment of a function if it has none.
    pub(crate) fn comment(&self, signature: &mut Signature) {
        if signature.docs.is_none() && signature.interface.is_none() {
            signature.docs = self.docs.get(&signature.name).cloned();
        }
    }
}

fn two_of_one_name(name: &str, first: &str, second: &str) -> Refused {
    let what = format!("defines two different types named `{name}`, at {first} and {second}");
    Refused::new(Why::Kind, what).or_help("rename one of them with `#[data(name = \"..\")]`")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use wasm_encoder::CustomSection;
    use wasm_encoder::Module;

    use super::*;

    fn plugin(lines: &str) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&CustomSection { name: SECTION.into(), data: Cow::Borrowed(lines.as_bytes()) });
        module.finish()
    }

    const ORDER: &str = r#"{"type":"order","shape":"1","file":"src/a.rs","line":3}"#;

    #[test]
    fn jobs_have_their_comments() {
        let lines = "{\"job\":\"sum\",\"docs\":\"Sums \\\"up\\\".\"}\n{\"job\":\"other\",\"docs\":\"\"}\n";
        let library = Library::read(&plugin(lines)).ok().unwrap();
        let of = |name: &str| {
            let mut signature = Signature::command(None);
            name.clone_into(&mut signature.name);
            library.comment(&mut signature);
            signature.docs
        };
        assert_eq!((of("sum").as_deref(), of("other")), (Some("Sums \"up\"."), None));
        assert!(Library::read(&plugin("no JSON\n")).is_ok_and(|library| library.docs.is_empty()));
        let long = format!("{{\"job\":\"a\",\"docs\":\"{}\"}}\n", "ä".repeat(DOCS));
        assert_eq!(Library::read(&plugin(&long)).ok().unwrap().docs["a"].len(), DOCS);
    }

    #[test]
    fn two_types_of_one_name_are_refused() {
        let twice = format!("{ORDER}\n{ORDER}\n");
        assert!(Library::read(&plugin(&twice)).is_ok());
        let other = r#"{"type":"order","shape":"2","file":"src/b.rs","line":9}"#;
        let refused = Library::read(&plugin(&format!("{ORDER}\n{other}\n"))).err().unwrap();
        let what = "defines two different types named `order`, at src/a.rs:3 and src/b.rs:9";
        assert_eq!((refused.why, refused.what.as_str()), (Why::Kind, what));
    }
}
