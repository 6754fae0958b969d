"""Keeps a session with the server alive, and moves it from link to link: the half of the client's and of the laptop's
program that is the same.

    start ─▶ attempt ─▶ welcomed ─▶ link stands ─▶ link lost ─┐
               ▲  └─ failed ─▶ wait (backoff) ─┐              │
               └───────────────────────────────┴──────────────┘   until the grace is over; then the session is lost

One attempt runs at a time; while a link still stands it is for the link that replaces it (GOAWAY `move`).
"""

import asyncio
import os
import random
import ssl
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from hushgate.config.model import UplinkConfig
from hushgate.errors import AuthError, LocalProtocolError, ProtocolError, UnreachableError, UserError
from hushgate.link.budget import limited_mux, unread
from hushgate.link.finish import finish_all
from hushgate.link.link import Link
from hushgate.log import Log
from hushgate.protocol import frames
from hushgate.protocol.credit import Buffered
from hushgate.protocol.frames import Code, GoAway, Mode, Open, Type
from hushgate.protocol.hello import ATTACHED, Attach, Dialler, Resume, Status, Welcome
from hushgate.protocol.keys import Keys, Role
from hushgate.protocol.limits import RETRY_MAX
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Stream
from hushgate.tasks import Tasks
from hushgate.transports.tls import client_context
from hushgate.uplink.connect import Clock, Connected, connect
from hushgate.uplink.retry import Retry
from hushgate.uplink.words import COMPLAINTS, SECRET

_RETRY_WITH_STREAMS: Final = 5.0
"""Longest wait between attempts while streams wait to be resumed."""
_RETRY_REFUSED: Final = 5.0
"""Shortest wait after the server did not know us: asking more often helps nobody and looks like an attack."""
_REFUSALS: Final = 2
"""So often in a row, and a laptop's streams wait no longer: once may be a server that was started this moment."""
_PROVED_AT_ONCE: Final = 75
"""So many services fit one PROVE, however long their names and Hosts are."""
_DRAIN = frames.goaway(GoAway(Mode.DRAIN, Code.SHUTDOWN))
_REPLACED = frames.goaway(GoAway(Mode.DRAIN, Code.REPLACED))
_ATTACHED = {Attach.NEW: "new", Attach.RESUMED: "resumed", Attach.UNKNOWN: "new, the old one is lost"}


class User(Protocol):
    """Whose streams they are."""

    def incoming(self, stream: Stream) -> None:
        """The server opened a stream."""

    def linked(self) -> None:
        """A link stands."""


class Holder(User, Protocol):
    """Whose session it is."""

    def spent(self) -> None:
        """The session's stream ids are nearly used up; comes again until `retire`."""


