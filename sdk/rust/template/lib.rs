//! A job that counts the words of some texts.

use std::collections::BTreeMap;

use jobcontrol_plugin::{Data, ProgressIterator, job};

#[derive(Data, Debug, PartialEq)]
pub struct Word {
    pub word: String,
    pub count: u32,
}

/// Counts the words of some texts; `least` is how often a word has to occur.
#[job]
pub fn words(texts: Vec<String>, least: Option<u32>) -> Vec<Word> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for text in texts.iter().progress(["texts"]) {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.for_each(|word| *counts.entry(word.to_lowercase()).or_default() += 1);
    }
    log::info!(words = counts.len(); "counted");
    let found = counts.into_iter().filter(|(_, count)| *count >= least.unwrap_or(1));
    let mut found: Vec<Word> = found.map(|(word, count)| Word { word, count }).collect();
    found.sort_by_key(|word| std::cmp::Reverse(word.count));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        let told = jobcontrol_plugin::testing::collect(|| words(vec!["to be or not to be".into()], Some(2)));
        let word = |word: &str| Word { word: word.into(), count: 2 };
        assert_eq!(told.outcome, Ok(vec![word("be"), word("to")]));
        assert_eq!(told.log[0].fields, [("words".into(), "4".into())]);
    }
}
