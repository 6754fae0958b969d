"""What is printed for clients: parsed and executed as they would, and never with a key in it."""

import json
import os
import shlex
import subprocess

import pytest

from .conftest import Run

URL = "https://mcp.example.org/mcp"
ALL = ("claude", "mcp-json", "vscode", "ollama", "openai")


def variables(text: str) -> dict[str, str]:
    """What a shell makes of it, when HUSHGATE_KEY is there."""
    environ = {"PATH": os.environ["PATH"], "HUSHGATE_KEY": 'a "key"'}
    done = subprocess.run(["sh", "-euc", text + "env"], capture_output=True, text=True, check=True, env=environ)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_claude(run: Run) -> None:
    comment, line = run("config", "claude", URL).out.splitlines()
    assert comment.startswith("#")
    assert shlex.split(line) == [
        *("claude", "mcp", "add", "--transport", "http", "home", URL),
        *("--header", "Authorization: Bearer ${HUSHGATE_KEY}"),
    ]
    bare = run("config", "claude", URL, "--no-key", "--name", "files").out
    assert bare == f"claude mcp add --transport http files {URL}\n"


def test_mcp_json(run: Run) -> None:
    found = json.loads(run("config", "mcp-json", URL + "/").out)
    headers = {"Authorization": "Bearer ${HUSHGATE_KEY}"}
    assert found == {"mcpServers": {"home": {"type": "http", "url": URL, "headers": headers}}}
    assert "headers" not in run("config", "mcp-json", URL, "--no-key").out


def test_vscode(run: Run) -> None:
    found = json.loads(run("config", "vscode", URL, "--name", "files").out)
    assert found["inputs"][0]["password"] is True
    key = found["inputs"][0]["id"]
    assert found["servers"]["files"]["headers"] == {"Authorization": f"Bearer ${{input:{key}}}"}
    assert set(json.loads(run("config", "vscode", URL, "--no-key").out)) == {"servers"}


def test_ollama(run: Run) -> None:
    found = variables(run("config", "ollama", "https://ollama.example.org/").out)
    assert found["OLLAMA_HOST"] == "https://ollama.example.org"
    assert found["OLLAMA_API_KEY"] == 'a "key"'
    assert "OLLAMA_API_KEY" not in variables(run("config", "ollama", "http://localhost:1", "--no-key").out)


@pytest.mark.parametrize("url", ["https://ollama.example.org", "https://ollama.example.org/v1"])
def test_openai(run: Run, url: str) -> None:
    found = variables(run("config", "openai", url).out)
    assert found["OPENAI_BASE_URL"] == "https://ollama.example.org/v1"
    assert found["OPENAI_API_KEY"] == 'a "key"'
    assert variables(run("config", "openai", url, "--no-key").out)["OPENAI_API_KEY"] == "none"


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mcp.example.org", "is no URL"),
        ("ftp://mcp.example.org/", "is no URL"),
        ("https://h:x/", "is no URL"),
        ("https://h/ $(id)", "is no URL"),
        ("https://user:secret@h/", "keys stand in HUSHGATE_KEY"),
        ("https://h/?key=1", "keys stand in HUSHGATE_KEY"),
        ("http://mcp.example.org/", "everybody on the way"),
    ],
)
def test_urls_that_are_refused(run: Run, kind: str, url: str, told: str) -> None:
    result = run("config", kind, url)
    assert result.code == 2
    assert told in " ".join(result.err.split())


def test_a_url_is_nothing_to_a_shell(run: Run) -> None:
    url = "https://h/a;$(id)'\"`id`"
    assert variables(run("config", "ollama", url).out)["OLLAMA_HOST"] == url
    assert shlex.split(run("config", "claude", url).out, comments=True)[6] == url


def test_names_are_names(run: Run) -> None:
    assert run("config", "claude", URL, "--name", "a b").code == 2
    assert run("config", "claude", URL, "--name", "--force").code == 2


def test_no_key_is_ever_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSHGATE_KEY", "the real key")
    for kind in ALL:
        assert "the real key" not in run("config", kind, URL).out
