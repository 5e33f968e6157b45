//! Jobs in Python. Their interpreter is made by a package: see `ci/suites.sh`.

use serde_json::Value;
use serde_json::json;

use super::build;
use crate::harness::Answer;
use crate::harness::Folder;

const ORDERS: &str = "'''Orders of a shop.'''
import datetime
import logging
from dataclasses import dataclass
from enum import Enum

from jobcontrol import log, progress, skip, build
from lib.price import Order, price


class Size(Enum):
    SMALL = 1
    VERY_LARGE = 2


@dataclass
class Summary:
    count: int
    total: float
    best: Order | None
    size: Size
    day: datetime.date


def sum_up(orders: list[Order], factor: int = 2) -> Summary:
    '''Sums up.'''
    if not orders:
        skip('no orders')
    logging.getLogger('shop').warning('got %d', len(orders))
    print('adding')
    total = 0.0
    for order in progress(orders, 'orders'):
        total += price(order) * factor
    log('error', 'summed up', total=total, job=build().job_id)
    return Summary(len(orders), total, orders[0], Size.VERY_LARGE if total > 10 else Size.SMALL, datetime.date(2026, 1, 2))


def untyped(a): return a
";

const PRICE: &str = "from dataclasses import dataclass


@dataclass
class Order:
    id: str
    unit_price: float
    pieces: int | None = None


def price(order: Order) -> float:
    if order.unit_price < 0:
        raise ValueError(f'order {order.id} is negative') from KeyError('till')
    return order.unit_price * (order.pieces or 1)
";

const JOBS: &str = "jobs:
  - id: sum
    function: orders.py:sum_up
    kwargs: { orders: [{ id: a, unit-price: 3.5 }, { id: b, unit_price: 4, pieces: 3 }] }
  - { id: none, function: \"orders.py:sum-up\", args: [[]] }
  - { id: bad, function: orders.py:sum_up, args: [[{ id: c, unit-price: -1 }]] }
";

/// A folder whose scripts have the interpreter that was installed.
struct Python(Folder);

impl Python {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        files.iter().for_each(|(path, text)| folder.write(path, text));
        Self(folder)
    }

    fn shop() -> Self {
        Self::with(&[("jobs/orders.py", ORDERS), ("jobs/lib/price.py", PRICE), ("jobs/jobs.yaml", JOBS)])
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let installed = std::env::var_os("JOBCONTROL_PYTHON").expect("the folder of the interpreter");
        self.0.command(arguments).env("JOBCONTROL_RUNTIMES", installed).output().expect("the program starts").into()
    }

    fn build(&self, id: &str) -> Value {
        build(&self.0, id)
    }
}

#[test]
fn without_its_interpreter_it_is_said_how_to_install_it() {
    let folder =
        Folder::new().file("jobs/a.py", "def f() -> None: ...\n").file("jobs/a.yaml", "id: a\nfunction: a.py:f\n");
    let command = |arguments: &[&str]| -> Answer {
        folder.command(arguments).env("JOBCONTROL_RUNTIMES", folder.path("none")).output().expect("it starts").into()
    };
    command(&["check"]).code(3).tells("error[JC0328]").tells("`jobcontrol runtime install python` installs it, once");
    command(&["runtime", "list"]).code(0).tells("Python      not installed");
    folder.write("no.wasm", std::fs::read(crate::harness::root().join("jobs/sales.wasm")).expect("a plugin"));
    command(&["runtime", "install", "python", "--from", "no.wasm"]).code(1).says("is not an interpreter of scripts");
}

#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn a_python_file_is_a_plugin() {
    let shop = Python::shop();
    shop.run(&["check"]).code(0);
    shop.run(&["run", "sum"]).code(0);
    let sum = shop.build("sum");
    let best = json!({ "id": "a", "unit-price": 3.5, "pieces": null });
    let wanted = json!({ "count": 2, "total": 31.0, "best": best, "size": "very-large", "day": "2026-01-02" });
    assert_eq!(sum["retval"], wanted, "{sum:#}");
    assert_eq!(sum["progress"], json!([{ "group_name": "orders", "current": 2, "total": 2, "status_line": "" }]));
    let logs = shop.run(&["logs", "sum"]).code(0).stdout;
    for part in ["WARNING  shop  got 2", "stdout  adding", "summed up total=31.0 job=sum"] {
        assert!(logs.contains(part), "{part} in {logs}");
    }
    shop.run(&["run", "none"]).code(0);
    assert_eq!(shop.build("none")["skip_reason"], "no orders");
    shop.run(&["inspect", "orders.py"]).code(0).tells("untyped cannot be called: its parameter `a`: it has no type");
}

