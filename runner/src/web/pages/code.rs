//! Code with syntax highlighting: WIT and YAML. Other languages are shown as plain text.

use std::collections::BTreeSet;

use askama::Template;

use crate::show::escape::clean;

/// Most characters of code on one page.
const MOST: usize = 60_000;

/// The classes of a type's name: where it is declared, and where it is used.
const DECLARED: &str = "declared";
const LINK: &str = "link";

/// The keywords that precede the name of a declared type.
const DECLARING: [&str; 6] = ["record", "variant", "enum", "flags", "type", "resource"];

/// The names of types that an interface declares.
pub(super) type Types = BTreeSet<String>;

/// Code in pieces, each with its class.
#[derive(Clone, Debug, Template)]
#[template(
    source = r##"{% for (class, text) in pieces %}{% if class.is_empty() %}{{ text }}{% else if *class == DECLARED %}<b id="type-{{ text }}">{{ text }}</b>{% else if *class == LINK %}<a href="#type-{{ text }}">{{ text }}</a>{% else %}<span class="{{ class }}">{{ text }}</span>{% endif %}{% endfor %}"##,
    ext = "html"
)]
pub(super) struct Code {
    pieces: Vec<(&'static str, String)>,
}

impl Code {
    /// Highlights a manifest, or a part of one.
    pub(super) fn yaml(text: &str) -> Self {
        let mut code = Self { pieces: Vec::new() };
        for line in bounded(text).split_inclusive('\n') {
            code.yaml_line(line);
        }
        code
    }

    /// Returns the types that an interface declares.
    pub(super) fn types(wit: &str) -> Types {
        let mut types = Types::new();
        words(bounded(wit), |word| {
            if let Word::Declared(name) = word {
                types.insert(name.to_owned());
            }
        });
        types
    }

    /// Highlights an interface, or a part of one. Types link to their declarations; with `declares`
    /// those are in this text.
    pub(super) fn wit(text: &str, types: &Types, declares: bool) -> Self {
        let mut code = Self { pieces: Vec::new() };
        // Two interfaces may have a type of the same name. Links go to the first one.
        let mut met = BTreeSet::new();
        words(bounded(text), |word| {
            let (class, text) = match word {
                Word::Declared(name) if declares && types.contains(name) && met.insert(name.to_owned()) => {
                    (DECLARED, name)
                }
                Word::Name(name) if types.contains(name) => (LINK, name),
                Word::Keyword(text) => ("k", text),
                Word::Number(text) => ("n", text),
                Word::Comment(text) => ("c", text),
                Word::Declared(text) | Word::Name(text) | Word::Rest(text) => ("", text),
            };
            code.push(class, text);
        });
        code
    }

    fn yaml_line(&mut self, line: &str) {
        let start = line.len() - line.trim_start_matches([' ', '-']).len();
        let (indent, rest) = line.split_at(start);
        self.push("", indent);
        if rest.starts_with('#') {
            return self.push("c", rest);
        }
        let key = rest.find(": ").or_else(|| rest.trim_end().ends_with(':').then(|| rest.trim_end().len() - 1));
        let key =
            key.filter(|at| rest[..*at].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
        let value = match key {
            Some(at) => {
                self.push("f", &rest[..=at]);
                &rest[at + 1..]
            }
            None => rest,
        };
        let plain = value.trim();
        if let Some(tag) = plain.strip_prefix('!') {
            let word = tag.split(char::is_whitespace).next().unwrap_or_default();
            let (before, after) = value.split_at(value.find('!').unwrap_or(0));
            self.push("", before);
            self.push("k", &after[..=word.len()]);
            return self.push("", &after[word.len() + 1..]);
        }
        let class = match plain {
            "true" | "false" | "null" => "k",
            text if text.parse::<f64>().is_ok() => "n",
            text if text.starts_with(['"', '\'']) => "s",
            _ => "",
        };
        self.push(class, value);
    }

    fn push(&mut self, class: &'static str, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some((last, before)) if *last == class && !matches!(class, DECLARED | LINK) => {
                before.push_str(&clean(text));
            }
            _ => self.pieces.push((class, clean(text).into_owned())),
        }
    }
}

