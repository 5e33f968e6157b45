"""The interpreter's side of scripts in Python. The host passes a program, a plan and arguments; see wit/script.wit.

A script can import only the modules that are imported here, because the interpreter has no library files.
"""

# ruff: noqa: F401
import gc
import abc, argparse, array, ast, asyncio, base64, binascii, bisect, calendar, cmath, codecs, collections.abc, colorsys
import configparser, contextlib, copy, csv, dataclasses, datetime, decimal, difflib, email.message, enum, fnmatch
import fractions, functools, gettext, glob, graphlib, hashlib, heapq, hmac, html.parser, importlib.abc, importlib.util
import inspect, io, ipaddress, itertools, json, keyword, linecache, locale, logging.handlers, math, mimetypes, numbers
import operator, os, pathlib, pickle, pprint, queue, random, re, reprlib, secrets, shlex, shutil, statistics, string
import struct, sys, tempfile, textwrap, threading, time, timeit, token, tokenize, tomllib, traceback, types, typing
import unicodedata, unittest.mock, urllib.parse, uuid, warnings, weakref, xml.dom.minidom, xml.etree.ElementTree, zlib
import zoneinfo
import encodings.idna, encodings.latin_1, encodings.utf_8_sig, encodings.cp1252, encodings.ascii

import wit_world
from componentize_py_types import Err as Refused
from wit_world.imports import build as host_build
from wit_world.imports import environment as host_environment
from wit_world.imports import http as host_http
from wit_world.imports import log as host_log
from wit_world.imports import progress as host_progress
from wit_world.imports import types as host_types

SHOWN = 10_000
LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}

# --- Failures -------------------------------------------------------------------------------------------------------------

files = {}


def text(value):
    """Formats a local variable for its frame."""
    try:
        return repr(value)[:SHOWN]
    except BaseException as error:
        return f"<its repr failed: {type(error).__name__}>"


def frames(error):
    found = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if code.co_filename not in files:
            continue
        is_module = code.co_name == "<module>"
        hidden = (types.ModuleType, types.FunctionType, type)
        names = {} if is_module else frame.f_locals
        variables = [(name, text(value)) for name, value in names.items() if not isinstance(value, hidden)]
        name = "" if is_module else code.co_qualname
        found.append(host_types.Frame(code.co_filename, line or 0, name, [], 0, variables))
    if isinstance(error, SyntaxError) and error.filename in files:
        found.append(host_types.Frame(error.filename, error.lineno or 0, "", [], 0, []))
    return found


def message(error):
    try:
        said = str(error)
    except BaseException as other:
        said = f"<its str failed: {type(other).__name__}>"
    # The key by itself says little.
    return f"there is no {said}" if type(error) is KeyError else said


def failure(error):
    causes, seen, cause = [], {id(error)}, error
    while len(causes) < 10:
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if cause is None or id(cause) in seen:
            break
        seen.add(id(cause))
        causes.append(host_types.Cause(type(cause).__qualname__, message(cause), frames(cause)))
    return host_types.Failure(type(error).__qualname__, message(error), frames(error), causes)


# --- The API for scripts --------------------------------------------------------------------------------------------------


class Skipped(BaseException):
    """Ends a script whose build is skipped."""


