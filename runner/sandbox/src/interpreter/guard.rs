//! Decoders run over bytes that nobody vouches for. They recurse into types, so what nests is
//! counted before they see it, by a walk that does not recurse; what would be a crash becomes an
//! answer.

use std::ops::Range;
use std::panic::AssertUnwindSafe;

use wasmparser::Parser;
use wasmparser::Payload;

/// How deep modules and components may nest in each other: toolchains stop at three or four.
const NESTING: usize = 100;

/// How many types a type section may declare inside of other types, by a count that never is too
/// low. The largest world has a few hundred.
const TYPES_IN_TYPES: usize = 10_000;

/// Room for the decoders' recursion into that many types, of which each takes up to 2 KiB; never
/// touched, it costs nothing.
const STACK: usize = 128 << 20;

/// Custom sections with the types of a world, as toolchains leave them in core modules.
const WORLDS: &str = "component-type";

/// Runs a decoder over a plugin's bytes.
///
/// # Errors
///
/// Bytes that nest too deep, and a decoder that panics.
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

/// Bytes that are no WebAssembly at some place pass: the decoder has the better words for that.
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

/// Inside of a type, each type that can hold others is a declaration 1 (a type) of kind 0x41 (a
/// component) or 0x42 (an instance). The same bytes stand in other places too.
fn types_in_types(bytes: &[u8], range: Range<usize>) -> usize {
    let section = bytes.get(range).unwrap_or_default();
    section.windows(2).filter(|pair| matches!(pair, [0x01, 0x41 | 0x42])).count()
}
