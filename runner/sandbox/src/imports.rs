//! What a plugin may import, by name.

use jobcontrol_core::check::PluginProblem;
use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::diagnostic::nearest;
use jobcontrol_core::diagnostic::some_of;
use jobcontrol_core::plugin::Plugin;

/// What is linked: package, the versions it is compatible with, and interfaces; the functions of
/// files, variables and the network are among them and refuse everything that was not granted.
const LINKED: &[(&str, &str, &[&str])] = &[
    ("jobcontrol:plugin", "0.1", &["types", "log", "progress", "build", "http"]),
    // Of our own adapter, for modules that use preview1.
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

/// Interfaces that a grant of a later version would open.
const LATER: &[&str] = &["wasi:keyvalue", "wasi:config", "wasi:messaging", "wasi:blobstore"];

/// What mends an import of WASI preview 1 that is not there.
const PREVIEW1_HELP: &str = "of `wasi_snapshot_preview1` the host offers what WASI defines, and no extension of another engine, such as sockets";

/// `package/interface@version` in its parts.
fn parts(import: &str) -> (&str, &str, Option<&str>) {
    let (path, version) = import.split_once('@').map_or((import, None), |(path, version)| (path, Some(version)));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    (package, interface, version)
}

/// Whether a version is one of those that `offered`, such as `0.2`, is compatible with: no
/// prerelease.
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

/// Every import of a plugin that the host does not offer, with what to do about it.
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
                None => format!("of `{package}` the host offers {}", interfaces.join(", ")),
            }
        }
        Some(_) => {
            let offered = LINKED.iter().map(|(name, version, _)| format!("{name}@{version}.x"));
            format!("the versions offered are {}, and no prereleases", offered.collect::<Vec<_>>().join(", "))
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

    /// What `check` takes for linked is what the linker has.
    #[test]
    fn the_host_offers_what_it_says() {
        let engine = engine::running(1).unwrap();
        let linker = grant::linker(&engine).unwrap();
        // Asked for as a function, what is there is told as an instance.
        let has = |package: &str, interface: &str, version: &str| {
            let text = format!(r#"(component (import "{package}/{interface}@{version}.0" (func)))"#);
            let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
            let refused = linker.instantiate_pre(&component).err().unwrap();
            format!("{refused:#}").contains("found instance")
        };
        for (package, version, interfaces) in LINKED {
            for interface in *interfaces {
                // What holds types alone needs nothing of the host.
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
