"""What every form of job can do, in Python: the same functions as in the other folders of `tests/plugins`."""

import logging
import os
import random
import shutil
import time
from dataclasses import dataclass
from enum import Enum

from jobcontrol import Err, Ok, Result, char, f32, http, log, progress, s8, s16, s32, skip, u8, u16, u32, u64


class Kind(Enum):
    SMALL = 1
    VERY_LARGE = 2


@dataclass
class Circle:
    radius: float


@dataclass
class Square:
    side: float
    labels: list[str]


@dataclass
class Names:
    first: str
    unit_price: float


@dataclass
class Every:
    """A value of each type that all forms have."""

    yes: bool
    tiny: u8
    tiny_signed: s8
    short: u16
    short_signed: s16
    word: u32
    word_signed: s32
    long: u64
    long_signed: int
    single: f32
    double: float
    letter: char
    text: str
    bytes: bytes
    items: list[Names]
    lists: list[list[u32]]
    pair: tuple[str, u32]
    maybe: str | None
    kind: Kind
    shape: Circle | Square


def there_and_back(every: Every) -> Every:
    """Gives back what it gets.

    Every type there and back.
    """
    if not isinstance(every.shape, Square) or every.kind is not Kind.VERY_LARGE:
        raise TypeError("these are other cases")
    return every


def greeting(name: str, greeting: str = "Hello") -> str:
    """Leaves out what can be left out."""
    return f"{greeting}, {name}!"


def told(name: str) -> None:
    logging.debug("looking for %s", name)
    log("info", f"greeting {name}", name=name, times=2)
    logging.warning("no hat was taken off")
    logging.error("the hand was not shaken")


def steps(outer: u32, inner: u32) -> u64:
    return sum(
        step for _ in progress(range(outer), "outer") for step in progress(range(inner), "outer", "inner")
    )


def skipped(reason: str) -> str:
    skip(reason)


def broken(what: str) -> u32:
    """Fails, for a reason that has a reason."""
    raise RuntimeError(what) from OSError("the disk is full")


@dataclass
class TooMany:
    count: u32


@dataclass
class Closed:
    since: u32


def refused(count: u32) -> Result[u32, TooMany | Closed]:
    """Refuses, and says why as a value."""
    if count == 0:
        return Err(Closed(3))
    return Ok(count) if count < 10 else Err(TooMany(count))


def fetched(url: str) -> str:
    """What a server answers."""
    answer = http.get(url, headers={"accept": "text/plain"})
    answer.raise_for_status()
    return answer.text


def copied(source: str, to: str) -> u64:
    shutil.copyfile(source, to)
    return os.stat(to).st_size


def variable(name: str) -> str | None:
    return os.environ.get(name)


def moment() -> float:
    """Seconds since 1970."""
    return time.time()


def chance() -> u64:
    return random.getrandbits(53)


def names(count: u32) -> list[Names]:
    """As many records as one wants."""
    return [Names(f"n{at}", float(at)) for at in range(count)]


def price(names: list[Names]) -> float:
    return sum(it.unit_price for it in names)
