//! A module of 100,000 functions: reading it, finding one and calling it is linear in its bytes.

use serde_json::json;
use wasm_encoder::CodeSection;
use wasm_encoder::ExportKind;
use wasm_encoder::ExportSection;
use wasm_encoder::Function;
use wasm_encoder::FunctionSection;
use wasm_encoder::Module;
use wasm_encoder::TypeSection;
use wasm_encoder::ValType;

use crate::harness::Folder;

/// A module whose one function of a number has so many names.
fn plugin(names: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    for at in 0..names {
        exports.export(&format!("f{at}"), ExportKind::Func, 0);
    }
    let mut function = Function::new([]);
    function.instructions().local_get(0).end();
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    module.finish()
}

#[test]
fn the_last_of_many_functions_is_called() {
    let folder = Folder::beside_good()
        .file("jobs/evil.wasm", plugin(100_000))
        .file("jobs/evil.yaml", "id: evil\nfunction: evil:f99999\nargs: [7]\n");
    folder.bounded(&["check"]).end().answer().code(0);
    assert_eq!(folder.attacked(&["evil"]).build("evil")["retval"], json!(7));
}

#[test]
fn one_that_is_not_there_is_missed_among_them() {
    let folder = Folder::beside_good()
        .file("jobs/evil.wasm", plugin(100_000))
        .file("jobs/evil.yaml", "id: evil\nfunction: evil:g\n");
    folder.refused(&["exports no function `g`"]);
}
