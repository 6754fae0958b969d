"""One connection on standard input and output, in a process of its own; and the sentence for each way it can fail."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hushgate.access.connect import Connection, explained
from hushgate.errors import UserError
from hushgate.protocol.frames import Code
from hushgate.protocol.stream import ByteStream
from hushgate.uplink.uplink import Uplink
from tests.aio import run
from tests.laptops import access_config
from tests.tunnel import QUICK, Tunnel, access_key, leave, tunnel, until


async def connect(made: Tunnel, folder: Path, service: str = "echo", which: str = "current", door: int = 0) -> Process:
    """`hushgate connect SERVICE --stdio` through the tunnel's relay."""
    path = folder / "access.toml"
    path.write_text(
        f'[access]\nremote_addr = "ws://127.0.0.1:{door or made.cutter.port}/"\n'
        f'[access.services.{service}]\nkey = "{access_key(service, which).reveal()}"\n'
    )
    path.chmod(0o600)
    command = [sys.executable, "-m", "hushgate", "connect", service, "--stdio", "--file", str(path)]
    environ = {"PYTHONPATH": ":".join(sys.path)}
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environ)


async def talk(process: Process, text: bytes) -> None:
    assert process.stdin and process.stdout
    process.stdin.write(text)
    assert await asyncio.wait_for(process.stdout.readexactly(len(text)), 20) == text


def test_only_the_connections_bytes_are_on_its_output_and_the_end_passes(tmp_path: Path) -> None:
    async def main() -> None:
        async with tunnel() as made:
            process = await connect(made, tmp_path)
            await talk(process, b"hello")
            made.cutter.cut()
            await talk(process, b"over another link")
            out, err = await asyncio.wait_for(process.communicate(b"the last"), 20)
            assert (out, err, process.returncode) == (b"the last", b"", 0)
            await until(lambda: made.empty, "everything to be freed")
            await until(lambda: len(made.server.sessions.table.sessions) == 1, "the laptop's session to end")

    run(main(), 60)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_at_once_and_its_session(name: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with tunnel() as made:
            process = await connect(made, tmp_path)
            await talk(process, b"hello")
            process.send_signal(signal.Signals[name])
            _, err = await asyncio.wait_for(process.communicate(), 20)
            assert (err, process.returncode) == (b"", 0)
            await until(lambda: len(made.server.sessions.table.sessions) == 1, "the laptop's session to end")

    run(main(), 60)


def test_a_signal_ends_it_while_it_connects(tmp_path: Path) -> None:
    async def main() -> None:
        arrived = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set()
            await reader.read()
            await leave(writer)

        async with tunnel() as made, await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            process = await connect(made, tmp_path, door=server.sockets[0].getsockname()[1])
            await asyncio.wait_for(arrived.wait(), 20)
            process.send_signal(signal.SIGHUP)
            _, err = await asyncio.wait_for(process.communicate(), 8)
            assert (err, process.returncode) == (b"", 0), "long before the server's time to answer is over"

    run(main(), 60)


def test_a_signal_ends_it_while_its_last_bytes_wait_for_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        """Standard input and output that have ended already."""

        def __init__(self, stream: ByteStream, over: Callable[[Code, str], None]) -> None:
            self._over = over

        def start(self) -> None:
            self._over(Code.DONE, "")
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGHUP)

    monkeypatch.setattr("hushgate.access.connect.Stdio", Done)
    monkeypatch.setattr(Uplink, "owed", 1)

    async def main() -> None:
        async with tunnel() as made:
            connection = Connection(access_config(["echo"], made.cutter.port), "echo")
            assert await asyncio.wait_for(connection.run(), 20) == 0

    run(main(), 60)


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [
        ("wrong key", 3, "no access key of ours is known there"),
        ("home away", 4, "echo: home is away"),
        ("unreachable", 4, "cannot reach ws://127.0.0.1:1/"),
        ("service down", 4, "echo: home is there, but its service does not answer"),
        ("revoked", 3, "echo: the access key does not hold, or not any more"),
    ],
)
def test_each_failure_is_one_line_and_an_exit_code(trouble: str, code: int, said: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with tunnel(replace(QUICK, visitor_wait=0.3), up=trouble != "home away") as made:
            if trouble == "service down":
                await made.service.stop()
            which = "wrong" if trouble == "wrong key" else "current"
            process = await connect(made, tmp_path, which=which, door=1 if trouble == "unreachable" else 0)
            if trouble == "revoked":
                await talk(process, b"hello")
                config = made.server.config
                echo = replace(config.services["echo"], access_keys=())
                made.server.reload(replace(config, services={"echo": echo}))
            assert process.stderr
            err = (await asyncio.wait_for(process.stderr.read(), 20)).decode()
            assert (await process.wait(), err.count("\n")) == (code, 1)
            assert said in err

    run(main(), 60)


def test_a_key_that_was_removed_while_the_laptop_was_away_is_one_line_too(tmp_path: Path) -> None:
    """It takes a second refusal, five seconds after the first."""

    async def main() -> None:
        async with tunnel() as made:
            process = await connect(made, tmp_path)
            await talk(process, b"hello")
            config = made.server.config
            echo = replace(config.services["echo"], access_keys=())
            made.cutter.refusing = True
            made.cutter.cut()
            made.server.reload(replace(config, services={"echo": echo}))
            made.cutter.refusing = False
            _, err = await asyncio.wait_for(process.communicate(), 25)
            said = "echo: the server does not know our access key any more\n"
            assert (err.decode(), process.returncode) == (said, 3)

    run(main(), 60)


@pytest.mark.parametrize(("code", "exit_code"), [(code, 3) for code in (Code.DENIED, Code.WITHDRAWN)])
def test_what_was_refused(code: Code, exit_code: int) -> None:
    assert explained("ssh", code, "").exit_code == exit_code


def test_every_reset_has_a_sentence() -> None:
    for code in Code:
        error = explained("ssh", code, "the reason")
        assert isinstance(error, UserError)
        assert str(error).startswith("ssh: ")
        assert "the reason" in str(error) or code is Code.UNKNOWN
        assert error.exit_code in (1, 3, 4)
