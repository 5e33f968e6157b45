//! Removes secrets from texts: every form of each secret is replaced by `[secret NAME]`.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use aho_corasick::Input;
use aho_corasick::MatchKind;

use crate::failure::CUT;
use crate::failure::Cause;
use crate::failure::Failure;
use crate::failure::FailureKind;
use crate::failure::Frame;
use crate::value::Value;

use super::forms::forms;

/// The search looks for the first bytes of each form; this is how many. The end of a text counts as
/// a part of a secret only if at least this many bytes match. Shorter matches are at the end of
/// every tenth line.
pub(super) const BEGINNING: usize = 4;

/// Removes secrets from texts.
#[derive(Default)]
pub struct Redactor {
    /// The replacement of each secret.
    labels: Vec<String>,
    /// Finds where a form may begin; `None` if there are no secrets.
    beginnings: Option<AhoCorasick>,
    /// For each beginning, the forms that start with it, longest first, each with the index of its
    /// secret.
    forms: Vec<Vec<(Vec<u8>, usize)>>,
}

/// A secret in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) secret: usize,
}

impl Redactor {
    /// Creates a redactor for these secrets, each with its name.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut labels = Vec::new();
        let mut by_beginning: BTreeMap<Vec<u8>, Vec<(Vec<u8>, usize)>> = BTreeMap::new();
        for (name, value) in secrets {
            for form in forms(value) {
                by_beginning.entry(form[..BEGINNING].to_vec()).or_default().push((form, labels.len()));
            }
            labels.push(format!("[secret {name}]"));
        }
        let beginnings = by_beginning.keys().collect::<Vec<_>>();
        // This fails only for more than 2^31 bytes of patterns.
        let beginnings = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(beginnings).ok();
        let mut forms: Vec<_> = by_beginning.into_values().collect();
        forms.iter_mut().for_each(|forms| forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len())));
        Self { labels, beginnings: beginnings.filter(|_| !forms.is_empty()), forms }
    }

    /// Returns the replacement of a secret.
    pub(super) fn label(&self, found: Found) -> &str {
        &self.labels[found.secret]
    }

    /// Returns the first secret at or after `from`, in its longest form.
    fn find(&self, text: &[u8], from: usize) -> Option<Found> {
        self.candidates(text, from).find_map(|(start, forms)| {
            let (form, secret) = forms.iter().find(|(form, _)| text[start..].starts_with(form))?;
            Some(Found { start, end: start + form.len(), secret: *secret })
        })
    }

    /// Returns the secrets in a text from `from` on, and its open end. If the text may go on, its
    /// open end is the first position from which the rest may be the beginning of a secret. The
    /// returned secrets end before it. The secret at the open end may be longer than a complete one
    /// that is already there.
    pub(super) fn all(&self, text: &[u8], from: usize, goes_on: bool) -> (Vec<Found>, Option<Found>) {
        let (mut found, mut at) = (Vec::new(), from);
        let dangling = |at| self.dangling(text, at).filter(|_| goes_on);
        let mut open = dangling(at);
        while let Some(secret) = self.find(text, at) {
            if open.is_some_and(|open| open.start <= secret.start) {
                break;
            }
            at = secret.end;
            if open.is_some_and(|open| open.start < at) {
                open = dangling(at);
            }
            found.push(secret);
        }
        (found, open)
    }

    /// Returns the end of a text that may be the beginning of a secret, and which secret.
    fn dangling(&self, text: &[u8], from: usize) -> Option<Found> {
        self.candidates(text, from).find_map(|(start, forms)| {
            let rest = &text[start..];
            let (_, secret) = forms.iter().find(|(form, _)| form.len() > rest.len() && form.starts_with(rest))?;
            Some(Found { start, end: text.len(), secret: *secret })
        })
    }

    /// Returns the positions where a form may begin.
    fn candidates<'a>(
        &'a self,
        text: &'a [u8],
        from: usize,
    ) -> impl Iterator<Item = (usize, &'a [(Vec<u8>, usize)])> + 'a {
        let mut next = from;
        std::iter::from_fn(move || {
            let found = self.beginnings.as_ref()?.find(Input::new(text).range(next.min(text.len())..))?;
            next = found.start() + 1;
            Some((found.start(), self.forms[found.pattern().as_usize()].as_slice()))
        })
    }

    /// Removes secrets from a text. If the text was cut, the beginning of a secret at its end is
    /// removed too.
    pub fn text(&self, text: &mut String) {
        let (whole, cut) = match text.strip_suffix(CUT) {
            Some(whole) => (whole.as_bytes(), true),
            None => (text.as_bytes(), false),
        };
        if let Some(mut bytes) = self.replaced(whole, cut) {
            bytes.extend_from_slice(if cut { CUT.as_bytes() } else { b"" });
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }

    /// Returns the bytes without secrets, or `None` if they contain no secrets.
    fn replaced(&self, bytes: &[u8], cut: bool) -> Option<Vec<u8>> {
        let (found, open) = self.all(bytes, 0, cut);
        let (mut out, mut at) = (Vec::new(), 0);
        for found in found.into_iter().chain(open) {
            out.extend_from_slice(&bytes[at..found.start]);
            out.extend_from_slice(self.label(found).as_bytes());
            at = found.end;
        }
        (at > 0).then(|| {
            out.extend_from_slice(&bytes[at..]);
            out
        })
    }

    /// Returns the name of a secret that a value contains.
    pub fn found_in(&self, value: &Value) -> Option<&str> {
        let named = |bytes: &[u8]| {
            let label = self.label(self.find(bytes, 0)?);
            label.strip_prefix("[secret ")?.strip_suffix(']')
        };
        match value {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
            Value::String(text) => named(text.as_bytes()),
            Value::Bytes(bytes) => named(bytes),
            Value::List(items) => items.iter().find_map(|item| self.found_in(item)),
            Value::Map(entries) => entries.iter().find_map(|(_, value)| self.found_in(value)),
        }
    }

    /// Removes secrets from a value.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
            Value::String(text) => self.text(text),
            Value::Bytes(bytes) => *bytes = self.replaced(bytes, false).unwrap_or_else(|| std::mem::take(bytes)),
            Value::List(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| self.value(value)),
        }
    }

    /// Removes secrets from all texts of a failure.
    pub fn failure(&self, failure: &mut Failure) {
        if let FailureKind::Plugin(name) = &mut failure.kind {
            self.text(name);
        }
        self.text(&mut failure.message);
        if let Some(value) = &mut failure.value {
            self.value(value);
        }
        for Cause { kind, message, frames } in &mut failure.causes {
            self.text(kind);
            self.text(message);
            self.frames(frames);
        }
        self.frames(&mut failure.frames);
    }

    fn frames(&self, frames: &mut [Frame]) {
        for frame in frames {
            self.text(&mut frame.file);
            self.text(&mut frame.function);
            frame.context.iter_mut().for_each(|line| self.text(line));
            self.pairs(&mut frame.locals);
        }
    }

    /// Removes secrets from names and values.
    pub fn pairs(&self, pairs: &mut [(String, String)]) {
        for (name, value) in pairs {
            self.text(name);
            self.text(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new([("TOKEN", &b"hunter2-hunter2"[..]), ("KEY", &b"hunter2-hunter2-and-more"[..])])
    }

    fn redacted(text: &str) -> String {
        let mut text = text.to_owned();
        redactor().text(&mut text);
        text
    }

    #[test]
    fn each_form_is_replaced_by_its_name() {
        assert_eq!(redacted("a hunter2-hunter2 b hunter2-hunter2"), "a [secret TOKEN] b [secret TOKEN]");
        assert_eq!(redacted("hunter2-hunter2-and-more"), "[secret KEY]");
        assert_eq!(redacted("hunter2-hunter2-and"), "[secret TOKEN]-and");
        assert_eq!(redacted("huntehunter2-hunter2"), "hunte[secret TOKEN]");
        // In base64, `user:` before it.
        assert_eq!(redacted("Basic dXNlcjpodW50ZXIyLWh1bnRlcjI="), "Basic dXNlcjp[secret TOKEN]I=");
        assert_eq!(redacted("nothing of hunter2"), "nothing of hunter2");
    }

    #[test]
    fn a_part_at_the_end_of_a_text_that_was_cut_is_replaced_too() {
        assert_eq!(redacted("see hunter2-.. (cut)"), "see [secret KEY].. (cut)");
        assert_eq!(redacted("see hunter2-"), "see hunter2-");
        assert_eq!(redacted("see hun.. (cut)"), "see hun.. (cut)");
        assert_eq!(redacted("hunter2-hunter2-and.. (cut)"), "[secret KEY].. (cut)");
    }

    #[test]
    fn values_are_searched_whole() {
        let value = |text: &str| Value::List(vec![Value::entry("a", Value::string(text)), Value::Null]);
        assert_eq!(redactor().found_in(&value("x hunter2-hunter2")), Some("TOKEN"));
        assert_eq!(redactor().found_in(&Value::Bytes(b"..hunter2-hunter2-and-more".to_vec())), Some("KEY"));
        assert_eq!(redactor().found_in(&value("hunter2")), None);
        let mut bytes = Value::Bytes(b"ab hunter2-hunter2 \xff".to_vec());
        redactor().value(&mut bytes);
        assert_eq!(bytes, Value::Bytes(b"ab [secret TOKEN] \xff".to_vec()));
    }

    #[test]
    fn without_secrets_nothing_is_replaced() {
        let mut text = "any text".to_owned();
        Redactor::default().text(&mut text);
        assert_eq!(text, "any text");
    }

    #[test]
    fn a_failure_is_redacted_in_all_its_parts() {
        let text = || "x hunter2-hunter2".to_owned();
        let frame = || Frame {
            file: text(),
            function: text(),
            context: vec![text()],
            locals: vec![(text(), text())],
            ..Frame::default()
        };
        let mut failure = Failure {
            kind: FailureKind::Plugin(text()),
            message: text(),
            value: Some(Value::string(text())),
            causes: vec![Cause { kind: text(), message: text(), frames: vec![frame()] }],
            frames: vec![frame()],
            from_stderr: false,
        };
        redactor().failure(&mut failure);
        let shown = format!("{failure:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("[secret TOKEN]").count(), 15);
    }
}
