"""A bridge with a real program behind it, and clients that speak HTTP to it in this loop."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import h11

from hushgate.config.model import Secret, Stdio
from hushgate.edge.profile import Profile
from hushgate.mcp.bridge import Bridge
from hushgate.mcp.endpoint import Endpoint
from hushgate.transports.memory import memory_pair
from tests.logs import capture_logs
from tests.tunnel import until

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "tests.mcp.program")
JSON = "application/json"
BOTH = "application/json, text/event-stream"
MODERN = "2026-07-28"
VERSION = "io.modelcontextprotocol/protocolVersion"


def stdio(*words: str, **settings: Any) -> Stdio:
    return Stdio((*PROGRAM, *words), env=(("PYTHONPATH", Secret(str(ROOT))),), **settings)


class Said:
    """One response as it comes."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.done = False
        self.broken = False

    @property
    def events(self) -> list[dict[str, str]]:
        """The events that are complete: their fields."""
        blocks = self.body.decode().split("\n\n")[:-1]
        fields = [[line.split(":", 1) for line in block.splitlines() if line[0] != ":"] for block in blocks]
        return [{name: value.lstrip() for name, value in block} for block in fields if block]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What the events, or the body, say."""
        if not self.status:
            return []
        if self.headers["content-type"] == JSON:
            value = json.loads(self.body)
            return value if isinstance(value, list) else [value]
        return [json.loads(event["data"]) for event in self.events if event["data"]]

    @property
    def last(self) -> dict[str, Any]:
        return self.messages[-1]


class Browser:
    """A client with one connection (the user of its pipe). `session` is sent when it is known."""

    def __init__(self, bridge: Bridge) -> None:
        self.pipe, other = memory_pair(loop=asyncio.get_running_loop(), capacity=1 << 30)
        self.session = ""
        self.ended_with: str | None = "open"
        self._http = h11.Connection(h11.CLIENT)
        self._said = Said()
        Endpoint(other, bridge).start()
        self.pipe.switch(self)

    def received(self, view: memoryview) -> int:
        self._http.receive_data(bytes(view))
        while not isinstance(event := self._http.next_event(), type) or event is h11.PAUSED:
            said = self._said
            if isinstance(event, h11.Response):
                said.status = event.status_code
                said.headers = {name.decode().lower(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                said.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                said.done = True
                if self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                    self._http.start_next_cycle()
                break
            elif event is h11.PAUSED:
                break
        return len(view)

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        self.ended_with = error
        self._said.broken = not self._said.done

    def ask(self, method: str, body: bytes = b"", **headers: str) -> Said:
        """Sends a request; underscores in the names of headers stand for hyphens."""
        said = self._said = Said()
        fields = {"Host": "localhost", "Accept": BOTH, "Mcp-Session-Id": self.session}
        if body:
            fields |= {"Content-Type": JSON, "Content-Length": str(len(body))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        target = fields.pop("Target", "/mcp")
        request = h11.Request(
            method=method, target=target, headers=[(name, value) for name, value in fields.items() if value]
        )
        data = (self._http.send(request) or b"") + (self._http.send(h11.Data(data=body)) or b"" if body else b"")
        self.pipe.write([[data + (self._http.send(h11.EndOfMessage()) or b"")]])
        return said

    def post(self, message: object, **headers: str) -> Said:
        return self.ask("POST", json.dumps(message).encode(), **headers)

    async def call(self, method: str, number: object = 1, /, meta: dict[str, Any] | None = None, **params: Any) -> Said:
        """A request of the legacy era, to its end."""
        return await whole(self.post(request(method, number, meta, **params)))

    async def modern(
        self, method: str, number: object = 1, /, meta: dict[str, Any] | None = None, **params: Any
    ) -> Said:
        return await whole(self.begin_modern(method, number, meta, **params))

    def begin_modern(self, method: str, number: object = 1, meta: dict[str, Any] | None = None, **params: Any) -> Said:
        message = request(method, number, {VERSION: MODERN, **(meta or {})}, **params)
        return self.post(message, MCP_Protocol_Version=MODERN, Mcp_Method=method)

    async def initialize(self, revision: str = "2025-11-25") -> Said:
        """Begins a session and remembers it."""
        said = await self.call("initialize", 0, protocolVersion=revision)
        self.session = said.headers.get("mcp-session-id", "")
        return said

    def leave(self) -> None:
        self.pipe.abort("the visitor left")


def request(method: str, number: object = 1, meta: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, **({"_meta": meta} if meta else {})}}


async def whole(said: Said) -> Said:
    """The response when it is complete."""
    await until(lambda: said.done or said.broken, "the response")
    assert said.done, "the response broke off"
    return said


class Scene:
    def __init__(self, bridge: Bridge, log: list[Any]) -> None:
        self.bridge = bridge
        self.log = log

    def browser(self) -> Browser:
        return Browser(self.bridge)

    async def begun(self, revision: str = "2025-11-25") -> Browser:
        """A client with a session."""
        browser = self.browser()
        assert (await browser.initialize(revision)).status == 200
        return browser

    def lines(self, *words: str) -> list[Any]:
        """The log's lines that hold all of these words."""
        return [line for line in self.log if all(word in " ".join(map(str, line.values())) for word in words)]


@contextlib.asynccontextmanager
async def scene(service: Stdio | None = None, profile: Profile | None = None) -> AsyncIterator[Scene]:
    with capture_logs() as log:
        bridge = Bridge("files", service or stdio(), profile)
        try:
            yield Scene(bridge, log)
        finally:
            await bridge.stop()


def running(pids: Sequence[int]) -> list[int]:
    """Those of the processes that still run (a zombie does not)."""

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return [pid for pid in pids if alive(pid)]
