"""Running the command line in this process."""

import os
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from hushgate.cli.main import main
from tests.logs import reset_logs

TOKEN = "0123456789abcdef" * 4
SERVER = f'[server]\nbind_addr = "127.0.0.1:0"\n[server.services.ssh]\ntoken = "{TOKEN}"\nbind_addr = "0.0.0.0:0"\n'
ACCESS = """
[access]
remote_addr = "wss://tunnel.example.org/"
[access.services.ssh]
key = "an access key that nobody can guess"
bind_addr = "127.0.0.1:2222"
[access.services.ollama]
key = "another access key that nobody can guess"
"""
CLIENT = f'[client]\nremote_addr = "wss://h/"\n[client.services.ssh]\ntoken = "{TOKEN}"\nlocal_addr = "127.0.0.1:22"\n'


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("token", "new")`, with `stdin` for what the command reads."""

    def runner(*args: str | Path, stdin: str = "") -> Outcome:
        monkeypatch.setattr("sys.stdin", StringIO(stdin))
        code = main([str(arg) for arg in args])
        return Outcome(code, *capsys.readouterr())

    return runner


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def writer(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    return writer


@pytest.fixture(autouse=True)
def same_process() -> Iterator[None]:
    """What a command changes in this process is put back: the log's settings and the process's name."""
    comm = Path("/proc/self/comm")
    name = comm.read_text() if comm.exists() else None
    environ = dict(os.environ)
    yield
    reset_logs()
    if name is not None:
        comm.write_text(name)
    assert dict(os.environ).keys() - {"PYTEST_CURRENT_TEST"} == environ.keys() - {"PYTEST_CURRENT_TEST"}
