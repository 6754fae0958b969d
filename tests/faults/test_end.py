"""SIGTERM as systemd sends it: no new visitors, running streams get their time, exit code 0, a second signal hurries.

The programs are real ones here, so that signals and exit codes are; the loop of the test holds the visitor and home.
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.aio import run
from tests.tunnel import Service, ending, leave, say, token

Visitor = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Running:
    server: Process
    client: Process
    visitor: Visitor
    port: int


async def program(*arguments: str | Path) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "hushgate", *arguments, stderr=PIPE)


async def line(process: Process, *words: str) -> str:
    """The next line of its log that holds these words."""
    assert process.stderr is not None
    while text := (await asyncio.wait_for(process.stderr.readline(), 20)).decode():
        if all(word in text for word in words):
            return text
    raise AssertionError(f"the program ended without {words}")


def scene(directory: Path, test: Callable[[Running], Awaitable[None]], drain: str = "20s") -> None:
    """Runs `test` with both programs up and one visitor whose stream runs."""

    async def main() -> None:
        service = Service()
        await service.start()
        files = {name: directory / f"{name}.toml" for name in ("server", "client")}
        for path in files.values():
            path.touch(0o600)
        files["server"].write_text(
            f'[server]\nbind_addr = "127.0.0.1:0"\ndrain = "{drain}"\n'
            f'[server.services.echo]\ntoken = "{token("echo").reveal()}"\nbind_addr = "127.0.0.1:0"\n'
        )
        server = await program("server", files["server"], "--log-level", "debug")
        door = (await line(server, "listening", "door=")).split("door=")[1].split()[0]
        port = int((await line(server, "public port", "service=echo")).split("address=")[1].split()[0].rsplit(":")[-1])
        files["client"].write_text(
            f'[client]\nremote_addr = "ws://{door}/"\ndrain = "{drain}"\n'
            f'[client.services.echo]\ntoken = "{token("echo").reveal()}"\nlocal_addr = "127.0.0.1:{service.port}"\n'
        )
        client = await program("client", files["client"])
        visitor = await asyncio.open_connection("127.0.0.1", port)
        await say(visitor, b"hello")
        try:
            await test(Running(server, client, visitor, port))
        finally:
            for process in (client, server):
                if process.returncode is None:
                    process.kill()
                await process.communicate()
            await leave(visitor[1])
            await service.stop()

    run(main(), 60)


async def over(process: Process) -> int:
    return await asyncio.wait_for(process.wait(), 15)


@pytest.mark.parametrize("who", ["server", "client"])
def test_a_running_stream_gets_its_time_and_the_program_ends_with_the_last(tmp_path: Path, who: str) -> None:
    async def test(made: Running) -> None:
        process: Process = getattr(made, who)
        process.send_signal(signal.SIGTERM)
        await line(process, "stopping", "streams=1")
        await say(made.visitor, b"still served")
        assert process.returncode is None
        made.visitor[1].write_eof()
        assert await ending(made.visitor[0]) == "closed"
        assert await over(process) == 0

    scene(tmp_path, test)


@pytest.mark.parametrize("who", ["server", "client"])
def test_a_second_signal_does_not_wait_for_streams(tmp_path: Path, who: str) -> None:
    async def test(made: Running) -> None:
        process: Process = getattr(made, who)
        process.send_signal(signal.SIGTERM)
        await line(process, "stopping")
        process.send_signal(signal.SIGTERM)
        assert await over(process) == 0
        assert await ending(made.visitor[0]) == "reset"

    scene(tmp_path, test)


def test_the_time_of_streams_is_bounded(tmp_path: Path) -> None:
    async def test(made: Running) -> None:
        made.server.send_signal(signal.SIGTERM)
        assert await over(made.server) == 0
        assert await ending(made.visitor[0]) == "reset"

    scene(tmp_path, test, drain="1s")


def test_a_draining_server_takes_no_new_visitors(tmp_path: Path) -> None:
    async def test(made: Running) -> None:
        made.server.send_signal(signal.SIGTERM)
        await line(made.server, "stopping")
        with pytest.raises(ConnectionRefusedError):
            while True:
                # Who came before the port closed, and was not accepted, is reset: at once or later.
                with contextlib.suppress(ConnectionResetError):
                    late = await asyncio.open_connection("127.0.0.1", made.port)
                    await leave(late[1])
        await say(made.visitor, b"still served")

    scene(tmp_path, test)
