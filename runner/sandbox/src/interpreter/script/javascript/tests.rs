//! Tests of reading scripts and of what remains of them.

use jobcontrol_core::types::Signature;
use oxc_allocator::Allocator;
use proptest::prelude::*;

use super::described;
use super::erase::erased;
use super::module::Modules;
use crate::archive::Archive;

fn archive(files: &[(&str, &str)]) -> Archive {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Archive { interpreter: String::new(), files: files.collect() }
}

/// Returns the functions of a script in one line each, and why other exports are not functions.
fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let described = described(&archive(files)).unwrap();
    let functions: Vec<Signature> = described.functions.signatures().unwrap();
    let refused = described.refused.into_iter().map(|(name, reason)| format!("{name}: {reason}"));
    (functions.iter().map(ToString::to_string).collect(), refused.collect())
}

fn typescript(text: &str) -> (Vec<String>, Vec<String>) {
    read(&[("a.ts", text)])
}

/// Returns what remains of a TypeScript text.
fn left(text: &str) -> Result<String, String> {
    let archive = archive(&[("a.ts", text)]);
    let allocator = Allocator::default();
    let modules = Modules::read(&archive, &allocator)?;
    erased(&modules, modules.main()).map(|erased| erased.text)
}

#[test]
fn types_of_typescript_are_types_of_wit() {
    let types = [
        ("string", "string"),
        ("number", "f64"),
        ("boolean", "bool"),
        ("bigint", "s64"),
        ("u8", "u8"),
        ("s64", "s64"),
        ("f32", "f32"),
        ("char", "char"),
        ("string[]", "list<string>"),
        ("ReadonlyArray<number>", "list<f64>"),
        ("readonly string[]", "list<string>"),
        ("Uint8Array", "list<u8>"),
        ("[string, u32]", "tuple<string, u32>"),
        ("[name: string, size: u32]", "tuple<string, u32>"),
        ("string | null", "option<string>"),
        ("(string | undefined)[]", "list<option<string>>"),
    ];
    for (written, wit) in types {
        let (functions, refused) = typescript(&format!("export function f(a: {written}): void {{}}"));
        assert_eq!((functions, refused), (vec![format!("f: func(a: {wit})")], vec![]), "{written}");
    }
}

#[test]
fn records_enums_and_variants_have_the_names_of_their_types() {
    let described = described(&archive(&[(
        "a.ts",
        "interface Order { unitPrice: number; note?: string }
         type Kind = 'small' | 'veryLarge';
         type Shape = 'empty' | { circle: number } | { square: Order };
         export function f(order: Order, kind: Kind, shape: Shape): { total: number }[] { return [] }",
    )]))
    .unwrap();
    let functions = described.functions.signatures().unwrap();
    assert_eq!(functions[0].to_string(), "f: func(order: order, kind: kind, shape: shape) -> list<f-result-item>");
    let declared = jobcontrol_core::types::declared(&functions).join(" ");
    for part in [
        "record order { unit-price: f64, note: option<string> }",
        "enum kind { small, very-large }",
        "variant shape { empty, circle(f64), square(order) }",
        "record f-result-item { total: f64 }",
    ] {
        assert!(declared.contains(part), "{part} in {declared}");
    }
}

#[test]
fn what_may_be_left_out_is_an_option() {
    let text = "export const f = (a: string, b = 2, c?: bigint, d: string | null = null): number => 1;";
    assert_eq!(typescript(text).0, ["f: func(a: string, b: option<f64>, c: option<s64>, d: option<string>) -> f64"]);
}

#[test]
fn comments_type_javascript() {
    let text = "/**
      * @typedef {Object} Order
      * @property {string} id
      * @property {u32} [pieces]
      */
     /**
      * Sums up.
      * @param {Order[]} orders
      * @param {number} [top]
      * @returns {{ total: number }}
      */
     export function sumUp(orders, top) { return { total: orders.length } }";
    let (functions, refused) = read(&[("a.js", text)]);
    assert_eq!(functions, ["sum-up: func(orders: list<order>, top: option<f64>) -> sum-up-result"], "{refused:?}");
}

