//! Reads what a code means, with a wrong and a right example, from `explanations/CODE.md`.

use super::code::Code;

/// What a code means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The meaning in full sentences, on lines of at most 100 characters.
    pub meaning: &'static str,
    /// The files of an example that contains the mistake.
    pub wrong: Vec<Example>,
    /// The files of the corrected example.
    pub right: Vec<Example>,
    /// The whole explanation as Markdown.
    pub markdown: &'static str,
}

/// One file of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The language of the code block: `yaml`, `wat`, `js` or `text`.
    pub language: &'static str,
    /// The name of the file, if it matters: `jobs/small.wat`.
    pub file: Option<&'static str>,
    /// The text; it ends with a newline.
    pub text: &'static str,
}

impl Code {
    /// Returns what this kind of mistake means, with examples.
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

/// Returns the fenced code blocks of a text.
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
