//! Jobs in JavaScript and TypeScript.

use serde_json::json;

use super::build;
use crate::harness::Folder;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;
use crate::harness::root;

const ORDERS: &str = "import { progress, log, build, skip } from 'jobcontrol';
import { price, type Order } from './lib/price.ts';

/** What a shop has sold. */
export interface Summary { count: u32; total: number; best: Order | null; size: 'small' | 'veryLarge' }

/** Sums up. */
export function sumUp(orders: Order[], factor = 2): Summary {
  if (orders.length === 0) skip('no orders');
  let total = 0;
  for (const order of progress(orders, 'orders')) total += price(order) * factor;
  log('warning', 'summed up', { total, job: build().job });
  return { count: orders.length, total, best: orders[0] ?? null, size: total > 10 ? 'veryLarge' : 'small' };
}

export function untyped(a) { return a }
";

const PRICE: &str = "export interface Order { id: string; unitPrice: number; pieces?: u32 }

export function price(order: Order): number {
  if (order.unitPrice < 0) {
    throw new RangeError(`order ${order.id} is negative`, { cause: new Error('the till') });
  }
  return order.unitPrice * (order.pieces ?? 1);
}
";

const JOBS: &str = "jobs:
  - id: sum
    function: orders.ts:sumUp
    kwargs: { orders: [{ id: a, unit-price: 3.5 }, { id: b, unit_price: 4, pieces: 3 }] }
  - { id: none, function: \"orders.ts:sum-up\", args: [[]] }
  - { id: bad, function: orders.ts:sumUp, args: [[{ id: c, unit-price: -1 }]] }
";

fn shop() -> Folder {
    Folder::new().file("jobs/orders.ts", ORDERS).file("jobs/lib/price.ts", PRICE).file("jobs/jobs.yaml", JOBS)
}

#[test]
fn a_typescript_file_is_a_plugin() {
    let folder = shop();
    folder.run(&["check"]).code(0);
    folder.run(&["run", "sum"]).code(0);
    let sum = build(&folder, "sum");
    let best = json!({ "id": "a", "unit-price": 3.5, "pieces": null });
    assert_eq!(sum["retval"], json!({ "count": 2, "total": 31.0, "best": best, "size": "very-large" }));
    let progress = json!([{ "group_name": "orders", "current": 2, "total": 2, "status_line": "" }]);
    assert_eq!(sum["progress"], progress, "{sum:#}");
    folder.run(&["logs", "sum"]).code(0).tells("WARNING").tells("summed up total=31 job=sum");
    folder.run(&["run", "none"]).code(0);
    assert_eq!(
        (&build(&folder, "none")["status"], &build(&folder, "none")["skip_reason"]),
        (&json!("SKIPPED"), &json!("no orders"))
    );
}

#[test]
fn a_failure_has_the_lines_and_the_code_of_the_script() {
    let folder = shop();
    let answer = folder.run(&["run", "bad"]).code(1);
    let bad = build(&folder, "bad");
    let failure = &bad["exception"];
    assert_eq!((&failure["kind"], &failure["message"]), (&json!("RangeError"), &json!("order c is negative")));
    assert_eq!(failure["causes"][0]["message"], "the till");
    let frames = bad["exception_tb"].as_array().unwrap();
    let places: Vec<_> =
        frames.iter().map(|frame| (frame["file"].as_str().unwrap(), frame["line"].as_u64().unwrap())).collect();
    assert_eq!(places, [("orders.ts", 11), ("lib/price.ts", 5)], "{answer:?}");
    assert!(frames[1]["context"].to_string().contains("throw new RangeError"), "{frames:#?}");
    assert!(!answer.stderr.contains("wit_dylib"), "no calls of the interpreter: {answer:?}");
}

#[test]
fn a_change_of_what_a_script_imports_is_a_change_of_the_script() {
    let folder = shop();
    folder.run(&["run", "sum"]).code(0);
    let status = || folder.json(&["job", "sum"])["status"].clone();
    assert_eq!(status(), "success");
    folder.write("jobs/lib/price.ts", PRICE.replace("?? 1", "?? 2"));
    assert_eq!(status(), "outdated");
    // The build has kept its own files, and is repeated as it was.
    std::fs::remove_file(folder.path("jobs/orders.ts")).unwrap();
    folder.run(&["build", "rerun", "sum"]).code(0);
    assert_eq!(build(&folder, "2")["retval"]["total"], json!(31.0));
}

#[test]
fn the_types_of_a_graph_of_two_languages_are_checked() {
    let folder = shop().guest("divide.wat").file(
        "jobs/more.yaml",
        "jobs:
  - { id: divide, function: divide:divide, args: [6, 3] }
  - { id: fits, function: more.js:twice, args: [!retval divide] }
  - { id: misfit, function: more.js:shout, args: [!retval divide] }
",
    );
    folder.write(
        "jobs/more.js",
        "/**
          * @param {number} x
          * @returns {number}
          */
         export const twice = (x) => x * 2;
         /**
          * @param {string} text
          * @returns {string}
          */
         export function shout(text) { return text.toUpperCase() }
         /**
          * @param {number} x
          * @returns {number}
          */
         export function half(x) { return x / 2 }",
    );
    let answer = folder.run(&["check"]).code(3);
    assert_eq!(answer.stdout.matches("error[JC0413]").count(), 1, "{answer:?}");
    folder.run(&["inspect", "more.js"]).code(0).tells("half: func(x: f64) -> f64");
}

#[test]
fn what_a_script_returns_is_held_to_its_type() {
    let text = "export function small(): u8 { return 300 }
export function text(): string { return 5 as any }
export function none(): string { return undefined as any }
export function odd(): { a: u32 }[] { return [{ a: 1 }, { a: 1.5 }] }
export function numbers(): number[] { return [NaN, Infinity, 0.1] }
export function big(): u64 { return 18446744073709551615n }
export function little(): s64 { return -7n }
export function bytes(): Uint8Array { return new Uint8Array([0, 255]) }
export function thrown(): void { throw 'a text' }
";
    let names = ["small", "text", "none", "odd", "numbers", "big", "little", "bytes", "thrown"];
    let jobs: String = names.iter().map(|name| format!("  - {{ id: {name}, function: t.ts:{name} }}\n")).collect();
    let folder = Folder::new().file("jobs/t.ts", text).file("jobs/t.yaml", format!("jobs:\n{jobs}"));
    let of = |id: &str| {
        folder.run(&["run", id]);
        build(&folder, id)
    };
    for (id, message) in [
        ("small", "300 is out of range for u8"),
        ("text", "expected string, found the integer 5"),
        ("none", "what it returned is not what its type says: undefined"),
        ("odd", "at `[1].a`: expected u32, found the number 1.5"),
        ("thrown", "a text"),
    ] {
        let build = of(id);
        let said = build["exception"]["message"].as_str().unwrap_or_default();
        assert!(said.contains(message), "{id}: {build:#}");
    }
    assert_eq!(of("numbers")["retval"], json!(["NaN", "Infinity", 0.1]));
    assert_eq!(of("big")["retval"], json!("18446744073709551615"));
    assert_eq!(of("little")["retval"], json!(-7));
    assert_eq!(of("bytes")["retval"], json!("AP8="));
}

const WAITING: &str = "const base = await Promise.resolve(1);
const sleep = (time: number) => new Promise<void>((wake) => setTimeout(wake, time));
class Shop {
  async price(id: string): Promise<number> { await sleep(1); return id.length + base }
  static async open(): Promise<Shop> { return new Shop() }
}
const twice = async (x: number) => await Promise.resolve(x) * 2;
const object = { async name(this: any) { return `n${await twice(2)}` } };

export async function all(): Promise<number[]> {
  const shop = await Shop.open();
  return Promise.all(['a', 'bcd'].map(async (id) => twice(await shop.price(id))));
}
export async function order(): Promise<string> {
  const told: string[] = [];
  setTimeout(() => told.push('late'), 20);
  setTimeout(() => told.push('early'), 5);
  Promise.resolve().then(() => told.push('first'));
  await sleep(40);
  for await (const one of [twice(1), 5]) told.push(String(one));
  return [...told, await object.name()].join();
}
export async function caught(): Promise<string> {
  const settled = await Promise.allSettled([Promise.reject(new Error('a')), twice(1)]);
  const any = await Promise.any([Promise.reject(1), sleep(1).then(() => 'any')]);
  const race = await Promise.race([sleep(50), twice(4)]);
  try { await fails() } catch (error) { return `${settled.map((one) => one.status)} ${any} ${race} ${(error as Error).message}` }
  finally { await sleep(1) }
}
async function fails(): Promise<void> {
  await sleep(1);
  throw new RangeError('not today');
}
export async function turns(): Promise<string> {
  const told: string[] = [];
  const callee = async () => { told.push('1'); await null; told.push('3') };
  const called = callee();
  told.push('2');
  await called;
  let open = () => {};
  const gate = new Promise<void>((wake) => { open = wake });
  const waiting = (async () => { await gate; told.push('4') })();
  open();
  await waiting;
  const slow = async (time: number, name: string) => { await sleep(time); return name };
  told.push(await Promise.race([slow(300, 'slow'), slow(5, 'fast')]));
  for await (const one of { [Symbol.asyncIterator]: () => ({ at: 0, async next() { return { done: this.at > 1, value: this.at++ } } }) } as any) told.push(String(one));
  return told.join('');
}
export async function again(x: number): Promise<number> { var x = x + 1; if (x > 3) { var y = 2 } return x + y }
export async function deep(depth: number): Promise<number> { return depth === 0 ? 0 : 1 + await deep(depth - 1) }
export async function many(): Promise<u32> {
  let at = 0;
  for (; at < 400; at++) await sleep(0.01);
  return at;
}
export async function failed(): Promise<void> {
  await fails();
}
export async function floating(): Promise<u32> {
  fails();
  return 1;
}
export async function never(): Promise<void> {
  await new Promise(() => {});
}
export function promised(): u32 { return twice(3) as any }
export function started(): string { setTimeout(() => console.log('done'), 1); return 'x' }
";

#[test]
fn what_a_script_waits_for_happens_while_it_waits() {
    let names = ["all", "order", "caught", "turns", "many", "failed", "floating", "never", "promised", "started"];
    let jobs: String = names.iter().map(|name| format!("  - {{ id: {name}, function: a.ts:{name} }}\n")).collect();
    let jobs = jobs
        + "  - { id: again, function: a.ts:again, args: [5] }\n  - { id: deep, function: a.ts:deep, args: [100] }\n";
    let folder = Folder::new().file("jobs/a.ts", WAITING).file("jobs/a.yaml", format!("jobs:\n{jobs}"));
    folder.run(&["check"]).code(0);
    let of = |id: &str| {
        folder.run(&["run", id]);
        build(&folder, id)
    };
    for (id, value) in [
        ("all", json!([4.0, 8.0])),
        ("order", json!("first,early,late,2,5,n4")),
        ("caught", json!("rejected,fulfilled any 8 not today")),
        ("turns", json!("1234fast01")),
        ("many", json!(400)),
        ("again", json!(8.0)),
        ("deep", json!(100.0)),
        ("promised", json!(6)),
        ("started", json!("x")),
    ] {
        let build = of(id);
        assert_eq!(build["retval"], value, "{id}: {build:#}");
    }
    folder.run(&["logs", "started"]).code(0).tells("done");
    for (id, said) in [
        ("failed", "not today"),
        ("floating", "not today"),
        ("never", "this promise can never settle: nothing is left that could resolve it"),
    ] {
        let build = of(id);
        assert_eq!(build["exception"]["message"], said, "{id}: {build:#}");
    }
    let lines: Vec<_> =
        build(&folder, "failed")["exception_tb"].as_array().unwrap().iter().map(|it| it["line"].clone()).collect();
    assert!(lines.contains(&json!(32)), "{lines:?}");
    folder.write("jobs/a.ts", "export async function* f(): Promise<string> { yield 'x' }");
    folder.run(&["check"]).code(3).tells("has an `async` generator (a.ts:1:8), which scripts do not support");
}

#[test]
fn a_script_that_hoards_answers_or_bytes_meets_its_limits() {
    let server = Peer::http(|_| ok(&"x".repeat(100_000)));
    let text = "export async function poll(url: string): Promise<u32> {
  let count = 0;
  while (count < 300) if ((await fetch(url)).ok) count++;
  return count;
}
export async function swallow(url: string): Promise<u32> {
  const all: string[] = [];
  for (;;) all.push(await (await fetch(url)).text());
}
export async function slow(url: string): Promise<string> {
  return (await fetch(url, { signal: AbortSignal.timeout(50) })).text();
}
export async function shown(url: string): Promise<string[]> {
  const answer = await fetch(url, { method: 'post', body: 'é', headers: { 'X-One': '1' } });
  const size = (await answer.arrayBuffer()).byteLength;
  let again = '';
  try { await answer.text() } catch (error) { again = (error as Error).message }
  return [String(answer.ok), String(size), again, answer.headers.get('Content-Length') ?? '', answer.url];
}
";
    let silent = Peer::raw(std::mem::forget);
    let job = |id: &str, port: u16, more: &str| {
        let grant =
            format!("grants: {{ http: [{{ host: 127.0.0.1, scheme: http, ports: [{port}], methods: [GET, POST] }}] }}");
        format!("  - {{ id: {id}, function: a.ts:{id}, args: [\"http://127.0.0.1:{port}/\"], {grant}{more} }}\n")
    };
    let jobs = [
        job("poll", server.port, ""),
        job("swallow", server.port, ", limits: { http_received: 2 MB }"),
        job("slow", silent.port, ""),
        job("shown", server.port, ""),
    ];
    let folder = Folder::new().file("jobs/a.ts", text).file("jobs/a.yaml", format!("jobs:\n{}", jobs.concat()));
    folder.write("jobcontrol.yaml", "http: { addresses: [127.0.0.1] }\n");
    let of = |id: &str| {
        folder.run(&["run", id]);
        build(&folder, id)
    };
    assert_eq!(of("poll")["retval"], json!(300), "an answer that nobody reads holds nothing");
    for (id, said) in [("swallow", "http_received"), ("slow", "took too long")] {
        let build = of(id);
        assert!(build["exception"]["message"].to_string().contains(said), "{id}: {build:#}");
    }
    let url = format!("http://127.0.0.1:{}/", server.port);
    assert_eq!(of("shown")["retval"], json!(["true", "100000", "the body was already read", "100000", url]));
    let heads = server.heads().concat().to_lowercase();
    assert!(
        heads.contains("post / http/1.1") && heads.contains("x-one: 1") && heads.contains("content-length: 2"),
        "{heads}"
    );
}