#[test]
fn a_function_that_is_not_typed_is_no_job_and_it_is_said_why() {
    let reasons = [
        ("export function f(a): void {}", "its parameter `a`: it has no type: write `NAME: TYPE`"),
        (
            "export function f(a: any): void {}",
            "its parameter `a`: `any`, `unknown` and `object` do not say what it is",
        ),
        ("export function f() { return 1 }", "its return value has no type: write `): TYPE {`"),
        ("export function f(...a: string[]): void {}", "it takes any number of arguments: take a list"),
        ("export function f({ a }: { a: string }): void {}", "a destructured parameter has no name: give it one"),
        ("export function* f(): string { yield 'x' }", "it is a generator: return a list instead"),
        ("export function f(a: Missing): void {}", "its parameter `a`: there is no type `Missing`"),
        (
            "interface T { t: T } export function f(a: T): void {}",
            "its parameter `a`: the field `t`: `T` contains itself, which WIT does not support",
        ),
        (
            "export function f(a: Map<string, number>): void {}",
            "its parameter `a`: WIT has no type like `Map`: use a list of pairs",
        ),
        (
            "export function f(a: string | number): void {}",
            "its parameter `a`: it is one of several types: WIT distinguishes them by name, so write strings, and objects of one field: `\"none\" | { circle: number }`",
        ),
    ];
    for (text, reason) in reasons {
        assert_eq!(typescript(text), (vec![], vec![format!("f: {reason}")]), "{text}");
    }
}

#[test]
fn types_and_functions_come_from_other_files() {
    let main = "import type { Order } from './lib/orders.ts'; import { sum } from './lib/orders.ts';
                export { sum }; export * from './more.ts'; export { one as two } from './more.ts';
                export function f(order: Order): void {}";
    let orders = "export interface Order { id: string } export function sum(): void {}";
    let files = [("a.ts", main), ("lib/orders.ts", orders), ("more.ts", "export const one = 1;")];
    assert_eq!(read(&files).0, ["f: func(order: order)"]);
    let program = described(&archive(&files)).unwrap().script.unwrap().program;
    for part in ["const {\"sum\":sum}=__modules[0];", "...__modules[1]", "get \"two\"(){return __modules[1][\"one\"]}"]
    {
        assert!(program.contains(part), "{part} in {program}");
    }
}

#[test]
fn a_mistake_has_its_place() {
    let mistake = |files: &[(&str, &str)]| described(&archive(files)).unwrap_err().what;
    let error = mistake(&[("a.ts", "export function f(\n  a: string,\n  return 1;\n}")]);
    assert!(error.starts_with("has a mistake (a.ts:3:"), "{error}");
    let error = mistake(&[("a.js", "\nimport { b } from './b.js';")]);
    assert!(error.contains("(a.js:2:19), which does not exist"), "{error}");
    let error = mistake(&[("a.js", "import './b.js'"), ("b.js", "import './a.js'")]);
    assert!(error.contains("a circle"), "{error}");
    let error = mistake(&[("a.js", "import fs from 'node:fs'")]);
    assert!(error.contains("a script imports `jobcontrol` and files of its folder"), "{error}");
    let error = mistake(&[("a.ts", "\n enum Kind { a }")]);
    assert!(error.contains("has an enum (a.ts:2:2)"), "{error}");
}

