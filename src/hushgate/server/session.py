"""One session of a client as the server sees it: a mux that outlives its links, and the services proved for it."""

import time
from collections.abc import Callable

from hushgate.link.link import Link
from hushgate.protocol.frames import Code, GoAway, Mode, Open, Type
from hushgate.protocol.hello import Acceptor, Login
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Stream


class Session:
    """Owner of its mux (protocol.mux.Owner) and a Route to its services (link.routes.Route)."""

    def __init__(self, id: bytes, login: Login, build: Callable[["Session"], Mux], peer: str) -> None:
        self.id = id
        self.instance = login.instance
        self.epoch = login.epoch
        self.peer = peer
        self.services: dict[str, bytes] = {}
        """Name to the identifier it was proved with."""
        self.link: Link | None = None
        self.acceptor: Acceptor | None = None
        self.detached_at: float | None = None
        self.draining = False
        self.mux = build(self)
        self.mux.peer_window = login.window
        self.on_prove: Callable[[Session, bytes], None] = _ignore
        self.on_gone: Callable[[Session, Stream], None] = _ignore

    def __repr__(self) -> str:
        state = "up" if self.up else "detached"
        return f"<Session {self.name} {state} epoch={self.epoch} streams={len(self.mux.streams)}>"

    @property
    def name(self) -> str:
        """What logs call it: the beginning of the client's instance id, which is no secret."""
        return self.instance[:4].hex()

    @property
    def up(self) -> bool:
        return self.link is not None and not self.draining

    def open(self, what: Open) -> Stream:
        return self.mux.open(what, time.monotonic())

    def incoming(self, stream: Stream) -> None:
        stream.reset(Code.DENIED, "a home client opens no streams")

    def gone(self, stream: Stream) -> None:
        self.on_gone(self, stream)

    def handshake(self, type: Type, payload: bytes) -> None:
        if type is Type.PROVE:
            self.on_prove(self, payload)

    def goaway(self, away: GoAway) -> None:
        self.draining = self.draining or away.mode is Mode.DRAIN


def _ignore(*_: object) -> None:
    pass
