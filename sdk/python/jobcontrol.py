"""What `jobcontrol` is outside of jobcontrol: records go to `logging` and progress nowhere, so that the functions of a script
can be tested, and editors know them. In jobcontrol, the interpreter has its own."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeVar

T = TypeVar("T")
Level = Literal["debug", "info", "warning", "error", "critical"]


class Skipped(Exception):
    """Ends a function whose build would be skipped."""


@dataclass
class Build:
    """The running build."""

    build_id: int = 0
    job_id: str = "test"
    attempt: int = 1
    idempotency_key: str = "test"


def log(level: Level, message: str, **fields: object) -> None:
    """Writes a record with fields. `logging` writes records, too."""
    logging.log(getattr(logging, level.upper()), "%s %s", message, fields)


def progress(items: Iterable[T], *group: str) -> Iterator[T]:
    """Goes through a list and tells how far it is."""
    yield from items


def report(current: int, total: int, status: str = "", *group: str) -> None:
    """Tells how far something is."""


def skip(reason: str) -> NoReturn:
    """Ends the build as skipped: there was nothing to do."""
    raise Skipped(reason)


def build() -> Build:
    """The running build."""
    return Build()


u8 = u16 = u32 = u64 = s8 = s16 = s32 = s64 = int
f32 = f64 = float
char = str