#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn a_failure_has_lines_code_locals_and_causes() {
    let shop = Python::shop();
    shop.run(&["run", "bad"]).code(1);
    let bad = shop.build("bad");
    assert_eq!(
        (&bad["exception"]["kind"], &bad["exception"]["message"]),
        (&json!("ValueError"), &json!("order c is negative"))
    );
    assert_eq!(bad["exception"]["causes"][0]["kind"], "KeyError");
    let frames = bad["exception_tb"].as_array().expect("frames");
    let places: Vec<_> = frames.iter().map(|frame| (frame["file"].as_str().expect("a file"), &frame["line"])).collect();
    assert_eq!(places, [("orders.py", &json!(33)), ("lib/price.py", &json!(13))], "{frames:#?}");
    assert!(frames[1]["context"].to_string().contains("raise ValueError"), "{frames:#?}");
    assert!(frames[1]["locals"].to_string().contains("Order(id='c', unit_price=-1.0, pieces=None)"), "{frames:#?}");
}

#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn values_of_every_type_go_there_and_back() {
    let text = "
import datetime, decimal, typing, uuid
from dataclasses import dataclass, field
from enum import Enum
from jobcontrol import u8, char

class Kind(Enum):
    BIG = 'b'
    SMALL = 's'

@dataclass
class Circle:
    radius: float

@dataclass
class Square:
    side: float = 1.0
    tags: list[str] = field(default_factory=list)

@dataclass
class All:
    a: int
    b: float
    c: bool
    d: bytes
    e: tuple[str, u8]
    f: dict[str, int]
    g: typing.Optional[str]
    h: Kind
    i: typing.Literal['one', 'two']
    j: Circle | Square
    k: datetime.datetime
    l: decimal.Decimal
    m: uuid.UUID
    n: char
    o: list[Circle]

def back(all: All) -> All:
    assert isinstance(all.j, Square) and all.j.tags == ['x'] and all.h is Kind.SMALL and all.k.year == 2026 and all.f['x'] == 2**60
    return all

def wrong() -> int:
    return 'text'

def large() -> u8:
    return 256

def keyed(*, top: int, name: str = 'x') -> str:
    return name + str(top)

def at(a: int, /, b: int = 3) -> int:
    return a + b
";
    let value = "{ a: 9223372036854775807, b: .inf, c: true, d: [0, 255], e: [x, 7], f: [[x, 1152921504606846976]], g: null, h: small, \
                 i: two, j: { square: { side: 2, tags: [x] } }, k: \"2026-01-02T03:04:05\", l: \"1.10\", \
                 m: 12345678-1234-5678-1234-567812345678, n: é, o: [{ radius: 1.5 }] }";
    let jobs = format!(
        "jobs:
  - {{ id: back, function: t.py:back, args: [{value}] }}
  - {{ id: wrong, function: t.py:wrong }}
  - {{ id: large, function: t.py:large }}
  - {{ id: keyed, function: t.py:keyed, kwargs: {{ top: 3 }} }}
  - {{ id: at, function: t.py:at, args: [4] }}
"
    );
    let python = Python::with(&[("jobs/t.py", text), ("jobs/t.yaml", &jobs)]);
    python.run(&["check"]).code(0);
    for id in ["back", "keyed", "at"] {
        python.run(&["run", id]).code(0);
    }
    let wanted = json!({
        "a": "9223372036854775807", "b": "Infinity", "c": true, "d": "AP8=", "e": ["x", 7], "f": [["x", "1152921504606846976"]],
        "g": null, "h": "small", "i": "two", "j": { "square": { "side": 2.0, "tags": ["x"] } }, "k": "2026-01-02T03:04:05",
        "l": "1.10", "m": "12345678-1234-5678-1234-567812345678", "n": "é", "o": [{ "radius": 1.5 }],
    });
    assert_eq!(python.build("back")["retval"], wanted);
    assert_eq!((&python.build("keyed")["retval"], &python.build("at")["retval"]), (&json!("x3"), &json!(7)));
    for (id, said) in [("wrong", "what it returned is not an int: 'text'"), ("large", "256 is out of range for u8")] {
        python.run(&["run", id]).code(1);
        assert!(python.build(id)["exception"]["message"].to_string().contains(said), "{id}: {:#}", python.build(id));
    }
}

#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn a_script_has_what_its_job_is_granted_and_no_other() {
    let text = "
import os
import random

def copy() -> list[str]:
    with open('/in/a.txt') as source, open('/out/copy.txt', 'w') as copy:
        copy.write(source.read() + os.environ['GREETING'] + os.environ.get('HOME', '-'))
    return sorted(os.listdir('/out'))

def peep() -> str:
    return open('/etc/passwd').read()

def spin() -> None:
    while True:
        pass

def eat() -> None:
    all = []
    while True:
        all.append('x' * (1 << 20))

def deep() -> None:
    deep()

def leave() -> None:
    os._exit(0)

def numbers() -> float:
    return random.random()
