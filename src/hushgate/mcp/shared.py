"""The program that serves all clients of revision 2026-07-28, which know no sessions. Sans-IO.

Every request is complete in itself, so one program answers everybody; on its one channel each request gets an id of
ours, and what comes back gets the client's own again: the id of the response, the token of its progress, the id of the
subscription whose stream it belongs to. A client that leaves has cancelled its request.

An answer that comes before anything else is plain JSON with the status that its error has over HTTP; otherwise it is
the end of a stream of events.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hushgate.mcp.messages import METHOD_NOT_FOUND, SERVER_ERROR, SUBSCRIPTION_KEY, Kind, Message, error_line
from hushgate.mcp.reply import STATUS, Reply, event


@dataclass(eq=False, slots=True)
class _Call:
    """One request. `number` and `token` are the client's."""

    reply: Reply
    key: str
    number: Any
    token: Any
    begun: bool = False


class Shared:
    """`send` hands a line to the program."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._calls: dict[int, _Call] = {}
        self._last = 0

    @property
    def busy(self) -> bool:
        return bool(self._calls)

    @property
    def replies(self) -> list[Reply]:
        """Streams of events that are open now."""
        return [call.reply for call in self._calls.values() if call.begun]

    def post(self, message: Message, reply: Reply) -> None:
        """A request."""
        self._last += 1
        call = _Call(reply, message.key, message.value["id"], message.meta.get("progressToken"))
        self._calls[self._last] = call
        changes: dict[str, Any] = {"id": self._last}
        if call.token is not None:
            meta = {**message.meta, "progressToken": self._last}
            changes["params"] = {**message.params, "_meta": meta}
        self._send(message.changed(**changes))

    def alive(self) -> None:
        """Some time has passed: who still waits gets a stream, which can be kept alive."""
        for call in self._calls.values():
            self._begin(call)

    def gone(self, reply: Reply) -> None:
        """Its visitor left."""
        for number, call in list(self._calls.items()):
            if call.reply is reply:
                del self._calls[number]
                told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}
                self._send(json.dumps(told, separators=(",", ":")).encode())

    def received(self, message: Message) -> bool:
        """Brings a message to its client; False when nobody waits for it."""
        if message.kind is Kind.REQUEST:
            self._send(error_line(message.key, METHOD_NOT_FOUND, "a server asks its clients nothing since 2026-07-28"))
            return False
        if message.kind is Kind.RESPONSE:
            return self._answered(message)
        call, line = self._calls.get(self._about(message)), message.line
        if call is None:
            return False
        if message.method == "notifications/progress":
            line = message.changed(params={**message.params, "progressToken": call.token})
        elif SUBSCRIPTION_KEY in message.meta:
            meta = {**message.meta, SUBSCRIPTION_KEY: call.number}
            line = message.changed(params={**message.params, "_meta": meta})
        self._begin(call)
        call.reply.write(event(line))
        return True

    def close(self, reason: str) -> None:
        """The program has ended: whoever waits for it is told."""
        calls, self._calls = self._calls, {}
        for call in calls.values():
            _finish(call, error_line(call.key, SERVER_ERROR, reason), 200)

    def _answered(self, message: Message) -> bool:
        call = self._calls.pop(_number(message.value.get("id")), None)
        if call is None:
            return False
        code = message.error_code
        line = message.changed(id=call.number, **_restored(message, call))
        _finish(call, line, STATUS.get(code, 200) if code is not None else 200)
        return True

    def _about(self, message: Message) -> int:
        """Our id of the call that a notification belongs to; 0 when that cannot be known."""
        if message.method == "notifications/progress":
            return _number(message.params.get("progressToken"))
        if SUBSCRIPTION_KEY in message.meta:
            return _number(message.meta[SUBSCRIPTION_KEY])
        return next(iter(self._calls)) if len(self._calls) == 1 else 0

    def _begin(self, call: _Call) -> None:
        if not call.begun:
            call.begun = True
            call.reply.begin()


def _restored(message: Message, call: _Call) -> dict[str, Any]:
    """The result of a subscription names it, too."""
    result = message.value.get("result")
    meta = result.get("_meta") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(meta, dict) or SUBSCRIPTION_KEY not in meta:
        return {}
    return {"result": {**result, "_meta": {**meta, SUBSCRIPTION_KEY: call.number}}}


def _finish(call: _Call, line: bytes, status: int) -> None:
    if call.begun:
        call.reply.write(event(line))
        call.reply.end()
    else:
        call.reply.answer(status, line)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
