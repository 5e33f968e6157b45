//! The declarations of the types that functions use.

use std::collections::HashSet;
use std::sync::Arc;

use super::signature::Signature;
use super::ty::Named;
use super::ty::Type;

/// A declaration is written on one line if it is at most this long.
const LINE: usize = 80;

/// Returns the records, variants, enums and flags that functions take and return, each once, as
/// WIT. The types used in a declaration come after it.
pub fn declared<'a>(functions: impl IntoIterator<Item = &'a Signature>) -> Vec<String> {
    let mut found = Found::default();
    for function in functions {
        function.params.iter().map(|(_, ty)| ty).chain(&function.result).for_each(|ty| found.look(ty));
    }
    found.texts
}

#[derive(Default)]
struct Found {
    /// Types that were already visited; several types may share one.
    seen: HashSet<usize>,
    known: HashSet<String>,
    texts: Vec<String>,
}

impl Found {
    fn look(&mut self, ty: &Type) {
        match ty {
            Type::List(item) | Type::Option(item) => self.shared(item),
            Type::Tuple(items) if self.seen.insert(Arc::as_ptr(items).addr()) => {
                items.iter().for_each(|item| self.look(item));
            }
            Type::Result(ok, err) => ok.iter().chain(err).for_each(|side| self.shared(side)),
            Type::Record(record) if self.named("record", record, |ty| format!(": {ty}")) => {
                record.members.iter().for_each(|(_, ty)| self.look(ty));
            }
            Type::Variant(variant) => {
                let payload = |ty: &Option<Type>| ty.as_ref().map(|ty| format!("({ty})")).unwrap_or_default();
                if self.named("variant", variant, payload) {
                    variant.members.iter().filter_map(|(_, ty)| ty.as_ref()).for_each(|ty| self.look(ty));
                }
            }
            Type::Enum(named) => drop(self.named("enum", named, |()| String::new())),
            Type::Flags(named) => drop(self.named("flags", named, |()| String::new())),
            _ => {}
        }
    }

    fn shared(&mut self, ty: &Arc<Type>) {
        if self.seen.insert(Arc::as_ptr(ty).addr()) {
            self.look(ty);
        }
    }

    /// Writes a declaration. Returns `false` if the type was already visited.
    fn named<T>(&mut self, keyword: &str, named: &Arc<Named<T>>, carries: impl Fn(&T) -> String) -> bool {
        if !self.seen.insert(Arc::as_ptr(named).addr()) {
            return false;
        }
        let members: Vec<_> =
            named.members.iter().map(|(name, carried)| format!("{name}{}", carries(carried))).collect();
        let line = format!("{keyword} {} {{ {} }}", named.name, members.join(", "));
        let text = if line.len() <= LINE {
            line
        } else {
            format!("{keyword} {} {{\n  {},\n}}", named.name, members.join(",\n  "))
        };
        if self.known.insert(text.clone()) {
            self.texts.push(text);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::IntType;

    #[test]
    fn each_type_is_written_once_and_what_is_in_it_after_it() {
        let kind = Type::Enum(Arc::new(Named::new("kind".into(), vec![("a".into(), ()), ("b".into(), ())]).unwrap()));
        let payload = vec![("none".into(), None), ("some".into(), Some(kind.clone()))];
        let choice = Type::Variant(Arc::new(Named::new("choice".into(), payload).unwrap()));
        let fields = vec![("id".into(), Type::Int(IntType::U32)), ("choices".into(), Type::List(Arc::new(choice)))];
        let order = Type::Record(Arc::new(Named::new("order".into(), fields).unwrap()));
        let many = (0..30).map(|at| (format!("flag-{at}"), ())).collect();
        let flags = Type::Flags(Arc::new(Named::new("many".into(), many).unwrap()));
        let function = |params: Vec<(String, Type)>, result| Signature {
            interface: None,
            name: "f".into(),
            params,
            result,
            docs: None,
            command: false,
        };
        let functions = [
            function(vec![("o".into(), order.clone())], Some(Type::Option(Arc::new(kind)))),
            function(vec![("o".into(), Type::Tuple([order, flags].into()))], None),
        ];
        let texts = declared(&functions);
        assert_eq!(texts[0], "record order { id: u32, choices: list<choice> }");
        assert_eq!(texts[1], "variant choice { none, some(kind) }");
        assert_eq!(texts[2], "enum kind { a, b }");
        assert!(texts[3].starts_with("flags many {\n  flag-0,\n  flag-1,\n"), "{}", texts[3]);
        assert_eq!(texts.len(), 4);
    }
}