#[test]
fn a_hostile_script_harms_itself_alone() {
    let text = "JSON.stringify = () => '1'; JSON.parse = () => ({}); Error.prototype.toString = null;
export function forge(): string { return 'x' }
export function forever(): void { for (;;) {} }
export function eat(): void { const all: string[] = []; for (;;) all.push('x'.repeat(1 << 20)) }
export function deep(): void { deep() }
export function odd(): void { const e: any = new Error('m'); Object.defineProperty(e, 'stack', { get() { throw 1 } }); throw e }
export function see(): string { return typeof (globalThis as any).process + typeof (globalThis as any).require + typeof (globalThis as any).fetch }
";
    let names = ["forge", "forever", "eat", "deep", "odd", "see"];
    let jobs: String = names
        .iter()
        .map(|name| format!("  - {{ id: {name}, function: h.ts:{name}, timeout: 2s, limits: {{ memory: 64 MiB }} }}\n"))
        .collect();
    let folder = Folder::new().file("jobs/h.ts", text).file("jobs/h.yaml", format!("jobs:\n{jobs}"));
    let of = |id: &str| {
        folder.run(&["run", id]);
        build(&folder, id)
    };
    assert_eq!(of("forge")["retval"], "x");
    assert_eq!(of("forever")["exception"]["kind"], "timeout");
    for id in ["eat", "deep", "odd"] {
        assert_eq!(of(id)["status"], "FAILED", "{id}");
    }
    assert_eq!(of("see")["retval"], "undefinedundefinedfunction");
}