";
    let grants = "grants: { files: [{ host: ../in, guest: /in, mode: read }, { host: ../out, guest: /out, mode: write }], env: [GREETING] }";
    let names = ["peep", "spin", "eat", "deep", "leave", "numbers"];
    let others: String = names
        .iter()
        .map(|id| format!("  - {{ id: {id}, function: f.py:{id}, timeout: 5s, limits: {{ memory: 128 MiB }} }}\n"))
        .collect();
    let jobs = format!("jobs:\n  - {{ id: copy, function: f.py:copy, {grants} }}\n{others}");
    let config =
        "environment: [GREETING]\nceiling: { files: [{ host: in, mode: read }, { host: out, mode: write }] }\n";
    let files = [
        ("jobs/f.py", text),
        ("jobs/f.yaml", &*jobs),
        ("in/a.txt", "ä "),
        ("out/b.txt", ""),
        ("jobcontrol.yaml", config),
    ];
    let python = Python::with(&files);
    let installed = std::env::var_os("JOBCONTROL_PYTHON").expect("the folder of the interpreter");
    let mut copy = python.0.command(&["run", "copy"]);
    copy.env("JOBCONTROL_RUNTIMES", installed).env("GREETING", "hi").output().expect("it starts");
    assert_eq!(python.build("copy")["retval"], json!(["b.txt", "copy.txt"]), "{:#}", python.build("copy"));
    assert_eq!(std::fs::read_to_string(python.0.path("out/copy.txt")).expect("a copy"), "ä hi-");
    for (id, kind) in [("peep", "FileNotFoundError"), ("spin", "timeout"), ("deep", "RecursionError")] {
        python.run(&["run", id]).code(1);
        assert_eq!(python.build(id)["exception"]["kind"], kind, "{:#}", python.build(id));
    }
    for id in ["eat", "leave"] {
        python.run(&["run", id]).code(1);
        assert_eq!(python.build(id)["status"], "FAILED", "{id}");
    }
    let drawn = [(), ()].map(|()| {
        python.run(&["run", "numbers"]).code(0);
        python.build("numbers")["retval"].to_string()
    });
    assert_ne!(drawn[0], drawn[1], "each call has numbers of its own");
}

/// What is the same in all calls of one process is imported once, and what belongs to a build is
/// not.
#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn each_call_of_a_process_starts_like_the_first() {
    let state = "import os, random
seen = []
TABLE = {n: str(n * n) for n in range(50_000)}

def state(n: int) -> list[str]:
    seen.append(n)
    return [str(len(seen)), TABLE[999], os.environ.get('WHO', ''), os.getenv('WHO', ''), str(random.random())]

def bad(n: int) -> int:
    double = n * 2
    raise ValueError(f'no {double}')
";
    let at_import = "import os, random, time
WHO = os.environ.get('WHO', '')
LOT = random.random()
SINCE = time.time_ns()

def late(n: int) -> list[str]:
    return [WHO, str(LOT), str(SINCE)]
";
    let seeded = "import random
random.seed(7)

def drawn(n: int) -> float:
    return random.random()
";
    let mut jobs = "jobs:\n".to_owned();
    let mut last = String::new();
    for n in 1..=4 {
        for (function, file) in [("state", "state"), ("late", "late"), ("drawn", "seeded")] {
            let after = std::mem::replace(&mut last, format!("{function}{n}"));
            let after = if after.is_empty() { String::new() } else { format!(", dependencies: [{after}]") };
            jobs += &format!(
                "  - {{ id: {function}{n}, function: {file}.py:{function}, args: [{n}], grants: {{ env: [WHO] }}{after} }}\n"
            );
        }
    }
    jobs += "  - { id: bad, function: state.py:bad, args: [4], dependencies: [drawn4] }\n";
    let python = Python::with(&[
        ("jobs/state.py", state),
        ("jobs/late.py", at_import),
        ("jobs/seeded.py", seeded),
        ("jobs/all.yaml", &jobs),
        ("jobcontrol.yaml", "environment: [WHO]\n"),
    ]);
    let installed = std::env::var_os("JOBCONTROL_PYTHON").expect("the folder of the interpreter");
    let mut run = python.0.command(&["run", "--deps", "bad"]);
    run.env("JOBCONTROL_RUNTIMES", installed).env("WHO", "me").output().expect("it starts");
    let retval = |id: String| python.build(&id)["retval"].clone();
    let mut lots = std::collections::HashSet::new();
    for n in 1..=4 {
        let found = retval(format!("state{n}"));
        assert_eq!(found.as_array().expect("a list")[..4], [json!("1"), json!("998001"), json!("me"), json!("me")]);
        assert!(lots.insert(found[4].to_string()), "{found}");
        let found = retval(format!("late{n}"));
        assert_eq!(found[0], "me");
        assert!(lots.insert(found[1].to_string()) && lots.insert(found[2].to_string()), "{found}");
        assert_eq!(retval(format!("drawn{n}")), retval("drawn1".to_owned()));
    }
    let failed = python.build("bad");
    let frame = &failed["exception_tb"][0];
    assert_eq!((&frame["file"], &frame["line"], &frame["function"]), (&json!("state.py"), &json!(11), &json!("bad")));
    assert!(frame["locals"].to_string().contains("double"), "{failed:#}");
}

#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn a_folder_to_begin_with_runs_and_is_tested_as_it_is() {
    let folder = Python(super::javascript::made("python"));
    folder.run(&["check"]).code(0);
    let words = folder.run(&["run", "word-count"]).code(0).stdout;
    assert!(words.contains("word: to") && words.contains("count: 2"), "{words}");
    let test = std::process::Command::new("python3").arg("test_word_count.py").current_dir(folder.0.path("")).output();
    let test = test.expect("python3");
    assert!(test.status.success(), "{test:?}");
}
