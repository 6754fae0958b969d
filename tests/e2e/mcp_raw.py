"""A visitor of a legacy MCP server (2025-11-25) that sees every event and its id, as no library shows them."""

import http.client
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from tests.e2e.programs import Address

REVISION = "2025-11-25"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


class Event(NamedTuple):
    """One event of a stream: its id, and the message in it."""

    id: str
    message: dict[str, Any]


class Stream:
    """The answer to a request, on a connection of its own."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._answer = connection.getresponse()
        self.session = self._answer.getheader("Mcp-Session-Id", "")
        assert self._answer.status in (200, 202), self._answer.read()

    def events(self) -> Iterator[Event]:
        """Those with a message, until the stream ends or is silent for the connection's timeout."""
        found: dict[str, str] = {}
        with suppress(TimeoutError):
            while line := self._answer.readline().decode():
                name, _, value = line.rstrip("\r\n").partition(":")
                if name:
                    found[name] = value.removeprefix(" ")
                    continue
                if found.get("data"):
                    yield Event(found.get("id", ""), json.loads(found["data"]))
                found = {}

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


class Session:
    """A session with the server at `address`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._headers = {**HEADERS, "MCP-Protocol-Version": REVISION}
        begun = self.post(INITIALIZE)
        assert [event.message["id"] for event in begun.events()] == [0]
        self._headers["Mcp-Session-Id"] = begun.session
        begun.close()
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).close()

    def post(self, message: dict[str, Any]) -> Stream:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        connection.request("POST", "/mcp", json.dumps(message), self._headers)
        return Stream(connection)

    def resume(self, after: str, silence: float) -> Stream:
        """The events that came after the one with this id. `silence`: seconds that may pass without one."""
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        connection.request("GET", "/mcp", headers={**self._headers, "Last-Event-ID": after})
        stream = Stream(connection)
        connection.sock.settimeout(silence)
        return stream
