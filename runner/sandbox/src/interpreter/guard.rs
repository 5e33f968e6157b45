//! Runs decoders over untrusted bytes. Decoders recurse into types, so a walk without recursion
//! counts the nesting first. A panic of a decoder becomes an error.

use std::ops::Range;
use std::panic::AssertUnwindSafe;

use wasmparser::Parser;
use wasmparser::Payload;

/// How deep modules and components may nest. Toolchains use three or four levels.
const NESTING: usize = 100;

/// How many types a type section may declare inside of other types. The count may be too high, but
/// is never too low. The largest world has a few hundred.
const TYPES_IN_TYPES: usize = 10_000;

/// The stack for the decoders' recursion into that many types, each of which takes up to 2 KiB.
/// Pages that are never touched cost nothing.
const STACK: usize = 128 << 20;

/// Custom sections with the types of a world, as toolchains write them to core modules.
const WORLDS: &str = "component-type";

/// Runs a decoder over a plugin's bytes.
///
/// # Errors
///
/// Returns an error if the bytes nest too deep, or if the decoder panics.
pub(crate) fn decoding<T: Send>(bytes: &[u8], decoder: impl FnOnce() -> T + Send) -> Result<T, String> {
    nesting(bytes)?;
    let caught = || std::panic::catch_unwind(AssertUnwindSafe(decoder));
    let decoded = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("decoder".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, caught).map(std::thread::ScopedJoinHandle::join)
    });
    match decoded {
        Ok(Ok(Ok(decoded))) => Ok(decoded),
        Ok(_) => Err("cannot be decoded".to_owned()),
        Err(error) => Err(format!("cannot be decoded: there is no thread for it ({error})")),
    }
}

/// Bytes that are not WebAssembly at some position pass, because the decoder reports these better.
fn nesting(bytes: &[u8]) -> Result<(), String> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let types = match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => {
                depth += 1;
                if depth > NESTING {
                    return Err(format!("nests modules and components deeper than {NESTING} levels"));
                }
                continue;
            }
            Ok(Payload::End(_)) => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Ok(Payload::ComponentTypeSection(section)) => section.range(),
            Ok(Payload::CustomSection(section)) if section.name().starts_with(WORLDS) => section.range(),
            Ok(_) => continue,
            Err(_) => return Ok(()),
        };
        if types_in_types(bytes, types) > TYPES_IN_TYPES {
            return Err(format!("declares more than {TYPES_IN_TYPES} types inside of types"));
        }
    }
    Ok(())
}

/// Counts declarations that may hold other types: a byte 1 (a type), then 0x41 (a component) or
/// 0x42 (an instance). The same bytes also occur elsewhere, so the count may be too high.
fn types_in_types(bytes: &[u8], range: Range<usize>) -> usize {
    let section = bytes.get(range).unwrap_or_default();
    section.windows(2).filter(|pair| matches!(pair, [0x01, 0x41 | 0x42])).count()
}
