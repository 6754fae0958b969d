"""The gateway at home: requests that the server sends are read, judged and written anew before they reach the service.

It stands where the file asks for it, whatever the server does: so a server that has been broken into can ask for
nothing that home does not allow, and a service whose port on the VPS is plain tcp still gets the Host it expects.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

from hushgate.config.model import ClientService
from hushgate.edge.gateway import Gateway
from hushgate.edge.judge import Rules, name_of
from hushgate.edge.profile import Profile
from hushgate.edge.rewrite import Peer
from hushgate.edge.room import Room
from hushgate.edge.sides import Failure, HomeUser, Site, Timing
from hushgate.errors import PipeError
from hushgate.link.streampipe import StreamPipe
from hushgate.link.way import Way
from hushgate.protocol.stream import ByteStream
from hushgate.tasks import Tasks
from hushgate.transports.base import Pipe

Dial = Callable[[], Awaitable[Pipe]]
_PATIENT = Timing(inf, inf, inf)
"""The visitors' clocks are the server's."""


class Gate:
    """One stream of a visitor (edge.gateway.Owner). `profile` judges its requests, `dial` connects to the service and
    raises PipeError; `done` is called once."""

    def __init__(
        self,
        service: ClientService,
        profile: Profile,
        stream: ByteStream,
        dial: Dial,
        tasks: Tasks,
        room: Room,
        done: Callable[[], None],
    ) -> None:
        self.now = asyncio.get_running_loop().time
        self.over = done
        self.service = service.name
        self._service = service
        self._room = room
        address = stream.what.visitor.partition(" ")[0]
        self._stream = stream
        self._pipe = StreamPipe(stream, stream.what.visitor)
        way = LocalWay(service.host.encode(), dial, tasks)
        # What the server's gateway said of the visitor stays as it is.
        peer = Peer(address, trusted=True)
        self._gateway = way.user = Gateway(self._site(profile), peer, self._pipe, way, self)

    def start(self) -> None:
        self._stream.accept()
        self._pipe.switch(self._gateway)

    def change(self, profile: Profile | None) -> None:
        """Later requests are judged by `profile`; None: there are none, since the service is gone."""
        if profile is None:
            self._gateway.retire()
        else:
            self._gateway.site = self._site(profile)

    def give_back(self, head: bytes) -> None:
        raise AssertionError("a stream is for one service")

    def _site(self, profile: Profile) -> Site:
        """Every request gets a Host that the service takes for its own, so what it would have refused for its name is
        refused here."""
        service = self._service
        own = frozenset() if service.any_host else frozenset({b"localhost", name_of(service.host.encode())})
        advice = 'host_header = "local" in home\'s file'
        return Site(service.name, Rules(service.name, own, profile, advice), timing=_PATIENT, room=self._room)


class LocalWay(Way[Pipe]):
    """The connection to the service (edge.sides.HomeWire)."""

    user: HomeUser
    parked = 0.0

    def __init__(self, host: bytes, dial: Dial, tasks: Tasks) -> None:
        super().__init__()
        self._host = host
        self._dial = dial
        self._tasks = tasks
        self._dialling: asyncio.Task[None] | None = None

    def begin(self, visitor: str) -> None:
        if self._pipe is not None:
            self.user.home_open(self._host, reused=True)
        else:
            self._dialling = self._tasks.start("dial", self._connect())

    def drop(self) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        if pipe := self._let_go():
            pipe.abort("the request is over")

    def ended(self, error: str | None) -> None:
        self._pipe = None
        self.user.home_ended(None if error is None else Failure.BROKEN)

    async def _connect(self) -> None:
        try:
            pipe = await self._dial()
        except PipeError:
            self._dialling = None
            self.user.home_ended(Failure.REFUSED)
            return
        self._dialling, self._pipe = None, pipe
        self.user.home_open(self._host, reused=False)
        pipe.switch(self)