/// A piece of WIT.
enum Word<'a> {
    Keyword(&'a str),
    Number(&'a str),
    /// The name of a type declared here.
    Declared(&'a str),
    Name(&'a str),
    Comment(&'a str),
    Rest(&'a str),
}

/// Passes the pieces of a WIT text to `take`.
fn words(text: &str, mut take: impl FnMut(Word<'_>)) {
    const KEYWORDS: [&str; 25] = [
        "package",
        "interface",
        "world",
        "use",
        "import",
        "export",
        "include",
        "func",
        "record",
        "variant",
        "enum",
        "flags",
        "type",
        "resource",
        "list",
        "option",
        "result",
        "tuple",
        "string",
        "bool",
        "char",
        "static",
        "constructor",
        "async",
        "as",
    ];
    const NUMBERS: [&str; 10] = ["u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64"];
    for line in text.split_inclusive('\n') {
        let (mut rest, comment) = line.find("//").map_or((line, ""), |at| line.split_at(at));
        let mut declaring = false;
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let cut = if word == 0 { rest.find(is_word).unwrap_or(rest.len()) } else { word };
            let (piece, after) = rest.split_at(cut);
            let is_keyword = KEYWORDS.contains(&piece);
            take(match piece {
                piece if word == 0 => Word::Rest(piece),
                piece if declaring => Word::Declared(piece),
                piece if is_keyword => Word::Keyword(piece),
                piece if NUMBERS.contains(&piece) => Word::Number(piece),
                // The name of a parameter, a field or a package.
                piece if after.starts_with(':') => Word::Rest(piece),
                piece => Word::Name(piece),
            });
            // Only spaces may stand between the keyword and the name.
            declaring =
                if word == 0 { declaring && piece.trim().is_empty() } else { !declaring && DECLARING.contains(&piece) };
            rest = after;
        }
        if !comment.is_empty() {
            take(Word::Comment(comment));
        }
    }
}

fn bounded(text: &str) -> &str {
    text.char_indices().nth(MOST).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(code: &Code) -> String {
        code.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn words_have_their_colours() {
        let yaml = Code::yaml("kwargs:\n  top: 3\n  - !retval a.b\n# x\n");
        assert_eq!(yaml.to_string().matches("class=\"k\"").count(), 1);
        assert_eq!(plain(&Code::yaml("a: !\tbé\u{202e}")), clean("a: !\tbé\u{202e}"));
        assert!(yaml.to_string().contains("<span class=\"f\">top:</span><span class=\"n\"> 3\n</span>"), "{yaml}");
        let wit = Code::wit("f: func(a: list<u8>) -> string; // <b>\n", &Types::new(), true).to_string();
        assert!(wit.contains("<span class=\"k\">func</span>") && wit.contains("<span class=\"n\">u8</span>"), "{wit}");
        assert!(wit.contains("<span class=\"c\">// &#60;b&#62;\n</span>"), "{wit}");
    }

    #[test]
    fn a_type_is_a_link_to_where_it_is_declared() {
        let text = "record order { at: day }\ntype day = string;\ntype order = u8; // day\nrecord-of: func(day: day) -> order;\n";
        let types = Code::types(text);
        assert_eq!(types.iter().map(String::as_str).collect::<Vec<_>>(), ["day", "order"]);
        let shown = Code::wit(text, &types, true).to_string();
        assert_eq!(shown.matches("<b id=\"type-order\">order</b>").count(), 1, "{shown}");
        assert!(shown.contains("at: <a href=\"#type-day\">day</a>"), "{shown}");
        assert!(
            shown.ends_with("(day: <a href=\"#type-day\">day</a>) -&#62; <a href=\"#type-order\">order</a>;\n"),
            "{shown}"
        );
        assert!(!Code::wit(text, &types, false).to_string().contains("id="));
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_lost(text in "[ -~\n\t\u{e9}\u{202e}]{0,80}") {
            prop_assert_eq!(plain(&Code::yaml(&text)), clean(&text).into_owned());
            prop_assert_eq!(plain(&Code::wit(&text, &Code::types(&text), true)), clean(&text).into_owned());
        }
    }
}
