"""One session as the server sees it: a mux that outlives its links, and the services proved for it."""

import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from hushgate.config.model import Limits
from hushgate.config.values import is_loopback
from hushgate.errors import ProtocolError
from hushgate.link.budget import limited_mux
from hushgate.link.link import Link
from hushgate.protocol import frames
from hushgate.protocol.credit import Buffered
from hushgate.protocol.frames import Code, GoAway, Mode, Open, Type
from hushgate.protocol.hello import Acceptor, Login
from hushgate.protocol.keys import Role
from hushgate.protocol.limits import STREAM_ID_MAX
from hushgate.protocol.stream import Stream

_ANOTHER = frames.goaway(GoAway(Mode.DRAIN, Code.LIMIT, text="its stream ids are nearly used up"))


class Party(Protocol):
    """Those who log in with one role, and what a proved service means for them: homes serve it, laptops use it."""

    role: Role
    noun: str
    """What logs call one of them."""

    def refused(self, names: Iterable[str], instance: bytes, now: float) -> frozenset[str]:
        """Those of the services that policy keeps from `instance` now although it proved them."""

    def claim(self, session: "Session", identifiers: Mapping[str, bytes], now: float) -> None:
        """`session` has proved these services, each with the identifier of its token."""

    def release(self, session: "Session", names: Iterable[str], now: float) -> None:
        """These services are no longer the session's."""

    def linked(self, session: "Session") -> None:
        """The session's link stands, or was taken up by the peer, or more services were proved on it."""

    def rest(self, session: "Session", now: float) -> None:
        """The session drains."""

    def unlinked(self, session: "Session", now: float) -> None:
        """The session's link is gone; it may come back within the grace."""

    def incoming(self, session: "Session", stream: Stream) -> None:
        """The peer opened a stream."""


class Keeper(Protocol):
    """Who keeps the sessions and hears of what their peers ask."""

    def proving(self, session: "Session", payload: bytes) -> None:
        """PROVE came. May raise ProtocolError."""

    def started(self, session: "Session") -> None:
        """The peer has taken the session up."""

    def draining(self, session: "Session") -> None:
        """The peer takes no new streams."""

    def quiet(self) -> None:
        """The last stream of some session has ended."""


class Session:
    """Owner of its mux (protocol.mux.Owner); that of a home is a Route to its services (link.routes.Route)."""

    def __init__(
        self, id: bytes, login: Login, party: Party, keeper: Keeper, buffered: Buffered, limits: Limits
    ) -> None:
        self.id = id
        self.party = party
        self.instance = login.instance
        self.epoch = login.epoch
        self.services: dict[str, bytes] = {}
        """Name to the identifier it was proved with."""
        self.hosts: dict[str, str] = {}
        """Name to the Host that home states for its HTTP requests."""
        self.link: Link | None = None
        self.acceptor: Acceptor | None = None
        """The handshake of `link`, which later proofs belong to."""
        self.visitor = ""
        """`address port` of the peer, for the far end of its streams."""
        self.detached_at: float | None = None
        self.taken_up = False
        """The peer sent START: it has heard of the session, and can come back for what is in it."""
        self.draining = False
        self._replaced = False
        """Another session of the same home stands; this one is ours to end."""
        self._asked: Link | None = None
        """The link over which the peer was asked for another session."""
        self.mux = limited_mux(self, limits, buffered, dialler=False)
        self.mux.peer_window = login.window
        self._keeper = keeper

    def __repr__(self) -> str:
        state = "up" if self.up else "detached"
        return f"<Session {self.party.noun} {self.name} {state} epoch={self.epoch} streams={len(self.mux.streams)}>"

    @property
    def name(self) -> str:
        """What logs call it: the beginning of the peer's instance id, which is no secret."""
        return self.instance[:4].hex()

    @property
    def address(self) -> str:
        """What the limits for one address count its streams under: its address, or itself when a proxy on this machine
        hides that."""
        address = self.visitor.split(" ")[0]
        return self.name if is_loopback(address) else address

    @property
    def up(self) -> bool:
        return self.link is not None and self.taken_up and not self.draining and not self.mux.failed

    @property
    def over(self) -> bool:
        """Whether another session took its place, and nothing in this one is under way. Home cannot tell: a stream that
        was opened before the drain was heard of may still be coming."""
        return self._replaced and not self.mux.streams and not self.mux.kept

    def open(self, what: Open) -> Stream:
        """As `Route.open`. Before the ids are used up home is asked for another session; one that has not come by then
        is made to, by the end of this one."""
        if self.mux.scarce and self._asked is not self.link:
            self._asked = self.link
            self.mux.say(_ANOTHER)
        if self.mux.next_id > STREAM_ID_MAX:
            self.mux.close(Code.LIMIT, "its stream ids are used up")
        return self.mux.open(what, time.monotonic())

    def incoming(self, stream: Stream) -> None:
        self.party.incoming(self, stream)

    def gone(self, stream: Stream) -> None:
        if not self.mux.streams:
            self._keeper.quiet()

    def started(self) -> None:
        if not self.taken_up:
            self.taken_up = True
            self._keeper.started(self)

    def handshake(self, type: Type, payload: bytes) -> None:
        if type is not Type.PROVE:
            raise ProtocolError(Code.PROTOCOL, f"{type.name} out of turn")
        self._keeper.proving(self, payload)

    def goaway(self, away: GoAway) -> None:
        if away.mode is Mode.DRAIN and not self.draining:
            self.draining = True
            self._keeper.draining(self)
        if away.mode is Mode.DRAIN and away.code is Code.REPLACED:
            self._replaced = True
