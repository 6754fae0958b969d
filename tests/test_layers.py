"""Imports point downward only. Every edge that is missing below is missing for a reason, which the failure prints."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "hushgate"
FILES = sorted(SOURCE.rglob("*.py"))

# From the bottom to the top; a part may import what stands beside it here and nothing else: whole parts, or single
# modules of one. `hushgate` is the package itself: its version.
MAY_IMPORT = {
    "hushgate": "",
    "errors": "",
    "log": "",
    "tasks": "log",
    "protocol": "errors",
    "config": "errors protocol",
    "guard": "errors protocol config.model",
    "transports": "errors log tasks protocol config.model",
    "edge": "errors protocol config.model",
    "link": "errors log tasks protocol config.model transports",
    "ops": "errors log tasks config transports",
    "mcp": "errors log tasks protocol config.model transports edge",
    "doctor": "",
    "uplink": "errors log tasks protocol config.model transports link",
    "client": "errors log tasks protocol config transports edge link mcp ops uplink",
    "access": "errors log tasks protocol config link ops uplink",
    "server": "errors log tasks protocol config guard transports edge link ops",
    "cli": "hushgate errors log protocol config transports.tls doctor client access server",
    "__main__": "cli",
}

# Why a part must not be imported by the parts named, or by any other ("*") that may not.
REASONS = {
    ("protocol", "*"): "the core takes bytes, time and randomness as arguments and knows nobody who has them",
    ("guard", "config"): "whom it lets in are values of config.model, so that it can judge without a file",
    ("guard", "*"): "a verdict is a function of what it is told, so that it can be tested without a server",
    ("edge", "config"): "rules are values of config.model, so that they can be judged by without a file",
    ("edge", "*"): "what strangers see is a function of their bytes and the time",
    ("config", "*"): "configuration is read at the top and handed down as values; it starts nothing",
    ("transports", "config"): "a pipe takes values of config.model, so that it can run without a file",
    ("transports", "*"): "transports move bytes and do not know whose",
    ("link", "config"): "a link is driven by values of config.model, so that it can run without a file",
    ("link", "guard"): "who may come in is decided before there is a link",
    ("link", "*"): "a link knows its mux and its pipe, not the program around it",
    ("ops", "protocol"): "signals, files and the event loop are the process's business, whatever it carries",
    ("ops", "*"): "what a program does with its process is the same for every program",
    ("mcp", "link"): "a stdio service answers HTTP on any pipe, and does not know who brought it",
    ("mcp", "*"): "a program and its sessions are what they are, whoever reaches them",
    ("doctor", "*"): "it looks from outside, as any client would, and shares nothing with what it examines",
    ("uplink", "config"): "how a server is reached is a value of config.model, whoever dials",
    ("uplink", "*"): "home and laptop reach the server alike, so it knows neither",
    ("client", "access"): "what a laptop does is none of home's business, and the reverse",
    ("access", "client"): "what a laptop does is none of home's business, and the reverse",
    ("access", "server"): "a laptop must run where the server's code is not wanted",
    ("client", "server"): "home must run where the server's code is not wanted, and the reverse",
    ("server", "client"): "home must run where the server's code is not wanted, and the reverse",
    ("client", "guard"): "home has no door; it judges the server by its proofs, in protocol",
    ("cli", "*"): "a command parses its arguments and hands over; only a program's own root assembles it",
    ("*", "cli"): "nothing may depend on being started from a command line",
    ("*", "*"): "leaves are imported by everybody, so they may import nobody",
}

# Sans-IO: no clock, no randomness, no socket, no log, no environment. `nacl` computes; `datetime` is used to
# parse, never to ask for the time (test_nobody_asks_for_the_time).
PURE = (
    "protocol",
    "guard",
    "edge",
    "config/model.py",
    "link/waiting.py",
    "uplink/backoff.py",
    "client/alias.py",
    *(f"mcp/{name}.py" for name in ("lines", "messages", "reply", "requests", "session", "shared")),
)
IMPURE = {"asyncio", "socket", "ssl", "select", "time", "secrets", "random", "os", "logging", "threading", "subprocess"}
IMPURE_REASON = "it is sans-IO: clock, randomness and bytes come in as arguments"


def part(path: Path) -> str:
    """The entry of MAY_IMPORT that a file belongs to."""
    name = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "hushgate" if name == "__init__" else name


def imports(source: str, package: tuple[str, ...] = ("hushgate",)) -> Iterator[str]:
    """The full names of what a module of `package` imports, at any depth; `from . import x` is resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, (above, node.module)))
            yield from (f"{base}.{alias.name}" for alias in node.names) if base == "hushgate" else (base,)


