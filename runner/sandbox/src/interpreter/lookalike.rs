//! Recognises what a file is instead of a plugin, by its first bytes.

use wasm_encoder::SectionId;
use wasmparser::Parser;

use super::link::HEADER;
use super::link::sections;

/// Describes what `bytes` look like, to follow `is`, and how to fix it.
pub(crate) fn describe(bytes: &[u8]) -> (String, Option<&'static str>) {
    const BUILD: &str = "build it for WebAssembly, in Rust with `--target wasm32-wasip2`, and copy the .wasm file";
    const COPY: &str = "copy or download it again";
    const UNPACK: &str = "unpack it, and name the .wasm file in it";
    let known: &[(&[u8], &str, &str)] = &[
        (b"\x7fELF", "a program or library for Linux (ELF)", BUILD),
        (b"\xcf\xfa\xed\xfe", "a program or library for macOS (Mach-O)", BUILD),
        (b"\xce\xfa\xed\xfe", "a program or library for macOS (Mach-O)", BUILD),
        (b"\xca\xfe\xba\xbe", "a program for macOS (universal Mach-O) or a Java class", BUILD),
        (b"MZ", "a program or library for Windows (PE)", BUILD),
        (b"!<arch>\n", "a static library", BUILD),
        (b"BC\xc0\xde", "LLVM bitcode", BUILD),
        (b"PK\x03\x04", "a zip archive", UNPACK),
        (b"\x1f\x8b", "compressed with gzip", "unpack it: `gzip -dc OLD > NEW.wasm`, or tar if it is a .tar.gz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it: `zstd -dc OLD > NEW.wasm`"),
        (b"\xfd7zXZ\0", "compressed with xz", "unpack it: `xz -dc OLD > NEW.wasm`"),
        (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch the file: `git lfs pull`"),
        (b"#!", "a script", "compile it to WebAssembly; a script cannot be called"),
    ];
    if let Some((_, what, help)) = known.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return ((*what).to_owned(), Some(help));
    }
    if bytes.is_empty() {
        return ("empty".to_owned(), Some(COPY));
    }
    // A complete header does not get here.
    if b"\0asm".starts_with(bytes) || bytes.starts_with(b"\0asm") {
        return (format!("cut short: it has {} bytes", bytes.len()), Some(COPY));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return ("a tar archive".to_owned(), Some(UNPACK));
    }
    let Some(text) = beginning(bytes) else {
        return ("not WebAssembly: it does not begin with `\\0asm`".to_owned(), Some(BUILD));
    };
    let begins = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).to_ascii_lowercase();
    if begins.starts_with("<!doctype html") || begins.starts_with("<html") {
        let help = "the address of the download may be wrong: open it in a browser";
        return ("a web page, as saved by a failed download".to_owned(), Some(help));
    }
    if begins.starts_with("(component") || begins.starts_with("(module") || begins.starts_with(";;") {
        return ("WebAssembly in its text form".to_owned(), Some("rename it, so that it ends in .wat"));
    }
    if begins.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return ("not WebAssembly: it does not begin with `\\0asm`".to_owned(), Some(BUILD));
    }
    ("a text, not WebAssembly".to_owned(), Some(BUILD))
}

/// Returns whether a binary ends in the middle of a section, or before the code of its functions.
pub(super) fn is_cut_short(bytes: &[u8]) -> bool {
    if bytes.len() < HEADER || !bytes.starts_with(b"\0asm") {
        return false;
    }
    let whole = sections(bytes);
    let length = whole.last().map_or(HEADER, |(_, content)| content.as_ptr_range().end.addr() - bytes.as_ptr().addr());
    let has = |wanted: SectionId| whole.iter().any(|(id, _)| *id == u8::from(wanted));
    let is_module = Parser::is_core_wasm(bytes);
    length < bytes.len() || (is_module && has(SectionId::Function) && !has(SectionId::Code))
}

/// Returns the first kilobyte if it is text.
fn beginning(bytes: &[u8]) -> Option<&str> {
    let first = &bytes[..bytes.len().min(1024)];
    match std::str::from_utf8(first) {
        Ok(text) => Some(text),
        // The cut may go through a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&first[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_and_binaries_are_told_apart() {
        let what = |bytes: &[u8]| describe(bytes).0;
        assert_eq!(what(b"\n<HTML><body>"), "a web page, as saved by a failed download");
        assert_eq!(what(b"fn main() {}"), "a text, not WebAssembly");
        assert_eq!(what("é".repeat(1000).as_bytes()), "a text, not WebAssembly");
        assert_eq!(what(&"xé".repeat(1000).as_bytes()[..1024]), "a text, not WebAssembly");
        assert_eq!(what(b"\x01\x02\xff"), "not WebAssembly: it does not begin with `\\0asm`");
        assert_eq!(what(b"\0as"), "cut short: it has 3 bytes");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
            describe(&bytes);
        }
    }
}
