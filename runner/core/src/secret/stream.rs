//! Removes secrets that span several log records: a program may write a secret in pieces, each of
//! which reveals nothing alone.

use std::ops::Range;

use crate::event::NewRecord;

use super::redactor::BEGINNING;
use super::redactor::Found;
use super::redactor::Redactor;
use super::source::SHORTEST;

/// The log records of one attempt on their way to the store. A record waits for the next one if its
/// message ends with what may be the beginning of a secret. A beginning of fewer than four bytes
/// does not hold a record back, but the rest of that secret is still removed.
#[derive(Default)]
pub struct Stream {
    /// The last bytes of the records that were passed on, fewer than [`BEGINNING`].
    gone: Vec<u8>,
    /// The waiting records, in order.
    waiting: Vec<NewRecord>,
    /// Where the beginning of a secret is in `gone` followed by the messages of `waiting`.
    open: usize,
}

/// Maximum number of waiting records: all of them are searched again with each new one.
const WAITING: usize = 1000;

impl Stream {
    /// Takes the next record. Returns the records that can be passed on, without secrets, and by
    /// how many bytes the messages of all records have grown.
    pub fn push(&mut self, redactor: &Redactor, record: NewRecord) -> (Vec<NewRecord>, i64) {
        self.waiting.push(record);
        let (text, places) = self.joined();
        let (found, open) = redactor.all(&text, self.open, true);
        let grown = self.without(redactor, &found, &places);
        if self.waiting.len() >= WAITING {
            let (waiting, more) = self.finish(redactor);
            return (waiting, grown + more);
        }
        // Records that end before the open end can be passed on.
        let open = open.map(|open| open.start);
        let kept = open.and_then(|open| places.iter().position(|place| place.end > open));
        let (Some(open), Some(kept)) = (open, kept) else {
            let last = found.last().map_or(self.open, |secret| secret.end);
            self.gone = text[last.max(text.len().saturating_sub(BEGINNING - 1))..].to_vec();
            self.open = 0;
            return (std::mem::take(&mut self.waiting), grown);
        };
        let waits = self.waiting.split_off(kept);
        if open < places[0].start {
            (self.gone, self.open) = (text[open..places[0].start].to_vec(), 0);
        } else {
            // The length of its message may have changed, but not after the open end.
            self.gone = Vec::new();
            self.open = waits[0].message.len() - (places[kept].end - open);
        }
        (std::mem::replace(&mut self.waiting, waits), grown)
    }

    /// Returns the waiting records once no more will come, and by how many bytes their messages
    /// have grown. A beginning that is long enough to be a secret itself is removed too.
    pub fn finish(&mut self, redactor: &Redactor) -> (Vec<NewRecord>, i64) {
        let (text, places) = self.joined();
        let (mut found, open) = redactor.all(&text, self.open, true);
        found.extend(open.filter(|open| open.end - open.start >= SHORTEST));
        let grown = self.without(redactor, &found, &places);
        (self.gone, self.open) = Default::default();
        (std::mem::take(&mut self.waiting), grown)
    }

    /// Joins `gone` and the waiting messages into one text. Also returns the position of each
    /// message.
    fn joined(&self) -> (Vec<u8>, Vec<Range<usize>>) {
        let mut text = self.gone.clone();
        let mut places = Vec::with_capacity(self.waiting.len());
        for record in &self.waiting {
            let start = text.len();
            text.extend_from_slice(record.message.as_bytes());
            places.push(start..text.len());
        }
        (text, places)
    }

    /// Removes the found secrets from the waiting records. Returns by how many bytes they have
    /// grown.
    fn without(&mut self, redactor: &Redactor, found: &[Found], places: &[Range<usize>]) -> i64 {
        let mut grown = 0;
        for (record, place) in self.waiting.iter_mut().zip(places).filter(|_| !found.is_empty()) {
            without(redactor, found, record, place, places[0].start);
            grown += record.message.len() as i64 - place.len() as i64;
        }
        grown
    }
}

