"""The files of the data path that a wheel may have compiled (docs/why/compiled.md)."""

import ast
import importlib
import os
import tomllib
from pathlib import Path

import pytest

from hushgate.cli.main import main

ROOT = Path(__file__).parent.parent
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
FILES = [ROOT / name.removeprefix("/") for name in HOOK["mypyc"]["include"]]
COMPILED = bool(os.environ.get("HUSHGATE_SOURCE"))


def test_what_is_tested_is_what_was_asked_for() -> None:
    """What an earlier build left in src/ would be imported in place of the source beside it."""
    for file in FILES:
        name = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
        assert str(importlib.import_module(name).__file__).endswith(".so" if COMPILED else ".py"), name


def test_version_tells(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out.endswith(" (compiled)\n") == COMPILED


def test_nothing_compiled_awaits() -> None:
    """mypyc's coroutines are not cancelled as Python's are."""
    for file in FILES:
        kinds = {type(node) for node in ast.walk(ast.parse(file.read_text()))}
        assert not kinds & {ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith}, file


def test_nothing_compiled_has_heirs_that_are_not() -> None:
    """A class of Python cannot inherit from a compiled one."""
    trees = {file: ast.parse(file.read_text()) for file in (ROOT / "src").rglob("*.py")}
    compiled = {name for file in FILES for name, bases in heirs(trees[file]) if "Protocol" not in bases}
    for file, tree in trees.items():
        if file not in FILES:
            assert [name for name, bases in heirs(tree) if bases & compiled] == [], file


def heirs(tree: ast.Module) -> list[tuple[str, set[str]]]:
    """The classes of a file, and the names of what they inherit from."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return [(node.name, {base.id for base in node.bases if isinstance(base, ast.Name)}) for node in found]
