//! The numbers that a field of a cron rule can contain.

use crate::diagnostic::nearest;

use super::piece::CronError;
use super::piece::Piece;

/// The unit of a field of a rule.
#[derive(Debug)]
pub(super) struct Unit {
    /// The singular, as used in messages: `a minute`.
    pub(super) one: &'static str,
    /// The plural: `minutes`.
    many: &'static str,
    first: u32,
    /// The largest number that can be written.
    last: u32,
    /// The largest number that `*` stands for.
    top: u32,
    /// Names of the numbers from the first on.
    names: &'static [&'static str],
}

pub(super) const SECOND: Unit = Unit { one: "a second", many: "seconds", first: 0, last: 59, top: 59, names: &[] };
pub(super) const MINUTE: Unit = Unit { one: "a minute", many: "minutes", first: 0, last: 59, top: 59, names: &[] };
pub(super) const HOUR: Unit = Unit { one: "an hour", many: "hours", first: 0, last: 23, top: 23, names: &[] };
pub(super) const DAY: Unit =
    Unit { one: "a day of the month", many: "days of the month", first: 1, last: 31, top: 31, names: &[] };
pub(super) const MONTH: Unit = Unit {
    one: "a month",
    many: "months",
    first: 1,
    last: 12,
    top: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// 7 is Sunday as well.
pub(super) const WEEKDAY: Unit = Unit {
    one: "a day of the week",
    many: "days of the week",
    first: 0,
    last: 7,
    top: 6,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

impl Unit {
    /// Returns the numbers of a field that has no special entries, as bits.
    pub(super) fn field(&self, field: Piece<'_>) -> Result<u64, CronError> {
        field.entries().try_fold(0, |bits, entry| Ok(bits | self.entry(entry)?))
    }

    /// Returns the numbers of one entry, as bits: `5`, `1-5`, `*`, each also with a step, as in
    /// `*/15`.
    pub(super) fn entry(&self, entry: Piece<'_>) -> Result<u64, CronError> {
        if entry.text.is_empty() {
            let message = format!("an entry of the {} is empty", self.many);
            return Err(entry.error(message, "separate entries with one comma and no spaces".to_owned()));
        }
        let (range, step) = match entry.split('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (entry, None),
        };
        let (first, last) = if range.text == "*" {
            (self.first, self.top)
        } else if let Some((from, to)) = range.split('-') {
            self.range(range, from, to)?
        } else {
            let first = self.number(range)?;
            (first, if step.is_some() { self.top.max(first) } else { first })
        };
        let numbers = (first..=last).step_by(step.unwrap_or(1));
        Ok(numbers.fold(0, |bits, number| bits | 1 << number))
    }

    fn range(&self, whole: Piece<'_>, from: Piece<'_>, to: Piece<'_>) -> Result<(u32, u32), CronError> {
        let (first, last) = (self.number(from)?, self.number(to)?);
        // Sunday can be the end of a week as well as its start.
        let last = if last < first && last == 0 && self.last > self.top { self.last } else { last };
        if last >= first {
            return Ok((first, last));
        }
        let upper = if first == self.top { first.to_string() } else { format!("{first}-{}", self.top) };
        let lower = if last == self.first { last.to_string() } else { format!("{}-{last}", self.first) };
        Err(whole.error(format!("the range `{}` goes backwards", whole.text), format!("write `{upper},{lower}`")))
    }

    /// Reads one number or name.
    pub(super) fn number(&self, word: Piece<'_>) -> Result<u32, CronError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(word.text));
        if let Some(number) = named.and_then(|at| u32::try_from(at).ok()) {
            return Ok(self.first + number);
        }
        let digits = !word.text.is_empty() && word.text.bytes().all(|b| b.is_ascii_digit());
        let number = word.text.parse().ok().filter(|n| digits && (self.first..=self.last).contains(n));
        number.ok_or_else(|| self.refused(word, digits))
    }

    fn refused(&self, word: Piece<'_>, digits: bool) -> CronError {
        // The first three letters of a name are its short form.
        let start = word.text.get(..3).unwrap_or(word.text);
        let near = nearest(start, self.names.iter().copied()).filter(|_| !digits && !word.text.is_empty());
        let help = near.map_or_else(|| self.range_in_words(), |near| format!("did you mean `{near}`?"));
        word.error(format!("`{}` is not {}", word.text, self.one), help)
    }

    fn range_in_words(&self) -> String {
        let numbers = format!("{} are {} to {}", self.many, self.first, self.last);
        match (self.names, self.last > self.top) {
            ([first, .., last], false) => format!("{numbers}, or {first} to {last}"),
            ([first, .., last], true) => format!("{numbers}, where 0 and 7 are Sunday, or {first} to {last}"),
            _ => numbers,
        }
    }

    fn step(&self, step: Piece<'_>) -> Result<usize, CronError> {
        let digits = !step.text.is_empty() && step.text.bytes().all(|b| b.is_ascii_digit());
        let most = self.top - self.first;
        let number = step.text.parse().ok().filter(|n| digits && (1..=most).contains(n));
        let number = number.and_then(|n| usize::try_from(n).ok());
        number.ok_or_else(|| {
            let message = format!("`{}` is not a step of {}", step.text, self.many);
            step.error(message, format!("a step of {} is 1 to {most}", self.many))
        })
    }
}

/// Returns the smallest number of a set that is at least `from`.
pub(super) fn smallest(bits: u64, from: u32) -> Option<u32> {
    let rest = bits & u64::MAX.checked_shl(from)?;
    (rest != 0).then(|| rest.trailing_zeros())
}

/// Returns how many numbers of a set are smaller than `than`.
pub(super) fn smaller(bits: u64, than: u32) -> u64 {
    let below = 1u64.checked_shl(than).map_or(u64::MAX, |bit| bit - 1);
    (bits & below).count_ones().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_searched_from_a_number_on() {
        assert_eq!((smallest(0b1010, 0), smallest(0b1010, 2), smallest(0b1010, 4)), (Some(1), Some(3), None));
        assert_eq!((smallest(1 << 59, 59), smallest(1 << 59, 60), smallest(1, 64)), (Some(59), None, None));
        assert_eq!((smaller(0b1010, 1), smaller(0b1010, 2), smaller(0b1010, 64)), (0, 1, 2));
    }

    #[test]
    fn an_entry_is_a_number_a_name_a_range_or_a_step() {
        let bits = |unit: &Unit, text: &str| unit.field(Piece::whole(text)).map_err(|e| e.message);
        let set = |numbers: &[u32]| Ok(numbers.iter().fold(0, |bits, n| bits | 1u64 << n));
        assert_eq!(bits(&MINUTE, "0,30,05"), set(&[0, 5, 30]));
        assert_eq!(bits(&MINUTE, "*/20"), set(&[0, 20, 40]));
        assert_eq!(bits(&MINUTE, "50/5"), set(&[50, 55]));
        assert_eq!(bits(&HOUR, "8-12/2,23"), set(&[8, 10, 12, 23]));
        assert_eq!(bits(&MONTH, "jan-MAR,Dec"), set(&[1, 2, 3, 12]));
        assert_eq!(bits(&WEEKDAY, "SAT-SUN"), set(&[6, 7]));
        assert_eq!(bits(&WEEKDAY, "*"), set(&[0, 1, 2, 3, 4, 5, 6]));
    }
}
