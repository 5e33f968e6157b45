//! WebAssembly proposals that the engine does not support: which of them a plugin needs, and how
//! toolchains avoid them.

use wasmparser::Validator;
use wasmparser::WasmFeatures;

use super::task::Refused;
use super::task::Why;
use crate::engine::FEATURES;

/// A proposal and the features that it adds.
struct Proposal {
    features: WasmFeatures,
    name: &'static str,
    /// How the usual toolchains avoid it.
    avoid: &'static str,
}

const OTHER: &str = "turn it off in the compiler that built the plugin";

/// The features that every engine has.
const BASE: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES);

/// Every proposal that may be unsupported; those that others build on come first.
const PROPOSALS: &[Proposal] = &[
    Proposal {
        features: WasmFeatures::SHARED_EVERYTHING_THREADS.union(WasmFeatures::CM_THREADING),
        name: "shared-everything-threads",
        avoid: "build it without threads",
    },
    Proposal {
        features: WasmFeatures::THREADS,
        name: "threads (atomics and shared memory)",
        avoid: "build it without threads: no `-pthread` and no `-matomics` in C and C++, no `-Ctarget-feature=+atomics` \
                and no target `wasm32-wasip1-threads` in Rust",
    },
    Proposal {
        features: WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS),
        name: "exception handling",
        avoid: "build it without exceptions: `-fno-exceptions` in C++ (no `-fwasm-exceptions`, and no `setjmp` in C), \
                `-Cpanic=abort` in Rust",
    },
    Proposal {
        features: WasmFeatures::STACK_SWITCHING,
        name: "stack switching",
        avoid: "build it without coroutines that switch stacks",
    },
    Proposal {
        features: WasmFeatures::GC_TYPES
            .union(WasmFeatures::GC)
            .union(WasmFeatures::CM_GC)
            .union(WasmFeatures::CUSTOM_DESCRIPTORS),
        name: "garbage collection (GC)",
        avoid: "use a compiler that keeps its objects in linear memory: C, C++, Rust, Zig, Go, TinyGo, AssemblyScript; Kotlin, \
                Dart, Java and OCaml compile to GC",
    },
    Proposal {
        features: WasmFeatures::CM_ASYNC
            .union(WasmFeatures::CM_ASYNC_STACKFUL)
            .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
            .union(WasmFeatures::CM_ERROR_CONTEXT),
        name: "component-model async (WASI 0.3)",
        avoid: "build it without async functions, streams and futures: `--sync` for componentize-qjs, `async: false` for \
                wit-bindgen, `wasm32-wasip2` as the target, WASI 0.2 in its WIT",
    },
    Proposal {
        features: WasmFeatures::CUSTOM_PAGE_SIZES,
        name: "custom page sizes",
        avoid: "build it with pages of 64 KiB: no `--page-size` for the linker",
    },
    Proposal {
        features: WasmFeatures::WIDE_ARITHMETIC,
        name: "wide arithmetic",
        avoid: "build it without: `-mno-wide-arithmetic` in C and C++, `-Ctarget-feature=-wide-arithmetic` in Rust",
    },
    Proposal { features: WasmFeatures::MEMORY_CONTROL, name: "memory control", avoid: OTHER },
    Proposal { features: WasmFeatures::COMPACT_IMPORTS, name: "compact import sections", avoid: OTHER },
    Proposal {
        features: WasmFeatures::CM_VALUES,
        name: "component-model values",
        avoid: "export a function that returns the value",
    },
    Proposal {
        features: WasmFeatures::CM_FIXED_LENGTH_LISTS,
        name: "component-model lists of fixed length",
        avoid: "write `list<T>` or a tuple in its WIT",
    },
    Proposal {
        features: WasmFeatures::CM_MAP,
        name: "component-model maps",
        avoid: "write `list<tuple<K, V>>` in its WIT",
    },
    Proposal { features: WasmFeatures::CM64, name: "component-model 64-bit memories", avoid: "build it for wasm32" },
    Proposal {
        features: WasmFeatures::CM_NESTED_NAMES.union(WasmFeatures::CM_IMPLEMENTS).union(WasmFeatures::CM_CANON_NAMES),
        name: "component-model names of a later version",
        avoid: "build it with an older version of its toolchain",
    },
    // These apply if our engine is configured without them.
    Proposal { features: WasmFeatures::MEMORY64, name: "memory64", avoid: "build it for wasm32" },
    Proposal { features: BASE, name: "WebAssembly 3.0", avoid: OTHER },
];

