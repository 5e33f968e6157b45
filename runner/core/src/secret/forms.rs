//! The forms in which a secret's value can appear in output: as it is, and in the encodings that
//! programs commonly use.

use std::collections::BTreeSet;

use data_encoding::BASE64_NOPAD;
use data_encoding::BASE64URL_NOPAD;
use data_encoding::HEXLOWER;
use data_encoding::HEXUPPER;

use super::source::SHORTEST;

/// Characters that percent encodings leave as they are, besides letters and digits. The sets are
/// those of Rust's strictest encoding (none), of RFC 3986, and of the functions of Python, Go and
/// JavaScript (two) that keep paths intact.
const PLAIN: [&[u8]; 6] = [b"", b"-_.~", b"-_.~/", b"-_.~$&+=:@", b"-_.~!*'()", b"-_.~!*'();/?:@&=+$,#"];

/// The same for HTML forms, where a space becomes a plus: the sets of browsers, and of Python and
/// Go.
const PLAIN_IN_FORMS: [&[u8]; 2] = [b"*-._", b"-_.~"];

/// Characters in a line of base64 if an encoder breaks lines: MIME and PEM.
const WIDTHS: [usize; 2] = [76, 64];

/// A line with at most this many different bytes reveals nothing: dashes, blanks, a brace.
const DULL: usize = 4;

