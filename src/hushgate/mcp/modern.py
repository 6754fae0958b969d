"""The shared program of a service, for clients of revision 2026-07-28: started for the first of them, asked whether it
speaks that revision, and ended when nobody has used it for long.

Most programs today do not. Their answer is remembered, and their clients are answered in a way that no modern server
would, after which a client falls back to `initialize` and a session.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from hushgate.edge.heads import RequestHead
from hushgate.edge.mcp import NAMED, mirrored
from hushgate.mcp.child import Child
from hushgate.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MODERN,
    SERVER_ERROR,
    UNSUPPORTED_VERSION,
    VERSION_KEY,
    Kind,
    Message,
)
from hushgate.mcp.reply import COMMENT, Reply, refuse
from hushgate.mcp.shared import Shared

Start = Callable[[Callable[[bytes], None], Callable[[str], None]], Child]

ANSWER_WAIT: Final = 10.0
"""Seconds in which a program answers whether it is modern; some never answer what they do not know."""
_SILENT_FOR: Final = 60.0
"""So long is a program that did not answer taken for an older one: it may just have been slow to start."""
_DISCOVERY: Final = "0"
"""Our own request's id; those of Shared begin at 1."""
_OURSELVES: Final = {
    VERSION_KEY: MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "hushgate", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_QUESTION: Final = json.dumps(
    {"jsonrpc": "2.0", "id": int(_DISCOVERY), "method": "server/discover", "params": {"_meta": _OURSELVES}}
).encode()


class Modern:
    """`start` starts the program, `read` makes a message of a line, or None."""

    def __init__(self, start: Start, read: Callable[[bytes], Message | None]) -> None:
        self._start = start
        self._read = read
        self._loop = asyncio.get_running_loop()
        self._child: Child | None = None
        self._shared: Shared | None = None
        """While the program is known to be modern."""
        self._waiting: list[tuple[Message, Reply]] = []
        self._legacy_until = -inf
        self._timer: asyncio.TimerHandle | None = None
        self._used = 0.0

    def post(self, request: RequestHead, messages: Sequence[Message], reply: Reply) -> None:
        """One message; the revision of its header is 2026-07-28 or later."""
        message = messages[0]
        if len(messages) > 1 or message.kind is Kind.RESPONSE:
            refuse(reply, 400, INVALID_REQUEST, "the body must be a single request or notification")
            return
        if message.kind is Kind.NOTIFICATION:
            # There is nothing that one could be about: who cancels ends the stream.
            reply.answer(202)
            return
        if fault := _unlike(request, message):
            refuse(reply, 400, *fault, message.key)
            return
        if message.method == "initialize":
            refuse(reply, 404, METHOD_NOT_FOUND, "there is no initialize since 2026-07-28", message.key)
            return
        self._used = self._loop.time()
        if self._used < self._legacy_until:
            _send_back(message, reply)
        elif self._shared is not None:
            self._shared.post(message, reply)
        else:
            self._waiting.append((message, reply))
            if self._child is None:
                self._ask()

    def gone(self, reply: Reply) -> None:
        """Nobody waits for this reply any more."""
        self._waiting = [(message, waiting) for message, waiting in self._waiting if waiting is not reply]
        if self._shared is not None:
            self._shared.gone(reply)

    def close(self) -> None:
        """Ends the program."""
        if self._child is not None:
            self._child.close()

    def tick(self, now: float, idle_since: float) -> None:
        """Keeps streams alive, and ends the program when it has been idle."""
        if self._shared is None:
            return
        if self._shared.busy:
            self._used = now
        elif self._used < idle_since:
            self.close()
        self._shared.alive()
        for reply in self._shared.replies:
            reply.write(COMMENT)

    def _ask(self) -> None:
        self._child = self._start(self._received, self._ended)
        self._child.send(_QUESTION)
        self._timer = self._loop.call_later(ANSWER_WAIT, self._found, False)

    def _received(self, line: bytes) -> None:
        message = self._read(line)
        if message is None:
            return
        if self._shared is not None:
            self._shared.received(message)
        elif message.kind is Kind.RESPONSE and message.key == _DISCOVERY:
            self._found(message.error_code in (None, UNSUPPORTED_VERSION), answered=True)

    def _found(self, modern: bool, *, answered: bool = False) -> None:
        """It is known now whether the program is modern, or supposed."""
        self._stop_timer()
        if self._child is None or self._shared is not None:
            return
        waiting, self._waiting = self._waiting, []
        if modern:
            self._shared = Shared(self._child.send)
            for message, reply in waiting:
                self._shared.post(message, reply)
            return
        self._legacy_until = inf if answered else self._loop.time() + _SILENT_FOR
        for message, reply in waiting:
            _send_back(message, reply)
        self._child.close()

    def _ended(self, reason: str) -> None:
        self._stop_timer()
        shared, self._shared, self._child = self._shared, None, None
        waiting, self._waiting = self._waiting, []
        for message, reply in waiting:
            refuse(reply, 200, SERVER_ERROR, reason, message.key)
        if shared is not None:
            shared.close(reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _unlike(request: RequestHead, message: Message) -> tuple[int, str] | None:
    """What the headers and the body of a request do not agree in: a program sees the body only."""
    said = message.meta.get(VERSION_KEY)
    if not isinstance(said, str):
        return INVALID_PARAMS, f"params._meta holds no {VERSION_KEY}"
    name = message.params.get(NAMED.get(message.method, ""))
    if said.encode() != request.first(b"mcp-protocol-version"):
        return HEADER_MISMATCH, f"MCP-Protocol-Version must say what {VERSION_KEY} says"
    if not mirrored(request, message.method, name if isinstance(name, str) else None):
        return HEADER_MISMATCH, "the headers Mcp-Method and Mcp-Name must say what the body says"
    return None


def _send_back(message: Message, reply: Reply) -> None:
    refuse(reply, 400, SERVER_ERROR, "this server speaks older revisions only: begin with initialize", message.key)
