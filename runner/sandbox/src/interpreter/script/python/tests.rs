//! Tests of reading scripts.

use jobcontrol_core::types::Signature;
use jobcontrol_core::types::declared;
use proptest::prelude::*;

use super::described;
use crate::archive::Archive;

fn archive(files: &[(&str, &str)]) -> Archive {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Archive { interpreter: String::new(), files: files.collect() }
}

fn functions(files: &[(&str, &str)]) -> Vec<Signature> {
    described(&archive(files)).unwrap().functions.signatures().unwrap()
}

/// Returns the functions of a script in one line each, and why others cannot be called.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let described = described(&archive(&[("a.py", text)])).unwrap();
    let refused = described.refused.into_iter().map(|(name, reason)| format!("{name}: {reason}"));
    let functions: Vec<Signature> = described.functions.signatures().unwrap();
    (functions.iter().map(ToString::to_string).collect(), refused.collect())
}

#[test]
fn annotations_are_types_of_wit() {
    let head = "import typing as t, datetime, decimal\nfrom typing import *\nfrom jobcontrol import u32, char\nfrom datetime import date as day\n";
    for (written, wit) in [
        ("int", "s64"),
        ("float", "f64"),
        ("str", "string"),
        ("bool", "bool"),
        ("bytes", "list<u8>"),
        ("u32", "u32"),
        ("char", "char"),
        ("list[str]", "list<string>"),
        ("t.List[int]", "list<s64>"),
        ("tuple[str, u32]", "tuple<string, u32>"),
        ("tuple[str, ...]", "list<string>"),
        ("dict[str, float]", "list<tuple<string, f64>>"),
        ("str | None", "option<string>"),
        ("t.Optional[int]", "option<s64>"),
        ("'list[int]'", "list<s64>"),
        ("datetime.datetime", "string"),
        ("day", "string"),
        ("decimal.Decimal", "string"),
        ("t.Annotated[int, 'seconds']", "s64"),
    ] {
        let (functions, refused) = read(&format!("{head}def f(a: {written}) -> None: ...\n"));
        assert_eq!((functions, refused), (vec![format!("f: func(a: {wit})")], vec![]), "{written}");
    }
}

#[test]
fn dataclasses_enums_and_unions_have_names() {
    let text = "
from __future__ import annotations
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Literal, NamedTuple

class Tier(Enum):
    BASIC = 1
    VERY_GOLD = 2

@dataclass
class Base:
    id: str

@dataclass(frozen=True)
class Order(Base):
    KIND: ClassVar[str] = 'x'
    unit_price: int
    tier: Tier = Tier.BASIC
    note: str | None = None

class Point(NamedTuple):
    x: float
    y: float

Shape = Order | Point

def total(orders: list[Order], shape: Shape, size: Literal['small', 'veryLarge'] = 'small', *, top: int = 2) -> dict[str, int]:
    '''Sums up.

    Twice.'''
    return {}
";
    let functions = functions(&[("a.py", text)]);
    assert_eq!(
        functions[0].to_string(),
        "total: func(orders: list<order>, shape: shape, size: option<total-size>, top: option<s64>) -> list<tuple<string, s64>>"
    );
    assert_eq!(functions[0].docs.as_deref(), Some("Sums up.\n\nTwice."));
    let declared = declared(&functions).join(" ");
    for part in [
        "record order { id: string, unit-price: s64, tier: tier, note: option<string> }",
        "enum tier { basic, very-gold }",
        "record point { x: f64, y: f64 }",
        "variant shape { order(order), point(point) }",
        "enum total-size { small, very-large }",
    ] {
        assert!(declared.contains(part), "{part} in {declared}");
    }
}

#[test]
fn a_function_that_is_not_typed_is_no_job_and_it_is_said_why() {
    for (text, reason) in [
        ("def f(a): ...", "its parameter `a`: it has no type: write `NAME: TYPE`"),
        ("def f(a: Any): ...", "its parameter `a`: `Any` does not say what it is"),
        ("def f():\n  return 1", "its return value has no type: write `-> TYPE`"),
        ("def f(*a: int): ...", "it takes any number of arguments: take a list"),
        ("async def f(): ...", "it is `async`, which Python scripts do not support: write a plain function"),
        ("@cache\ndef f(): ...", "it has decorators, which may replace it with another function"),
        (
            "class C: ...\ndef f(a: C): ...",
            "its parameter `a`: `C` is a class: make it a `@dataclass`, so that its fields are known",
        ),
        (
            "@dataclass\nclass C:\n  c: 'C'\ndef f(a: C): ...",
            "its parameter `a`: the field `c`: `C` contains itself, which WIT does not support",
        ),
        ("def f(a: list): ...", "its parameter `a`: `list` of what? write `list[..]`"),
        (
            "def f(a: int | str): ...",
            "its parameter `a`: it is one of several types: WIT distinguishes them by name, so make each a dataclass",
        ),
        ("def f(a: Missing): ...", "its parameter `a`: there is no type `Missing`"),
    ] {
        assert_eq!(read(&format!("{text}\n")), (vec![], vec![format!("f: {reason}")]), "{text}");
    }
    assert_eq!(
        read("def _own(a): ...\ndef f(top=3, name='x', ratio=0.5, deep=True):\n  def g():\n    return 1\n").0,
        ["f: func(top: option<s64>, name: option<string>, ratio: option<f64>, deep: option<bool>)"]
    );
}

#[test]
fn types_come_from_other_files() {
    let main = "from lib.models import Order\nfrom lib import models as m\nimport lib.models\n\
                def f(a: Order, b: m.Line, c: lib.models.Line) -> None: ...\n";
    let models = "from dataclasses import dataclass\nfrom .base import Base\n@dataclass\nclass Line:\n  n: int\n@dataclass\nclass Order(Base):\n  lines: list[Line]\n";
    let base = "from dataclasses import dataclass\n@dataclass\nclass Base:\n  id: str\n";
    let files = [("a.py", main), ("lib/__init__.py", ""), ("lib/models.py", models), ("lib/base.py", base)];
    let functions = functions(&files);
    assert_eq!(functions[0].to_string(), "f: func(a: order, b: line, c: line)");
    assert!(declared(&functions).join(" ").contains("record order { id: string, lines: list<line> }"));
    let program = described(&archive(&files)).unwrap().script.unwrap().program;
    assert!(program.contains("\"lib.models\":[\"lib/models.py\""), "{program}");
}

#[test]
fn a_mistake_has_its_place() {
    let error = described(&archive(&[("a.py", "\ndef f(:\n  pass\n")])).unwrap_err().what;
    assert!(error.starts_with("has a mistake (a.py:2:7)"), "{error}");
}

proptest! {
    #[test]
    fn nothing_that_is_read_as_a_script_ends_the_reader(text in "\\PC{0,60}|(def |class |f|\\(|\\)|:|int|list\\[|\\]|=|\n|  |import |from |a|@dataclass\n|\\||None|->|'){0,25}") {
        let _ = described(&archive(&[("a.py", &text)]));
    }
}