/// Returns every form of a value once, each at least [`SHORTEST`] bytes long. Surrounding white
/// space is not part of the value, because programs trim it.
pub(super) fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let trimmed = value.strip_prefix("\u{feff}".as_bytes()).unwrap_or(value).trim_ascii();
    let value = if trimmed.len() < SHORTEST { value } else { trimmed };
    let mut forms = vec![value.to_vec()];
    // The form that a log shows for bytes that are not UTF-8.
    let text = String::from_utf8_lossy(value);
    forms.push(text.as_bytes().to_vec());
    forms.extend(lines(value));
    forms.extend(escaped(&text));
    for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
        forms.extend((0..3).map(|before| base64(value, before, |bytes| encoding.encode(bytes))));
        let whole = base64(value, 0, |bytes| encoding.encode(bytes));
        forms.extend(WIDTHS.iter().flat_map(|width| [broken(&whole, *width, b"\n"), broken(&whole, *width, b"\r\n")]));
    }
    forms.push(HEXLOWER.encode(value).into_bytes());
    forms.push(HEXUPPER.encode(value).into_bytes());
    for upper in [false, true] {
        forms.extend(PLAIN.iter().map(|plain| percent(value, upper, plain)));
        forms.extend(PLAIN_IN_FORMS.iter().map(|plain| {
            let words = value.split(|b| *b == b' ').map(|word| percent(word, upper, plain));
            words.collect::<Vec<_>>().join(&b'+')
        }));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// Returns the lines of a multi-line value, because a log has one line in each record. The header
/// and footer lines around keys are not secret.
fn lines(value: &[u8]) -> Vec<Vec<u8>> {
    let lines = value.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<_> = lines.collect();
    if lines.len() < 2 {
        return Vec::new();
    }
    let different = |line: &[u8]| line.iter().collect::<BTreeSet<_>>().len();
    let telling = lines.into_iter().filter(|line| !line.starts_with(b"-----") && different(line) > DULL);
    telling.map(<[u8]>::to_vec).collect()
}

/// Returns the value as escaped in strings of JSON and of programming languages. Many logs and
/// tracebacks use these forms too.
fn escaped(text: &str) -> Vec<Vec<u8>> {
    let mut out = vec![format!("{text:?}").trim_matches('"').as_bytes().to_vec()];
    for quotes in ["\"", "'", "\"'", ""] {
        for ascii in [false, true] {
            for html in [false, true] {
                for slash in [false, true] {
                    out.push(string(text, quotes, ascii, html, slash).into_bytes());
                }
            }
        }
    }
    out
}

/// Escapes a text as in a string literal, including these quotes.
fn string(text: &str, quotes: &str, ascii: bool, html: bool, slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let number = |out: &mut String, unit: u16| out.push_str(&format!("\\u{unit:04x}"));
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            '/' if slash => out.push_str("\\/"),
            letter if quotes.contains(letter) => out.extend(['\\', letter]),
            letter if letter < ' ' || (html && "<>&".contains(letter)) || (ascii && !letter.is_ascii()) => {
                letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| number(&mut out, *unit));
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Returns the part of a base64 text that depends only on the value, if `before` bytes precede it
/// in its group of three.
fn base64(value: &[u8], before: usize, encode: impl Fn(&[u8]) -> String) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(value.iter().copied()).collect();
    let encoded = encode(&padded).into_bytes();
    // Each base64 character has 6 bits. Characters that share bits with other bytes are left out.
    let from = (before * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    encoded[from..to].to_vec()
}

/// Breaks a text into lines of this width.
fn broken(text: &[u8], width: usize, end: &[u8]) -> Vec<u8> {
    text.chunks(width).collect::<Vec<_>>().join(end)
}

fn percent(value: &[u8], upper: bool, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in value {
        if byte.is_ascii_alphanumeric() || plain.contains(byte) {
            out.push(*byte);
        } else {
            let escape = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
            out.extend(escape.into_bytes());
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

    /// Returns whether a text contains some form of the value.
    fn found(secret: &str, text: &str) -> bool {
        forms(secret.as_bytes()).iter().any(|form| text.as_bytes().windows(form.len()).any(|part| part == form))
    }

    #[test]
    fn the_encoders_of_common_languages_hide_nothing() {
        for (secret, text) in [
            // Rust, alphanumerics only.
            ("ghp_a-b.c~d", "ghp%5Fa%2Db%2Ec%7Ed"),
            // `quote` and `quote_plus` of Python.
            ("ab/cd+ef==", "ab/cd%2Bef%3D%3D"),
            ("ab cd~ef/g", "ab+cd~ef%2Fg"),
            // `url.PathEscape` of Go.
            ("ab/cd+ef=@", "ab%2Fcd+ef=@"),
            // `encoding/json` of Go, `json.dumps` of Python, `json_encode` of PHP.
            ("sig=a&b<c>d", "sig=a\\u0026b\\u003cc\\u003ed"),
            ("päss/wörd\"", "p\\u00e4ss/w\\u00f6rd\\\""),
            ("pässwörd/x", "p\\u00e4ssw\\u00f6rd\\/x"),
            // `repr` of Python, with both quotes in it.
            ("it's \"so\" \\ long", "it\\'s \"so\" \\\\ long"),
            ("x😀yyyyyyyy", "x\\ud83d\\ude00yyyyyyyy"),
        ] {
            assert!(found(secret, text), "{secret} as {text}");
        }
    }

    #[test]
    fn base64_in_lines_is_found() {
        let secret = "0123456789abcdefghij".repeat(10);
        let encoded = data_encoding::BASE64.encode(secret.as_bytes());
        for (width, end) in [(64, "\n"), (76, "\n"), (76, "\r\n")] {
            let lines: Vec<_> =
                encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert!(found(&secret, &format!("data:\n{}\n", lines.join(end))));
        }
    }

    #[test]
    fn blanks_around_a_value_are_no_part_of_it() {
        for secret in [" hunter2-hunter3", "hunter2-hunter3\n", "\u{feff}hunter2-hunter3 \t"] {
            for text in ["hunter2-hunter3", "aHVudGVyMi1odW50ZXIz", "68756e746572322d68756e74657233"] {
                assert!(found(secret, text), "{secret:?} as {text}");
            }
        }
        assert!(found("        ", "        "));
    }

    #[test]
    fn what_stands_around_a_key_is_not_a_secret() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n----------\n-----END PRIVATE KEY-----\n";
        assert!(found(key, "MIIEvQIBADANBgkqhkiG9w0BAQ"));
        assert!(!found(key, "-----BEGIN PRIVATE KEY-----") && !found(key, "----------------"));
    }
}