#[test]
fn a_script_has_the_files_and_variables_that_its_job_is_granted_and_no_other() {
    let text = "import { readText, writeText, list, env } from 'jobcontrol';
export function copy(): string[] {
  writeText('/out/copy.txt', readText('/in/a.txt') + ' é ' + env('GREETING') + env('HOME'));
  return list('/out');
}
export function peep(): string { return readText('/etc/passwd') }
export function over(): void { writeText('/in/a.txt', 'x') }
export function out(): string { return readText('/in/../../secret.txt') }
export function odds(): number[] { return [Math.random(), Math.random(), Date.now()] }
";
    let grants = "grants: { files: [{ host: ../in, guest: /in, mode: read }, { host: ../out, guest: /out, mode: write }], env: [GREETING] }";
    let jobs = ["copy", "peep", "over", "out"]
        .map(|id| format!("  - {{ id: {id}, function: f.ts:{id}, {grants} }}\n"))
        .concat();
    let jobs = format!("jobs:\n{jobs}  - {{ id: odds, function: f.ts:odds }}\n");
    let folder =
        Folder::new().file("jobs/f.ts", text).file("jobs/f.yaml", jobs).file("in/a.txt", "ä").file("out/b.txt", "");
    folder.write(
        "jobcontrol.yaml",
        "environment: [GREETING]\nceiling: { files: [{ host: in, mode: read }, { host: out, mode: write }] }\n",
    );
    folder.write("secret.txt", "s");
    let run = |id: &str| folder.command(&["run", id]).env("GREETING", "hi").env("HOME", "/root").output().unwrap();
    run("copy");
    assert_eq!(build(&folder, "copy")["retval"], json!(["b.txt", "copy.txt"]));
    assert_eq!(std::fs::read_to_string(folder.path("out/copy.txt")).unwrap(), "ä é hiundefined");
    for (id, said) in [
        ("peep", "cannot read `/etc/passwd`: No such file"),
        ("over", "cannot write `/in/a.txt`"),
        ("out", "cannot read `/in/../../secret.txt`"),
    ] {
        run(id);
        let failed = build(&folder, id);
        assert!(failed["exception"]["message"].as_str().unwrap_or_default().contains(said), "{id}: {failed:#}");
    }
    let mut drawn = Vec::new();
    for _ in 0..2 {
        run("odds");
        drawn.extend(build(&folder, "odds")["retval"].as_array().unwrap()[..2].to_vec());
    }
    let different: std::collections::BTreeSet<String> = drawn.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), 4, "each call has numbers of its own: {drawn:?}");
}

