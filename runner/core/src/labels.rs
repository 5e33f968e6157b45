//! Labels: what a worker has, and what a job needs of the worker that runs it.

use std::collections::BTreeSet;
use std::fmt;

/// Most labels of a job or a worker.
pub const MOST: usize = 8;

/// The label that a worker with a key has by itself. A job with secrets needs it.
pub const KEYED: &str = "has-key";

/// Longest label, in bytes.
const LONGEST: usize = 32;

/// The regular expression of a label.
pub const PATTERN: &str = "^[a-z0-9-]{1,32}$";

/// What a label is, for messages.
pub const RULE: &str = "a label has 1 to 32 lowercase letters, digits and `-`";

/// Returns whether a text can be a label: 1 to 32 lowercase letters, digits and `-`.
pub fn valid_label(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A set of labels: at most [`MOST`], and [`KEYED`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(BTreeSet<String>);

/// What the name of a set of labels starts with.
const WITH: &str = "with_";

/// The name of the empty set.
const ANY: &str = "any";

impl Labels {
    /// Creates a set. Texts that are not labels, and labels beyond these, are left out.
    pub fn of(labels: impl IntoIterator<Item = String>) -> Self {
        Self(labels.into_iter().filter(|label| valid_label(label)).take(MOST + 1).collect())
    }

    /// Returns the set with one more label.
    #[must_use]
    pub fn with(mut self, label: &str) -> Self {
        self.0.insert(label.to_owned());
        self
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the labels in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns whether a worker with these labels has all that are needed.
    pub fn have(&self, needed: &Self) -> bool {
        needed.0.is_subset(&self.0)
    }

    /// Returns the name of the set: `any` for none, `with_gpu_linux` for two. A bus uses it as one
    /// word.
    pub fn name(&self) -> String {
        if self.is_empty() { ANY.to_owned() } else { format!("{WITH}{}", self.iter().collect::<Vec<_>>().join("_")) }
    }

    /// Reads the name of a set, or returns `None` if a text is not one.
    pub fn named(name: &str) -> Option<Self> {
        let labels = match name {
            ANY => Self::default(),
            _ => Self::of(name.strip_prefix(WITH)?.split('_').map(str::to_owned)),
        };
        (labels.name() == name).then_some(labels)
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_comes_back_from_its_name(labels in prop::collection::vec("[a-z0-9-]{1,32}", 0..MOST)) {
            let labels = Labels::of(labels);
            let name = labels.name();
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
            prop_assert_eq!(Labels::named(&name), Some(labels));
        }

        #[test]
        fn other_texts_name_no_set(text in ".{0,40}") {
            prop_assert!(Labels::named(&text).is_none_or(|labels| labels.name() == text));
        }
    }

    #[test]
    fn a_worker_has_what_is_needed_if_it_has_all_of_it() {
        let labels = |text: &str| Labels::of(text.split_whitespace().map(str::to_owned));
        assert!(labels("gpu linux").have(&labels("gpu")) && labels("").have(&labels("")));
        assert!(!labels("gpu").have(&labels("gpu linux")) && !labels("").have(&labels("gpu")));
        assert_eq!((labels("linux gpu").name().as_str(), labels("").name().as_str()), ("with_gpu_linux", "any"));
        assert_eq!(labels("GPU g_pu ok").to_string(), "ok");
        for other in ["", "with_", "with_b_a", "with_a_a", "anything"] {
            assert_eq!(Labels::named(other), None, "{other}");
        }
    }
}
