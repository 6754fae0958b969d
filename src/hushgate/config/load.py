"""A configuration file to a `Loaded`, or every problem at once as `file: section.key: reason and what to write`."""

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hushgate.config.access import read_access
from hushgate.config.client import read_client
from hushgate.config.model import Loaded
from hushgate.config.secrets import Tokens
from hushgate.config.server import read_server
from hushgate.config.table import Report, Table
from hushgate.errors import ConfigError

_READING: Final[dict[type[OSError], str]] = {
    FileNotFoundError: "name a configuration file that exists",
    PermissionError: "this user may not; run it as the file's owner, or give the file to this user",
}


def load(path: Path, environ: Mapping[str, str], *, platform: str = sys.platform) -> Loaded:
    """What the file means. Raises ConfigError with all its problems."""
    loaded, problems = examine(path, environ, platform=platform)
    if problems:
        raise ConfigError(problems)
    return loaded


def examine(path: Path, environ: Mapping[str, str], *, platform: str = sys.platform) -> tuple[Loaded, list[str]]:
    """As `load`, with the problems beside it; with any the sections are None, warnings and hints are there still."""
    report = Report(str(path))
    server = client = access = None
    files: list[Path] = [path]
    document = _document(path, report)
    if document is not None:
        values, mode = document
        root = Table(values, "", report)
        base = path.absolute().parent
        tokens = Tokens(report, environ, base, posix=platform != "win32")
        server_table, client_table, access_table = (root.table(name) for name in ("server", "client", "access"))
        if server_table is not None:
            server = read_server(server_table, tokens, base)
        if client_table is not None:
            client = read_client(client_table, tokens, base, platform)
        if access_table is not None:
            access = read_access(access_table, tokens, base)
        if not root.ask("server", "client", "access"):
            report.problem("", "the file has no section; it must hold [server], [client] or [access]")
        root.done()
        tokens.done(path, mode)
        files += tokens.files
    if report.problems:
        server = client = access = None
    warnings, hints, files_read = tuple(report.warnings), tuple(report.hints), tuple(dict.fromkeys(files))
    loaded = Loaded(path, server, client, access, warnings, hints, files_read)
    return loaded, report.problems


def _document(path: Path, report: Report) -> tuple[dict[str, object], int] | None:
    """The parsed TOML and the file's st_mode."""
    try:
        with path.open("rb") as file:
            raw = file.read()
            mode = path.stat().st_mode
    except OSError as error:
        advice = _READING.get(type(error), "name a configuration file")
        report.problem("", f"cannot be read: {error.strerror}; {advice}")
        return None
    try:
        # A byte order mark is what some Windows editors leave; TOML knows none.
        return tomllib.loads(raw.decode("utf-8-sig").replace("\r\n", "\n")), mode
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        report.problem("", f"line {line}: is not UTF-8 text; save the file as UTF-8")
    except tomllib.TOMLDecodeError as error:
        report.problem("", _toml_reason(str(error), raw))
    return None


def _toml_reason(message: str, raw: bytes) -> str:
    """`line 3, column 7: reason`, out of tomllib's `Reason (at line 3, column 7)`. The line stays unseen: tokens."""
    reason, _, place = message.rpartition(" (at ")
    if found := re.fullmatch(r"line (\d+), column (\d+)\)", place):
        where = f"line {found[1]}, column {found[2]}"
    else:
        lines = raw.rstrip().split(b"\n")
        where = f"line {len(lines)}, column {len(lines[-1]) + 1}"
    tail = "; text stands in quotes" if reason.startswith(("Invalid value", "Expected newline")) else ""
    return f"{where}: {reason[:1].lower()}{reason[1:]}{tail}"