def imported_modules(source: str, package: tuple[str, ...] = ("hushgate",)) -> set[tuple[str, str]]:
    """Part and module of everything of ours that is imported; the module is empty where the part itself is."""
    names = [(*name.split("."), "", "") for name in imports(source, package) if name.split(".")[0] == "hushgate"]
    return {(name[1], name[2]) if name[1] in MAY_IMPORT else ("hushgate", "") for name in names}


def reason(importer: str, imported: str) -> str:
    keys = ((importer, imported), ("*", imported), (importer, "*"), ("*", "*"))
    return next(REASONS[key] for key in keys if key in REASONS)


def allowed(importer: str, imported: str, module: str) -> bool:
    return importer == imported or bool({imported, f"{imported}.{module}"} & set(MAY_IMPORT[importer].split()))


def is_pure(path: Path) -> bool:
    name = path.relative_to(SOURCE).as_posix()
    return any(name == pure or name.startswith(pure + "/") for pure in PURE)


PURE_FILES = [path for path in FILES if is_pure(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_downward(path: Path) -> None:
    package = ("hushgate", *path.relative_to(SOURCE).parent.parts)
    here = part(path)
    modules = sorted(imported_modules(path.read_text(), package))
    told = [
        f"{here} imports {other}: {reason(here, other)}" for other, name in modules if not allowed(here, other, name)
    ]
    assert not told, "\n".join(told)


def test_the_table_has_no_cycle() -> None:
    seen: set[str] = set()
    for name, below in MAY_IMPORT.items():
        assert {entry.split(".")[0] for entry in below.split()} <= seen, (
            f"{name} is listed before something it may import"
        )
        seen.add(name)
    for importer, other in REASONS:
        assert {importer, other} <= seen | {"*"}
        assert importer == "*" or other not in MAY_IMPORT[importer].split()


def test_the_whole_tree_is_in_the_table() -> None:
    assert {part(path) for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from hushgate.link.link import Link", {("link", "link")}),
        ("import hushgate.link.routes", {("link", "routes")}),
        ("from hushgate import link, __version__", {("link", ""), ("hushgate", "")}),
        ("from ..link import link", {("link", "")}),
        ("from .. import link", {("link", "")}),
        ("from .frames import Type", {("protocol", "frames")}),
        ("def f():\n    from hushgate.server import app", {("server", "")}),
        ("import asyncio, h11", set()),
    ],
)
def test_no_spelling_hides_an_import(source: str, expected: set[tuple[str, str]]) -> None:
    assert imported_modules(source, ("hushgate", "protocol")) == expected


@pytest.mark.parametrize(
    ("importer", "imported", "module", "verdict"),
    [
        ("link", "protocol", "mux", True),
        ("link", "config", "model", True),
        ("link", "config", "load", False),
        ("link", "config", "", False),
        ("link", "server", "app", False),
        ("protocol", "link", "link", False),
        ("cli", "hushgate", "", True),
        ("tasks", "hushgate", "", False),
    ],
)
def test_a_part_may_import_what_the_table_says(importer: str, imported: str, module: str, verdict: bool) -> None:
    assert allowed(importer, imported, module) is verdict


@pytest.mark.parametrize("path", PURE_FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_the_pure_parts_do_no_input_or_output(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path.read_text())} & IMPURE
    assert not found, f"{path.relative_to(ROOT)} imports {', '.join(sorted(found))}: {IMPURE_REASON}"


@pytest.mark.parametrize("path", PURE_FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_nobody_asks_for_the_time(path: Path) -> None:
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    asked = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not asked & clocks


def test_only_tasks_creates_tasks() -> None:
    """The linter sees `asyncio.create_task`; this sees the loop's own method as well."""
    makers = {"create_task", "ensure_future", "TaskGroup"}
    found = [
        path.relative_to(SOURCE).as_posix()
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in makers
    ]
    assert found == ["tasks.py"]


@pytest.mark.parametrize(
    "name", ["protocol.mux", "protocol.hello", "protocol.websocket", "guard.proofs", "config.model"]
)
def test_the_core_is_imported_without_an_event_loop(name: str) -> None:
    """Not even by a library of ours: the core must be usable by whoever has another loop, or none."""
    code = f"import sys, hushgate.{name}; print(*({{'asyncio', 'ssl', 'uvloop'}} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "src")})
    assert loaded.stdout == "\n"
