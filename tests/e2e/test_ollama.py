"""A real Ollama through the tunnel with its users' own libraries: what they get and what the server counts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from hushgate.client.app import Client
from hushgate.config.model import (
    Address,
    ClientConfig,
    ClientService,
    Http,
    OllamaRules,
    Remote,
    ServerConfig,
    ServerService,
)
from hushgate.edge.exchange import Exchange
from hushgate.edge.judge import Rules
from hushgate.edge.profile import Profile
from hushgate.edge.profiles import profile_of
from hushgate.server.app import Server
from tests.aio import run
from tests.e2e import ollama_clients
from tests.e2e.nginx import Nginx
from tests.e2e.ollama import EMBEDDER, MODEL, Ollama
from tests.e2e.ollama_clients import CALLS, Used
from tests.e2e.programs import Programs, free_port, programs_in
from tests.tunnel import token, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


NGINX = """
events {{}}
http {{
    access_log off;
    gzip on;
    gzip_types *;
    gzip_min_length 1;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:{service};
        }}
    }}
}}
"""


class Recorder(Rules):
    """Keeps every exchange, as the audit line will have it."""

    def __init__(self, profile: Profile) -> None:
        super().__init__("ollama", profile=profile)
        self.exchanges: list[Exchange] = []

    def over(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


class Tunnel:
    """A server and a client in this loop, with the guard at the server."""

    def __init__(self, ollama: Ollama, http: Http) -> None:
        self._ollama = Address(*ollama.address)
        self._http = http
        self.recorder = Recorder(profile_of(http.rules or OllamaRules()))

    async def start(self) -> None:
        nowhere = Address("127.0.0.1", 0)
        service = ServerService("ollama", (token("ollama"),), bind=nowhere, http=self._http)
        self.server = Server(ServerConfig(nowhere, {"ollama": service}))
        await self.server.start()
        home = ClientService("ollama", token("ollama"), self._ollama, host=str(self._ollama))
        self.client = Client(ClientConfig(Remote("ws", "127.0.0.1", self.server.door.port), {"ollama": home}))
        await self.client.start()
        front = self.server.fronts.of("ollama")
        assert front is not None
        front.change(replace(front.site, judge=self.recorder))
        self.port = self.server.ports["ollama"].address.port
        self.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        await self.client.stop()
        await self.server.stop()

    @property
    def last(self) -> Exchange:
        return self.recorder.exchanges[-1]


@asynccontextmanager
async def tunnel(ollama: Ollama, http: Http | None = None) -> AsyncIterator[Tunnel]:
    made = Tunnel(ollama, http or Http(rules=OllamaRules()))
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


class Visitor:
    """One connection, for one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def come(cls, port: int) -> "Visitor":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        self._writer.write(head.encode() + data)
        await self._writer.drain()

    async def line(self) -> bytes:
        """The next line of JSON."""
        while not (line := await self.reader.readline()).startswith(b"{"):
            assert line, "the answer ended"
        return line

    async def leave(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


@pytest.fixture(scope="module")
def ollama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ollama]:
    with programs_in(tmp_path_factory.mktemp("ollama")) as programs:
        yield Ollama(programs)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_the_libraries_work_and_the_count_is_theirs(ollama: Ollama, call: Callable[[str], Used]) -> None:
    async def main() -> None:
        async with tunnel(ollama) as made:
            used = await asyncio.to_thread(call, made.url)
            await until(lambda: made.recorder.exchanges, "the exchange to end")
            facts = made.last.facts
            told = Used(*(int(facts[key]) if key in facts else None for key in ("prompt_tokens", "completion_tokens")))
            assert told == used and facts["model"] in (MODEL, EMBEDDER) and not made.last.outcome.refused
            assert "estimated" not in facts

    run(main())


def test_an_nginx_in_front_changes_nothing(ollama: Ollama, programs: Programs) -> None:
    async def main() -> None:
        async with tunnel(ollama) as made:
            port = free_port()
            nginx = Nginx(programs.directory, programs.start, NGINX.format(port=port, service=made.port))
            await asyncio.to_thread(nginx.program.wait_listening, ("127.0.0.1", port))
            url = f"http://127.0.0.1:{port}"
            listed = await asyncio.to_thread(ollama_clients.names, url)
            assert listed == {f"{MODEL}:latest", f"{EMBEDDER}:latest"}
            for call in CALLS:
                await asyncio.to_thread(call, url)
                assert made.last.facts["model"] in (MODEL, EMBEDDER)

    run(main())


def test_a_stream_that_does_not_tell_its_usage_is_estimated(ollama: Ollama) -> None:
    async def main() -> None:
        async with tunnel(ollama) as made:
            body = {"model": MODEL, "prompt": "x", "max_tokens": 9, "stream": True}
            visitor = await Visitor.come(made.port)
            await visitor.ask("/v1/completions", body)
            assert (await visitor.reader.read()).endswith(b"0\r\n\r\n")
            await visitor.leave()
            facts = made.last.facts
            assert facts["estimated"] == "yes" and 9 <= int(facts["completion_tokens"]) <= 10

    run(main())


def test_a_visitor_that_leaves_stops_the_model(ollama: Ollama) -> None:
    async def main() -> None:
        async with tunnel(ollama) as made:
            mark = ollama.mark()
            visitor = await Visitor.come(made.port)
            await visitor.ask("/api/generate", {"model": MODEL, "prompt": "x", "options": {"num_ctx": 65536}})
            for _ in range(5):
                assert b'"done":false' in await visitor.line()
            assert not ollama.reached(mark), "it goes on for long"
            left = asyncio.get_running_loop().time()
            await visitor.leave()
            await until(lambda: ollama.reached(mark), "Ollama to stop")
            assert asyncio.get_running_loop().time() - left < 2
            assert made.last.outcome.aborted and made.last.outcome.refused == "the visitor left"
            assert "completion_tokens" not in made.last.facts

    run(main())


def test_a_model_that_loads_slowly_is_waited_for_and_a_busy_ollama_says_so_itself(programs: Programs) -> None:
    """No clock of ours runs while home works, not even a short one; Ollama's own 503 passes as it is."""
    ollama = Ollama(programs, {"OLLAMA_MAX_QUEUE": "1", "TINY_LOAD_SECONDS": "3"})

    async def main() -> None:
        quick = Http(head=0.4, body=0.4, keepalive=0.4, rules=OllamaRules())
        async with tunnel(ollama, quick) as made:
            body = {"model": MODEL, "prompt": "x", "stream": False, "options": {"num_predict": 1}}
            visitors = [await Visitor.come(made.port) for _ in range(4)]
            for visitor in visitors:
                await visitor.ask("/api/generate", body)
                await asyncio.sleep(0.1)
            answers = await asyncio.gather(*(visitor.reader.read() for visitor in visitors))
            assert answers[0].startswith(b"HTTP/1.1 200 ") and b'"done":true' in answers[0]
            assert made.last.outcome.ended - made.last.outcome.began > 2
            busy = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
            assert busy and all(b"server busy" in answer and b"Retry-After" not in answer for answer in busy)
            for visitor in visitors:
                await visitor.leave()

    run(main())
