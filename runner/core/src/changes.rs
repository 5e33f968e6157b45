//! Compares two configurations of a job key by key, and describes the differences in short form and
//! in words.

use crate::value::Name;
use crate::value::Value;
use crate::value::as_tag;

/// Prefix of the name of a mapping if only the order of its entries has changed.
const ORDER: &str = "order of ";

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is: `plugin`, a key of the configuration such as `kwargs.since`, or a dependency as
    /// `pins.JOB`.
    pub what: String,
    /// The value before; `None` if there was none.
    pub was: Option<String>,
    /// The value now; `None` if it was removed.
    pub now: Option<String>,
}

/// Describes in words what has changed under a key of the configuration.
pub(crate) fn changes(key: &str, was: Option<&Value>, now: Option<&Value>, out: &mut Vec<String>) {
    let mut found = Vec::new();
    compared(key, was, now, &mut found);
    let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
    out.extend(found.into_iter().map(|Difference { what, was, now }| match what.strip_prefix(ORDER) {
        Some(key) => format!("`{key}` has changed: the order of its entries"),
        None => format!("`{what}` has changed: {} -> {}", shown(was), shown(now)),
    }));
}

/// Finds what has changed under a key of the configuration. The entries of a mapping are compared
/// one by one.
pub(crate) fn compared(key: &str, was: Option<&Value>, now: Option<&Value>, found: &mut Vec<Difference>) {
    let change = |key: &str, was: Option<&Value>, now: Option<&Value>| Difference {
        what: key.to_owned(),
        was: was.map(short),
        now: now.map(short),
    };
    match (was, now) {
        (was, now) if was == now => {}
        (Some(Value::Map(was)), Some(Value::Map(now))) => {
            let find = |entries: &[(Name, Value)], name: &str| {
                entries.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
            };
            let names = was.iter().chain(now.iter().filter(|(name, _)| find(was, name).is_none()));
            let before = found.len();
            for (name, _) in names {
                let (was, now) = (find(was, name), find(now, name));
                if was != now {
                    found.push(change(&format!("{key}.{name}"), was.as_ref(), now.as_ref()));
                }
            }
            if found.len() == before {
                let order = |entries: &[(Name, Value)]| {
                    Some(entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "))
                };
                found.push(Difference { what: format!("{ORDER}{key}"), was: order(was), now: order(now) });
            }
        }
        (was, now) => found.push(change(key, was, now)),
    }
}

/// Formats a value on one line, and cuts it if it gets too long.
fn short(value: &Value) -> String {
    /// Longer values cannot be compared by eye.
    const SHORT: usize = 60;
    fn write(value: &Value, out: &mut String) {
        if out.len() > 2 * SHORT {
            return;
        }
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                let text = match value {
                    Value::Bool(b) => b.to_string(),
                    Value::Int(i) => i.to_string(),
                    Value::Float(x) => x.to_string(),
                    _ => String::new(),
                };
                out.push_str(&text);
            }
            Value::String(text) => out.extend(['"'].into_iter().chain(text.chars().take(SHORT)).chain(['"'])),
            Value::Bytes(bytes) => out.push_str(&format!("{} bytes", bytes.len())),
            Value::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    write(item, out);
                }
                out.push(']');
            }
            Value::Map(entries) => match as_tag(entries) {
                Some((tag, text)) => out.push_str(&format!("{tag} {text}")),
                None => {
                    out.push('{');
                    for (i, (key, value)) in entries.iter().enumerate() {
                        out.push_str(if i == 0 { "" } else { ", " });
                        out.push_str(&format!("{key}: "));
                        write(value, out);
                    }
                    out.push('}');
                }
            },
        }
    }
    let mut text = String::new();
    write(value, &mut text);
    if text.chars().count() > SHORT {
        text = text.chars().take(SHORT).chain("..".chars()).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::RETVAL_KEY;

    #[test]
    fn a_change_is_told_entry_by_entry_and_in_short() {
        let map = |entries: &[(&str, i128)]| Value::map(entries.iter().map(|(key, n)| (*key, Value::Int(*n))));
        let told = |was: &Value, now: &Value| {
            let mut out = Vec::new();
            changes("kwargs", Some(was), Some(now), &mut out);
            out
        };
        assert_eq!(
            told(&map(&[("a", 1), ("b", 2), ("c", 3)]), &map(&[("a", 1), ("b", 5), ("d", 4)])),
            [
                "`kwargs.b` has changed: 2 -> 5",
                "`kwargs.c` has changed: 3 -> nothing",
                "`kwargs.d` has changed: nothing -> 4"
            ]
        );
        let reference = Value::entry(RETVAL_KEY, Value::string("one"));
        let list = Value::List(vec![reference, Value::string("x".repeat(500)), Value::Null]);
        let expected = format!("`kwargs` has changed: [!retval one, \"{}.. -> null", "x".repeat(45));
        assert_eq!(told(&list, &Value::Null), [expected]);
        assert_eq!(told(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 2), ("a", 1)])).len(), 1);
        assert_eq!(told(&map(&[]), &map(&[])), Vec::<String>::new());
    }
}
