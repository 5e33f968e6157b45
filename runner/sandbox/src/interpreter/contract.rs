//! Whether what a plugin imports of the contract is what the contract says. The engine would find out when the plugin is
//! linked, which is too late.

use std::sync::LazyLock;

use jobcontrol_core::types::Named;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::TypeReader;
use wit_parser::Resolve;
use wit_parser::World;
use wit_parser::WorldItem;

/// The contract, as host and libraries read it.
const TEXT: &str = include_str!("../../../../sdk/wit/plugin.wit");

/// How the interfaces of the contract begin.
const PACKAGE: &str = "jobcontrol:plugin/";

static CONTRACT: LazyLock<Option<Resolve>> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    resolve.push_str("plugin.wit", TEXT).ok().map(|_| resolve)
});

/// The first import of the contract that is not as the contract has it, in words that follow the plugin's name.
pub(super) fn misfit<'a>(resolve: &'a Resolve, world: &'a World, types: &mut TypeReader<'a>) -> Option<String> {
    let contract = CONTRACT.as_ref()?;
    let mut offered = TypeReader::new(contract);
    for (key, item) in &world.imports {
        let WorldItem::Interface { id, .. } = item else {
            continue;
        };
        let name = resolve.name_world_key(key);
        let Some(interface) = name.strip_prefix(PACKAGE).and_then(|rest| rest.split('@').next()) else {
            continue;
        };
        // One that is not there is missed by its name.
        let Some((_, known)) = contract.interfaces.iter().find(|(_, known)| known.name.as_deref() == Some(interface))
        else {
            continue;
        };
        for (function, wanted) in &resolve.interfaces[*id].functions {
            let Some(there) = known.functions.get(function) else {
                return Some(format!("imports `{function}` of `{name}`, which has no such function"));
            };
            let same = match (types.signature(None, wanted), offered.signature(None, there)) {
                (Ok(wanted), Ok(there)) => {
                    let params = |a: &[(String, Type)], b: &[(String, Type)]| {
                        a.len() == b.len() && a.iter().zip(b).all(|((_, a), (_, b))| alike(a, b))
                    };
                    params(&wanted.params, &there.params) && both(wanted.result.as_ref(), there.result.as_ref())
                }
                _ => false,
            };
            if !same {
                return Some(format!("imports `{function}` of `{name}` with another type than it has"));
            }
        }
    }
    None
}

/// Whether the engine takes one for the other: all but the names that types were declared with.
fn alike(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::List(a), Type::List(b)) | (Type::Option(a), Type::Option(b)) => alike(a, b),
        (Type::Tuple(a), Type::Tuple(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| alike(a, b)),
        (Type::Result(a_ok, a_err), Type::Result(b_ok, b_err)) => {
            both(a_ok.as_deref(), b_ok.as_deref()) && both(a_err.as_deref(), b_err.as_deref())
        }
        (Type::Record(a), Type::Record(b)) => members(a, b, alike),
        (Type::Variant(a), Type::Variant(b)) => members(a, b, |a, b| both(a.as_ref(), b.as_ref())),
        (Type::Enum(a), Type::Enum(b)) | (Type::Flags(a), Type::Flags(b)) => members(a, b, |(), ()| true),
        (a, b) => a == b,
    }
}

fn both(a: Option<&Type>, b: Option<&Type>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => alike(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn members<T>(a: &Named<T>, b: &Named<T>, alike: impl Fn(&T, &T) -> bool) -> bool {
    let pairs = || a.members.iter().zip(&b.members);
    a.members.len() == b.members.len() && pairs().all(|((a, x), (b, y))| a == b && alike(x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_can_be_read() {
        let contract = CONTRACT.as_ref().unwrap();
        let names: Vec<_> = contract.interfaces.iter().filter_map(|(_, interface)| interface.name.clone()).collect();
        assert_eq!(names, ["types", "log", "progress", "build"]);
    }
}
