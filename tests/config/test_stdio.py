"""Services that are programs: `command` and what belongs to it."""

from pathlib import Path

import pytest

from hushgate.config.load import examine
from hushgate.config.model import McpRules, Secret, Stdio

FILE = """
[client]
remote_addr = "wss://tunnel.example.org/"
[client.services.files]
token = "a token that is long enough"
"""


def read(tmp_path: Path, lines: str, platform: str = "linux") -> tuple[Stdio | None, list[str]]:
    file = tmp_path / "client.toml"
    file.write_text(FILE + lines)
    file.chmod(0o600)
    loaded, problems = examine(file, {"HOME_KEY": "from outside"}, platform=platform)
    found = loaded.client.services["files"].stdio if loaded.client else None
    return found, [problem.split(": ", 1)[1] for problem in problems]


def test_a_command(tmp_path: Path) -> None:
    stdio, problems = read(tmp_path, 'command = ["npx", "-y", "PACKAGE", "."]')
    assert (stdio, problems) == (Stdio(("npx", "-y", "PACKAGE", ".")), [])


def test_windows_starts_none(tmp_path: Path) -> None:
    """asyncio's selector loop, which alone can watch sockets, starts no programs there."""
    _, [problem] = read(tmp_path, 'command = ["server"]', "win32")
    assert problem == (
        "client.services.files.command: no program can be started on Windows; let the service listen, and write "
        "local_addr"
    )


def test_a_gateway_in_front_of_a_program(tmp_path: Path) -> None:
    _, [problem] = read(tmp_path, 'command = ["server"]\ntype = "http"\ngateway = true')
    assert "has nothing to do for a program" in problem


def test_everything(tmp_path: Path) -> None:
    lines = f"""
    command = ["server"]
    env = {{ API_KEY = "${{HOME_KEY}}", "odd.name" = "1" }}
    cwd = "{tmp_path.name}/.."
    idle = "5m"
    sessions = 3
    """
    (tmp_path / tmp_path.name).mkdir()
    stdio, problems = read(tmp_path, lines)
    assert problems == []
    assert stdio == Stdio(
        ("server",),
        (("API_KEY", Secret("from outside")), ("odd.name", Secret("1"))),
        tmp_path / tmp_path.name / "..",
        300.0,
        3,
    )
    assert "from outside" not in repr(stdio)


def test_a_program_has_rules_whatever_its_type(tmp_path: Path) -> None:
    for kind in ("", 'type = "http"'):
        file = tmp_path / "client.toml"
        file.write_text(f'{FILE}command = ["a"]\n{kind}\nprofile = "mcp"\nread_only = true')
        file.chmod(0o600)
        loaded, problems = examine(file, {}, platform="linux")
        assert problems == []
        assert loaded.client is not None
        service = loaded.client.services["files"]
        assert (service.rules, service.gateway) == (McpRules(read_only=True), False)


@pytest.mark.parametrize(
    ("lines", "key", "told"),
    [
        ('command = "npx -y PACKAGE"', ".command", "a word for each argument"),
        ('command = ["a"]\nprofile = "ollama"', ".profile", 'is "mcp" for a program'),
        ("command = []", ".command", "is empty"),
        ('command = ["a", ""]', ".command", "is empty"),
        ('command = ["a"]\nlocal_addr = "127.0.0.1:1"', ".local_addr", "keep one of the two"),
        ('command = ["a"]\nenv = { K = "${NOT_SET}" }', ".env.K", "NOT_SET is not set"),
        ('command = ["a"]\nenv = { "A=B" = "1" }', ".env", "no environment variable can have"),
        ('command = ["a"]\ncwd = "nowhere"', ".cwd", "there is no directory"),
        ('command = ["a"]\nidle = 0', ".idle", "longer than nothing"),
        ('command = ["a"]\nsessions = 0', ".sessions", "at least 1"),
        ('local_addr = "127.0.0.1:1"\nidle = "5m"', ".idle", "belongs to a service with command"),
    ],
)
def test_problems(tmp_path: Path, lines: str, key: str, told: str) -> None:
    _, problems = read(tmp_path, lines)
    (problem,) = problems
    assert problem.startswith(f"client.services.files{key}: ")
    assert told in problem
