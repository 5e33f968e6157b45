//! The names that a plugin may import.

use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::diagnostic::some_of;
use jobcontrol_core::plugin::Plugin;

/// What is linked: the package, the version it is compatible with, and its interfaces. Functions
/// for files, variables and the network are included; they refuse everything that was not granted.
const LINKED: &[(&str, &str, &[&str])] = &[
    ("jobcontrol:plugin", "0.1", &["types", "log", "progress", "build", "http"]),
    // Used by our own adapter for preview1 modules.
    ("jobcontrol:preview1", "0.1", &["process"]),
    ("wasi:io", "0.2", &["error", "poll", "streams"]),
    ("wasi:clocks", "0.2", &["wall-clock", "monotonic-clock"]),
    ("wasi:random", "0.2", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:cli",
        "0.2",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:filesystem", "0.2", &["types", "preopens"]),
    ("wasi:http", "0.2", &["types", "outgoing-handler"]),
    (
        "wasi:sockets",
        "0.2",
        &["network", "instance-network", "tcp", "tcp-create-socket", "udp", "udp-create-socket", "ip-name-lookup"],
    ),
];

/// Interfaces that grants of a later version will open.
const LATER: &[&str] = &["wasi:keyvalue", "wasi:config", "wasi:messaging", "wasi:blobstore"];

/// The hint for an import of WASI preview 1 that does not exist.
const PREVIEW1_HELP: &str = "the host offers what WASI defines for `wasi_snapshot_preview1`, without extensions of \
                             other engines, such as sockets";

/// Splits `package/interface@version` into its parts.
fn parts(import: &str) -> (&str, &str, Option<&str>) {
    let (path, version) = import.split_once('@').map_or((import, None), |(path, version)| (path, Some(version)));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    (package, interface, version)
}

/// Returns whether a version is compatible with `offered`, such as `0.2`. A prerelease is not.
pub(crate) fn is_compatible(version: &str, offered: &str) -> bool {
    let (version, _build) = version.split_once('+').unwrap_or((version, ""));
    let patch = version.strip_prefix(offered).and_then(|rest| rest.strip_prefix('.'));
    patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(crate) fn is_linked(import: &str) -> bool {
    let (package, interface, version) = parts(import);
    LINKED.iter().any(|(known, offered, interfaces)| {
        *known == package
            && interfaces.contains(&interface)
            && version.is_some_and(|version| is_compatible(version, offered))
    })
}

/// Returns a problem that names every import of a plugin that the host does not offer, with what to
/// do about it.
pub fn missing_imports(plugin: &Plugin) -> Option<PluginProblem> {
    if let Some(misfit) = &plugin.misfit {
        let message = format!("`{}` {misfit}", plugin.path.display());
        let help = if misfit.contains("jobcontrol:plugin/") {
            "build it against the `plugin.wit` of this version of jobcontrol"
        } else if plugin.kind.stays_core() {
            PREVIEW1_HELP
        } else {
            "the host offers WASI 0.2 as it is defined: build it against the definitions of that version"
        };
        return Some(PluginProblem::new(Code::MissingImport, message).help(help));
    }
    if plugin.kind.stays_core() {
        return None;
    }
    let missing: Vec<_> = plugin.imports.iter().filter(|import| !is_linked(import)).collect();
    let first = missing.first()?;
    let names = some_of(missing.iter().map(|name| format!("`{name}`")));
    let (package, interface, version) = parts(first);
    let help = match LINKED.iter().find(|(known, ..)| *known == package) {
        _ if LATER.contains(&package) => format!("a grant for `{package}` is not supported yet"),
        Some((_, offered, interfaces)) if version.is_some_and(|version| is_compatible(version, offered)) => {
            match nearest(interface, interfaces.iter().copied()) {
                Some(near) => format!("did you mean `{package}/{near}`?"),
                None => format!("the host offers these interfaces of `{package}`: {}", interfaces.join(", ")),
            }
        }
        Some(_) => {
            let offered = LINKED.iter().map(|(name, version, _)| format!("{name}@{version}.x"));
            format!("the host offers the versions {}, without prereleases", offered.collect::<Vec<_>>().join(", "))
        }
        None => "a plugin may import WASI 0.2 and `jobcontrol:plugin`".to_owned(),
    };
    let message = format!("`{}` imports {names}, which the host does not offer", plugin.path.display());
    Some(PluginProblem::new(Code::MissingImport, message).help(help))
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Component;

    use super::*;
    use crate::engine;
    use crate::grant;

    /// The imports that `check` accepts are the ones that the linker has.
    #[test]
    fn the_host_offers_what_it_says() {
        let engine = engine::running(1).unwrap();
        let linker = grant::linker(&engine).unwrap();
        // If the interface exists, importing it as a function fails with a message that it is an
        // instance.
        let has = |package: &str, interface: &str, version: &str| {
            let text = format!(r#"(component (import "{package}/{interface}@{version}.0" (func)))"#);
            let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
            let refused = linker.instantiate_pre(&component).err().unwrap();
            format!("{refused:#}").contains("found instance")
        };
        for (package, version, interfaces) in LINKED {
            for interface in *interfaces {
                // An interface with only types needs nothing from the host.
                assert!(has(package, interface, version) || *interface == "types", "{package}/{interface}");
            }
            assert!(!has(package, "nonsense", version));
        }
        for import in [
            "wasi:cli/nonsense@0.2.0",
            "wasi:cli/exit",
            "wasi:cli/exit@0.3.0",
            "wasi:cli",
            "wasi:cli/exit@0.2.0-rc-2023-11-10",
            "wasi:cli/exit@0.2",
            "wasi:cli/exit@0.20.0",
            "wasi:cli/exit@0.2.x",
        ] {
            assert!(!is_linked(import), "{import}");
        }
    }
}
