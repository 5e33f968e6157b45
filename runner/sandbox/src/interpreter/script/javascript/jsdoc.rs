//! Reads the comment above a function: `/** .. */` with `@param` and `@returns`.

/// The content of a comment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Docs {
    /// The text before the first tag.
    pub(super) text: String,
    /// Each parameter's name, its type as written, and whether it may be left out.
    pub(super) params: Vec<(String, Option<String>, bool)>,
    pub(super) returns: Option<String>,
    /// Types that `@typedef` declares: the name, the type as written, and the properties.
    pub(super) typedefs: Vec<Typedef>,
}

/// A type that a comment declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typedef {
    pub(super) name: String,
    /// The type in TypeScript's syntax.
    pub(super) text: String,
}

impl Docs {
    /// Parses the text between `/**` and `*/`.
    pub(super) fn of(comment: &str) -> Self {
        let mut docs = Self::default();
        let lines = comment.lines().map(|line| line.trim().trim_start_matches('*').trim());
        let text = lines.collect::<Vec<_>>().join("\n");
        let mut parts = text.split("\n@");
        // A comment may begin with a tag.
        let first = parts.next().unwrap_or_default();
        let first = first.trim();
        if let Some(tag) = first.strip_prefix('@') {
            docs.tag(tag);
        } else {
            first.clone_into(&mut docs.text);
        }
        parts.for_each(|tag| docs.tag(tag));
        docs
    }

    fn tag(&mut self, tag: &str) {
        let (word, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let (ty, rest) = braced(rest.trim_start());
        match word {
            "param" | "arg" | "argument" => {
                let (name, mut optional) = named(rest);
                // Closure's notation for an optional parameter.
                let ty = ty.map(|ty| match ty.strip_suffix('=') {
                    Some(ty) => {
                        optional = true;
                        ty.to_owned()
                    }
                    None => ty.to_owned(),
                });
                // `@param {T} a.b` describes a part of another parameter.
                if !name.is_empty() && !name.contains('.') {
                    self.params.push((name.to_owned(), ty, optional));
                }
            }
            "returns" | "return" => self.returns = ty.map(str::to_owned),
            "typedef" => {
                let name = rest.split_whitespace().next().unwrap_or_default().to_owned();
                let text = ty.filter(|ty| !matches!(*ty, "Object" | "object")).unwrap_or_default();
                self.typedefs.push(Typedef { name, text: text.to_owned() });
            }
            "property" | "prop" => {
                let (name, optional) = named(rest);
                let Some(typedef) = self.typedefs.last_mut() else { return };
                let mark = if optional { "?" } else { "" };
                let member = format!("{name}{mark}: {}; }}", ty.unwrap_or("unknown"));
                typedef.text = match typedef.text.strip_suffix('}') {
                    Some(before) => format!("{before}{member}"),
                    None => format!("{{ {member}"),
                };
            }
            _ => {}
        }
    }
}

/// Splits off the text in braces at the beginning.
fn braced(text: &str) -> (Option<&str>, &str) {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if at == 0 => return (None, text),
            _ => {}
        }
        if depth == 0 {
            return (Some(text[1..at].trim()), text[at + 1..].trim_start());
        }
    }
    (None, text)
}

/// Returns the name of a parameter, and whether brackets mark it as optional: `[top=3] how many`.
fn named(text: &str) -> (&str, bool) {
    match text.strip_prefix('[') {
        Some(rest) => (rest.split(['=', ']']).next().unwrap_or_default().trim(), true),
        None => (text.split_whitespace().next().unwrap_or_default(), false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_comment_names_types() {
        let docs = Docs::of(
            "*\n * Sums up.\n * Twice.\n * @param {{id: string, cents: number}[]} orders all\n * @param {number} [top=3]\n \
             * @param untyped\n * @returns {Promise<number>} the sum\n ",
        );
        assert_eq!(docs.text, "Sums up.\nTwice.");
        let orders = ("orders".to_owned(), Some("{id: string, cents: number}[]".to_owned()), false);
        let top = ("top".to_owned(), Some("number".to_owned()), true);
        assert_eq!(docs.params, [orders, top, ("untyped".to_owned(), None, false)]);
        assert_eq!(docs.returns.as_deref(), Some("Promise<number>"));
    }

    #[test]
    fn a_comment_declares_a_type() {
        let docs =
            Docs::of("* @typedef {Object} Page\n * @property {string} url\n * @property {number} [size] in bytes\n");
        let page = Typedef { name: "Page".to_owned(), text: "{ url: string; size?: number; }".to_owned() };
        assert_eq!(docs.typedefs, [page]);
        assert_eq!(Docs::of("* @typedef {'a' | 'b'} Kind").typedefs[0].text, "'a' | 'b'");
    }

    proptest! {
        #[test]
        fn any_comment_is_read(text in "(?s).{0,200}|[@{}\\[\\]= a\n*]{0,80}") {
            Docs::of(&text);
        }
    }
}