/// Removes the found secrets from the message of a record, which is at `place`. If a secret spans
/// several records, only the first waiting one names it. The waiting records begin at `first`.
fn without(redactor: &Redactor, found: &[Found], record: &mut NewRecord, place: &Range<usize>, first: usize) {
    let (mut out, mut at) = (Vec::new(), place.start);
    for secret in found.iter().filter(|secret| secret.start < place.end && secret.end > place.start) {
        let (start, end) = (secret.start.max(place.start), secret.end.min(place.end));
        out.extend_from_slice(&record.message.as_bytes()[at - place.start..start - place.start]);
        if secret.start.max(first) >= place.start {
            out.extend_from_slice(redactor.label(*secret).as_bytes());
        }
        at = end;
    }
    if at > place.start {
        out.extend_from_slice(&record.message.as_bytes()[at - place.start..]);
        record.message = String::from_utf8_lossy(&out).into_owned();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::event::Level;

    const SECRET: &str = "hunter2-hunter3";

    fn redactor() -> Redactor {
        Redactor::new([("TOKEN", SECRET.as_bytes())])
    }

    /// Returns what the store receives of these messages, and how many messages it had before the
    /// last one was written.
    fn written(messages: &[&str]) -> (Vec<String>, usize) {
        let (redactor, mut stream) = (redactor(), Stream::default());
        let record = |message: &&str| NewRecord::new(Timestamp(0), Level::Info, "", *message);
        let mut out: Vec<_> = messages.iter().map(record).flat_map(|record| stream.push(&redactor, record).0).collect();
        let before = out.len();
        out.extend(stream.finish(&redactor).0);
        (out.into_iter().map(|record| record.message).collect(), before)
    }

    #[test]
    fn a_secret_in_two_records_is_named_in_the_first() {
        assert_eq!(written(&["a hunter2-", "hunter3 b", "c"]).0, ["a [secret TOKEN]", " b", "c"]);
        assert_eq!(written(&["a hunter2-", "no"]).0, ["a hunter2-", "no"]);
        assert_eq!(written(&["hunt", "er2-", "hunt", "er3", "x"]).0, ["[secret TOKEN]", "", "", "", "x"]);
        assert_eq!(written(&["hunter2-hunter3 hunter2", "-hunter3"]).0, ["[secret TOKEN] [secret TOKEN]", ""]);
        assert_eq!(written(&["hunter2-", "hunter2-hunter3"]).0, ["hunter2-", "[secret TOKEN]"]);
    }

    #[test]
    fn a_record_waits_only_for_what_may_be_a_part_of_a_secret() {
        assert_eq!(written(&["a", "hun"]).1, 2);
        assert_eq!(written(&["hun", "ter2-hunter3"]).0, ["hun", "[secret TOKEN]"]);
        assert_eq!(written(&["a", "b hunt"]).1, 1);
        assert_eq!(written(&["hunt", "", ""]).1, 0);
        assert_eq!(written(&["hunt", "", "", "x"]).1, 4);
    }

    #[test]
    fn a_beginning_at_the_end_is_taken_out_too() {
        assert_eq!(written(&["a hunter2-h"]).0, ["a [secret TOKEN]"]);
        assert_eq!(written(&["a hunter"]).0, ["a hunter"]);
    }

    #[test]
    fn the_longer_of_two_secrets_is_named() {
        let redactor = Redactor::new([("TOKEN", &b"hunter2-hunter2"[..]), ("KEY", &b"hunter2-hunter2-and-more"[..])]);
        let mut stream = Stream::default();
        let mut push = |message: &str| {
            let record = NewRecord::new(Timestamp(0), Level::Info, "", message);
            let (released, _) = stream.push(&redactor, record);
            released.into_iter().map(|record| record.message).collect::<Vec<_>>()
        };
        assert_eq!(push("hunter2-hunter2"), [""; 0]);
        assert_eq!(push("-and-more"), ["[secret KEY]", ""]);
        assert_eq!(push("hunter2-hunter2"), [""; 0]);
        assert_eq!(push("-or-less"), ["[secret TOKEN]", "-or-less"]);
    }

    #[test]
    fn only_so_many_records_wait() {
        let (mut all, before) = written(&[vec!["a hunter2-"], vec![""; WAITING]].concat());
        assert_eq!((all.len(), before), (WAITING + 1, WAITING + 1));
        assert_eq!((all.remove(0).as_str(), all.concat().as_str()), ("a [secret TOKEN]", ""));
    }

    proptest! {
        /// However a text is split into records, together they are the text without its secrets,
        /// except for what was passed on before.
        #[test]
        fn no_cut_hides_a_secret(
            pieces in prop::collection::vec(prop::sample::select(vec!["x", "h", "hun", "hunter2-", "hunter3", SECRET]), 1..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            // Its end is not the beginning of a secret.
            let text = pieces.concat() + ".";
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let messages: Vec<_> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let all = written(&messages).0.concat();
            prop_assert!(!all.contains(SECRET), "{all}");
            let mut whole = text.clone();
            redactor().text(&mut whole);
            prop_assert_eq!(all.matches("[secret TOKEN]").count(), whole.matches("[secret TOKEN]").count());
            prop_assert!(all.replace("[secret TOKEN]", "").len() <= whole.replace("[secret TOKEN]", "").len() + 3 * cuts.len());
        }
    }
}
