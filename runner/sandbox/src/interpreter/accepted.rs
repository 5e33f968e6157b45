//! Tests that `check` and the engine agree: the engine compiles, loads and links what `check`
//! accepts, and refuses what `check` refuses for the engine's sake. This covers generated modules
//! and components, and every guest of the tests.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use wasm_encoder::ComponentSectionId;
use wasmtime::Engine;
use wasmtime::Module;
use wasmtime::component::Component;

use super::componentize::form;
use super::describe::described;
use super::link::section;
use super::task::Why;
use crate::engine;
use crate::grant;
use crate::imports::is_linked;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine::running(1).unwrap());

/// The verdict of `check` on a plugin.
#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted,
    /// Refused for a reason that the engine also finds.
    Refused(String),
    /// Refused for a reason that the engine does not check: it exports nothing that a job could
    /// call, or a debatable name.
    NoPlugin(String),
}

fn verdict(bytes: &[u8], shown: &Path) -> Verdict {
    match described(bytes, shown) {
        Err(refused) => match refused.why {
            Why::Feature | Why::Capacity | Why::Damaged => Verdict::Refused(refused.what),
            _ => Verdict::NoPlugin(refused.what),
        },
        Ok(described) if described.functions.clone().signatures().unwrap().is_empty() => {
            Verdict::NoPlugin("exports no function".to_owned())
        }
        Ok(described) if !described.kind.plugin().stays_core() && !described.imports.iter().all(|i| is_linked(i)) => {
            Verdict::Refused(format!("{:?}", described.imports))
        }
        Ok(described) => described.misfit.map_or(Verdict::Accepted, Verdict::Refused),
    }
}

/// Does everything that happens before a build.
fn linked(bytes: &[u8], shown: &Path) -> Result<(), String> {
    let form = form(bytes, shown).map_err(|refused| refused.what)?;
    let linked = || -> wasmtime::Result<()> {
        if form.kind.plugin().stays_core() {
            let module = Module::new(&ENGINE, &form.binary)?;
            return grant::core_linker(&ENGINE)?.instantiate_pre(&module).map(drop);
        }
        let component = Component::new(&ENGINE, &form.binary)?;
        grant::linker(&ENGINE)?.instantiate_pre(&component).map(drop)
    };
    linked().map_err(|error| format!("{error:#}"))
}

fn agrees(bytes: &[u8], shown: &Path) -> Verdict {
    let verdict = verdict(bytes, shown);
    let linked = match &verdict {
        Verdict::NoPlugin(_) => return verdict,
        _ => linked(bytes, shown),
    };
    assert_eq!(verdict == Verdict::Accepted, linked.is_ok(), "{}: {verdict:?}, {linked:?}", shown.display());
    verdict
}

#[test]
fn every_guest_that_is_accepted_is_linked() {
    let guests = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests")).unwrap();
    let accepted = guests.filter(|guest| {
        let path = guest.as_ref().unwrap().path();
        agrees(&std::fs::read(&path).unwrap(), &path) == Verdict::Accepted
    });
    assert!(accepted.count() > 40);
}

/// Imports of preview 1 that exist, and some that do not.
const PREVIEW1: &[&str] = &[
    r#""fd_write" (func (param i32 i32 i32 i32) (result i32))"#,
    r#""proc_exit" (func (param i32))"#,
    r#""clock_time_get" (func (param i32 i64 i32) (result i32))"#,
    r#""path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))"#,
    r#""sched_yield" (func (result i32))"#,
    r#""random_get" (func (param i32 i32))"#,
    r#""sock_open" (func (param i32 i32 i32) (result i32))"#,
    r#""fd_read" (global i32)"#,
];

/// Parts of modules: some that every engine supports, and some of each proposal.
const PARTS: &[&str] = &[
    r#"(memory (export "memory") 1)"#,
    "(memory 1 2)",
    "(memory 1 2 shared)",
    "(memory i64 1)",
    "(memory i64 65_537)",
    "(memory 0 (pagesize 1))",
    "(table 1 funcref)",
    "(table 1 externref)",
    "(table i64 10 funcref)",
    "(table 1_000_001 funcref)",
    "(table 20 funcref) (table 20 funcref) (table 20 funcref) (table 20 funcref) (table 20 funcref) (table 20 funcref) \
     (table 20 funcref) (table 20 funcref) (table 20 funcref) (table 20 funcref) (table 20 funcref)",
    "(global (mut i64) (i64.const 3))",
    "(global v128 (v128.const i64x2 0 0))",
    "(global funcref (ref.null func))",
    "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
    "(tag (param i32))",
    "(type (struct (field i32)))",
    "(type (array (mut i8)))",
    "(type (cont 0))",
    "(func try catch_all end)",
    "(func (block (result exnref) (try_table (catch_all_ref 0)) unreachable) drop)",
    "(func (drop (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))) drop)",
    "(func (result i64 i64) (i64.const 1) (i64.const 2))",
    "(func (return_call 0))",
    "(func (drop (ref.func 0)))",
    "(func (drop (f32.const 1)))",
    "(func (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i64x2 0 0))))",
    "(func (result i32))",
    r#"(func (export "f") (param i32 i64) (result f32) unreachable)"#,
    r#"(func (export "_start"))"#,
    r#"(func (export "g") (param v128))"#,
    r#"(func (export "h") (result i32 i32) unreachable)"#,
];

