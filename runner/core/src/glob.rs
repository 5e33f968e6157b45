//! Patterns of job ids.

use std::str::FromStr;

/// Longest pattern: longer than any job id that a person types.
pub const LONGEST_GLOB: usize = 256;

/// A pattern of job ids, in which `*` stands for any number of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobGlob(String);

/// A pattern that cannot match a job id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot match a job id (write letters, digits, `_` and `-`; `*` stands for any number of them)")]
pub struct GlobError(pub String);

impl JobGlob {
    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a job id matches. Takes time at most proportional to the product of both
    /// lengths.
    pub fn fits(&self, job: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), job.as_bytes());
        let (mut at, mut in_text) = (0, 0);
        // The last star, and how much of the text it covers so far.
        let mut star: Option<(usize, usize)> = None;
        while in_text < text.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, in_text));
                    at += 1;
                }
                Some(byte) if *byte == text[in_text] => {
                    at += 1;
                    in_text += 1;
                }
                _ => {
                    let Some((star_at, covered)) = &mut star else { return false };
                    *covered += 1;
                    (at, in_text) = (*star_at + 1, *covered);
                }
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

impl FromStr for JobGlob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
        if text.is_empty() || text.len() > LONGEST_GLOB || !text.chars().all(fits) {
            return Err(GlobError(text.chars().take(LONGEST_GLOB).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(glob: &str, job: &str) -> bool {
        glob.parse::<JobGlob>().unwrap().fits(job)
    }

    #[test]
    fn a_star_stands_for_anything_and_nothing() {
        for (glob, job) in [
            ("*", ""),
            ("*", "a"),
            ("sales-*", "sales-"),
            ("sales-*", "sales-x"),
            ("*-x", "a-x-x"),
            ("a*b*c", "aXbbYc"),
        ] {
            assert!(fits(glob, job), "{glob} {job}");
        }
        for (glob, job) in [("sales-*", "sales"), ("a", "ab"), ("a", ""), ("*-x", "x-y"), ("a*b", "acbd"), ("A", "a")] {
            assert!(!fits(glob, job), "{glob} {job}");
        }
        assert!("a b".parse::<JobGlob>().is_err() && "".parse::<JobGlob>().is_err());
    }

    /// Returns whether `job` matches, in a simple but slow way.
    fn plainly(glob: &[u8], job: &[u8]) -> bool {
        match glob.split_first() {
            None => job.is_empty(),
            Some((b'*', rest)) => (0..=job.len()).any(|from| plainly(rest, &job[from..])),
            Some((byte, rest)) => job.first() == Some(byte) && plainly(rest, &job[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_means_what_it_says(glob in "[ab*]{1,8}", job in "[ab]{0,8}") {
            prop_assert_eq!(fits(&glob, &job), plainly(glob.as_bytes(), job.as_bytes()));
        }
    }
}
