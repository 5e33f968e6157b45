//! Whether a plugin's debugging information can be read after a trap: the engine reads it in the runner's own process, by
//! recursion into what was inlined, keeps a name for each of these calls, and stops at nothing. So it is looked at before,
//! by the process that compiles, which has its time and memory.

use gimli::DW_AT_ranges;
use gimli::DW_TAG_inlined_subroutine;
use gimli::DW_TAG_subprogram;
use gimli::Dwarf;
use gimli::EndianSlice;
use gimli::LittleEndian;
use gimli::SectionId;
use gimli::Unit;
use wasmparser::KnownCustom;
use wasmparser::Name;
use wasmparser::Parser;
use wasmparser::Payload;

/// How deep functions may be inlined into each other: compilers stop at a few dozen, and each level is a call of the
/// reader and a frame of each trap.
const INLINED: usize = 100;

/// Functions, inlined ones and their ranges of addresses: ten times what the largest toolchains leave.
const FUNCTIONS: usize = 4_000_000;

/// Bytes of a name: far above C++ at its worst. Each frame of a trap gets a copy.
const NAME: usize = 64 << 10;

/// Sections whose texts the frames of a trap name.
const TEXTS: &[&str] = &[".debug_str", ".debug_line_str", ".debug_info"];

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Looks at each module of a binary.
///
/// # Errors
///
/// What is above its bound, in words that begin after the plugin's name.
pub(crate) fn readable(binary: &[u8]) -> Result<(), String> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(binary) {
        match payload {
            Ok(Payload::CustomSection(section)) if section.name().starts_with(".debug_") => {
                if TEXTS.contains(&section.name()) {
                    names(section.data().split(|byte| *byte == 0).map(<[u8]>::len))?;
                }
                sections.push((section.name(), section.data()));
            }
            Ok(Payload::CustomSection(section)) => {
                if let KnownCustom::Name(subsections) = section.as_known() {
                    for functions in subsections.into_iter().map_while(Result::ok) {
                        if let Name::Function(functions) = functions {
                            names(functions.into_iter().map_while(Result::ok).map(|naming| naming.name.len()))?;
                        }
                    }
                }
            }
            // Nothing of a component is a module's.
            Ok(Payload::ModuleSection { .. }) => sections.clear(),
            Ok(Payload::End(_)) => module(&std::mem::take(&mut sections))?,
            Ok(_) => {}
            // The compiler has the better words for that.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn names(mut lengths: impl Iterator<Item = usize>) -> Result<(), String> {
    if lengths.any(|length| length > NAME) {
        return Err(format!("a name in its debugging information is longer than {} KiB", NAME >> 10));
    }
    Ok(())
}

fn module(sections: &[(&str, &[u8])]) -> Result<(), String> {
    if sections.is_empty() {
        return Ok(());
    }
    let section = |id: SectionId| {
        let found = sections.iter().rev().find(|(name, _)| *name == id.name());
        Ok::<_, gimli::Error>(EndianSlice::new(found.map_or(&[][..], |(_, data)| *data), LittleEndian))
    };
    // What cannot be read at all is not read after a trap either.
    let Ok(dwarf) = Dwarf::load(section) else {
        return Ok(());
    };
    let (mut units, mut left) = (dwarf.units(), FUNCTIONS);
    while let Ok(Some(header)) = units.next() {
        if let Ok(unit) = dwarf.unit(header) {
            functions(&dwarf, &unit, &mut left)?;
        }
    }
    Ok(())
}

fn functions(dwarf: &Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>, left: &mut usize) -> Result<(), String> {
    let Ok(mut entries) = unit.entries_raw(None) else {
        return Ok(());
    };
    // The depths of the inlined functions that the entry is in.
    let mut inlined = Vec::new();
    while !entries.is_empty() {
        let depth = entries.next_depth();
        let abbreviation = match entries.read_abbreviation() {
            Ok(Some(abbreviation)) => abbreviation,
            Ok(None) => continue,
            Err(_) => return Ok(()),
        };
        let tag = abbreviation.tag();
        if tag == DW_TAG_inlined_subroutine || tag == DW_TAG_subprogram {
            while inlined.last().is_some_and(|outer| *outer >= depth) {
                inlined.pop();
            }
            if tag == DW_TAG_inlined_subroutine {
                inlined.push(depth);
            }
            let mut attributes = entries.clone();
            let mut ranges = 0;
            for specification in abbreviation.attributes() {
                let Ok(attribute) = attributes.read_attribute(*specification) else {
                    break;
                };
                if attribute.name() == DW_AT_ranges
                    && let Ok(Some(mut list)) = dwarf.attr_ranges(unit, attribute.value())
                {
                    while ranges <= *left && list.next().is_ok_and(|range| range.is_some()) {
                        ranges += 1;
                    }
                }
            }
            if inlined.len() > INLINED {
                return Err(format!("its debugging information inlines functions deeper than {INLINED} levels"));
            }
            *left = left.checked_sub(1 + ranges).ok_or_else(|| {
                format!("its debugging information has more than {FUNCTIONS} functions and ranges of addresses")
            })?;
        }
        if entries.skip_attributes(abbreviation.attributes()).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