/// Returns a component with a function that also contains the module.
fn beside_function(module: &[u8]) -> Vec<u8> {
    let function = wat::parse_str(format!("(component {FUNCTION})")).unwrap();
    let mut component = function;
    section(&mut component, u8::from(ComponentSectionId::CoreModule), module);
    component
}

/// A part for a component that exports a function.
const FUNCTION: &str = r#"(core module $function (func (export "f")))
    (core instance $of (instantiate $function)) (func (export "callable") (canon lift (core func $of "f")))"#;

fn module() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PARTS), 0..5).prop_filter_map("valid text", |parts| {
        // The first type and the first function exist for all parts that refer to them.
        wat::parse_str(format!("(module (type (func)) (func (type 0)) {})", parts.concat())).ok()
    })
}

/// Interfaces in versions that exist and versions that do not, with correct and incorrect
/// functions.
const INTERFACES: &[&str] = &[
    "wasi:random/random",
    "wasi:cli/environment",
    "wasi:clocks/monotonic-clock",
    "jobcontrol:plugin/progress",
    "wasi:random/nonsense",
    "wasi:http/types",
];
const VERSIONS: &[&str] = &[
    "@0.2.0",
    "@0.2.0",
    "@0.2.6",
    "@0.2.99",
    "@0.2.3+build",
    "@0.1.0",
    "@0.1.7",
    "@0.2.0-rc-2023-11-10",
    "@0.3.0",
    "",
];
const FUNCTIONS: &[&str] = &[
    r#"(export "get-random-u64" (func (result u64)))"#,
    r#"(export "get-random-u64" (func (result u32)))"#,
    r#"(export "get-random-bytes" (func (param "len" u64) (result (list u8))))"#,
    r#"(export "get-environment" (func (result (list (tuple string string)))))"#,
    r#"(export "get-arguments" (func (result (list u8))))"#,
    r#"(export "now" (func (result u64)))"#,
    r#"(export "now" (func (param "x" u64) (result u64)))"#,
    r#"(export "skip" (func))"#,
    r#"(export "pollable" (type (sub resource)))"#,
    r#"(type $t u8) (export "t" (type (eq $t)))"#,
    "",
];

fn importing() -> impl Strategy<Value = String> {
    let chosen = |all: &'static [&'static str]| prop::sample::select(all);
    let import = (chosen(INTERFACES), chosen(VERSIONS), chosen(FUNCTIONS))
        .prop_map(|(interface, version, function)| format!("(import \"{interface}{version}\" (instance {function}))"));
    let other = chosen(&[
        r#"(import "f" (func))"#,
        r#"(import "c" (component))"#,
        r#"(import "m" (core module))"#,
        r#"(component $c) (export "c" (component $c))"#,
        r#"(core module $m (func (export "f"))) (core instance (instantiate $m))"#,
        "",
        "",
        "",
    ]);
    (prop::collection::btree_set(import, 0..2), other).prop_map(|(imports, other)| {
        format!("(component {}{other}{FUNCTION})", imports.into_iter().collect::<String>())
    })
}

fn on_preview1() -> impl Strategy<Value = String> {
    let imports = prop::collection::btree_set(prop::sample::select(PREVIEW1), 0..3);
    let exports = prop::sample::select(&[r#"(func (export "_start"))"#, r#"(func (export "f"))"#][..]);
    (imports, exports).prop_map(|(imports, exports)| {
        let import = |import: &str| format!("(import \"wasi_snapshot_preview1\" {import})");
        let imports: String = imports.into_iter().map(import).collect();
        format!("(module {imports} (memory (export \"memory\") 1) {exports})")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn components_by_what_they_import(text in importing()) {
        agrees(&wat::parse_str(&text).unwrap(), Path::new("p.wasm"));
    }

    #[test]
    fn modules_by_what_they_import(text in on_preview1()) {
        let module = wat::parse_str(&text).unwrap();
        if let Verdict::NoPlugin(what) = agrees(&module, Path::new("p.wasm")) {
            let linker = grant::core_linker(&ENGINE).unwrap();
            let linked = Module::new(&ENGINE, &module).and_then(|module| linker.instantiate_pre(&module));
            prop_assert!(linked.is_err(), "{}: {}", text, what);
        }
    }

    #[test]
    fn modules_of_all_features(module in module()) {
        agrees(&module, Path::new("p.wasm"));
        // The same module as part of a component.
        agrees(&beside_function(&module), Path::new("p.wasm"));
    }
}
