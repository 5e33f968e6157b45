//! The texts in which a secret's value can come back: as it is, and in the encodings that programs put values into.

use data_encoding::BASE64_NOPAD;
use data_encoding::BASE64URL_NOPAD;
use data_encoding::HEXLOWER;
use data_encoding::HEXUPPER;

use super::source::SHORTEST;

/// Every form of a value, each at least [`SHORTEST`] bytes and once.
pub(super) fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec()];
    // As a log has bytes that are no text.
    forms.push(String::from_utf8_lossy(value).into_owned().into_bytes());
    forms.extend(lines(value));
    forms.extend(escaped(value));
    for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
        forms.extend((0..3).map(|before| base64(value, before, |bytes| encoding.encode(bytes))));
    }
    forms.push(HEXLOWER.encode(value).into_bytes());
    forms.push(HEXUPPER.encode(value).into_bytes());
    for upper in [false, true] {
        forms.push(percent(value, upper, |_| false));
        forms.push(percent(value, upper, |b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)));
        // As `encodeURIComponent` and `encodeURI` of JavaScript do it.
        forms.push(percent(value, upper, |b| b.is_ascii_alphanumeric() || b"-_.~!*'()".contains(&b)));
        forms.push(percent(value, upper, |b| b.is_ascii_alphanumeric() || b"-_.~!*'();/?:@&=+$,#".contains(&b)));
        forms.push(form(value, upper));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The lines of a value of several: a log has one in each record.
fn lines(value: &[u8]) -> Vec<Vec<u8>> {
    let lines = value.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec());
    let lines: Vec<_> = lines.collect();
    if lines.len() > 1 { lines } else { Vec::new() }
}

/// As a string of JSON has it, which is how many logs have it too.
fn escaped(value: &[u8]) -> Option<Vec<u8>> {
    let text = serde_json::to_string(std::str::from_utf8(value).ok()?).ok()?;
    Some(text.as_bytes()[1..text.len() - 1].to_vec()).filter(|escaped| escaped != value)
}

/// What stands in a longer text in base64 whatever is around the value, if so many bytes of another value come `before`
/// it in its group of three.
fn base64(value: &[u8], before: usize, encode: impl Fn(&[u8]) -> String) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(value.iter().copied()).collect();
    let encoded = encode(&padded).into_bytes();
    // Each letter has 6 bits; those that share some with other bytes tell nothing.
    let from = (before * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    encoded[from..to].to_vec()
}

fn percent(value: &[u8], upper: bool, plain: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in value {
        if plain(*byte) {
            out.push(*byte);
        } else {
            let escape = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
            out.extend(escape.into_bytes());
        }
    }
    out
}

/// As a form of HTML has it: a space is a plus.
fn form(value: &[u8], upper: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in value {
        match byte {
            b' ' => out.push(b'+'),
            byte => out.extend(percent(&[*byte], upper, |b| b.is_ascii_alphanumeric() || b"*-._".contains(&b))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_base64_wherever_it_stands() {
        let secret = b"hunter2/hunter3?";
        let forms = forms(secret);
        for before in ["", "a", "user:", "some one", "abc"] {
            for after in ["", "z", "yz", "xyz"] {
                let whole = [before.as_bytes(), secret, after.as_bytes()].concat();
                for text in [BASE64_NOPAD.encode(&whole), BASE64URL_NOPAD.encode(&whole)] {
                    let found = forms.iter().any(|form| text.as_bytes().windows(form.len()).any(|part| part == form));
                    assert!(found, "{before} {after}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_value_has_the_forms_that_programs_give_it() {
        let forms: Vec<_> =
            forms("a b/c\"dé\nsecond line".as_bytes()).into_iter().map(|f| String::from_utf8(f).unwrap()).collect();
        for expected in [
            "a b/c\"dé\nsecond line",
            "second line",
            "a b/c\\\"dé\\nsecond line",
            "a+b%2Fc%22d%C3%A9%0Asecond+line",
            "a%20b%2Fc%22d%C3%A9%0Asecond%20line",
            "a%20b%2fc%22d%c3%a9%0asecond%20line",
            "a%20b/c%22d%C3%A9%0Asecond%20line",
            "6120622f632264c3a90a7365636f6e64206c696e65",
        ] {
            assert!(forms.iter().any(|form| form == expected), "{expected} in {forms:?}");
        }
        assert!(forms.iter().all(|form| form.len() >= SHORTEST));
    }
}
