"""What the long-running commands share."""

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hushgate.cli.run import name_process, prepare, wants_colours, writes_to_journal
from hushgate.errors import ConfigError

from .conftest import CLIENT, SERVER

Write = Callable[[str, str], Path]


def test_prepare(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write("server.toml", SERVER.replace('token = "', 'token = " '))
    loaded = prepare(path, "server", "info")
    assert loaded.server is not None
    err = capsys.readouterr().err
    assert "warning" in err and "white space around the token" in err


def test_a_file_without_the_section_names_the_right_command(write: Write) -> None:
    path = write("client.toml", CLIENT)
    with pytest.raises(ConfigError) as caught:
        prepare(path, "server", "info")
    told = f"{path}: server: there is no such section, but [client]; run: hushgate client {path}"
    assert caught.value.problems == (told,)


def test_the_journal_is_recognised_by_device_and_inode() -> None:
    with tempfile.TemporaryFile("w") as stream:
        found = os.fstat(stream.fileno())
        assert writes_to_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not writes_to_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not writes_to_journal(stream, {})
    assert not writes_to_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_colours_are_for_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert wants_colours(Terminal(), {})
    assert not wants_colours(Terminal(), {"NO_COLOR": "1"})
    assert not wants_colours(io.StringIO(), {})


def test_the_process_is_named(tmp_path: Path) -> None:
    (tmp_path / "comm").write_text("python3\n")
    name_process(tmp_path / "comm")
    assert (tmp_path / "comm").read_text() == "hushgate"
    name_process(tmp_path / "no" / "comm")