#[test]
fn a_script_with_a_mistake_is_told_by_file_and_line() {
    let folder = Folder::new()
        .file("jobs/a.js", "import { b } from './lib/b.js';\n\nexport function f( {\n")
        .file("jobs/lib/b.js", "export const b = 1;")
        .file("jobs/a.yaml", "id: a\nfunction: a.js:f\n");
    folder.run(&["check"]).code(3).tells("error[JC0327]").tells("a.js:4:1");
    folder.write("jobs/a.js", "import { b } from './lib/c.js';\nexport function f() {}\n");
    folder.run(&["check"]).code(3).tells("a.js:1:19").tells("which does not exist");
    folder.write("jobs/a.js", "export function g() {}\n");
    folder.run(&["check"]).code(3).tells("error[JC0310]");
}

#[test]
fn editors_and_lists_know_scripts() {
    let folder = shop();
    let schema = folder.json(&["schema"]).to_string();
    assert!(schema.contains("orders.ts:sum-up"), "{schema}");
    folder.run(&["inspect"]).code(0).tells("orders.ts").tells("script");
    let text = folder.run(&["inspect", "orders.ts"]).code(0).stdout;
    assert!(text.contains("sum-up: func(orders: list<order>, factor: option<f64>) -> summary"), "{text}");
    assert!(text.contains("untyped cannot be called: its parameter `a`: it has no type"), "{text}");
    let (_, manifest) = text.split_once("\njobs:\n").unwrap();
    folder.write("jobs/pasted.yaml", format!("jobs:\n{manifest}"));
    folder.run(&["check"]).code(0);
}

