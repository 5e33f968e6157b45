//! Recognises calls of a language's runtime or of an adapter. They only pass a failure from the
//! plugin's code to the host, so they are of no interest to a reader.

/// Prefixes of the names of such functions.
const BEGIN: &[&str] = &[
    // Rust
    "core::panicking::",
    "std::panicking::",
    "std::process::abort",
    "std::sys::",
    "std::rt::",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "alloc::alloc::handle_alloc_error",
    "__rust",
    "rust_begin_unwind",
    "rust_panic",
    "panic_abort::",
    "jobcontrol_plugin::",
    // bindings and adapters
    "wit_bindgen::",
    "wit_dylib_",
    "wasi_snapshot_preview1::",
    "__wasm_export_",
    "__wasi_",
    "__wasilibc_",
    // C and C++
    "__assert_fail",
    "__cxa_",
    "__cxxabiv1::",
    "__libcpp_verbose_abort",
    "std::__1::__libcpp_verbose_abort",
    "std::__1::__throw_",
    "std::__throw_",
    "std::terminate",
    "std::__terminate",
    "undefined_weak:",
    // Zig
    "debug.",
    "process.abort",
    "ubsan_rt.",
    // Go
    "runtime.",
    // Python
    "Py",
    "_Py",
    "cfunction_",
    // JavaScript
    "JS_",
    "js::",
    "JS::",
    "mozilla::",
];

/// Complete names of such functions.
const NAMES: &[&str] = &["abort", "exit", "_Exit", "raise", "proc_exit", "_start", "__main_void", "cabi_realloc"];

/// Returns whether a function with this name belongs to a runtime.
pub fn is_runtime(name: &str) -> bool {
    NAMES.contains(&name) || BEGIN.iter().any(|begin| name.starts_with(begin)) || name.ends_with(".command_export")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_a_plugin_are_none_of_a_runtime() {
        for name in
            ["abort", "core::panicking::panic_fmt", "debug.defaultPanic", "runtime.gopanic", "__rustc::rust_panic"]
        {
            assert!(is_runtime(name), "{name}");
        }
        for name in ["aborted", "shop::exit", "run", "runtime_of", "function 12", "", "main.main", "exporter"] {
            assert!(!is_runtime(name), "{name}");
        }
    }
}
