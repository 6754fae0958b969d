"""Finding the command, the error printer, help, and how little is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hushgate import __version__, errors
from hushgate.cli import check
from hushgate.cli.main import COMMANDS, cli

from .conftest import Run

EXIT_CODES = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text(encoding="utf-8")


def python(*args: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *args], input=stdin, capture_output=True, text=True, timeout=30, check=False)


def test_help_tells_a_newcomer_where_to_begin(run: Run) -> None:
    for args in (["--help"], ["-h"]):
        outcome = run(*args)
        assert outcome.code == 0
        for words in ("On the VPS", "hushgate client client.toml", "hushgate token new", "Exit codes:"):
            assert words in outcome.out


@pytest.mark.parametrize("name", [str(command.name) for command in COMMANDS])
def test_every_command_has_help(run: Run, name: str) -> None:
    outcome = run(name, "--help")
    assert outcome.code == 0
    assert f"Usage: hushgate {name}" in outcome.out
    assert f"  {name} " in run("--help").out


@pytest.mark.parametrize("group", [(), ("config",), ("doctor",), ("token",)])
def test_no_command_is_described_in_half_a_sentence(run: Run, group: tuple[str, ...]) -> None:
    assert "..." not in run(*group, "--help").out.partition("Commands:")[2]


def test_exit_codes_stand_in_help_and_page(run: Run) -> None:
    for kind in (errors.UserError, errors.ConfigError, errors.AuthError, errors.UnreachableError, errors.SystemFault):
        assert f"\n| {kind.exit_code} | " in EXIT_CODES
        assert f"\n    {kind.exit_code}  " in run("--help").out


def test_version(run: Run) -> None:
    code, out, err = run("--version")
    assert (code, out.removesuffix(" (compiled)\n").rstrip("\n"), err) == (0, f"hushgate {__version__}", "")


def test_no_arguments_is_help(run: Run) -> None:
    outcome = run()
    assert outcome.code == 2
    assert "Usage: hushgate" in outcome.err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["chekc"], "'chekc' is neither a command nor a file. Did you mean check?"),
        (["zzzz"], "See hushgate --help."),
        (["--nonsense"], "No such option"),
        (["server"], "Missing argument 'FILE'"),
        (["server", "x.toml", "--log-level", "loud"], "Invalid value for '--log-level'"),
    ],
)
def test_wrong_usage(run: Run, args: list[str], told: str) -> None:
    outcome = run(*args)
    assert outcome.code == 2
    assert told in outcome.err


@pytest.mark.parametrize(
    "error",
    [
        errors.UserError("a"),
        errors.ConfigError(["a", "b"]),
        errors.AuthError("a"),
        errors.UnreachableError("a"),
        errors.SystemFault("a"),
    ],
)
def test_a_user_error_is_its_sentence_and_its_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: errors.UserError
) -> None:
    def fail(_files: object) -> int:
        raise error

    monkeypatch.setattr(check, "run", fail)
    assert run("check", "x") == (error.exit_code, "", f"{error}\n")


def test_a_bug_is_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "run", lambda _files: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        run("check", "x")


def test_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_files: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "run", interrupt)
    assert run("check", "x").code == 130


def test_the_group_works_under_clicks_own_runner() -> None:
    result = CliRunner().invoke(cli, ["token", "new"])
    assert result.exit_code == 0
    assert len(result.output) == 65


def test_python_dash_m(tmp_path: Path) -> None:
    outcome = python("-m", "hushgate", str(tmp_path / "none.toml"))
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert "none.toml: cannot be read: No such file or directory" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_programs_import_no_more_than_they_need() -> None:
    """Each of these would cost an idle server a megabyte or more (docs/why/memory.md)."""
    code = """
import sys
import hushgate.client.app, hushgate.cli.main, hushgate.cli.run, hushgate.server.app
print(sorted({"cryptography", "email", "importlib.metadata", "noise", "websockets"} & set(sys.modules)))
"""
    assert python("-c", code).stdout == "[]\n"


def test_cheap_commands_import_little() -> None:
    code = """
import sys
from hushgate.cli.main import main
for args in (["token", "new"], ["--help"], ["completion", "bash"]):
    main(args)
heavy = {"asyncio", "uvloop", "nacl", "ssl", "websockets", "h11"}
print("HEAVY", sorted(heavy & set(sys.modules)))
"""
    outcome = python("-c", code)
    assert outcome.stdout.splitlines()[-1] == "HEAVY []", outcome.stderr
