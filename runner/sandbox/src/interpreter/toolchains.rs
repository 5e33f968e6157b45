//! Recognises core modules that were made for another host, by their imports and exports.

use super::core_module::CoreModule;
use super::task::Refused;
use super::task::Why;

const WIT: &str = "write its functions against `plugin.wit` (with wit-bindgen) instead";

/// How to recognise modules for one host, and the advice for them.
struct Toolchain {
    /// Modules and names that it imports. An empty name stands for all names, and each may end with
    /// `*`.
    imports: &'static [(&'static str, &'static str)],
    /// Names that it exports; each may end with `*`.
    exports: &'static [&'static str],
    /// A description that follows `is`.
    what: &'static str,
    help: &'static str,
}

/// The more specific ones come first: .NET for browsers is built with Emscripten.
const TOOLCHAINS: &[Toolchain] = &[
    Toolchain {
        imports: &[("extism:host/*", ""), ("env", "extism_*")],
        exports: &[],
        what: "an Extism plugin",
        help: "build it without the Extism PDK, and write its functions against `plugin.wit` (with wit-bindgen)",
    },
    Toolchain {
        imports: &[("env", "proxy_*")],
        exports: &["proxy_on_*", "proxy_abi_version_*"],
        what: "a proxy-wasm filter, which only a proxy such as Envoy can call",
        help: WIT,
    },
    Toolchain {
        imports: &[("gojs", ""), ("go", "")],
        exports: &[],
        what: "built by Go for JavaScript (`GOOS=js`)",
        help: "build it with `GOOS=wasip1 GOARCH=wasm go build` as a command, and with `-buildmode=c-shared` for functions; \
               in TinyGo with `-target=wasip1`",
    },
    Toolchain {
        imports: &[("wbg", ""), ("__wbindgen*", ""), ("./*_bg.js", ""), ("*", "__wbindgen_*"), ("*", "__wbg_*")],
        exports: &["__wbindgen_*"],
        what: "built by wasm-bindgen for JavaScript",
        help: "use wit-bindgen instead of wasm-bindgen, and build it with `--target wasm32-wasip2`",
    },
    Toolchain {
        imports: &[("dotnet*", ""), ("env", "mono_*"), ("env", "dotnet_*"), ("env", "SystemNative_*")],
        exports: &["mono_*", "dotnet_*", "getWebcilSize", "getWebcilPayload", "webcilVersion"],
        what: "a part of .NET for browsers",
        help: "build it with componentize-dotnet (NuGet `BytecodeAlliance.Componentize.DotNet.Wasm.SDK`), which makes a \
               component",
    },
    Toolchain {
        imports: &[("wasix_*", "")],
        exports: &[],
        what: "built for WASIX",
        help: "build it for `wasm32-wasip1` or `wasm32-wasip2`",
    },
    Toolchain {
        imports: &[("wasi", "thread-spawn")],
        exports: &["wasi_thread_start"],
        what: "built with threads, which are not supported",
        help: "build it for `wasm32-wasip1`, without threads",
    },
    Toolchain {
        imports: &[("wasi_unstable", "")],
        exports: &[],
        what: "built for `wasi_unstable`, the first version of WASI",
        help: "build it for `wasi_snapshot_preview1` (`wasm32-wasip1`), which came after",
    },
    Toolchain { imports: &[("wapc", "")], exports: &["__guest_call"], what: "a waPC guest", help: WIT },
    Toolchain {
        imports: &[
            ("env", "emscripten_*"),
            ("env", "_emscripten_*"),
            ("env", "__syscall_*"),
            ("env", "invoke_*"),
            ("env", "_embind_*"),
            ("env", "__cxa_throw"),
            ("env", "_abort_js"),
            ("env", "_tzset_js"),
            // Minified names.
            ("a", "?"),
        ],
        exports: &["_emscripten_*", "emscripten_stack_*"],
        what: "built by Emscripten for JavaScript",
        help: "build it with `-sSTANDALONE_WASM` (and `--no-entry` for functions), without libraries that need JavaScript",
    },
    Toolchain {
        imports: &[("env", "abort"), ("env", "seed"), ("env", "trace"), ("env", "console.log")],
        exports: &["__collect", "__newArrayBuffer"],
        what: "built by AssemblyScript for JavaScript",
        help: "build it with `--use abort=` and without `trace` and `seed`, or with the package `@assemblyscript/wasi-shim`",
    },
    Toolchain {
        imports: &[("dart2wasm", ""), ("js_code", ""), ("./*.mjs", ""), ("./*.js", "")],
        exports: &[],
        what: "built for JavaScript",
        help: "build it for WASI (`wasm32-wasip1` or `wasm32-wasip2`)",
    },
];

/// Returns whether a name matches a pattern. `*` at the end, at the start or in the middle matches
/// any text; `?` alone matches any name of at most two characters.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern == "?" {
        return name.len() <= 2;
    }
    match pattern.split_once('*') {
        Some((before, after)) => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
        None => pattern.is_empty() || pattern == name,
    }
}

impl Toolchain {
    fn made(&self, module: &CoreModule) -> bool {
        let imported = |from: &str, name: &str| {
            self.imports.iter().any(|(module, item)| matches(module, from) && matches(item, name))
        };
        module.imports.iter().any(|(from, name)| imported(from, name))
            || module.exports.iter().any(|export| self.exports.iter().any(|known| matches(known, &export.name)))
    }
}

