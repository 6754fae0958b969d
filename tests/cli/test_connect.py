"""`hushgate connect`: which file, which services, on which ports."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from hushgate.access import app, connect
from hushgate.cli.connect import default_file, parse_port
from hushgate.config.model import AccessConfig, Address
from hushgate.errors import ConfigError

from .conftest import ACCESS, SERVER, Run

Write = Callable[[str, str], Path]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What would have been run: a service on standard input and output, or ports."""
    calls: list[object] = []

    def stdio(config: AccessConfig, service: str) -> int:
        calls.append((service, list(config.services)))
        return 7

    def ports(config: AccessConfig) -> int:
        calls.append({name: service.bind for name, service in config.services.items()})
        return 7

    monkeypatch.setattr(connect, "run", stdio)
    monkeypatch.setattr(app, "run_ports", ports)
    return calls


@pytest.mark.parametrize(
    ("arguments", "run_with"),
    [
        (["ssh", "--stdio"], ("ssh", ["ssh"])),
        (["ssh"], {"ssh": Address("127.0.0.1", 2222)}),
        (["ssh", "-L", "2022"], {"ssh": Address("127.0.0.1", 2022)}),
        (["ollama", "-L", "[::1]:1"], {"ollama": Address("::1", 1)}),
        (
            ["ssh", "-L", "11434:ollama"],
            {"ssh": Address("127.0.0.1", 2222), "ollama": Address("127.0.0.1", 11434)},
        ),
        (
            ["-L", "1:ssh", "-L", "127.0.0.2:2:ollama"],
            {"ssh": Address("127.0.0.1", 1), "ollama": Address("127.0.0.2", 2)},
        ),
    ],
)
def test_what_is_asked_for_is_run(
    run: Run, write: Write, started: list[object], arguments: list[str], run_with: object
) -> None:
    assert run("connect", *arguments, "--file", write("access.toml", ACCESS)).code == 7
    assert started == [run_with]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a service"),
        (["--stdio"], "--stdio carries one service"),
        (["ssh", "--stdio", "-L", "1"], "--stdio carries one service"),
        (["ollama"], "ollama has no bind_addr"),
        (["-L", "1"], "for which service? write -L 1:SERVICE"),
        (["-L", "1:ssh", "-L", "2:ssh"], "ssh has a port already"),
        (["-L", "x:ssh"], "[ADDR:]PORT[:SERVICE] is expected"),
        (["mcp", "--stdio"], "there is no service mcp; it has ssh, ollama"),
        (["-L", "1:mcp"], "there is no service mcp"),
    ],
)
def test_what_cannot_be_run_is_a_sentence(
    run: Run, write: Write, started: list[object], arguments: list[str], said: str
) -> None:
    outcome = run("connect", *arguments, "--file", write("access.toml", ACCESS))
    assert (outcome.code, started) == (2, [])
    assert said in outcome.err


def test_a_file_of_another_program_is_told_apart(run: Run, write: Write) -> None:
    outcome = run("connect", "ssh", "--stdio", "--file", write("server.toml", SERVER))
    assert outcome.code == 2
    assert "there is no such section, but [server]" in outcome.err


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("2222", (Address("127.0.0.1", 2222), "ssh")),
        ("0.0.0.0:2222", (Address("0.0.0.0", 2222), "ssh")),
        ("2222:web", (Address("127.0.0.1", 2222), "web")),
        ("2222:8080", (Address("127.0.0.1", 2222), "8080")),
        ("localhost:1:web", (Address("localhost", 1), "web")),
        ("[::1]:1:web", (Address("::1", 1), "web")),
    ],
)
def test_ports(written: str, asked: object) -> None:
    assert parse_port(written, "ssh") == asked


@pytest.mark.parametrize("written", ["", ":", "web", "a:b:c", "1:", "70000"])
def test_ports_that_are_none(written: str) -> None:
    with pytest.raises(click.UsageError):
        parse_port(written, "ssh")


def test_the_file_that_is_read_without_one_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own, everybody = tmp_path / ".config" / "hushgate" / "access.toml", tmp_path / "access.toml"
    with pytest.raises(ConfigError, match=f"neither {own} nor {everybody}; write one"):
        default_file({}, everybody)
    everybody.touch()
    assert default_file({}, everybody) == default_file({"HUSHGATE_ACCESS": ""}, everybody) == everybody
    own.parent.mkdir(parents=True)
    own.touch()
    assert default_file({}, everybody) == own
    assert default_file({"XDG_CONFIG_HOME": str(tmp_path)}, everybody) == everybody
    assert default_file({"HUSHGATE_ACCESS": "mine.toml", "XDG_CONFIG_HOME": str(tmp_path)}) == Path("mine.toml")
