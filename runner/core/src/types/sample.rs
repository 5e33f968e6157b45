//! Sample values: a value of any type, as a person would write it in a manifest, to be pasted and
//! changed.

use crate::failure::cut_bytes;

use super::ty::Type;

/// Maximum length of a value on one line; a longer one is spread over several lines.
const LINE: usize = 60;

/// Maximum depth of lists: YAML is read up to 64 levels deep.
const MAX_DEPTH: usize = 40;

/// Names that some YAML parsers, old or new, do not read as strings.
const NOT_NAMES: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A value with comments on its parts.
#[derive(Clone, Debug)]
pub enum Sample {
    /// A scalar in YAML.
    Scalar(String),
    /// A sequence.
    List(Vec<Self>),
    /// A mapping.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key in YAML.
    pub key: String,
    /// Its value.
    pub value: Sample,
    /// What other values are possible.
    pub comment: String,
}

impl Sample {
    /// Creates a value that fits `ty`.
    pub fn of(ty: &Type) -> Self {
        at(ty, 0)
    }

    /// Formats the value on one line.
    pub fn flow(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Map(entries) => {
                let entries = entries.iter().map(|entry| format!("{}: {}", entry.key, entry.value.flow()));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Returns whether [`Sample::flow`] is short, without creating it.
    fn is_short(&self) -> bool {
        self.length().is_some()
    }

    /// Returns the length on one line, or `None` if it is too long.
    fn length(&self) -> Option<usize> {
        let add = |sum: usize, more: usize| Some(sum + more).filter(|sum| *sum <= LINE);
        match self {
            Self::Scalar(text) => add(0, text.len()),
            Self::List(items) => items.iter().try_fold(2, |sum, item| add(sum, item.length()? + 2)),
            Self::Map(entries) => {
                entries.iter().try_fold(4, |sum, entry| add(sum, entry.key.len() + 2 + entry.value.length()? + 2))
            }
        }
    }
}

impl Entry {
    /// Creates a key with a value that fits `ty`.
    pub fn new(name: &str, ty: &Type) -> Self {
        Self { key: quoted(name), value: Sample::of(ty), comment: choices(ty) }
    }

    /// Writes `key: value  # comment` at `column`, spread over several lines if it is long. The
    /// output must already end at the position of the key, and ends with a line break afterwards.
    pub fn write(&self, column: usize, out: &mut String) {
        out.push_str(&self.key);
        out.push(':');
        let comment = if self.comment.is_empty() { String::new() } else { format!("  # {}", self.comment) };
        if self.value.is_short() {
            out.push_str(&format!(" {}{comment}\n", self.value.flow()));
        } else {
            out.push_str(&format!("{comment}\n"));
            spread(&self.value, column + 2, out);
        }
    }
}

fn spread(value: &Sample, column: usize, out: &mut String) {
    let pad = " ".repeat(column);
    match value {
        Sample::Scalar(text) => out.push_str(&format!("{pad}{text}\n")),
        Sample::Map(entries) => {
            for entry in entries {
                out.push_str(&pad);
                entry.write(column, out);
            }
        }
        Sample::List(items) => {
            for item in items {
                if item.is_short() {
                    out.push_str(&format!("{pad}- {}\n", item.flow()));
                    continue;
                }
                // The first line of the item follows its dash.
                let start = out.len();
                spread(item, column + 2, out);
                out.replace_range(start + column..=start + column, "-");
            }
        }
    }
}

fn at(ty: &Type, depth: usize) -> Sample {
    let scalar = |text: &str| Sample::Scalar(text.to_owned());
    let one = |name: &str, ty: &Type| Sample::Map(vec![entry(name, ty, depth + 1)]);
    match ty {
        Type::Bool => scalar("false"),
        Type::Int(_) => scalar("0"),
        Type::F32 | Type::F64 => scalar("0.0"),
        Type::Char => scalar("x"),
        Type::String => scalar("text"),
        Type::Option(_) | Type::Unsupported(_) => scalar("null"),
        ty if ty.is_bytes() => scalar("!!binary aGVsbG8="),
        Type::List(_) if depth >= MAX_DEPTH => Sample::List(Vec::new()),
        Type::List(item) => Sample::List(vec![at(item, depth + 1)]),
        Type::Tuple(items) => Sample::List(items.iter().map(|item| at(item, depth + 1)).collect()),
        Type::Record(record) => {
            Sample::Map(record.members.iter().map(|(name, ty)| entry(name, ty, depth + 1)).collect())
        }
        Type::Variant(variant) => match variant.members.iter().find(|(_, payload)| payload.is_none()) {
            Some((case, _)) => Sample::Scalar(quoted(case)),
            None => match variant.members.first() {
                Some((case, Some(payload))) => one(case, payload),
                _ => scalar("null"),
            },
        },
        Type::Result(Some(ok), _) => one("ok", ok),
        Type::Result(None, _) => scalar("ok"),
        Type::Enum(cases) => Sample::Scalar(cases.names().next().map_or_else(|| "null".to_owned(), quoted)),
        Type::Flags(flags) => Sample::List(flags.names().take(1).map(|name| Sample::Scalar(quoted(name))).collect()),
    }
}

fn entry(name: &str, ty: &Type, depth: usize) -> Entry {
    Entry { key: quoted(name), value: at(ty, depth), comment: choices(ty) }
}

/// Formats a WIT name as YAML.
fn quoted(name: &str) -> String {
    if NOT_NAMES.iter().any(|word| name.eq_ignore_ascii_case(word)) { format!("\"{name}\"") } else { name.to_owned() }
}

/// Maximum bytes of a list of choices. A plugin's types can take megabytes when written out, and
/// the list appears at each use of a type.
const CHOICES: usize = 1_000;

/// Describes the possible values of this type in a few words.
pub fn choices(ty: &Type) -> String {
    let mut text = in_words(ty);
    cut_bytes(&mut text, CHOICES);
    text
}

fn in_words(ty: &Type) -> String {
    match ty {
        Type::Option(inner) => format!("option: null or {}", in_words(inner)),
        Type::Enum(cases) => any_of(cases.names().map(str::to_owned)),
        Type::Flags(flags) => format!("any of {}", flags.names().collect::<Vec<_>>().join(", ")),
        Type::Variant(variant) => any_of(variant.members.iter().map(|(case, payload)| match payload {
            Some(payload) => format!("{case}: {payload}"),
            None => case.clone(),
        })),
        ty => ty.to_string(),
    }
}

fn any_of(names: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = names.collect();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        return format!("{} or {more} more", names.join(", "));
    }
    match names.pop() {
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} or {last}", names.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wit::from_text;
    use super::*;

    #[test]
    fn a_short_value_stands_on_its_line_and_a_long_one_is_spread() {
        let order = "enum priority { low, null }\nvariant discount { percent(u32), nothing }\n\
                     record order { id: string, price: u64, priority: priority, coupon: option<string>, off: discount }\n";
        let ty = from_text(&format!("{order}type t = list<order>;")).unwrap();
        let mut text = String::new();
        Entry::new("orders", &ty).write(0, &mut text);
        assert_eq!(
            text,
            "orders:  # list<order>\n  \
             - id: text  # string\n    \
             price: 0  # u64\n    \
             priority: low  # low or null\n    \
             coupon: null  # option: null or string\n    \
             \"off\": nothing  # percent: u32 or nothing\n"
        );
        let ty = from_text("type t = tuple<u8, list<u8>, result<f32>, option<char>>;").unwrap();
        assert_eq!(Sample::of(&ty).flow(), "[0, !!binary aGVsbG8=, { ok: 0.0 }, null]");
    }
}