/// Returns the other host that a module was made for, if any: a description that follows `is`, and
/// advice.
pub(super) fn recognised(module: &CoreModule) -> Option<(&'static str, &'static str)> {
    TOOLCHAINS.iter().find(|toolchain| toolchain.made(module)).map(|toolchain| (toolchain.what, toolchain.help))
}

/// Refuses a core module that was made for a component but has lost its WIT. Its strings and lists
/// would be taken for numbers.
pub(super) fn stripped(module: &CoreModule) -> Option<Refused> {
    // `wasi:cli/exit@0.2.0`, and `cm32p2|wasi:cli/exit@0.2` as newer toolchains write it.
    let is_interface = |from: &str| from == "$root" || from.starts_with("cm32p2") || is_wit_name(from);
    let import = module.imports.iter().map(|(from, _)| from.as_str()).find(|from| is_interface(from));
    let is_lifted = |name: &str| {
        name.starts_with("cabi_")
            || name.starts_with("cm32p2")
            || name.split_once('#').is_some_and(|(from, _)| is_wit_name(from))
    };
    // A command is called as a whole, whatever it exports.
    let exports = if module.is_command() { &[][..] } else { &module.exports };
    let export = exports.iter().map(|export| export.name.as_str()).find(|name| is_lifted(name));
    let mark = match (import, export) {
        (Some(import), _) => format!("imports `{import}`"),
        (None, Some(export)) => format!("exports `{export}`"),
        (None, None) => return None,
    };
    let what = format!("is a core module for a component ({mark}), but its WIT is gone");
    let help = "keep its custom sections `component-type..`: build it without `-s`, `--strip-all`, `wasm-strip` and \
                `wasm-opt --strip`, or strip it after `wasm-tools component new`";
    Some(Refused { why: Why::Kind, what, help: Some(help.to_owned()) })
}

/// Returns whether a name has the form `namespace:package/interface`.
fn is_wit_name(name: &str) -> bool {
    let rest = name.split_once(':').map(|(namespace, rest)| (namespace, rest.split_once('/')));
    matches!(rest, Some((namespace, Some((package, interface))))
        if namespace != "extism" && ![namespace, package, interface].contains(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> CoreModule {
        CoreModule::read(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn each_toolchain_is_recognised() {
        for (text, expected) in [
            (r#"(import "extism:host/env" "input_length" (func (result i64)))"#, "an Extism plugin"),
            (r#"(import "env" "extism_log_info" (func (param i64)))"#, "an Extism plugin"),
            (r#"(import "env" "proxy_log" (func)) (func (export "proxy_on_tick"))"#, "a proxy-wasm filter"),
            (r#"(func (export "proxy_abi_version_0_2_1"))"#, "a proxy-wasm filter"),
            (r#"(import "gojs" "runtime.wasmExit" (func (param i32)))"#, "built by Go for JavaScript"),
            (r#"(import "go" "debug" (func (param i32)))"#, "built by Go for JavaScript"),
            (r#"(import "./app_bg.js" "__wbindgen_throw" (func))"#, "built by wasm-bindgen"),
            (r#"(import "__wbindgen_placeholder__" "__wbg_log_1" (func))"#, "built by wasm-bindgen"),
            (r#"(import "wbg" "__wbindgen_throw" (func))"#, "built by wasm-bindgen"),
            (r#"(import "env" "mono_wasm_trace" (func)) (import "env" "emscripten_x" (func))"#, "a part of .NET"),
            (r#"(import "env" "__syscall_openat" (func))"#, "built by Emscripten"),
            (r#"(import "a" "b" (func))"#, "built by Emscripten"),
            (r#"(import "env" "invoke_vi" (func))"#, "built by Emscripten"),
            (r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#, "built by AssemblyScript"),
            (r#"(import "wasi_unstable" "fd_write" (func))"#, "built for `wasi_unstable`"),
            (r#"(import "wasi" "thread-spawn" (func))"#, "built with threads"),
            (r#"(import "wasix_32v1" "fd_dup" (func))"#, "built for WASIX"),
            (r#"(import "wapc" "__host_call" (func))"#, "a waPC guest"),
            (r#"(import "./x.uninstantiated.mjs" "f" (func))"#, "built for JavaScript"),
        ] {
            let found = recognised(&module(&format!("(module {text})"))).map(|(what, _)| what);
            assert!(found.is_some_and(|what| what.starts_with(expected)), "{text}: {found:?}");
        }
        for text in [r#"(import "env" "mine" (func))"#, r#"(import "abc" "b" (func))"#, r#"(func (export "f"))"#] {
            assert_eq!(recognised(&module(&format!("(module {text})"))), None, "{text}");
        }
    }

    #[test]
    fn a_module_whose_wit_was_stripped_is_told_by_its_names() {
        for text in [
            r#"(import "jobcontrol:plugin/log@0.1.0" "write" (func))"#,
            r#"(import "$root" "f" (func))"#,
            r#"(func (export "cabi_realloc"))"#,
            r#"(func (export "cabi_post_greet"))"#,
            r#"(func (export "a:b/c@1.0.0#f"))"#,
            r#"(func (export "cm32p2||f"))"#,
        ] {
            assert!(stripped(&module(&format!("(module {text})"))).is_some(), "{text}");
        }
        for text in
            [r#"(import "extism:host/env" "f" (func))"#, r#"(func (export "f"))"#, r#"(import "env" "f" (func))"#]
        {
            assert_eq!(stripped(&module(&format!("(module {text})"))), None, "{text}");
        }
    }
}
