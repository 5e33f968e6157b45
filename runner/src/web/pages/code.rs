//! Code with its words in colours: WIT and YAML. Other languages are shown as they are.

use askama::Template;

use crate::show::escape::clean;

/// Characters of code on one page.
const MOST: usize = 60_000;

/// Code in pieces, each with its class.
#[derive(Clone, Debug, Template)]
#[template(
    source = r#"{% for (class, text) in pieces %}{% if class.is_empty() %}{{ text }}{% else %}<span class="{{ class }}">{{ text }}</span>{% endif %}{% endfor %}"#,
    ext = "html"
)]
pub(super) struct Code {
    pieces: Vec<(&'static str, String)>,
}

impl Code {
    /// A manifest, or a part of one.
    pub(super) fn yaml(text: &str) -> Self {
        let mut code = Self { pieces: Vec::new() };
        for line in bounded(text).split_inclusive('\n') {
            code.yaml_line(line);
        }
        code
    }

    /// An interface.
    pub(super) fn wit(text: &str) -> Self {
        const WORDS: [&str; 25] = [
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
        let mut code = Self { pieces: Vec::new() };
        for line in bounded(text).split_inclusive('\n') {
            let (before, comment) = line.find("//").map_or((line, ""), |at| line.split_at(at));
            let mut rest = before;
            while !rest.is_empty() {
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let cut = if word == 0 { rest.find(is_word).unwrap_or(rest.len()) } else { word };
                let (piece, after) = rest.split_at(cut);
                let is_number =
                    matches!(piece, "u8" | "u16" | "u32" | "u64" | "s8" | "s16" | "s32" | "s64" | "f32" | "f64");
                code.push(
                    if WORDS.contains(&piece) {
                        "k"
                    } else if is_number {
                        "n"
                    } else {
                        ""
                    },
                    piece,
                );
                rest = after;
            }
            code.push("c", comment);
        }
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
            let word = tag.split_whitespace().next().unwrap_or_default();
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
            Some((last, before)) if *last == class => before.push_str(&clean(text)),
            _ => self.pieces.push((class, clean(text).into_owned())),
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
        assert!(yaml.to_string().contains("<span class=\"f\">top:</span><span class=\"n\"> 3\n</span>"), "{yaml}");
        let wit = Code::wit("f: func(a: list<u8>) -> string; // <b>\n").to_string();
        assert!(wit.contains("<span class=\"k\">func</span>") && wit.contains("<span class=\"n\">u8</span>"), "{wit}");
        assert!(wit.contains("<span class=\"c\">// &#60;b&#62;\n</span>"), "{wit}");
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_lost(text in "[ -~\n\t\u{e9}\u{202e}]{0,80}") {
            prop_assert_eq!(plain(&Code::yaml(&text)), clean(&text).into_owned());
            prop_assert_eq!(plain(&Code::wit(&text)), clean(&text).into_owned());
        }
    }
}