/// Returns the unsupported proposals that a plugin needs, or `None` if something else is wrong with
/// it.
pub(super) fn lacking(binary: &[u8]) -> Option<Refused> {
    let valid_with = |features| Validator::new_with_features(features).validate_all(binary).is_ok();
    let all = WasmFeatures::all();
    if FEATURES == all || !valid_with(all) {
        return None;
    }
    let missing = PROPOSALS.iter().filter(|proposal| !FEATURES.contains(proposal.features));
    let needs = |proposal: &&Proposal| !valid_with(all.difference(proposal.features).union(FEATURES));
    let mut needed: Vec<_> = missing.clone().filter(needs).collect();
    if needed.is_empty() {
        // Several proposals would do, so add them one by one until the plugin is valid.
        let mut features = FEATURES;
        for proposal in missing {
            if !valid_with(features) {
                features = features.union(proposal.features);
                needed.push(proposal);
            }
        }
    }
    let names: Vec<_> = needed.iter().map(|proposal| proposal.name).collect();
    let what = match names.as_slice() {
        [one] => format!("uses the WebAssembly proposal {one}, which is not supported"),
        several => format!("uses the WebAssembly proposals {}, which are not supported", several.join(", ")),
    };
    let avoid: Vec<_> = needed.iter().map(|proposal| proposal.avoid).collect();
    Some(Refused { why: Why::Feature, what, help: Some(avoid.join("; ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proposal_that_is_missing_has_its_advice() {
        let known = PROPOSALS.iter().fold(WasmFeatures::empty(), |known, proposal| known.union(proposal.features));
        assert_eq!(WasmFeatures::all().difference(known), WasmFeatures::empty());
    }

    #[test]
    fn the_proposal_that_is_needed_is_named() {
        let named = |text: &str| lacking(&wat::parse_str(text).unwrap()).map(|refused| refused.what);
        let uses = |what: &str| Some(format!("uses the WebAssembly proposal {what}, which is not supported"));
        for (text, proposal) in [
            ("(module (memory 1 1 shared))", "threads (atomics and shared memory)"),
            (
                "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
                "threads (atomics and shared memory)",
            ),
            ("(module (tag $t))", "exception handling"),
            ("(module (func try catch_all end))", "exception handling"),
            ("(module (type (struct)))", "garbage collection (GC)"),
            ("(module (func (param externref)))", "garbage collection (GC)"),
            ("(module (memory 1 (pagesize 1)))", "custom page sizes"),
            (
                "(module (func (param i64 i64 i64 i64) (result i64 i64)
                 (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))",
                "wide arithmetic",
            ),
            ("(component (type (stream u8)))", "component-model async (WASI 0.3)"),
            ("(component (type (func async)))", "component-model async (WASI 0.3)"),
            ("(component (type (tuple error-context)))", "component-model async (WASI 0.3)"),
            ("(component (core func (canon waitable-set.new)))", "component-model async (WASI 0.3)"),
            ("(component (core module (memory 1 1 shared)))", "threads (atomics and shared memory)"),
            ("(component (type (list u8 4)))", "component-model lists of fixed length"),
            ("(component (type (map string u8)))", "component-model maps"),
        ] {
            assert_eq!(named(text), uses(proposal), "{text}");
        }
        let both = named("(module (memory 1 1 shared) (tag $t))").unwrap();
        assert!(both.contains("proposals threads (atomics and shared memory), exception handling"), "{both}");
        // An error that is independent of features is not reported as one.
        assert_eq!(named("(module (func (result i32)))"), None);
    }
}