class Records(logging.Handler):
    """Sends log records to the host."""

    def emit(self, record):
        level = 4 if record.levelno >= 50 else min(max(record.levelno // 10 - 1, 0), 3)
        error = record.exc_info[1] if record.exc_info else None
        entry = host_log.Entry(
            host_types.Level(level), record.getMessage(), record.name if record.name != "root" else "", [],
            failure(error) if error else None,
        )
        host_log.write(entry)


logging.getLogger().handlers = [Records()]
logging.getLogger().setLevel(logging.DEBUG)
logging.captureWarnings(True)
warnings.showwarning = lambda message, category, *_: logging.getLogger("warnings").warning("%s: %s", category.__name__, message)


@dataclasses.dataclass
class Ok:
    """The value of a result."""

    value: object

    def __class_getitem__(cls, item):
        return cls


@dataclasses.dataclass
class Err:
    """The error of a result: how the build failed, as a value."""

    error: object

    def __class_getitem__(cls, item):
        return cls


class Result:
    """A value or an error: `Result[int, Refusal]`."""

    def __class_getitem__(cls, item):
        return Ok | Err


class HTTPError(OSError):
    """A response that is an error, or no response at all."""

    def __init__(self, message, response=None):
        super().__init__(message)
        self.response = response


class Headers(dict):
    """The headers of a response, with case-insensitive names."""

    def __init__(self, pairs):
        for name, value in pairs:
            key = name.lower()
            dict.__setitem__(self, key, f"{self[key]}, {value}" if key in self else value)

    def __getitem__(self, name):
        return dict.__getitem__(self, name.lower())

    def __contains__(self, name):
        return dict.__contains__(self, name.lower())

    def get(self, name, default=None):
        return dict.get(self, name.lower(), default)


class Response:
    """A response."""

    def __init__(self, method, answer, content):
        self.method = method
        self.status_code = answer.status()
        self.url = answer.url()
        self.headers = Headers(answer.headers())
        self.content = content

    @property
    def ok(self):
        return self.status_code < 400

    @property
    def text(self):
        known = re.search(r"charset=([^;\s]+)", self.headers.get("content-type", ""))
        return self.content.decode(known[1].strip("'\"") if known else "utf-8")

    def json(self):
        return json.loads(self.content)

    def raise_for_status(self):
        if not self.ok:
            said = " ".join(self.content[:1000].decode("utf-8", "replace").split())[:200]
            raise HTTPError(f"{self.method} {self.url}: the server answered {self.status_code}" + (f": {said}" if said else ""), self)

    def __repr__(self):
        return f"<Response [{self.status_code}]>"


def request(method, url, *, params=None, headers=None, data=None, json=None, timeout=None, allow_redirects=True):
    """Sends a request, and reads the whole response."""
    all = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    if isinstance(params, dict):
        params = {name: value for name, value in params.items() if value is not None}
    if params:
        url += ("&" if "?" in url else "?") + urllib.parse.urlencode(params, doseq=True)
    if json is not None:
        data = dumps(json)
        all.setdefault("content-type", "application/json")
    elif isinstance(data, (dict, list, tuple)):
        data = urllib.parse.urlencode(data, doseq=True)
        all.setdefault("content-type", "application/x-www-form-urlencoded")
    body = data.encode() if isinstance(data, str) else bytes(data or b"")
    wait = None if timeout is None else max(1, int(timeout * 1000))
    wanted = host_http.Request(method.upper(), url, list(all.items()), body, wait, 20 if allow_redirects else 0)
    try:
        answer, parts = host_http.send(wanted), []
        while part := answer.read():
            parts.append(part)
    except Refused as error:
        raise HTTPError(f"{method.upper()} {url}: {error.value}") from None
    return Response(method.upper(), answer, b"".join(parts))


dumps = json.dumps


def requests():
    """Creates the module that a script imports as `jobcontrol.http`."""
    module = types.ModuleType("jobcontrol.http", "Requests, in the style of the library `requests`.")
    module.request, module.Response, module.HTTPError = request, Response, HTTPError
    for method in ("get", "post", "put", "patch", "delete", "head", "options"):
        setattr(module, method, functools.partial(request, method))
    return module


def jobcontrol():
    """Creates the module that a script imports as `jobcontrol`."""
    module = types.ModuleType("jobcontrol", "The host of this script.")
    module.__path__ = []
    module.Ok, module.Err, module.Result = Ok, Err, Result
    module.http = requests()

    def log(level, message, **fields):
        """Writes a record with fields."""
        entry = host_log.Entry(
            host_types.Level(LEVELS[level]), str(message), "", [(name, str(value)) for name, value in fields.items()], None
        )
        host_log.write(entry)

    def report(current, total, status="", *group):
        """Reports the progress of a group."""
        host_progress.report([str(name) for name in group], max(0, int(current)), max(0, int(total)), str(status))

    def progress(items, *group):
        """Iterates over a list and reports the progress."""
        items = items if hasattr(items, "__len__") else list(items)
        for at, item in enumerate(items):
            report(at, len(items), "", *group)
            yield item
        report(len(items), len(items), "", *group)

    def skip(reason):
        """Ends the build as skipped, because there was nothing to do."""
        host_build.skip(str(reason))

    def build():
        """Returns the running build."""
        return host_build.current()

    for function in (log, report, progress, skip, build):
        setattr(module, function.__name__, function)
    for name in ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"):
        setattr(module, name, int)
    module.f32 = module.f64 = float
    module.char = str
    return module


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The script's own files, as modules."""

    def __init__(self, modules):
        self.modules = modules

    def find_spec(self, name, path=None, target=None):
        known = self.modules.get(name)
        if known is None:
            return None
        return importlib.util.spec_from_loader(name, self, origin=known[0], is_package=known[0].endswith("__init__.py"))

    def exec_module(self, module):
        file, source = self.modules[module.__name__]
        module.__file__ = file
        exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)


# --- Values ---------------------------------------------------------------------------------------------------------------


class Mismatch(TypeError):
    """The error for a value that does not match its type."""


Mismatch.__qualname__ = "TypeError"


def named(plan):
    return getattr(importlib.import_module(plan["m"]), plan["c"])


def opened(plan):
    """Returns the kind of a plan and its content."""
    kind = next(kind for kind in "ltdorensv" if kind in plan)
    return kind, plan[kind]


# The host reads larger integers as text.
EXACT = 2**53

TEXTS = {
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
}


def taken(plan, value):
    """Converts a value of the host into a script's value."""
    if plan is None:
        return value
    if isinstance(plan, str):
        if plan == "f":
            return float(value)
        if plan == "i":
            return int(value)
        if plan == "y":
            return base64.b64decode(value) if isinstance(value, str) else bytes(value)
        if plan == "n":
            return None
        return TEXTS[plan](value)
    kind, inner = opened(plan)
    if kind == "l":
        return [taken(inner, item) for item in value]
    if kind == "t":
        return tuple(taken(item, one) for item, one in zip(inner, value))
    if kind == "d":
        return {taken(inner[0], key): taken(inner[1], one) for key, one in value}
    if kind == "o":
        return None if value is None else taken(inner, value)
    if kind == "r":
        # An omitted field takes its default.
        fields = [(own, field, value.get(wit)) for own, wit, field, may_miss in inner if value.get(wit) is not None or not may_miss]
        return named(plan)(**{own: taken(field, one) for own, field, one in fields})
    if kind == "e":
        return next(named(plan)[own] for own, wit in inner if wit == value)
    if kind == "n":
        return next(own for own, wit in inner if wit == value)
    if kind == "s":
        return Ok(taken(inner[0], value["ok"])) if "ok" in value else Err(taken(inner[1], value["err"]))
    for wit, one in inner:
        if isinstance(value, dict) and wit in value:
            return taken(one, value[wit])
    raise Mismatch(f"{value!r} is none of {[wit for wit, _ in inner]}")


def wrong(path, wanted, value):
    return Mismatch(f"{path} is not {wanted}: {text(value)[:60]}")


def given(plan, value, path):
    """Converts a script's value into a value of the host."""
    if plan is None or isinstance(plan, str):
        return plain(plan, value, path)
    kind, inner = opened(plan)
    if kind == "l":
        if not isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "__iter__"):
            raise wrong(path, "a list", value)
        return [given(inner, item, f"{path}[{at}]") for at, item in enumerate(value)]
    if kind == "t":
        if not isinstance(value, (list, tuple)) or len(value) != len(inner):
            raise wrong(path, f"a tuple of {len(inner)}", value)
        return [given(item, one, f"{path}[{at}]") for at, (item, one) in enumerate(zip(inner, value))]
    if kind == "d":
        if not isinstance(value, dict):
            raise wrong(path, "a dict", value)
        return [[given(inner[0], key, path), given(inner[1], one, f"{path}[{key!r}]")] for key, one in value.items()]
    if kind == "o":
        return None if value is None else given(inner, value, path)
    if kind == "r":
        if not isinstance(value, named(plan)):
            raise wrong(path, f"of {plan['c']}", value)
        return {wit: given(field, getattr(value, own), f"{path}.{own}") for own, wit, field, _ in inner}
    if kind == "s":
        if not isinstance(value, (Ok, Err)):
            raise wrong(path, "an Ok or an Err", value)
        if isinstance(value, Ok):
            return {"ok": given(inner[0], value.value, f"{path}.value")}
        return {"err": given(inner[1], value.error, f"{path}.error")}
    if kind == "e":
        found = next((wit for own, wit in inner if isinstance(value, named(plan)) and value.name == own), None)
        if found is None:
            raise wrong(path, f"of {plan['c']}", value)
        return found
    if kind == "n":
        found = next((wit for own, wit in inner if value == own), None)
        if found is None:
            raise wrong(path, f"one of {[own for own, _ in inner]}", value)
        return found
    for wit, one in inner:
        if isinstance(value, named(one)):
            return {wit: given(one, value, path)}
    raise wrong(path, f"one of {[wit for wit, _ in inner]}", value)


