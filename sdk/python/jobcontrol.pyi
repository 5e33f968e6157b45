"""What a script imports from `jobcontrol`, for editors and type checkers: put it beside the script, or on the search path."""

from collections.abc import Iterable, Iterator
from typing import Literal, NoReturn, Protocol, TypeVar

T = TypeVar("T")

class Build(Protocol):
    build_id: int
    job_id: str
    attempt: int
    idempotency_key: str

def log(level: Literal["debug", "info", "warning", "error", "critical"], message: str, **fields: object) -> None:
    """Writes a record with fields. `logging` writes records, too."""

def progress(items: Iterable[T], *group: str) -> Iterator[T]:
    """Goes through a list and tells how far it is."""

def report(current: int, total: int, status: str = "", *group: str) -> None:
    """Tells how far something is."""

def skip(reason: str) -> NoReturn:
    """Ends the build as skipped: there was nothing to do."""

def build() -> Build:
    """The running build."""

u8 = int
u16 = int
u32 = int
u64 = int
s8 = int
s16 = int
s32 = int
s64 = int
f32 = float
f64 = float
char = str
