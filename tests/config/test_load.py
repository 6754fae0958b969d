"""Whole files."""

import errno
from pathlib import Path
from typing import NoReturn

import pytest

from hushgate.config.load import load
from hushgate.config.model import Address, Remote
from hushgate.errors import ConfigError

from . import article
from .conftest import Read


def test_the_articles_server_file(read: Read) -> None:
    loaded, problems = read(article.filled(article.SERVER))
    assert not problems and not loaded.warnings and loaded.server is not None and loaded.client is None
    assert loaded.server.bind == Address("127.0.0.1", 8443)
    assert loaded.server.certificate is None
    assert {name: service.tokens[0].reveal() for name, service in loaded.server.services.items()} == article.TOKENS
    assert [service.bind for service in loaded.server.services.values()] == [
        Address("127.0.0.1", 2222),
        Address("127.0.0.1", 11434),
        Address("127.0.0.1", 3000),
    ]
    assert len(loaded.hints) == 3


def test_the_articles_client_file(read: Read) -> None:
    loaded, problems = read(article.filled(article.CLIENT))
    assert not problems and not loaded.warnings
    assert len(loaded.hints) == 1 and 'profile = "ollama"' in loaded.hints[0]
    assert loaded.client is not None and loaded.server is None
    assert loaded.client.remote == Remote("wss", "tunnel.example.org", 443, "/")
    assert {name: service.token.reveal() for name, service in loaded.client.services.items()} == article.TOKENS
    assert [service.visitor_alias for service in loaded.client.services.values()] == [True, False, False]


def test_the_articles_files_as_printed_show_every_placeholder(read: Read) -> None:
    assert [problem.split(": ")[0] for problem in read(article.SERVER)[1]] == [
        "server.services.ssh.token",
        "server.services.ollama.token",
        "server.services.mcp.token",
    ]
    assert [problem.split(": ")[0] for problem in read(article.CLIENT)[1]] == [
        "client.remote_addr",
        "client.services.ssh.token",
        "client.services.ollama.token",
        "client.services.mcp.token",
    ]


def test_both_sections_and_windows_line_ends(read: Read) -> None:
    text = "\ufeff" + article.filled(article.SERVER + article.CLIENT).replace("\n", "\r\n")
    loaded, problems = read(text)
    assert not problems and loaded.server is not None and loaded.client is not None


def test_the_same_file_is_equal_and_a_changed_service_is_not(read: Read) -> None:
    text = article.filled(article.SERVER)
    first, second = read(text)[0], read(text.replace("3000", "3001") + "# changed\n")[0]
    assert first == read(text + "# a comment\n")[0]
    assert first.server is not None and second.server is not None
    assert first != second
    assert [name for name in first.server.services if first.server.services[name] != second.server.services[name]] == [
        "mcp"
    ]


def test_load_raises_with_all_problems(tmp_path: Path) -> None:
    path = tmp_path / "both.toml"
    path.write_text(article.SERVER + article.CLIENT)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert len(caught.value.problems) == 7
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file has no section; it must hold [server], [client] or [access]"),
        ("[servr]\n", "servr: unknown key; did you mean server?"),
        ("server = 1\n", "server: must be a table, [server], not a number"),
        ("[server]\nbind_addr = 127.0.0.1:8443\n", "line 2, column "),
        ("[server]\nbind_addr = 127.0.0.1:8443\n", "text stands in quotes"),
        ('[server]\nbind_addr = "x\n', "line 2, column 15: "),
        ("[server", "line 1, column 8: "),
        ("[server]\n[server]\n", "line 2, column "),
    ],
)
def test_files_that_are_wrong(read: Read, text: str, problem: str) -> None:
    _, problems = read(text)
    assert any(problem in found for found in problems), problems


@pytest.mark.parametrize("services", ["services = []", '[server.services]\nssh = "22"'])
def test_services_that_are_no_tables_are_not_called_empty_as_well(read: Read, services: str) -> None:
    loaded, [problem] = read(f'[server]\nbind_addr = "127.0.0.1:8443"\n{services}\n')
    assert "must be a table" in problem
    assert not loaded.hints


def test_a_broken_line_is_not_shown(read: Read) -> None:
    _, [problem] = read('[server.services.ssh]\ntoken = "verysecrettoken\n')
    assert "verysecret" not in problem


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})
    (tmp_path / "latin.toml").write_bytes(b"[server]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match="line 2: is not UTF-8 text"):
        load(tmp_path / "latin.toml", {})


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As seen by somebody who is not root."""

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"Permission denied; this user may not; run it as the file's owner"):
        load(tmp_path / "server.toml", {})
