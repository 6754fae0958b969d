"""One stdio service over HTTP: which program answers a request, and when programs start and end.

A client before 2026-07-28 has a session, and a session has a program of its own; when one of the two ends so does the
other, and nobody else notices. All later clients share one program, if it speaks their revision: that is asked once,
and if it does not they are told so, in the way after which they fall back to `initialize`.

An unknown session is answered with 404, which makes a client begin another one; 400 or 401 there would strand it.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from hushgate.config.model import Stdio
from hushgate.edge.heads import RequestHead, ResponseHead
from hushgate.edge.profile import Deny, NoRules, Profile
from hushgate.log import Seldom, logger
from hushgate.mcp.child import Child
from hushgate.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_REQUEST,
    SERVER_ERROR,
    BadMessage,
    Kind,
    Message,
    read_body,
    read_line,
)
from hushgate.mcp.modern import Modern
from hushgate.mcp.reply import COMMENT, Reply, refuse
from hushgate.mcp.requests import Asked, Refused, examine
from hushgate.mcp.session import Session
from hushgate.tasks import Tasks

TICK: Final = 15.0
"""Seconds between two looks at idle sessions, and between comments on idle streams: proxies cut those after 60."""
PROGRAMS_END: Final = 10.0
"""Seconds that all programs together may take to end."""
_ANY_REQUEST: Final = RequestHead(b"POST", b"/mcp", [])
_ANY_RESPONSE: Final = ResponseHead(200, b"OK", [])


class _Served:
    """A session and its program."""

    def __init__(self, session: Session, child: Child, now: float) -> None:
        self.session = session
        self.child = child
        self.used = now


class Bridge:
    """The service `name`. `profile` judges every request."""

    def __init__(self, name: str, stdio: Stdio, profile: Profile | None = None) -> None:
        self.stdio = stdio
        self.profile = profile or NoRules()
        self._log = logger("mcp").bind(service=name)
        self._seldom = Seldom(self._log)
        self._loop = asyncio.get_running_loop()
        self._children = Tasks(f"mcp {name}")
        self._sessions: dict[str, _Served] = {}
        self._stopped = False
        self._modern = Modern(self._start, self._read)
        self._timer = self._loop.call_later(TICK, self._tick)

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    def listening(self, session: str) -> bool:
        """Whether somebody hears what belongs to no call."""
        served = self._sessions.get(session)
        return served is not None and served.session.listening

    async def stop(self) -> None:
        """Ends every program, and returns when they have ended."""
        self._stopped = True
        self._timer.cancel()
        self._modern.close()
        for served in list(self._sessions.values()):
            self._end(served, "the service ends")
        await self._children.settle(PROGRAMS_END)
        await self._children.stop()

    def handle(self, request: RequestHead, body: bytes, reply: Reply) -> None:
        """Answers a request, now or later."""
        if self._stopped:
            refuse(reply, 503, SERVER_ERROR, "this service has changed", fields={"Connection": "close"})
            return
        try:
            asked = examine(request)
        except Refused as refused:
            refuse(reply, refused.status, refused.code, str(refused), fields=refused.fields)
            return
        verdict = self.profile.judge_body(request, body) if request.method == b"POST" else None
        if isinstance(verdict, Deny):
            code = HEADER_MISMATCH if verdict.reason == "mismatch" else SERVER_ERROR
            refuse(reply, verdict.status, code, verdict.message, (verdict.request_id or b"").decode())
        elif request.method == b"POST":
            self._post(asked, body, reply)
        else:
            self._in_session(asked, reply)

    def gone(self, reply: Reply) -> None:
        """Nobody waits for this reply any more."""
        self._modern.gone(reply)
        for served in self._sessions.values():
            served.session.gone(reply)

    def _post(self, asked: Asked, body: bytes, reply: Reply) -> None:
        try:
            messages = read_body(body)
        except BadMessage as bad:
            refuse(reply, 400, bad.code, bad.reason)
            return
        if asked.modern:
            self._modern.post(asked.request, messages, reply)
        elif any(message.method == "initialize" for message in messages):
            self._initialize(messages, reply)
        elif served := self._find(asked, reply, messages[0].key):
            served.session.post(messages, reply, events=asked.events)

    def _in_session(self, asked: Asked, reply: Reply) -> None:
        """GET and DELETE."""
        served = self._find(asked, reply)
        if served is None:
            return
        if asked.method == b"GET":
            served.session.listen(reply, asked.last_event)
        else:
            self._end(served, "the session has ended")
            reply.answer(200)

    def _find(self, asked: Asked, reply: Reply, key: str = "") -> _Served | None:
        if not asked.session:
            refuse(reply, 400, INVALID_REQUEST, "a request without Mcp-Session-Id; begin with initialize", key)
            return None
        served = self._sessions.get(asked.session)
        if served is None:
            refuse(reply, 404, SERVER_ERROR, "this session is not known (any more); begin with initialize", key)
            return None
        served.used = self._loop.time()
        return served

    def _initialize(self, messages: list[Message], reply: Reply) -> None:
        if len(messages) > 1 or messages[0].kind is not Kind.REQUEST:
            refuse(reply, 400, INVALID_REQUEST, "initialize stands alone")
            return
        if len(self._sessions) >= self.stdio.sessions and not self._make_room():
            self._seldom.warning("a session was refused: all are in use", sessions=len(self._sessions))
            refuse(
                reply,
                503,
                SERVER_ERROR,
                "all sessions of this service are in use",
                messages[0].key,
                {"Retry-After": "5"},
            )
            return
        served = self._new_session(str(messages[0].params.get("protocolVersion", "")))
        served.session.post(messages, reply, events=False)

    def _new_session(self, revision: str) -> _Served:
        id = secrets.token_hex(16)
        served: _Served

        def received(line: bytes) -> None:
            message = self._read(line)
            if message is not None:
                served.used = self._loop.time()
                if not served.session.received(message):
                    self._log.debug("nobody waits for what the program sent", method=message.method)

        def ended(reason: str) -> None:
            self._sessions.pop(id, None)
            served.session.close(reason)

        child = self._start(received, ended)
        served = _Served(Session(id, child.send, revision), child, self._loop.time())
        self._sessions[id] = served
        self._log.debug("session begun", sessions=len(self._sessions))
        return served

    def _start(self, received: Callable[[bytes], None], ended: Callable[[str], None]) -> Child:
        return Child(self.stdio, self._log, self._children, received, ended)

    def _read(self, line: bytes) -> Message | None:
        """A message of a program; many write other things to their standard output, too."""
        if b'"tools"' in line and (meter := self.profile.meter(_ANY_REQUEST, _ANY_RESPONSE)):
            meter.feed(line)
            meter.facts()
        try:
            return read_line(line)
        except BadMessage:
            self._seldom.warning("the program wrote something to its standard output that is no MCP message")
            return None

    def _make_room(self) -> bool:
        """Ends the session that has been idle for longest, if one is."""
        idle = [served for served in self._sessions.values() if not served.session.busy]
        if idle:
            self._end(min(idle, key=lambda served: served.used), "the session made room for another")
        return bool(idle)

    def _end(self, served: _Served, reason: str) -> None:
        self._sessions.pop(served.session.id, None)
        served.session.close(reason)
        served.child.close()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)
        before = self._loop.time() - self.stdio.idle
        for served in list(self._sessions.values()):
            if served.used < before and not served.session.busy:
                self._log.debug("session ended: it was idle", idle=f"{self.stdio.idle:.0f}s")
                self._end(served, "the session was idle for too long")
            for reply in served.session.replies:
                reply.write(COMMENT)
        self._modern.tick(self._loop.time(), before)
