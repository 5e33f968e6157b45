//! Converts the bytes of a file to text, and recognizes other encodings than UTF-8.

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Returns the text of a file, without a byte order mark. `path` is the file as the user would type
/// it.
///
/// # Errors
///
/// Returns an error if the bytes are not UTF-8, or if they contain a zero byte, which text never
/// does.
pub fn decode(path: &str, bytes: Vec<u8>) -> Result<String, Box<Diagnostic>> {
    if let Some(encoding) = utf16(&bytes) {
        let message = format!("`{path}` is saved as {encoding}, but only UTF-8 can be read");
        let editor = "save it again as UTF-8: editors ask for the encoding under `Save as` or `Save with encoding`";
        let convert = format!("or convert it: `iconv -f {encoding} -t UTF-8 {path} > new.yaml`");
        return Err(Box::new(Diagnostic::of(Code::NotUtf8, message).file(path).help(editor).help(convert)));
    }
    let not_text = |valid: usize, byte: u8, bytes: &[u8]| {
        let line = bytes[..valid].iter().filter(|b| **b == b'\n').count() + 1;
        let message = format!("`{path}` is not UTF-8 text: line {line} has the byte 0x{byte:02x}");
        Box::new(Diagnostic::of(Code::NotUtf8, message).file(path).help("save it as UTF-8"))
    };
    match String::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            Some(at) => Err(not_text(at, 0, text.as_bytes())),
            None => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        },
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            Err(not_text(valid, error.as_bytes()[valid], error.as_bytes()))
        }
    }
}

/// Detects UTF-16 and its byte order: by its mark, or because every second byte of a mostly Latin
/// text is zero.
fn utf16(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(BOM) {
        return None;
    }
    let (mut even, mut odd) = (0, 0);
    for pair in bytes.chunks_exact(2).take(512) {
        even += usize::from(pair[0] == 0);
        odd += usize::from(pair[1] == 0);
    }
    match bytes {
        [0xff, 0xfe, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] => Some("UTF-16BE"),
        _ if odd > 0 && even == 0 && odd * 4 >= bytes.len().min(1024) => Some("UTF-16LE"),
        _ if even > 0 && odd == 0 && even * 4 >= bytes.len().min(1024) => Some("UTF-16BE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(bytes: &[u8]) -> String {
        decode("x.yaml", bytes.to_vec()).unwrap_err().message
    }

    #[test]
    fn a_mark_of_utf8_is_left_out() {
        assert_eq!(decode("x", b"\xef\xbb\xbfid: \xc3\xa9".to_vec()).unwrap(), "id: é");
        assert_eq!(decode("x", Vec::new()).unwrap(), "");
    }

    #[test]
    fn other_encodings_are_named() {
        let little: Vec<u8> = "id: ñ\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "id: ñ\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let expected = |name| format!("`x.yaml` is saved as {name}, but only UTF-8 can be read");
        assert_eq!(message(&little), expected("UTF-16LE"));
        assert_eq!(message(&big), expected("UTF-16BE"));
        assert_eq!(message(&[&[0xff, 0xfe], little.as_slice()].concat()), expected("UTF-16LE"));
        assert_eq!(message(&[&[0xfe, 0xff], big.as_slice()].concat()), expected("UTF-16BE"));
        assert_eq!(message(b"id: x\n\xff"), "`x.yaml` is not UTF-8 text: line 2 has the byte 0xff");
        assert_eq!(message(b"id: long enough\n\0"), "`x.yaml` is not UTF-8 text: line 2 has the byte 0x00");
    }

    proptest! {
        #[test]
        fn a_text_without_zeros_comes_back(text in "[^\u{0}\u{feff}]*") {
            prop_assert_eq!(decode("x", text.clone().into_bytes()).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode("x", bytes);
        }
    }
}
