"""The module `jobcontrol` outside of jobcontrol: records go to `logging`; progress is dropped. It makes the functions
of a script testable, and editors know its imports. In jobcontrol, the interpreter provides its own."""

import json as _json
import logging
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, NoReturn, TypeVar, Union

T = TypeVar("T")
E = TypeVar("E")
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
    """Writes a record with fields. `logging` also writes records."""
    logging.log(getattr(logging, level.upper()), "%s %s", message, fields)


def progress(items: Iterable[T], *group: str) -> Iterator[T]:
    """Iterates over a list and reports the progress."""
    yield from items


def report(current: int, total: int, status: str = "", *group: str) -> None:
    """Reports the progress of a group."""


def skip(reason: str) -> NoReturn:
    """Ends the build as skipped, because there was nothing to do."""
    raise Skipped(reason)


def build() -> Build:
    """Returns the running build."""
    return Build()


@dataclass
class Ok(Generic[T]):
    """The value of a result."""

    value: T


@dataclass
class Err(Generic[E]):
    """The error of a result: how the build failed, as a value."""

    error: E


Result = Union[Ok[T], Err[E]]


class http:
    """Requests, in the style of the library `requests`: `http.get(url).json()`."""

    class HTTPError(OSError):
        """A response that is an error, or no response at all."""

    @dataclass
    class Response:
        """A response."""

        status_code: int
        url: str
        headers: Mapping[str, str]
        content: bytes

        @property
        def ok(self) -> bool:
            return self.status_code < 400

        @property
        def text(self) -> str:
            return self.content.decode()

        def json(self):
            return _json.loads(self.content)

        def raise_for_status(self) -> None:
            if not self.ok:
                raise http.HTTPError(f"{self.url}: the server answered {self.status_code}")

    @staticmethod
    def request(
        method: str, url: str, *, params=None, headers=None, data=None, json=None, timeout=None, allow_redirects=True
    ) -> "http.Response":
        """Sends a request, and reads the whole response. In jobcontrol, the job's `http` grant must allow it."""
        all = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
        if isinstance(params, dict):
            params = {name: value for name, value in params.items() if value is not None}
        if params:
            url += ("&" if "?" in url else "?") + urllib.parse.urlencode(params, doseq=True)
        if json is not None:
            data = _json.dumps(json)
            all.setdefault("content-type", "application/json")
        elif isinstance(data, (dict, list, tuple)):
            data = urllib.parse.urlencode(data, doseq=True)
        body = data.encode() if isinstance(data, str) else data
        wanted = urllib.request.Request(url, body, all, method=method.upper())
        try:
            with urllib.request.urlopen(wanted, timeout=timeout) as answer:
                return http.Response(answer.status, answer.url, dict(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as error:
            return http.Response(error.code, url, dict(error.headers.items()), error.read())
        except urllib.error.URLError as error:
            raise http.HTTPError(f"{method.upper()} {url}: {error.reason}") from None

    @staticmethod
    def get(url: str, **options) -> "http.Response":
        return http.request("GET", url, **options)

    @staticmethod
    def post(url: str, **options) -> "http.Response":
        return http.request("POST", url, **options)

    @staticmethod
    def put(url: str, **options) -> "http.Response":
        return http.request("PUT", url, **options)

    @staticmethod
    def patch(url: str, **options) -> "http.Response":
        return http.request("PATCH", url, **options)

    @staticmethod
    def delete(url: str, **options) -> "http.Response":
        return http.request("DELETE", url, **options)

    @staticmethod
    def head(url: str, **options) -> "http.Response":
        return http.request("HEAD", url, **options)


u8 = u16 = u32 = u64 = s8 = s16 = s32 = s64 = int
f32 = f64 = float
char = str
