"""The way home of one visitor whose bytes pass through this process: a stream that is opened when it is needed.

What is written before home is there waits here, and so it does again when the stream ends before any byte of the
request has left: then, and only then, it is sent on another stream. Once a byte has left, home may have acted on it,
and nobody can know whether a second time would be right (docs/why/http-gateway.md).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hushgate.edge.sides import Failure, HomeUser
from hushgate.errors import LocalProtocolError
from hushgate.link.lobby import Lobby
from hushgate.link.routes import Route
from hushgate.link.streampipe import StreamPipe
from hushgate.link.way import Way
from hushgate.protocol.frames import Buffer, Code, Open
from hushgate.transports.base import Message

_REOPENED_MAX = 3
"""So often is a stream that ended before its first byte left followed by another, for one request."""
_SERVICE: dict[Code, Failure] = {
    Code.REFUSED: Failure.REFUSED,
    Code.UNREACHABLE: Failure.REFUSED,
    Code.UNKNOWN: Failure.REFUSED,
    Code.UNSUPPORTED: Failure.REFUSED,
    Code.DENIED: Failure.REFUSED,
    Code.LIMIT: Failure.FULL,
}
"""Resets that say something of home's service; all others are about the way to it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """What all ways to one service share: where it is now, the Host that its requests shall have there, and where its
    visitors wait until it is anywhere."""

    service: str
    find: Callable[[], Route | None]
    host: Callable[[], bytes]
    lobby: Lobby


class WayHome(Way[StreamPipe]):
    """edge.sides.HomeWire. `port` is the visitor's, for home's log."""

    user: HomeUser

    def __init__(self, destination: Destination, port: int) -> None:
        super().__init__()
        self.parked = 0.0
        self.left = False
        """Nobody needs it any more."""
        self._destination = destination
        self._port = port
        self._visitor = ""
        self._host = b""
        self._held: list[Buffer] = []
        """What has to be sent again, since nothing of it had left."""
        self._paused = False
        self._waiting_since: float | None = None
        self._reopened = 0
        self._failing: asyncio.Handle | None = None

    def begin(self, visitor: str) -> None:
        self.parked, self._reopened = 0.0, 0
        self._visitor = visitor
        route = self._destination.find()
        if self._pipe is not None and route is not None and route.up:
            self._pipe.mark()
            self.user.home_open(self._host, reused=True)
            return
        self.drop()
        self.left = False
        self._find_home()

    def write(self, messages: Sequence[Message]) -> None:
        if self._pipe is not None:
            super().write(messages)
        else:
            for message in messages:
                self._held += message

    def pause(self) -> None:
        self._paused = True
        super().pause()

    def resume(self) -> None:
        self._paused = False
        super().resume()

    def close(self) -> None:
        super().close()
        self.drop()

    def drop(self) -> None:
        self.left = True
        if self._failing is not None:
            self._failing.cancel()
            self._failing = None
        if self._waiting_since is not None:
            self._stop_waiting()
            self._destination.lobby.leave(self)
        self._held, self._paused = [], False
        if pipe := self._let_go():
            pipe.drop()

    # The lobby's side (link.lobby.Visitor).

    def serve(self, route: Route) -> None:
        self._stop_waiting()
        self._open(route)

    def refuse(self) -> None:
        self._stop_waiting()
        self._fail(Failure.AWAY)

    def dismiss(self) -> None:
        self.refuse()

    # The pipe's side.

    def ended(self, error: str | None) -> None:
        pipe, self._pipe = self._pipe, None
        assert pipe is not None, "who has no pipe hears nothing of one"
        unsent = pipe.unsent()
        failure = _SERVICE.get(pipe.code) if pipe.code is not None else None
        if failure is None and unsent and self._reopened < _REOPENED_MAX:
            self._reopened += 1
            self._held = unsent
            self._find_home()
        elif failure is None and error is not None:
            self.user.home_ended(Failure.AWAY if unsent else Failure.BROKEN)
        else:
            self.user.home_ended(failure)

    # Waiting and going.

    def _find_home(self) -> None:
        self._waiting_since = time.monotonic()
        self._destination.lobby.enter(self, self._visitor)

    def _open(self, route: Route) -> None:
        destination = self._destination
        try:
            stream = route.open(Open(destination.service, visitor=f"{self._visitor} {self._port}"))
        except LocalProtocolError:
            self._fail(Failure.FULL)
            return
        host = destination.host()
        if self._held and host != self._host:
            # Another home, with another idea of its Host: what was written for the first one does not fit.
            stream.reset(Code.DONE)
            self._fail(Failure.AWAY)
            return
        self._host = host
        pipe = self._pipe = StreamPipe(stream, destination.service)
        pipe.mark()
        if self._paused:
            pipe.pause()
        pipe.switch(self)
        if self._held:
            held, self._held = self._held, []
            pipe.write([held])
            self.user.home_writable()
        else:
            self.user.home_open(host, reused=False)

    def _stop_waiting(self) -> None:
        if self._waiting_since is not None:
            self.parked += time.monotonic() - self._waiting_since
            self._waiting_since = None

    def _fail(self, failure: Failure) -> None:
        self._held = []
        # The user may be in the middle of beginning its request.
        self._failing = asyncio.get_running_loop().call_soon(self.user.home_ended, failure)