def plain(plan, value, path):
    if plan == "f":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong(path, "a float", value)
        return float(value) if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if plan == "i":
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(path, "an int", value)
        return value if abs(value) <= EXACT else str(value)
    if plan == "y":
        if not isinstance(value, (bytes, bytearray)):
            raise wrong(path, "bytes", value)
        return list(value)
    if plan == "n" and value is not None:
        raise wrong(path, "None", value)
    if plan in TEXTS:
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    if plan is None and not isinstance(value, (str, bool)):
        raise wrong(path, "what its type says", value)
    return value


# --- The call -------------------------------------------------------------------------------------------------------------


class Watched(dict):
    """The environment while a script is imported for later calls, each of which has its own."""

    used = False

    def read(self, *args):
        self.used = True
        raise KeyError

    __getitem__ = __setitem__ = __delitem__ = __contains__ = __iter__ = __len__ = get = keys = items = values = read


script = None


def imported(program):
    program = json.loads(program)
    files.update({file: source for file, source in program["modules"].values()})
    for file, source in files.items():
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    sys.modules["jobcontrol"] = jobcontrol()
    sys.modules["jobcontrol.http"] = sys.modules["jobcontrol"].http
    sys.meta_path.insert(0, Finder(program["modules"]))
    return importlib.import_module(program["main"])