#[test]
fn the_sample_jobs_are_of_two_languages() {
    let folder = Folder::new().samples();
    let report = folder.run(&["run", "--deps", "sales-report"]).code(0).stdout;
    // The same report as the plugin's own, in Rust.
    let manifest = std::fs::read_to_string(root().join("jobs/sales.yaml")).unwrap();
    folder.write("jobs/sales.yaml", manifest.replace("report.js:report", "sales:report"));
    assert_eq!(folder.run(&["run", "sales-report"]).code(0).stdout, report);
}

/// The interpreter that the repository holds, and one that was built now, answer alike when they
/// are called as plugins.
#[test]
#[ignore = "wants an interpreter that was built now, in JOBCONTROL_JS: see ci/suites.sh"]
fn an_interpreter_that_was_built_now_answers_as_the_one_that_is_kept() {
    let built = std::env::var_os("JOBCONTROL_JS").expect("the path of an interpreter");
    let folder = shop().file("jobs/kept.wasm", std::fs::read(root().join("runner/runtimes/js.wasm")).unwrap());
    folder.write("jobs/built.wasm", std::fs::read(built).unwrap());
    let workspace = folder.settings().workspace;
    let path = folder.path("jobs/orders.ts");
    let plugin = workspace.reader.read_file(&path, &path).unwrap();
    let script = plugin.script.as_ref().unwrap();
    let (_, plan) = &script.plans[0];
    let calls = [
        "[[{\"id\":\"a\",\"unit-price\":3.5,\"pieces\":null}],null]",
        "[[],null]",
        "[[{\"id\":\"c\",\"unit-price\":-1,\"pieces\":2}],3]",
    ];
    let mut told = Vec::new();
    for interpreter in ["kept", "built"] {
        for (at, arguments) in calls.iter().enumerate() {
            let id = format!("{interpreter}-{at}");
            // A block, in which nothing is filled in.
            let program: String = script.program.lines().map(|line| format!("    {line}\n")).collect();
            let job = format!(
                "id: {id}\nfunction: {interpreter}:call\ngrants: {{ http: [] }}\nkwargs:\n  plan: '{plan}'\n  arguments: '{arguments}'\n  program: |\n{program}"
            );
            folder.write(&format!("jobs/{id}.yaml"), job);
            folder.run(&["run", &id]);
            let build = build(&folder, &id);
            let frames: Vec<_> =
                build["exception_tb"].as_array().into_iter().flatten().map(|frame| &frame["line"]).collect();
            let keys = ["status", "retval", "skip_reason", "progress"].map(|key| build[key].clone());
            told.push(json!([keys, build["exception"]["message"], frames.first()]));
        }
    }
    let (kept, built) = told.split_at(calls.len());
    assert_eq!(kept, built);
    assert_eq!(kept[0][0][0], "SUCCESSFUL");
}

