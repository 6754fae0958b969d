"""The gateway at home: it reads and writes anew what any server sends, and does not trust it."""

import asyncio
from dataclasses import replace

import pytest

from hushgate.config.model import Http, McpRules, OllamaRules
from tests.aio import run
from tests.server.web import Handler, Visitor, Web, gone, web
from tests.tunnel import until

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_service_that_is_tcp_at_the_server_gets_its_host() -> None:
    async def main() -> None:
        async with web(Web(handler := Handler(), None, gateway=True)) as made:
            visitor = await Visitor.come(made.port())
            for _ in range(3):
                assert (await visitor.ask(GET)).endswith(b"ok")
            assert handler.heads[0].startswith(f"GET /a HTTP/1.1\r\nHost: 127.0.0.1:{made.service.port}\r\n".encode())
            assert b"X-Forwarded-For: 127.0.0.1\r\n" in handler.heads[0]
            assert (made.service.visits, made.client.services.connections) == (1, 1)
            await visitor.leave()
            await gone(made)
            await until(lambda: handler.ended == 1, "the end of the connection")

    run(main())


@pytest.mark.parametrize(("stated", "status"), [(False, b"421"), (True, b"200")])
def test_a_foreign_name_is_taken_for_ours_only_where_the_file_says_so(stated: bool, status: bytes) -> None:
    """A page that resolves its own name to a laptop's port: the service would refuse it, if it still saw the name."""

    async def main() -> None:
        async with web(Web(handler := Handler(), None, gateway=True)) as made:
            config = made.client.config
            service = replace(config.services["echo"], any_host=stated)
            made.client.reload(replace(config, services={"echo": service}))
            visitor = await Visitor.come(made.port())
            answer = await visitor.ask(GET.replace(b"localhost", b"evil.example"))
            assert answer.startswith(b"HTTP/1.1 " + status) and len(handler.heads) == stated
            assert stated or b'host_header = \\"local\\" in home\'s file would allow it' in answer
            for own in (service.host.encode(), b"127.0.0.1", b"[::1]:80", b"LOCALHOST:1"):
                assert (await visitor.ask(GET.replace(b"localhost", own))).startswith(b"HTTP/1.1 200 ")
            await visitor.leave()

    run(main())


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n folded\r\n\r\n",
    ],
)
def test_what_a_server_lets_pass_is_refused_at_home(smuggled: bytes) -> None:
    async def main() -> None:
        async with web(Web(handler := Handler(), None, gateway=True)) as made:
            visitor = await Visitor.come(made.port())
            assert (await visitor.ask(smuggled)).startswith(b"HTTP/1.1 400 ")
            await visitor.leave()
            assert (handler.heads, made.service.visits) == ([], 0)

    run(main())


def test_a_hostile_server_cannot_ask_for_what_home_forbids() -> None:
    async def main() -> None:
        made = Web(handler := Handler(), None, gateway=True)
        made.rules = OllamaRules()
        async with web(made):
            visitor = await Visitor.come(made.port())
            pull = b"POST /api/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
            assert (await visitor.ask(pull)).startswith(b"HTTP/1.1 403 ")
            await visitor.leave()
            visitor = await Visitor.come(made.port())
            assert (await visitor.ask(b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n")).endswith(b"ok")
            assert [head.split()[1] for head in handler.heads] == [b"/api/tags"]
            await visitor.leave()

    run(main())


def test_a_connection_that_stands_follows_new_rules() -> None:
    async def main() -> None:
        async with web(Web(handler := Handler(), None, gateway=True)) as made:
            visitor = await Visitor.come(made.port())
            chat = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
            assert (await visitor.ask(chat)).endswith(b"ok")
            config = made.client.config
            strict = replace(config.services["echo"], rules=OllamaRules("read-only"))
            made.client.reload(replace(config, services={"echo": strict}))
            assert (await visitor.ask(chat)).startswith(b"HTTP/1.1 403 ")
            made.client.reload(replace(config, services={"echo": replace(strict, gateway=False)}))
            assert await visitor.ending() == "closed" and len(handler.heads) == 1
            await visitor.leave()

    run(main())


def test_two_gateways_in_a_row() -> None:
    async def main() -> None:
        handler = Handler()
        async with web(Web(handler, Http(), gateway=True)) as made:
            location = f"Location: http://127.0.0.1:{made.service.port}/b\r\n".encode()
            handler.answer = b"HTTP/1.1 307 Go\r\n" + location + b"Content-Length: 0\r\n\r\n"
            visitor = await Visitor.come(made.port())
            answer = await visitor.ask(GET)
            assert b"\r\nLocation: http://localhost/b\r\n" in answer
            assert b"X-Forwarded-Host: localhost\r\n" in handler.heads[0]
            await visitor.leave()

    run(main())


def test_a_service_that_is_down_and_comes_back() -> None:
    async def main() -> None:
        async with web(Web(Handler(), None, gateway=True)) as made:
            port = made.service.port
            await made.service.stop()
            visitor = await Visitor.come(made.port())
            assert (await visitor.ask(GET)).startswith(b"HTTP/1.1 502 ")
            await made.service.start(port)
            assert (await visitor.ask(GET)).endswith(b"ok")
            await visitor.leave()

    run(main())


def test_the_visitors_end_reaches_the_service() -> None:
    class Silent(Handler):
        async def reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)

    async def main() -> None:
        async with web(Web(handler := Silent(), Http(), gateway=True)) as made:
            visitor = await Visitor.come(made.port())
            visitor.writer.write(GET)
            await until(lambda: handler.heads, "the request")
            visitor.writer.transport.abort()
            async with asyncio.timeout(1.0):
                await until(lambda: handler.ended == 1, "the end")
            await gone(made)

    run(main())


def test_a_tool_that_home_forbids_and_what_it_learns_of_the_others() -> None:
    listed = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"look","annotations":{"readOnlyHint":true}}]}}'

    def call(name: bytes) -> bytes:
        body = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"%b"}}' % name
        return b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def main() -> None:
        made = Web(handler := Handler(), None, gateway=True)
        made.rules = McpRules(deny=("purge",), read_only=True)
        async with web(made):
            visitor = await Visitor.come(made.port())
            for name in (b"look", b"purge"):
                refused = await visitor.ask(call(name))
                assert refused.startswith(b"HTTP/1.1 403 ")
                assert b'"id": 7' in refused
            handler.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(listed) + listed
            await visitor.ask(call(b"x").replace(b"tools/call", b"tools/list"))
            await visitor.leave()
            visitor = await Visitor.come(made.port())
            assert (await visitor.ask(call(b"look"))).startswith(b"HTTP/1.1 200 ")
            assert (await visitor.ask(call(b"purge"))).startswith(b"HTTP/1.1 403 ")
            await visitor.leave()

    run(main())
