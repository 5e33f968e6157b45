//! The module names of Python scripts.

/// Modules of Python's standard library, and its keywords. A script cannot have any of these names.
const PYTHON_NAMES: &str = "False None True abc aifc and antigravity argparse array as assert ast async asynchat asyncio asyncore atexit \
    audioop await base64 bdb binascii bisect break builtins bz2 cProfile calendar cgi cgitb chunk class cmath cmd \
    code codecs codeop collections colorsys compileall concurrent configparser contextlib contextvars continue \
    copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal def del difflib dis distutils doctest \
    elif else email encodings ensurepip enum errno except faulthandler fcntl filecmp fileinput finally fnmatch for \
    fractions from ftplib functools gc genericpath getopt getpass gettext glob global graphlib grp gzip hashlib \
    heapq hmac html http idlelib if imaplib imghdr imp import importlib in inspect io ipaddress is itertools \
    jobcontrol json keyword lambda lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes \
    mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nonlocal not nt ntpath nturl2path numbers \
    opcode operator optparse or os ossaudiodev pass pathlib pdb pickle pickletools pipes pkgutil platform plistlib \
    poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri \
    raise random re readline reprlib resource return rlcompleter runpy runtime sched secrets select selectors self \
    shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile \
    sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symtable sys sysconfig \
    syslog tabnanny tarfile telnetlib tempfile termios test textwrap this threading time timeit tkinter token \
    tokenize tomllib trace traceback tracemalloc try tty turtle turtledemo types typing unicodedata unittest \
    urllib uu uuid venv warnings wave weakref webbrowser while winreg winsound with words wsgiref xdrlib xml \
    xmlrpc yield zipapp zipfile zipimport zlib zoneinfo";

/// Returns the module name of a Python script. It has no dashes, and differs from the taken names.
pub(super) fn module_of(name: &str) -> String {
    let module = name.replace('-', "_");
    let is_taken = PYTHON_NAMES.split(' ').any(|taken| taken == module);
    let is_name = module.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if is_taken {
        format!("{module}_job")
    } else if is_name {
        module
    } else {
        format!("job_{module}")
    }
}