def run(program, plan, arguments):
    # The interpreter was started only once, when it was built.
    random.seed()
    if script:
        # The script was imported without an environment.
        os.environ.update(host_environment.get_environment())
    main, plan = script or imported(program), json.loads(plan)
    positional, keywords = [], {}
    for (name, kind, may_miss, param), value in zip(plan["params"], json.loads(arguments)):
        # An omitted argument takes its default.
        if value is None and may_miss:
            continue
        if kind == "position":
            positional.append(taken(param, value))
        else:
            keywords[name] = taken(param, value)
    result = getattr(main, plan["function"])(*positional, **keywords)
    return json.dumps(given(plan["result"], result, "what it returned") if plan["returns"] else None)


class WitWorld(wit_world.WitWorld):
    def call(self, program: str, plan: str, arguments: str) -> str:
        try:
            return run(program, plan, arguments)
        except BaseException as error:
            host_build.fail(failure(error))
            raise

    def load(self, program: str) -> bool:
        global script
        if not program:
            host_environment.get_environment()
            return False
        before, variables, watched = random.getstate(), os.environ._data, Watched()
        os.environ._data = os.environb._data = watched
        script = imported(program)
        os.environ._data = os.environb._data = variables
        gc.freeze()
        return not watched.used and random.getstate() == before


# --- The snapshot ---------------------------------------------------------------------------------------------------------


def filled():
    """Fills the holes in the heap, so that what a script makes is together at its end.

    A call copies each page that it writes to, and this makes them few.
    """
    kept = [None] * 200_000
    count = 0
    # No hole is this large.
    end = id(bytes(4 << 20))
    for size in [1 << power for power in range(20, 3, -1)]:
        while id(one := bytes(size)) < end:
            kept[count] = one
            count += 1
    return kept


gc.collect()
holes = filled()
# What exists when the interpreter is made is never garbage. A collection would write to all of its
# memory, and each call would have to copy it first.
gc.freeze()
