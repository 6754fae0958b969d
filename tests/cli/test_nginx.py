"""`hushgate nginx`."""

from collections.abc import Callable
from pathlib import Path

from .conftest import CLIENT, SERVER, Run

Write = Callable[[str, str], Path]


def test_the_blocks(run: Run, write: Write) -> None:
    outcome = run("nginx", write("server.toml", SERVER + 'type = "http"\nhostname = "ssh.example.org"\n'))
    assert outcome.code == 0 and "server_name ssh.example.org;" in outcome.out


def test_files_that_need_none(run: Run, write: Write) -> None:
    for text, reason in ((SERVER, "nginx needs no more blocks"), (CLIENT, "has no [server]")):
        outcome = run("nginx", write("file.toml", text))
        assert (outcome.code, outcome.out) == (2, "") and reason in outcome.err