/// What `new` makes in a language, with the options of the interpreter.
pub(super) fn made(lang: &str) -> Folder {
    let outside = Folder::new();
    let answer = outside.run(&["new", "word-count", "--lang", lang]).code(0);
    assert!(answer.stdout.ends_with("cd word-count && jobcontrol run word-count\n"), "{answer:?}");
    outside.run(&["new", "word-count", "--lang", lang]).code(1).says("`word-count` exists already");
    let folder = Folder::new();
    for entry in
        walkdir::WalkDir::new(outside.path("word-count")).into_iter().flatten().filter(|it| it.path().is_file())
    {
        let inside = entry.path().strip_prefix(outside.path("word-count")).expect("a file of the template");
        folder.write(
            inside.to_str().expect("a file of the template"),
            std::fs::read(entry.path()).expect("a file of the template"),
        );
    }
    folder
}

#[test]
fn a_folder_to_begin_with_runs_as_it_is() {
    for lang in ["js", "ts"] {
        let folder = made(lang);
        folder.run(&["check"]).code(0).tells("1 job in 1 manifest: all good");
        let words = folder.run(&["run", "word-count"]).code(0).stdout;
        assert!(words.contains("word: to") && words.contains("count: 2"), "{lang}: {words}");
        let readme = std::fs::read_to_string(folder.path("README.md")).unwrap();
        assert!(readme.lines().count() <= 12 && !readme.contains("NAME") && !readme.contains("LANG"), "{readme}");
    }
    Folder::new().run(&["new", "../x", "--lang", "js"]).code(2).says("is not a valid job id");
}

#[test]
#[ignore = "wants Node 22.18 and npm, in JOBCONTROL_NODE: see ci/suites.sh"]
fn the_test_of_a_folder_to_begin_with_passes_in_node() {
    let node = std::env::var("JOBCONTROL_NODE").expect("the folder of Node");
    let path = format!("{node}:{}", std::env::var("PATH").unwrap_or_default());
    for lang in ["js", "ts"] {
        let folder = made(lang);
        let shell = "npm install --offline --no-audit --no-fund --silent && npm test --silent";
        let mut command = std::process::Command::new("sh");
        let output = command.args(["-c", shell]).current_dir(folder.path("")).env("PATH", &path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("pass 1"), "{lang}: {output:?}");
    }
}
