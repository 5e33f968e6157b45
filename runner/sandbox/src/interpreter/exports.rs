//! Removes the components and modules that a component exports. The engine refuses a component that
//! exports a component, even if its functions are valid.

use std::borrow::Cow;

use wasm_encoder::ComponentSectionId;
use wasm_encoder::Encode;
use wasmparser::BinaryReader;
use wasmparser::ComponentExportSectionReader;
use wasmparser::ComponentExternalKind;

use super::link::HEADER;
use super::link::section;
use super::link::sections;
use super::numeric::Uncallable;

/// Returns the part of a component that jobs can use, and the removed exports, each with the
/// reason.
///
/// An exported component takes an index. Exports are therefore kept if something after them may
/// refer to an index.
pub(super) fn callable_alone(binary: Cow<'_, [u8]>) -> (Cow<'_, [u8]>, Uncallable) {
    match without_code(&binary) {
        Some((changed, refused)) if !refused.is_empty() => (Cow::Owned(changed), refused),
        _ => (binary, Vec::new()),
    }
}

/// Returns the component without these exports, or `None` if its exports cannot be read or removed.
fn without_code(binary: &[u8]) -> Option<(Vec<u8>, Uncallable)> {
    let mut out = binary.get(..HEADER)?.to_vec();
    let mut refused = Vec::new();
    for (id, content) in sections(binary) {
        let custom = id == u8::from(ComponentSectionId::CoreCustom);
        if id == u8::from(ComponentSectionId::Export) {
            section(&mut out, id, &functions_alone(content, &mut refused)?);
        } else if custom || refused.is_empty() {
            section(&mut out, id, content);
        } else {
            return None;
        }
    }
    Some((out, refused))
}

/// Returns the content of an export section without exports of code.
fn functions_alone(content: &[u8], refused: &mut Uncallable) -> Option<Vec<u8>> {
    let exports = ComponentExportSectionReader::new(BinaryReader::new(content, 0)).ok()?;
    let exports = exports.into_iter_with_offsets().collect::<Result<Vec<_>, _>>().ok()?;
    let ends = exports.iter().skip(1).map(|(begin, _)| *begin).chain([content.len()]);
    let (mut count, mut kept) = (0_u32, Vec::new());
    for ((begin, export), end) in exports.iter().zip(ends) {
        let what = match export.kind {
            ComponentExternalKind::Component => "it is a component, not a function",
            ComponentExternalKind::Module => "it is a core module, not a function",
            _ => {
                count += 1;
                kept.extend_from_slice(content.get(*begin..end)?);
                continue;
            }
        };
        refused.push((export.name.name.to_owned(), what.to_owned()));
    }
    let mut section = Vec::new();
    count.encode(&mut section);
    section.extend(kept);
    Some(section)
}
