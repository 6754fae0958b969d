"""Keys and limits of an HTTP service on real connections: many at once, kept, waiting and leaving."""

import asyncio
import hashlib
from asyncio import StreamReader, StreamWriter
from dataclasses import replace

import pytest

from hushgate.config.model import Http, HttpKey, Quota, Secret
from hushgate.edge.stage import State
from tests.aio import run
from tests.logs import capture_logs
from tests.server.web import Handler, Visitor, Web, gone, web
from tests.tunnel import until

NAMES = ("anna", "bert")


def http(quota: Quota | None = None) -> Http:
    keys = (HttpKey(name, hashlib.sha256(name.encode()).digest(), quota=quota or Quota()) for name in NAMES)
    return Http(keys=tuple(keys))


def get(key: str, target: str = "/", body: bytes = b"") -> bytes:
    head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Mirror(Handler):
    """Answers with the target and the body of the request."""

    async def reply(self, reader: StreamReader, writer: StreamWriter) -> None:
        head, _, body = self.heads[-1].partition(b"\r\n\r\n")
        told = head.split()[1] + b" " + body
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))


class Slow(Handler):
    """Answers when `go` is set; `most` were under way at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.under_way = 0
        self.most = 0

    async def reply(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.go.wait()
        await asyncio.sleep(0)
        self.under_way -= 1
        await super().reply(reader, writer)


def test_nothing_leaks_between_two_keys_on_kept_connections() -> None:
    async def main() -> None:
        handler = Mirror()
        async with web(Web(handler, http())) as made:

            async def talk(number: int) -> None:
                """Each request of a connection has the key that the one before had not."""
                visitor = await Visitor.come(made.port())
                for turn in range(20):
                    name = (*NAMES, "nobody")[(number + turn) % 3]
                    secret = f"{name}-{number}-{turn}"
                    told = await visitor.ask(get(name, f"/{secret}", secret.encode()))
                    if name == "nobody":
                        assert told.startswith(b"HTTP/1.1 401 ") and secret.encode() not in told
                        await visitor.leave()
                        visitor = await Visitor.come(made.port())
                    else:
                        assert told.endswith(f"\r\n\r\n/{secret} {secret}".encode())
                await visitor.leave()

            with capture_logs() as log:
                await asyncio.gather(*(talk(number) for number in range(12)))
            assert not any(b"Authorization" in head or b"nobody" in head for head in handler.heads)
            lines = [line for line in log if line["event"] == "request"]
            assert len(lines) == 12 * 20
            assert all(line.get("key", "nobody") == line["path"][1:].split("-")[0] for line in lines)
            await gone(made)

    run(main())


def queued(made: Web) -> int:
    return sum(visitor.gateway.state is State.QUEUED for visitor in made.front.visitors)


def refused(log: list[dict[str, object]]) -> int:
    """How many requests have been told that there are too many."""
    return sum(line.get("status") == 429 for line in log)


def test_eight_at_once_where_two_may() -> None:
    """Two run, four wait for them and are answered, two hear 429 at once; the other key does not notice."""

    async def main() -> None:
        handler = Slow()
        async with web(Web(handler, http(Quota(concurrent=2, queue=4)))) as made:
            visitors = [await Visitor.come(made.port()) for _ in range(8)]
            with capture_logs() as log:
                for visitor in visitors:
                    visitor.writer.write(get("anna"))
                await until(lambda: refused(log) == 2 and handler.under_way == 2, "two of each")
                other = await Visitor.come(made.port())
                other.writer.write(get("bert"))
                await until(lambda: handler.under_way == 3, "the other key's request")
            handler.go.set()
            assert (await other.answer()).endswith(b"ok")
            told = [await visitor.answer() for visitor in visitors]
            assert sorted(answer.split()[1] for answer in told) == [b"200"] * 6 + [b"429"] * 2
            assert all(b"\r\nRetry-After: 5\r\n" in answer for answer in told if b" 429 " in answer)
            assert handler.most == 3
            for visitor in (*visitors, other):
                await visitor.leave()
            await gone(made)

    run(main())


@pytest.mark.parametrize("body", [b"", b"x" * 10_000])
def test_who_leaves_the_queue_makes_room(body: bytes) -> None:
    async def main() -> None:
        handler = Slow()
        async with web(Web(handler, http(Quota(concurrent=1, queue=1)))) as made:
            first, second, third = [await Visitor.come(made.port()) for _ in range(3)]
            first.writer.write(get("anna"))
            await until(lambda: handler.under_way == 1, "the first request")
            second.writer.write(get("anna", body=body))
            await until(lambda: queued(made) == 1, "the second request")
            assert b" 429 " in await third.ask(get("anna"))
            second.writer.transport.abort()
            await until(lambda: len(made.front.visitors) == 2, "the second visitor to leave", within=3)
            third.writer.write(get("anna", body=body))
            await until(lambda: queued(made) == 1, "the third request")
            handler.go.set()
            assert (await first.answer()).endswith(b"ok") and (await third.answer()).endswith(b"ok")
            assert handler.heads[1].endswith(b"\r\n\r\n" + body) and len(handler.heads) == 2
            await first.leave()
            await third.leave()
            await gone(made)

    run(main())


def test_a_reload_changes_keys_and_keeps_those_under_way() -> None:
    async def main() -> None:
        handler = Slow()
        async with web(Web(handler, http(Quota(concurrent=1)))) as made:
            first, second = [await Visitor.come(made.port()) for _ in range(2)]
            first.writer.write(get("anna"))
            await until(lambda: handler.under_way == 1, "the first request")

            def change(now: Http) -> None:
                config = made.server.config
                echo = replace(config.services["echo"], http=now)
                made.server.reload(replace(config, services={"echo": echo}))

            change(replace(http(Quota(concurrent=1)), keys=http(Quota(concurrent=1)).keys[:1]))
            assert b" 401 " in await second.ask(get("bert"))
            assert b" 429 " in await second.ask(get("anna")), "the one under way still counts"
            change(Http(keys=(HttpKey("anna", hashlib.sha256(b"cleo").digest()),)))
            handler.go.set()
            assert (await first.answer()).endswith(b"ok")
            assert b" 401 " in await first.ask(get("anna"))
            assert (await second.ask(get("cleo"))).endswith(b"ok")
            await first.leave()
            await second.leave()
            await gone(made)

    run(main())


def test_a_token_of_the_service_is_no_key() -> None:
    async def main() -> None:
        async with web(Web(Handler(), http())) as made:
            [token] = made.server.config.services["echo"].tokens
            visitor = await Visitor.come(made.port())
            assert isinstance(token, Secret) and b" 401 " in await visitor.ask(get(token.reveal()))
            await visitor.leave()

    run(main())
