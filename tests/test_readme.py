"""README.md: its files are good, and every command in it is run as written by a test of tests/e2e."""

import ast
import re
from pathlib import Path

import pytest

from hushgate.config.httpkeys import key_hash
from hushgate.config.load import examine
from tests.readme import README, ROOT, SHELL, commands, put, snippets

PLACEHOLDERS = ("the first token", "the second token", "the third token", "the laptop's key")


def filled(text: str) -> str:
    """With a domain, tokens and a certificate, as the text says."""
    text = text.replace("/etc/letsencrypt/live/your-domain.com/", "").replace("your-domain.com", "example.org")
    text = text.replace("sha256:the hash", key_hash("the editor's key"))
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, placeholder.split()[1] * 8)
    assert '= "the ' not in text
    return text


def test_the_files_are_good(tmp_path: Path) -> None:
    """Also after each step of the text."""
    parts = snippets()
    server, private = parts.server, put(parts.private, parts.server)
    guarded = put(parts.guarded, private)
    access = put(parts.guarded_access, parts.access)
    servers = (server, put(parts.own_tls, server), private, guarded, put(parts.keyed, guarded))
    files = (*servers, parts.client, put(parts.program, parts.client), parts.access, access)
    for name in ("fullchain.pem", "privkey.pem"):
        (tmp_path / name).write_text("")
    for number, text in enumerate(files):
        file = tmp_path / f"{number}.toml"
        file.write_text(filled(text))
        file.chmod(0o600)
        loaded, problems = examine(file, {}, platform="linux")
        assert (problems, loaded.warnings) == ([], ())


def test_what_is_to_be_replaced_is_refused(tmp_path: Path) -> None:
    parts = snippets()
    text = put(parts.keyed, put(parts.private, parts.server))
    assert all(placeholder in text for placeholder in PLACEHOLDERS)
    file = tmp_path / "server.toml"
    file.write_text(text)
    _, problems = examine(file, {})
    assert len([problem for problem in problems if "is a placeholder" in problem]) == text.count('= "the ')
    assert any("keys" in problem and "hash" in problem for problem in problems), problems


def test_the_files_are_the_articles() -> None:
    """But for tokens, comments and empty lines."""

    def content(text: str) -> list[str]:
        lines = [re.sub(r'^token = ".*"', "token", line.split("#")[0].strip()) for line in text.splitlines()]
        return [line for line in lines if line]

    article = ROOT / "tests" / "e2e" / "article"
    assert content(snippets().server) == content((article / "server.toml").read_text())
    assert content(snippets().client) == content((article / "client.toml").read_text())


def test_it_begins_with_the_two_commands() -> None:
    first = next(SHELL.finditer(README))
    assert commands()[:2] == ["scripts/demo", "scripts/test"]
    assert first.start() < 600
    for script in ("demo", "test"):
        assert (ROOT / "scripts" / script).stat().st_mode & 0o111


def run_by_tests() -> set[str]:
    """What the tests of README.md give to a shell: the first argument of `as_written(…)`, which runs it."""
    found = set()
    for path in (ROOT / "tests" / "e2e").glob("*readme*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "as_written":
                [argument] = node.args
                assert isinstance(argument, ast.Constant), ast.unparse(node)
                found.add(str(argument.value))
    return found


def test_every_command_is_run_as_written() -> None:
    """scripts/test is what runs this test; CI ends with it."""
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec scripts/test"
    assert set(commands()) - run_by_tests() == {"scripts/test"}


@pytest.mark.parametrize(
    ("snippet", "text", "expected"),
    [
        ("[a.b]\nx = 2\n", "[a]\n\n[a.b]\nx = 1\ny = 1\n\n[c]\n", "[a]\n\n[a.b]\nx = 2\n\n[c]\n"),
        ("[a.b]\nx = 2\n", "[a]\n[a.b]\nx = 1", "[a]\n\n[a.b]\nx = 2\n"),
        ("[a.c]\nx = 2\n", "[a]\n\n[a.b]\nx = 1\n", "[a]\n\n[a.b]\nx = 1\n\n[a.c]\nx = 2\n"),
        ("[a]\n[[a.keys]]\n", "[a]\nx = 1\n\n[a.b]\n", "[a]\n\n[a.b]\n\n[[a.keys]]\n"),
    ],
)
def test_a_snippet_is_put_in_its_place(snippet: str, text: str, expected: str) -> None:
    assert put(snippet, text) == expected
