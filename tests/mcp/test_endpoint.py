"""HTTP in front of a handler: framing, one request at a time, and clients that do not behave."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from hushgate.edge.heads import RequestHead
from hushgate.mcp import endpoint
from hushgate.mcp.endpoint import Endpoint
from hushgate.mcp.reply import Reply
from hushgate.transports.memory import memory_pair
from tests.aio import run
from tests.tunnel import until

GET = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nX-Kept: As Written\r\n"


class Handler:
    """Keeps requests and answers none by itself."""

    def __init__(self) -> None:
        self.asked: list[tuple[RequestHead, bytes, Reply]] = []
        self.left: list[Reply] = []

    def handle(self, request: RequestHead, body: bytes, reply: Reply) -> None:
        self.asked.append((request, body, reply))

    def gone(self, reply: Reply) -> None:
        self.left.append(reply)


class Peer:
    """The client's end of one connection."""

    def __init__(self) -> None:
        self.data = b""
        self.over = False
        self.handler = Handler()
        self.pipe, other = memory_pair(loop=asyncio.get_running_loop())
        Endpoint(other, self.handler).start()
        self.pipe.switch(self)

    def received(self, view: memoryview) -> int:
        self.data += bytes(view)
        return len(view)

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        self.over = True

    async def send(self, data: bytes, requests: int) -> Reply:
        """The reply to the last of so many requests."""
        self.pipe.write([[data]])
        return await self.asked(requests)

    async def asked(self, requests: int) -> Reply:
        await until(lambda: len(self.handler.asked) == requests, "the request")
        return self.handler.asked[-1][2]

    async def reads(self, true: Callable[[bytes], object]) -> None:
        await until(lambda: true(self.data), "the answer")

    async def ends(self) -> None:
        await until(lambda: self.over, "the end")


def contains(part: bytes, data: bytes) -> bool:
    return part in data


def test_requests_are_answered_one_at_a_time() -> None:
    async def main() -> None:
        peer = Peer()
        reply = await peer.send(GET % 1 + GET % 2 + GET % 3, 1)
        for number in (1, 2, 3):
            assert [request.target for request, _, _ in peer.handler.asked] == [b"/1", b"/2", b"/3"][:number]
            reply.answer(202)
            if number < 3:
                reply = await peer.asked(number + 1)
        await peer.reads(lambda data: data.count(b"202 Accepted") == 3)
        assert not peer.over

    run(main())


@pytest.mark.parametrize(
    "framed",
    [b"Content-Length: 4\r\n\r\nbody", b"Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"],
    ids=["sized", "chunked"],
)
def test_bodies(framed: bytes) -> None:
    async def main() -> None:
        peer = Peer()
        await peer.send(POST + framed, 1)
        request, body, _ = peer.handler.asked[0]
        assert body == b"body"
        assert (b"X-Kept", b"As Written") in request.headers

    run(main())


def test_a_client_that_asks_may_go_on() -> None:
    async def main() -> None:
        peer = Peer()
        peer.pipe.write([[POST + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"]])
        await peer.reads(lambda data: data.startswith(b"HTTP/1.1 100 "))
        await peer.send(b"body", 1)

    run(main())


def test_events_leave_as_they_come() -> None:
    async def main() -> None:
        peer = Peer()
        reply = await peer.send(GET % 1, 1)
        reply.begin({"Mcp-Session-Id": "s"})
        for part in (b"data: 1\n\n", b"data: 2\n\n"):
            reply.write(part)
            await peer.reads(partial(contains, part))
        reply.end()
        await peer.reads(lambda data: data.endswith(b"0\r\n\r\n"))
        for line in (b"Content-Type: text/event-stream", b"X-Accel-Buffering: no", b"Mcp-Session-Id: s"):
            assert line in peer.data
        await peer.send(GET % 2, 2)

    run(main())


def test_a_head_request_gets_no_body() -> None:
    async def main() -> None:
        peer = Peer()
        reply = await peer.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", 1)
        reply.answer(405, b"{}", {"Allow": "POST"})
        await peer.reads(lambda data: data.endswith(b"\r\n\r\n"))
        assert b"Content-Length: 2" in peer.data

    run(main())


def test_a_visitor_that_leaves_is_told_of_once_and_hears_no_more() -> None:
    async def main() -> None:
        peer = Peer()
        reply = await peer.send(GET % 1, 1)
        reply.begin()
        peer.pipe.abort("left")
        await until(lambda: peer.handler.left, "the news")
        assert peer.handler.left == [reply]
        reply.write(b"data: 1\n\n")
        reply.end()
        assert reply.over

    run(main())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 40_000, 431),
        (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked, gzip\r\n\r\nbody", 501),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (POST + b"Content-Length: 5000000\r\n\r\n" + b"x" * 5_000_000, 413),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_connection_ended(sent: bytes, status: int) -> None:
    async def main() -> None:
        peer = Peer()
        peer.pipe.write([[sent]])
        await peer.ends()
        assert peer.data.startswith(b"HTTP/1.1 %d " % status)
        assert b'"jsonrpc":"2.0"' in peer.data
        assert not peer.handler.asked

    run(main())


def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "LINE_MAX", 1_000_000)

    async def main() -> None:
        peer = Peer()
        reply = await peer.send(GET % 1, 1)
        peer.pipe.other.path.stalled = True
        reply.begin()
        for _ in range(3):
            reply.write(b"x" * 600_000)
            assert not peer.over
        reply.write(b"x")
        await peer.ends()
        assert peer.handler.left == [reply]

    run(main())