class Uplink:
    """The session of one program with one server: owner of its mux (protocol.mux.Owner), and the Route to everything
    behind the server (link.routes.Route)."""

    def __init__(
        self,
        role: Role,
        config: UplinkConfig[Any],
        keys: Sequence[Keys],
        user: Holder,
        log: Log,
        instance: bytes | None = None,
        buffered: Buffered | None = None,
    ) -> None:
        """`instance` and `buffered`: of this program, when it is not its first session. Raises SystemFault when
        `trusted_root` cannot be read."""
        self.statuses: Mapping[str, Status] = {}
        """What the server said of each service, on the newest link."""
        self.link: Link | None = None
        self.links = 0
        """Links that stood so far."""
        self.quiet = asyncio.Event()
        self._role = role
        self._config = config
        self._keys = keys
        self._user = user
        self._log = log
        self._context = tls_context(config)
        self._instance = instance or os.urandom(16)
        self._clock = Clock()
        self._retries = Retry()
        self._buffered = buffered or unread(config.limits)
        self._mux = self._new_mux()
        self._session: bytes | None = None
        self._epoch = 0
        self._dialler: Dialler | None = None
        self._linked_at = 0.0
        self._attempting = False
        self._refusals = 0
        self._ending = False
        self._replaced = False
        """The server ends the session: only it knows which streams it opened before it heard of the newer one."""
        self._grace: asyncio.TimerHandle | None = None
        self._tasks = Tasks("uplink")

    @property
    def streams(self) -> Mapping[int, Stream]:
        return self._mux.streams

    @property
    def up(self) -> bool:
        return self.link is not None and not self._ending

    @property
    def lost(self) -> bool:
        """Whether the session has ended, and no new one stands yet."""
        return self._mux.failed is not None

    @property
    def owed(self) -> int:
        """Bytes that were sent and not yet acknowledged."""
        return self._mux.kept

    def open(self, what: Open) -> Stream:
        """A new stream to a service behind the server. Raises LocalProtocolError."""
        if self._ending:
            raise LocalProtocolError("this program ends")
        if self._mux.scarce:
            self._user.spent()
        return self._mux.open(what, time.monotonic())

    async def start(self) -> None:
        """Connects, and reconnects for ever."""
        self._tasks.start("connect", self._keep_connected())

    async def start_now(self) -> None:
        """As `start`, but the first attempt is made here. Raises AuthError or UnreachableError when it fails."""
        connected = await self._attempt()
        if refusal := self._refusal(connected.welcome):
            connected.pipe.close()
            raise refusal
        self._retries.settle()
        self._welcomed(connected)
        await self.start()

    def _refusal(self, welcome: Welcome) -> UserError | None:
        if welcome.attach in ATTACHED:
            return None
        if welcome.attach is not Attach.DENIED:
            return UnreachableError(f"{self._config.remote} asks to come back in {welcome.retry_ms / 1000:.0f} s")
        failed = [(name, status) for name, status in welcome.services.items() if status is not Status.OK]
        told = "; ".join(f"{name}: {COMPLAINTS[self._role, status]}" for name, status in failed)
        return AuthError(f"{self._config.remote}: {told or 'no service was proved'}")

    def hurry(self) -> None:
        """Somebody waits for the link: the next attempt is made as soon as it may."""
        if not self.link:
            self._retries.hurry()

    def drain(self) -> float:
        """Asks for no new streams; the seconds that those that run may take (ops.program.Program)."""
        self._log.info("stopping", streams=len(self._mux.streams))
        self.retire()
        return self._config.timing.drain

    def successor(self) -> "Uplink":
        """Another session of the same program, not started. Raises SystemFault as the constructor does."""
        return Uplink(self._role, self._config, self._keys, self._user, self._log, self._instance, self._buffered)

    def retire(self) -> None:
        """No new streams; `quiet` is set when the last of those that run has ended."""
        self._ending = True
        if self._mux.streams:
            self._say_drain()
        self._look_whether_quiet()

    def replaced(self) -> None:
        """As `retire`, while a newer session of this program stands: streams that the server has opened in this one
        meanwhile are served."""
        self._replaced = self._role is Role.CLIENT
        self._ending = True
        self._say_drain()
        self._look_whether_quiet()

    def _say_drain(self) -> None:
        if self.link:
            self._mux.say(_REPLACED if self._replaced else _DRAIN)

    def _look_whether_quiet(self) -> None:
        if self._ending and not self._mux.streams and not (self._replaced and self.link):
            self.quiet.set()

    async def stop(self) -> None:
        await self._tasks.stop()
        if self._grace:
            self._grace.cancel()
        self._mux.close(Code.SHUTDOWN, "its program ends")
        if self.link:
            await finish_all([self.link])

    def reload(
        self, config: UplinkConfig[Any], keys: Sequence[Keys], removed: Sequence[str], changed: Collection[str]
    ) -> None:
        """Takes over another configuration: `removed` and `changed` services are withdrawn and proved again, streams of
        the others do not notice. Raises SystemFault, and then changes nothing."""
        old = self._config
        moved = (old.remote, old.trusted_root, old.hostname) != (config.remote, config.trusted_root, config.hostname)
        if moved:
            self._context = tls_context(config)
        self._config = config
        self._keys = keys
        self._mux.withdraw(removed, Code.WITHDRAWN)
        if self.link:
            self._prove(removed, changed)
        if moved or not self.link:
            self._retries.now()

    # The session.

    async def _keep_connected(self) -> None:
        while True:
            await self._retries.due()
            if not self._keys:
                self._log.warning("not connected: there is no service to prove; waiting for the file to change")
                continue
            self._attempting = True
            try:
                connected = await self._attempt()
            except AuthError as error:
                self._refused()
                self._retry(str(error), _RETRY_REFUSED)
            except UserError as error:
                self._retry(str(error))
            else:
                self._welcomed(connected)
            finally:
                self._attempting = False

    async def _attempt(self) -> Connected:
        self._epoch += 1
        resume = Resume(self._session, self._epoch, self._mux.received) if self._session else None
        return await connect(self._config, self._context, self._keys, self._instance, self._clock, resume)

    def _retry(self, reason: str, at_least: float = 0.0) -> None:
        waiting = len(self._mux.streams)
        wait = self._retries.failed(at_least, _RETRY_WITH_STREAMS if waiting else RETRY_MAX)
        self._log.warning("not connected", reason=reason, retry_in=f"{wait:.1f}s", streams_waiting=waiting)

    def _refused(self) -> None:
        """The server answered as it answers strangers. A key that was removed there is not told in any other way."""
        self._refusals += 1
        if self._role is Role.ACCESS and self._refusals == _REFUSALS and self._session and not self.link:
            self._lose_session(Code.DENIED, f"the server does not know our {SECRET[self._role]} any more")

    def _welcomed(self, connected: Connected) -> None:
        self._refusals = 0
        pipe, welcome = connected.pipe, connected.welcome
        if welcome.attach in (Attach.RETRY, Attach.STALE, Attach.DENIED):
            pipe.close()
            self._log_services(welcome.services)
            if welcome.attach is Attach.DENIED and Status.OK in welcome.services.values():
                self._lose_session(Code.DENIED, "no service of the session could be proved")
            wait = max(welcome.retry_ms / 1000, _RETRY_REFUSED if welcome.attach is Attach.DENIED else 0.0)
            self._retry(f"the server answered {welcome.attach.name.lower()} {welcome.text}".strip(), wait)
            return
        if self.link:
            self.link.fence("moved to a new link")
        if welcome.attach is not Attach.RESUMED and self._session:
            self._lose_session(Code.AWAY, "the server no longer knows the session")
        if welcome.attach is Attach.NEW:
            self._epoch = 1
        if welcome.attach is not Attach.RESUMED and self._mux.failed:
            self._mux = self._new_mux()
        self._session = welcome.session
        self._mux.peer_window = welcome.window
        self._dialler = connected.dialler
        self._start_link(connected, welcome)

    def _start_link(self, connected: Connected, welcome: Welcome) -> None:
        if self._grace:
            self._grace.cancel()
            self._grace = None
        link = Link(connected.pipe, self._mux, self._link_ended)
        self.link = link
        self.links += 1
        self._linked_at = time.monotonic()
        self.statuses = dict(welcome.services)
        good = [name for name, status in welcome.services.items() if status is Status.OK]
        self._log.info(
            "connected",
            server=self._config.remote,
            session=_ATTACHED[welcome.attach],
            services=",".join(sorted(good)),
            streams=len(self._mux.streams),
        )
        self._log_services(welcome.services)
        link.start(welcome.received if welcome.attach is Attach.RESUMED else 0)
        if self.link is link:
            if self._ending:
                self._say_drain()
            self._user.linked()

    def _link_ended(self, link: Link, reason: str) -> None:
        if self.link is not link:
            return
        self.link = None
        self._dialler = None
        self._retries.stood(time.monotonic() - self._linked_at)
        what = "session ended" if self._mux.failed else "link lost"
        if self._mux.failed:
            self._session = None
        else:
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(
                self._config.timing.grace, self._lose_session, Code.AWAY, "the server did not come back in time"
            )
        self._look_whether_quiet()
        if not self.quiet.is_set() and not self._attempting:
            self._retry(f"{what}: {reason}")

    def _lose_session(self, code: Code, text: str) -> None:
        """The streams end; the next link begins a new session."""
        if self._grace:
            self._grace.cancel()
            self._grace = None
        if self._mux.streams:
            self._log.warning("streams ended", reason=text, streams=len(self._mux.streams))
        self._mux.close(code, text)
        self._session = None

    def _new_mux(self) -> Mux:
        return limited_mux(self, self._config.limits, self._buffered, dialler=True)

    # What the mux tells its owner.

    def incoming(self, stream: Stream) -> None:
        self._user.incoming(stream)

    def gone(self, stream: Stream) -> None:
        self._look_whether_quiet()

    def started(self) -> None:
        pass

    def handshake(self, type: Type, payload: bytes) -> None:
        assert self._dialler is not None, "a link has a handshake"
        if type is Type.CHANGED:
            self._prove([], [key.service for key in self._keys])
        elif type is not Type.PROVED:
            raise ProtocolError(Code.PROTOCOL, f"{type.name} out of turn")
        else:
            answered = self._dialler.proved(payload)
            known, self.statuses = self.statuses, {**self.statuses, **answered}
            changed = {name: status for name, status in answered.items() if known.get(name) is not status}
            if proved := [name for name, status in changed.items() if status is Status.OK]:
                self._log.info("services proved", services=",".join(sorted(proved)))
            self._log_services(changed)

    def goaway(self, away: GoAway) -> None:
        self._log.info(
            "the server says goodbye", mode=away.mode.name.lower(), code=away.code.name.lower(), text=away.text
        )
        self._retries.postpone((away.after + away.spread * random.random()) / 1000)
        if away.mode is Mode.MOVE and not self._ending:
            self._retries.want()
        elif away.mode is Mode.DRAIN and away.code is Code.LIMIT and not self._ending:
            self._user.spent()

    # Services.

    def _prove(self, removed: Sequence[str], changed: Collection[str]) -> None:
        if self._dialler is None:
            return
        keys = [key for key in self._keys if key.service in changed]
        for at in range(0, max(len(keys), len(removed)), _PROVED_AT_ONCE):
            part = slice(at, at + _PROVED_AT_ONCE)
            self._mux.say(self._dialler.prove(keys[part], removed[part], self._config.hosts))

    def _log_services(self, statuses: Mapping[str, Status]) -> None:
        for name, status in statuses.items():
            if status is not Status.OK:
                self._log.warning(COMPLAINTS[self._role, status], service=name)


def tls_context(config: UplinkConfig[Any]) -> ssl.SSLContext | None:
    """What a program trusts, or None when the link has no TLS of ours. Raises SystemFault."""
    return client_context(config.trusted_root) if config.remote.tls else None
