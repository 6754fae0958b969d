"""`hushgate server`, `client`, `access`, `FILE`: which program is started, with what."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from hushgate.cli import several

from .conftest import ACCESS, CLIENT, SERVER, Run

Write = Callable[[str, str], Path]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Stands in for the programs themselves; each records its name and the file it was given and returns 7."""
    calls: list[tuple[str, str]] = []
    for package, name in (("server", "app"), ("client", "app"), ("client", "probe"), ("access", "app")):
        full = f"hushgate.{package}.{name}"

        def run(loaded: object, full: str = full) -> int:
            calls.append((full, cast(SimpleNamespace, loaded).path.name))
            return 7

        module = cast(ModuleType, SimpleNamespace(run=run))
        monkeypatch.setitem(sys.modules, full, module)
        monkeypatch.setattr(importlib.import_module(f"hushgate.{package}"), name, module, raising=False)
    return calls


@pytest.mark.parametrize(
    ("args", "text", "program"),
    [
        (["server", "FILE"], SERVER, "server.app"),
        (["client", "FILE"], CLIENT, "client.app"),
        (["client", "FILE", "--probe"], CLIENT, "client.probe"),
        (["FILE"], SERVER, "server.app"),
        (["FILE", "--log-level", "debug"], CLIENT, "client.app"),
        (["run", "FILE"], CLIENT, "client.app"),
        (["server", "FILE"], SERVER + CLIENT, "server.app"),
        (["access", "FILE"], ACCESS, "access.app"),
        (["FILE"], ACCESS, "access.app"),
    ],
)
def test_program(
    run: Run, write: Write, started: list[tuple[str, str]], args: list[str], text: str, program: str
) -> None:
    path = write("home", text)
    assert run(*(path if arg == "FILE" else arg for arg in args)).code == 7
    assert started == [(f"hushgate.{program}", "home")]


def test_a_broken_file_starts_nothing(run: Run, write: Write, started: list[tuple[str, str]]) -> None:
    path = write("server.toml", SERVER + "colour = 1\n")
    for args in ([path], ["server", path], ["client", path]):
        outcome = run(*args)
        assert outcome.code == 2
        assert outcome.err.startswith(f"{path}: server.services.ssh.colour: unknown key")
    assert not started


def test_every_section_is_a_process(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def supervise(given: list[list[str]]) -> int:
        commands.extend(given)
        return 0

    monkeypatch.setattr(several, "supervise", supervise)
    path = write("all.toml", SERVER + CLIENT + ACCESS)
    assert run(path, "--log-level", "debug").code == 0
    assert [command[-4:] for command in commands] == [
        [section, str(path), "--log-level", "debug"] for section in ("server", "client", "access")
    ]
