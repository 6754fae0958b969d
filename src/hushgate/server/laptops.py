"""Laptops: each stream that one opens is joined to a stream that leads to the home which serves it.

A laptop reaches the services that it has proved an access key for, and those only while the key holds. It serves
nothing: its session is in no registry, so nobody can mistake it for a home.
"""

from collections.abc import Callable, Iterable, Mapping

from hushgate.edge.rewrite import Peer
from hushgate.errors import LocalProtocolError
from hushgate.link.lobby import Lobby
from hushgate.link.routes import Route
from hushgate.link.streampipe import StreamPipe
from hushgate.log import Seldom, logger
from hushgate.protocol.frames import Code, Kind
from hushgate.protocol.keys import Role
from hushgate.protocol.limits import HOPS_MAX
from hushgate.protocol.relay import join
from hushgate.protocol.stream import Half, Stream
from hushgate.server.front import Front
from hushgate.server.session import Session

_log = Seldom(logger("laptops"))


class Laptops:
    """The laptops' sessions (server.session.Party). `lobby` is where visitors of a service pass,
    `front` where those of an HTTP service go."""

    role = Role.ACCESS
    noun = "laptop"

    def __init__(self, lobby: Callable[[str], Lobby | None], front: Callable[[str], Front | None]) -> None:
        self._lobby = lobby
        self._front = front
        self._closed = False

    def close(self) -> None:
        """Takes no new streams."""
        self._closed = True

    def refused(self, names: Iterable[str], instance: bytes, now: float) -> frozenset[str]:
        return frozenset()

    def claim(self, session: Session, identifiers: Mapping[str, bytes], now: float) -> None:
        session.services.update(identifiers)

    def release(self, session: Session, names: Iterable[str], now: float) -> None:
        for name in set(names):
            session.services.pop(name, None)

    def linked(self, session: Session) -> None:
        pass

    def rest(self, session: Session, now: float) -> None:
        pass

    def unlinked(self, session: Session, now: float) -> None:
        pass

    def incoming(self, session: Session, stream: Stream) -> None:
        service = stream.what.service
        lobby = self._lobby(service)
        if service not in session.services or lobby is None:
            _log.warning("laptop asked for a service that it has not proved", laptop=session.name, service=service)
            stream.reset(Code.DENIED, "no access key was proved for the service")
        elif stream.what.hop >= HOPS_MAX:
            stream.reset(Code.LIMIT, "too many relays")
        elif self._closed:
            stream.reset(Code.SHUTDOWN, "the server ends")
        elif (front := self._front(service)) and (stream.what.e2e or stream.what.kind is not Kind.BYTES):
            stream.reset(Code.UNSUPPORTED, "requests are read at the server")
        elif front:
            stream.accept()
            address, _, port = session.visitor.partition(" ")
            front.arrive(StreamPipe(stream, session.visitor), Peer(address, proved=True), int(port or 0))
        else:
            lobby.enter(_Visitor(stream, session.visitor), session.address)


class _Visitor:
    """A stream of a laptop on its way to home (link.lobby.Visitor)."""

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream = stream
        self._name = name

    @property
    def left(self) -> bool:
        return self._stream.send is Half.RESET

    def serve(self, route: Route) -> None:
        if self.left:
            return
        what = self._stream.what
        try:
            far = route.open(what._replace(visitor=self._name, hop=what.hop + 1, ingress=""))
        except LocalProtocolError as error:
            # As text: an error that is kept keeps its frames, and with them views of the pipe's buffer.
            _log.warning("visitor refused", service=what.service, visitor=self._name, reason=str(error))
            self._stream.reset(Code.LIMIT, "home takes no more streams")
        else:
            join(self._stream, far)

    def refuse(self) -> None:
        self._stream.reset(Code.AWAY, "home is away")

    def dismiss(self) -> None:
        self._stream.reset(Code.AWAY, "home is away and did not come back in time")