#[test]
fn types_are_gone_and_lines_stay() {
    let left = |text: &str| left(text).unwrap();
    let same = |text: &str, wanted: &str| {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = left(text);
        assert_eq!(words(&found), words(wanted), "{text}");
        assert_eq!(found.matches('\n').count(), text.matches('\n').count(), "{found}");
    };
    same("const a: number = b as number;\nlet c!: string;", "const a = b ;\nlet c ;");
    same(
        "function f<T>(a: T, b?: string, ...c: T[]): T {\n  return a!;\n}",
        "function f (a , b , ...c ) { return a ; }",
    );
    same("interface A {\n  b: string\n}\ntype B = A;\nf<B>(x satisfies B);", "; ; f (x );");
    same("const f = (a: number): string => `${a}`;", "const f = (a ) => `${a}`;");
    same(
        "class A<T> extends B<T> implements C {\n  private readonly a: string = '';\n  b?: number;\n  abstract c(): void;\n  public d(this: A<T>, e: number): void {}\n}",
        "class A extends B { a = ''; b ; ; d( e ) {} }",
    );
    same("import type { A } from './a.ts';\nexport type { B };\ndeclare const c: number;", "; ; ;");
    same("export default function (a: string): void {}", "const __default=function (a ) {}");
    same("export default class A {}", "class A {}");
    same(
        "for (const a of b as string[]) {}\ntry {} catch (e: unknown) {}",
        "for (const a of b ) {} try {} catch (e ) {}",
    );
    same("function f(a: string): void;\nfunction f(a: any) {}", "; function f(a ) {}");
    same("const a = <string>b;", "const a = b;");
}

#[test]
fn async_functions_become_generators() {
    let same = |text: &str, wanted: &str| {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = left(text).unwrap();
        assert_eq!(words(&found), words(wanted), "{text}");
        assert_eq!(found.matches('\n').count(), text.matches('\n').count(), "{found}");
    };
    // A function, which passes its arguments to its generator, and an arrow function.
    let function = |name: &str, params: &str, body: &str| {
        format!("(...__a){{return __started(()=>(function*{name}{params} {{{body}}}).apply(this,__a));}}")
    };
    let arrow =
        |params: &str, body: &str| format!("(...__a)=>__started(()=>(function* {params} {body}).apply(this,__a))");
    same(
        "async function f(a: number): Promise<number> {\n  return await g(a) as number;\n}",
        &format!("function f{}", function("__async_f", "(a )", " return (yield g(a)) ; ")),
    );
    same(
        "const f = async (a: T): Promise<U> => await a.b!.c;",
        &format!("const f = {};", arrow("(a )", "{return ((yield a.b .c));}")),
    );
    same("f(async a => ({ a }));", &format!("f({});", arrow("(a)", "{return (({ a }));}")));
    same("f(async () => {});", &format!("f({});", arrow("()", "{}")));
    same(
        "const f = async a => await (await a);",
        &format!("const f = {};", arrow("(a)", "{return ((yield ((yield a))));}")),
    );
    let empty = function("", "()", "");
    same(
        "class A { static async b() {} private async c() {} async = 1; }",
        &format!("class A {{ static b{empty} c{empty} async = 1; }}"),
    );
    same("const a = { async b() {}, async: 1 };", &format!("const a = {{ b{empty}, async: 1 }};"));
    same("export {};\nfor await (const a of b) {}", "; for (const a of __awaited.each(b)) {}");
    same("export default async function () {}", &format!("const __default= function {empty}"));
    same("export const a = async function b() {}", &format!("const a = function b{}", function("__async_b", "()", "")));
    same("export const a = await b;", "const a = __awaited( b);");
    for (text, what) in [
        ("class A { async b() { super.b() } }", "`super` in an `async` method (a.ts:1:23)"),
        ("const a = async () => arguments;", "`arguments` in an `async` arrow function (a.ts:1:23)"),
        ("import('./b.ts')", "`import()` (a.ts:1:1)"),
        ("const a = async function* () {}", "an `async` generator (a.ts:1:11), which scripts do not support"),
    ] {
        let error = left(text).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_read_as_a_script_ends_the_reader(text in "\\PC{0,60}|(export |function |async |await |f|\\(|\\)|:|string|\\{|\\}|=>|import |from |'./a.ts'|type |=|\n|<|>|/\\*\\*|\\*/|@param ){0,25}") {
        let _ = described(&archive(&[("a.ts", &text)]));
        let _ = described(&archive(&[("a.js", &text)]));
    }
}
