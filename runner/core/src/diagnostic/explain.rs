//! What a code means, with a wrong example and a right one, out of `explanations/CODE.md`.

use super::code::Code;

/// What a code means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// In sentences, on lines of at most 100 characters.
    pub meaning: &'static str,
    /// What leads to the mistake: the files of one example.
    pub wrong: Vec<Example>,
    /// The same as it should be.
    pub right: Vec<Example>,
    /// All of it as Markdown.
    pub markdown: &'static str,
}

/// One file of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// `yaml`, `wat` or `text`.
    pub language: &'static str,
    /// The file it stands in, where that matters: `jobs/small.wat`.
    pub file: Option<&'static str>,
    /// The text, which ends with a line end.
    pub text: &'static str,
}

impl Code {
    /// What this kind of mistake means, with examples.
    pub fn explanation(self) -> Explanation {
        let (meaning, rest) = section(self.text(), "\n## Wrong\n");
        let (wrong, right) = section(rest, "\n## Right\n");
        Explanation {
            meaning: meaning.trim_end(),
            wrong: examples(wrong),
            right: examples(right),
            markdown: self.text(),
        }
    }
}

fn section(text: &'static str, heading: &str) -> (&'static str, &'static str) {
    text.split_once(heading).unwrap_or((text, ""))
}

/// The fenced blocks of a text.
fn examples(text: &'static str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("```") {
        let Some((info, body)) = after.split_once('\n') else {
            break;
        };
        let (text, next) = body.split_once("```").unwrap_or((body, ""));
        let (language, file) = info.split_once(' ').map_or((info, None), |(language, file)| (language, Some(file)));
        found.push(Example { language, file, text });
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_with_a_wrong_and_a_right_example() {
        for code in Code::ALL {
            let Explanation { meaning, wrong, right, .. } = code.explanation();
            assert!(meaning.len() > 30 && meaning.ends_with('.'), "{code}: {meaning}");
            assert!(meaning.lines().all(|line| line.chars().count() <= 100), "{code}");
            assert!(!wrong.is_empty() && !right.is_empty() && wrong != right, "{code}");
            for example in wrong.iter().chain(&right) {
                assert!(["yaml", "wat", "js", "text"].contains(&example.language), "{code}: {}", example.language);
                assert!(!example.text.trim().is_empty(), "{code}");
            }
            assert!(!code.title().ends_with('.') && !code.title().is_empty(), "{code}");
        }
    }
}
