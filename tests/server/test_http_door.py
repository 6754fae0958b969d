"""HTTP services on the door: a connection changes between the services and the decoy, and no byte is lost."""

import asyncio
import ssl
from pathlib import Path

import pytest

from hushgate.config.model import Certificate, Http
from hushgate.transports.tls import client_context
from tests.aio import run
from tests.server.web import Handler, Visitor, Web, gone, web
from tests.transports.certificates import write_pair
from tests.tunnel import until


def get(host: str, target: str = "/", more: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


DECOY = b'{"status":"ok","version":"1.0.0"}'
NAMED = Http(("ollama.example.org",))


def made(http: Http = NAMED) -> tuple[Web, Handler]:
    handler = Handler()
    return Web(handler, http, public=False), handler


def test_a_name_is_a_services_and_every_other_the_decoys() -> None:
    async def main() -> None:
        tunnel, handler = made()
        async with web(tunnel):
            visitor = await Visitor.come(tunnel.server.door.port)
            assert (await visitor.ask(get("ollama.example.org", "/api/tags"))).endswith(b"\r\n\r\nok")
            assert DECOY in await visitor.ask(get("example.org"))
            assert b" 404 " in await visitor.ask(get("x.ollama.example.org", "/api/tags"))
            assert (await visitor.ask(get("OLLAMA.example.org:443", "/b"))).endswith(b"\r\n\r\nok")
            assert [head.split()[1] for head in handler.heads] == [b"/api/tags", b"/b"]
            await visitor.leave()
            await gone(tunnel)

    run(main())


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_pipelined_requests_for_both_keep_their_order(size: int) -> None:
    async def main() -> None:
        tunnel, handler = made()
        async with web(tunnel):
            visitor = await Visitor.come(tunnel.server.door.port)
            post = b"POST /p HTTP/1.1\r\nHost: ollama.example.org\r\nContent-Length: 4\r\n\r\nbody"
            data = get("ollama.example.org", "/1") + get("a") + get("a") + post + get("b") + get("ollama.example.org")
            for at in range(0, len(data), size):
                visitor.writer.write(data[at : at + size])
                await asyncio.sleep(0)
            answers = [await visitor.answer() for _ in range(6)]
            assert [b"nginx" in answer for answer in answers] == [False, True, True, False, True, False]
            assert handler.heads[1].endswith(b"body")
            await visitor.leave()
            await until(lambda: tunnel.server._door.strangers == 0, "the door to be empty")
            await gone(tunnel)

    run(main())


def test_a_path_is_a_services_and_home_does_not_see_it() -> None:
    async def main() -> None:
        tunnel, handler = made(Http(path="/ollama"))
        handler.answer = b"HTTP/1.1 302 Found\r\nLocation: /api/\r\nContent-Length: 0\r\n\r\n"
        async with web(tunnel):
            visitor = await Visitor.come(tunnel.server.door.port)
            assert b"\r\nLocation: /ollama/api/\r\n" in await visitor.ask(get("any.org", "/ollama/api?x"))
            assert handler.heads[0].startswith(b"GET /api?x HTTP/1.1\r\n")
            for target in ("/", "/ollama2", "/OLLAMA/", "/%6fllama/"):
                assert b"Server: nginx" in await visitor.ask(get("any.org", target))
            assert len(handler.heads) == 1
            await visitor.leave()

    run(main())


def test_who_looks_for_oauth_at_the_root_is_told_that_there_is_none() -> None:
    async def main() -> None:
        tunnel, handler = made(Http(path="/ollama"))
        async with web(tunnel):
            visitor = await Visitor.come(tunnel.server.door.port)
            post = b"POST /register HTTP/1.1\r\nHost: any.org\r\nContent-Length: 2\r\n\r\n{}"
            metadata = "/.well-known/oauth-protected-resource"
            for data in (get("any.org", metadata + "/ollama/mcp"), get("any.org", metadata), post):
                answer = await visitor.ask(data)
                assert answer.startswith(b"HTTP/1.1 404 ") and answer.endswith(b'\r\n\r\n{"error":"not found"}')
                assert b"\r\nContent-Type: application/json\r\n" in answer
            assert b"text/html" in await visitor.ask(get("any.org", metadata + "/mcp"))
            assert handler.heads == []
            await visitor.leave()
            config = tunnel.server.config
            tunnel.server.reload(type(config)(config.bind, {}, timing=config.timing))
            visitor = await Visitor.come(tunnel.server.door.port)
            assert b"text/html" in await visitor.ask(get("any.org", metadata))
            await visitor.leave()

    run(main())


def test_a_path_may_be_reached_by_any_name_although_the_port_may_not() -> None:
    async def main() -> None:
        tunnel = Web(Handler(), Http(path="/ollama"))
        async with web(tunnel):
            for port, target, status in (
                (tunnel.server.door.port, "/ollama/", b" 200 "),
                (tunnel.port(), "/", b" 421 "),
            ):
                visitor = await Visitor.come(port)
                assert status in await visitor.ask(get("any.org", target))
                await visitor.leave()

    run(main())


def test_whom_the_gateway_reads_otherwise_than_the_door_reaches_nobody() -> None:
    async def main() -> None:
        tunnel, handler = made()
        async with web(tunnel):
            for head in (
                # nginx takes the name from the target; we insist that both agree.
                b"GET http://ollama.example.org/ HTTP/1.1\r\nHost: ollama.example.org.\r\n\r\n",
                get("ollama.example.org", more="X_Y : 1\r\n"),
                get("ollama.example.org", more="Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
            ):
                visitor = await Visitor.come(tunnel.server.door.port)
                assert b" 400 " in await visitor.ask(head)
                await visitor.leave()
            assert handler.heads == []

    run(main())


def test_a_bearer_key_is_no_login_and_a_login_is_no_request() -> None:
    """The home client dials a name that is a service's as well: its proof goes first."""

    async def main() -> None:
        tunnel, handler = made(Http(("127.0.0.1",)))
        async with web(tunnel):
            assert handler.heads == []
            visitor = await Visitor.come(tunnel.server.door.port)
            upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer c2VjcmV0\r\n"
            assert (await visitor.ask(get("127.0.0.1", more=upgrade))).endswith(b"ok")
            assert b"\r\nUpgrade: websocket\r\n" in handler.heads[0]
            await visitor.leave()

    run(main())


def test_under_our_own_tls(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, "localhost")

    async def main() -> None:
        handler = Handler()
        tunnel = Web(handler, Http(("localhost",)), certificate=Certificate(cert, key), plain=False, public=False)
        await tunnel.start()
        context = client_context(cert)
        visitor = Visitor(*await asyncio.open_connection("localhost", tunnel.server.door.port, ssl=context))
        visitor.writer.write(get("localhost", "/api/tags"))
        await until(lambda: tunnel.waiting == 1, "the request")
        assert b"nginx" in await _other(tunnel, context)
        await visitor.leave()
        await until(lambda: tunnel.waiting == 0, "its place")
        await tunnel.stop()
        assert handler.heads == []

    async def _other(tunnel: Web, context: ssl.SSLContext) -> bytes:
        other = Visitor(*await asyncio.open_connection("localhost", tunnel.server.door.port, ssl=context))
        answer = await other.ask(get("elsewhere.org"))
        await other.leave()
        return answer

    run(main())


def test_a_service_that_has_gone_leaves_the_decoy() -> None:
    async def main() -> None:
        tunnel, _ = made()
        async with web(tunnel):
            visitor = await Visitor.come(tunnel.server.door.port)
            assert (await visitor.ask(get("ollama.example.org"))).endswith(b"ok")
            await visitor.leave()
            config = tunnel.server.config
            tunnel.server.reload(type(config)(config.bind, {}, timing=config.timing))
            again = await Visitor.come(tunnel.server.door.port)
            assert DECOY in await again.ask(get("ollama.example.org"))
            await again.leave()

    run(main())
