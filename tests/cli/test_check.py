"""`hushgate check`."""

from collections.abc import Callable
from pathlib import Path

from .conftest import ACCESS, CLIENT, SERVER, Run

Write = Callable[[str, str], Path]


def test_a_good_file(run: Run, write: Write) -> None:
    path = write("both.toml", SERVER + CLIENT)
    outcome = run("check", path)
    assert outcome.code == 0
    assert outcome.out == f"{path}: good: server on 127.0.0.1:0 without TLS for ssh; client of wss://h:443/ for ssh\n"


def test_a_laptops_file(run: Run, write: Write) -> None:
    path = write("access.toml", ACCESS)
    outcome = run("check", path)
    hint, good = outcome.out.splitlines()
    assert (outcome.code, hint.startswith("hint: ")) == (0, True)
    assert good == f"{path}: good: access through wss://tunnel.example.org:443/ to ssh, ollama"


def test_every_problem_warning_and_hint_at_once(run: Run, write: Write) -> None:
    text = SERVER.replace("0.0.0.0:0", "127.0.0.1:2222").replace('token = "', 'token = " ') + "colour = 1\ncolor = 1\n"
    bad, good = write("bad.toml", text), write("good.toml", CLIENT)
    outcome = run("check", bad, good)
    assert outcome.code == 2
    lines = outcome.out.splitlines()
    assert [line.split(str(bad))[0] for line in lines[:-2]] == ["", "", "warning: ", "hint: "]
    assert lines[0].startswith(f"{bad}: server.services.ssh.colour: unknown key")
    assert "reachable on the VPS only" in lines[3]
    assert lines[-2:] == [f"{bad}: 2 problems", f"{good}: good: client of wss://h:443/ for ssh"]


def test_an_empty_services_table(run: Run, write: Write) -> None:
    path = write("server.toml", '[server]\nbind_addr = "127.0.0.1:1"\n[server.services]\n')
    assert "without TLS for no service" in run("check", path).out


def test_no_file_is_a_usage_error(run: Run) -> None:
    assert run("check").code == 2
