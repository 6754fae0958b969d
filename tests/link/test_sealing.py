"""Streams with and without a key, up to two sockets. What a hostile server can try is in tests/faults."""

import time

import pytest

from hushgate.errors import LocalProtocolError
from hushgate.link.sealing import open_stream, seal
from hushgate.protocol.frames import Open
from hushgate.protocol.keys import derive_e2e_key
from hushgate.protocol.stream import Stream
from tests.aio import run
from tests.link.joined import Side
from tests.logs import capture_logs

KEY = derive_e2e_key("what laptop and home share", "ssh")


class Way:
    """A Route over a mux without a link."""

    up = True

    def __init__(self) -> None:
        self.side = Side(dialler=True)
        self.full = False

    def open(self, what: Open) -> Stream:
        if self.full:
            raise LocalProtocolError("no more streams fit")
        return self.side.mux.open(what, time.monotonic())


def test_the_key_decides_what_is_opened() -> None:
    async def main() -> None:
        way = Way()
        plain, sealed = (open_stream(way, Open("ssh", visitor="x"), key) for key in (None, KEY))
        assert (plain.what.e2e, sealed.what.e2e) == (0, 1)
        assert isinstance(plain, Stream) and not isinstance(sealed, Stream)
        assert sealed.starved and not plain.starved

    run(main())


def test_no_more_streams_is_told_as_without_a_key() -> None:
    async def main() -> None:
        way = Way()
        way.full = True
        with pytest.raises(LocalProtocolError):
            open_stream(way, Open("ssh"), KEY)

    run(main())


def test_the_log_names_service_visitor_and_reason_and_no_key() -> None:
    async def main() -> None:
        way = Way()
        stream = way.open(Open("ssh", visitor="192.0.2.7 4711", e2e=1))
        seal(stream, KEY, opener=False).start()
        stream.endpoint.data(memoryview(b"SSH-2.0-OpenSSH_9.2\r\n"))
        assert not way.side.mux.streams

    with capture_logs() as lines:
        run(main())
    (line,) = (line for line in lines if line["event"] == "encrypted stream given up")
    assert (line["service"], line["visitor"]) == ("ssh", "192.0.2.7 4711")
    assert line["reason"] == "the other end does not encrypt"
