//! Secrets across log records: a program may write one in pieces, each of which tells nothing alone.

use std::ops::Range;

use crate::event::NewRecord;

use super::redactor::BEGINNING;
use super::redactor::Found;
use super::redactor::Redactor;

/// The log records of one attempt on their way to the store. A record whose message ends with what may be the beginning of
/// a secret waits for the next one. A beginning of fewer than four bytes does not keep a record; the rest of the secret is
/// taken out all the same.
#[derive(Default)]
pub struct Stream {
    /// The last bytes of the records that have gone, fewer than [`BEGINNING`].
    gone: Vec<u8>,
    /// Records that wait, in their order.
    waiting: Vec<NewRecord>,
    /// Where in `gone` and the messages of those together the beginning of a secret stands.
    open: usize,
}

impl Stream {
    /// Takes the next record, and returns those that can go, without secrets, and by how many bytes the messages of all have
    /// grown.
    pub fn push(&mut self, redactor: &Redactor, record: NewRecord) -> (Vec<NewRecord>, i64) {
        self.waiting.push(record);
        let mut text = std::mem::take(&mut self.gone);
        let mut places = Vec::with_capacity(self.waiting.len());
        for record in &self.waiting {
            let start = text.len();
            text.extend_from_slice(record.message.as_bytes());
            places.push(start..text.len());
        }
        let (mut found, mut at) = (Vec::new(), self.open);
        while let Some(secret) = redactor.find(&text, at) {
            at = secret.end;
            found.push(secret);
        }
        let open = redactor.dangling(&text, at).map(|open| open.start);
        let mut grown = 0;
        for (record, place) in self.waiting.iter_mut().zip(&places).filter(|_| !found.is_empty()) {
            without(redactor, &found, record, place, places[0].start);
            grown += record.message.len() as i64 - place.len() as i64;
        }
        // Whatever ends before the open end can go.
        let kept = open.and_then(|open| places.iter().position(|place| place.end > open));
        let (Some(open), Some(kept)) = (open, kept) else {
            self.gone = text.split_off(at.max(text.len().saturating_sub(BEGINNING - 1)));
            self.open = 0;
            return (std::mem::take(&mut self.waiting), grown);
        };
        let waits = self.waiting.split_off(kept);
        if open < places[0].start {
            (self.gone, self.open) = (text[open..places[0].start].to_vec(), 0);
        } else {
            // Its message may have another length now, but not behind the open end.
            self.open = waits[0].message.len() - (places[kept].end - open);
        }
        (std::mem::replace(&mut self.waiting, waits), grown)
    }

    /// The records that wait still: no more will come.
    pub fn finish(&mut self) -> Vec<NewRecord> {
        (self.gone, self.open) = Default::default();
        std::mem::take(&mut self.waiting)
    }
}

/// Takes what was found out of the message of a record, which stands at `place`. Where a secret goes over several records,
/// the first of them that has not gone yet, which is at `first` at the earliest, names it.
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

    /// What the store has of these messages, and how many of them were there before the last one was written.
    fn written(messages: &[&str]) -> (Vec<String>, usize) {
        let (redactor, mut stream) = (redactor(), Stream::default());
        let record = |message: &&str| NewRecord::new(Timestamp(0), Level::Info, "", *message);
        let mut out: Vec<_> = messages.iter().map(record).flat_map(|record| stream.push(&redactor, record).0).collect();
        let before = out.len();
        out.extend(stream.finish());
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

    proptest! {
        /// However a text is cut into records, together they are the text without its secrets, up to what had gone.
        #[test]
        fn no_cut_hides_a_secret(
            pieces in prop::collection::vec(prop::sample::select(vec!["x", "h", "hun", "hunter2-", "hunter3", SECRET]), 1..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = pieces.concat();
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
