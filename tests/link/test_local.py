"""Connecting to a local service: address after address, in time, from an alias; what ends meanwhile is let go."""

import asyncio
import socket
import time
from typing import Any

import pytest

from hushgate.link.local import LocalDial
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.stream import Stream
from tests.aio import run
from tests.deaf import deaf
from tests.link.joined import Side
from tests.tunnel import Service, noting, until


class Dial:
    """A LocalDial on a stream of a session whose link is away."""

    def __init__(self, *addresses: tuple[str, int], source: str | None = None) -> None:
        self.stood = 0
        self.results: list[str | None] = []
        self.side = Side(dialler=True)
        self.stream: Stream = self.side.mux.open(Open("echo"), time.monotonic())
        ways = self.side.readiness, self.side.patrol
        LocalDial(*ways, self.stream, addresses, source, self._on_stood, self.results.append).start()

    def _on_stood(self) -> None:
        self.stood += 1

    @property
    def gone(self) -> bool:
        return self.stream.id not in self.side.mux.streams


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_first_address_that_answers_is_taken() -> None:
    async def main() -> None:
        service = Service()
        await service.start()
        dial = Dial(("127.0.0.1", closed_port()), ("127.0.0.1", service.port))
        await until(lambda: service.visits, "the connection")
        assert (dial.stood, dial.results) == (1, [])
        dial.side.mux.abort(dial.stream, Code.DONE)
        assert dial.results == [None]
        await service.stop()

    run(main())


def test_when_none_answers_the_last_reason_is_told() -> None:
    async def main() -> None:
        dial = Dial(("127.0.0.1", closed_port()), ("127.0.0.1", closed_port()))
        await until(lambda: dial.results, "the result")
        assert (dial.results, dial.stood, dial.gone) == (["connection refused"], 0, True)
        nowhere = Dial()
        assert (nowhere.results, nowhere.gone) == (["no address"], True)

    run(main())


def test_a_connection_to_itself_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()

    class Unlucky(socket.socket):
        """Gets the port that it is about to dial."""

        def bind(self, address: Any) -> None:
            super().bind((address[0], port))

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("hushgate.link.local.socket.socket", Unlucky)
            dial = Dial(("127.0.0.1", port), source="127.0.0.1")
        await until(lambda: dial.results, "the result")
        assert (dial.results, dial.stood, dial.gone) == (["connection refused"], 0, True)
        socket.create_server(("127.0.0.1", port)).close()

    run(main())


def test_an_address_that_is_silent_costs_its_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.local._WAIT", 0.1)

    async def main() -> None:
        with deaf() as address:
            dial = Dial(address)
            await until(lambda: dial.results, "the result")
            assert dial.results[0] is not None
            assert dial.results[0].startswith("no answer in")
            assert dial.gone

    run(main())


def test_a_stream_that_ends_meanwhile_takes_its_connection_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.local._WAIT", 0.05)

    async def main() -> None:
        with deaf() as address:
            dial = Dial(address)
            dial.side.mux.abort(dial.stream, Code.DONE)
            assert dial.results == [None]
            await asyncio.sleep(0.1)
            assert (dial.stood, dial.results) == (0, [None])

    run(main())


def test_the_connection_comes_from_the_alias() -> None:
    async def main() -> None:
        seen: list[str] = []
        service = Service(noting(seen))
        await service.start()
        dial = Dial(("127.0.0.1", service.port), source="127.129.1.2")
        await until(lambda: seen, "the connection")
        dial.side.mux.abort(dial.stream, Code.DONE)
        assert seen == ["127.129.1.2"]
        await service.stop()

    run(main())
