"""A clock that is wrong by an hour: corrected by the decoy's `Date`, and what a forged `Date` is worth."""

import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from hushgate.client.app import Client
from tests.aio import run
from tests.faults.test_impostors import carrying, send
from tests.tunnel import Service, client_config, leave, say, tunnel, until

HOUR = 3600


def off_by(seconds: int) -> Callable[[], int]:
    """`time.time_ns` of a machine whose clock is ahead by `seconds`."""
    return lambda: time.time_ns() + seconds * 1_000_000_000


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_client_whose_clock_is_off_by_an_hour_corrects_itself_and_says_so(
    seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hushgate.uplink.connect.time", SimpleNamespace(time_ns=off_by(seconds)))

    async def main() -> None:
        async with tunnel() as made:
            (line,) = made.lines("clock differs from the server's")
            assert abs(line["seconds"] + seconds) <= 2
            visitor = await made.visit()
            await say(visitor, b"in spite of it")
            made.cutter.cut()
            await until(lambda: made.client.uplink.links == 2, "the next link, without another look at the clock")
            await say(visitor, b"and again")
            assert len(made.lines("clock differs from the server's")) == 1
            await leave(visitor[1])

    run(main())


def test_a_proof_provoked_by_a_forged_date_buys_no_session_when_its_hour_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        heard: list[bytes] = []

        async def forge(reader: StreamReader, writer: StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            date = formatdate(time.time() + HOUR, usegmt=True)
            writer.write(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode())
            await leave(writer)

        forger = Service(forge)
        await forger.start()
        victim = Client(client_config({"echo": 1}, forger.port))
        await victim.start()
        await until(lambda: len(heard) >= 2, "the proof for an hour later")
        await victim.stop()
        await forger.stop()
        async with tunnel() as made, carrying(made):
            door = made.server.door.port
            assert (await send(door, heard[1])).startswith(b"HTTP/1.1 200 OK\r\n"), "not yet"
            monkeypatch.setattr("hushgate.server.app._now_ms", lambda: off_by(HOUR)() // 1_000_000)
            before = list(made.server.sessions.table.sessions)
            answer = await send(door, heard[1])
            assert answer.startswith(b"HTTP/1.1 101 "), "the upgrade alone holds, as §3.3 says"
            assert list(made.server.sessions.table.sessions) == before
            await until(lambda: made.server.sessions.handshakes == 0, "the handshake to be given up")
            assert (await send(door, heard[1])).startswith(b"HTTP/1.1 200 OK\r\n"), "once"

    run(main())
