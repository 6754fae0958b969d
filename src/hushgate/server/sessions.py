"""The homes and laptops that are connected: from an admitted pipe to a session, and to its end.

The table decides, this carries out: writes WELCOME, starts links, hears when they end, answers proofs on running
links, withdraws what a changed file no longer allows. What a proved service means is the party's business.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping, Set

from hushgate.config.model import Limits
from hushgate.guard.keyring import Keyring
from hushgate.link.budget import unread
from hushgate.link.finish import finish_all
from hushgate.link.link import Link
from hushgate.log import logger
from hushgate.protocol import frames
from hushgate.protocol.frames import Code, GoAway, Mode, Type
from hushgate.protocol.hello import Acceptor, Attach, Login, Status
from hushgate.protocol.limits import WINDOW_INITIAL
from hushgate.protocol.upgrade import Admission
from hushgate.server.login import Handshake
from hushgate.server.session import Party, Session
from hushgate.server.table import SessionTable
from hushgate.tasks import Tasks
from hushgate.transports.base import Pipe

_log = logger("server")
_SWEEP = 1.0
_RETRY_MS = 30_000
"""When a home that fights for a token is to come back."""
_SHUTDOWN_AFTER, _SHUTDOWN_SPREAD = 500, 1000
"""Milliseconds after which clients come back when we end: a restart takes about that."""


class Sessions:
    """All sessions of these parties. `on_quiet` is called when the last stream ended."""

    def __init__(
        self,
        keyring: Keyring,
        parties: Iterable[Party],
        limits: Limits,
        grace: float,
        on_quiet: Callable[[], None],
    ) -> None:
        self.keyring = keyring
        self.table = SessionTable(self._new_session, grace, limits.replay_detached)
        self._parties = {party.role: party for party in parties}
        self._limits = limits
        self._on_quiet = on_quiet
        self._instance = os.urandom(16)
        self._buffered = unread(limits)
        self._handshakes: set[Handshake] = set()
        self._tasks = Tasks("sessions")

    @property
    def streams(self) -> int:
        """Streams of all sessions."""
        return sum(len(session.mux.streams) for session in self.table.sessions)

    @property
    def handshakes(self) -> int:
        """Pipes behind the 101 that have not logged in."""
        return len(self._handshakes)

    def start(self) -> None:
        self._tasks.start("sweep", self._sweep())

    async def stop(self) -> None:
        """Ends all sessions; clients are told when to come back."""
        await self._tasks.stop()
        for handshake in list(self._handshakes):
            handshake.pipe.abort("the server ends")
        sessions = list(self.table.sessions)
        for session in sessions:
            session.mux.close(Code.SHUTDOWN, "the server ends", _SHUTDOWN_AFTER, _SHUTDOWN_SPREAD)
        await finish_all(session.link for session in sessions if session.link)

    def admit(self, pipe: Pipe, admission: Admission, visitor: str) -> None:
        """A pipe whose upgrade was proved; it comes from `visitor`, an `address port`."""
        party = self._parties[admission.upgrade.role]
        acceptor = Acceptor(admission, self._instance, os.urandom)
        handshake = Handshake(
            pipe,
            acceptor,
            lambda payload: acceptor.login(payload, self.keyring),
            lambda login: self._judge(pipe, acceptor, login, party, visitor),
            self._handshakes.discard,
        )
        self._handshakes.add(handshake)
        handshake.start()

    def change(self, keyring: Keyring, grace: float) -> None:
        """Other tokens and access keys hold from now on: what they do not prove ends, and peers may prove the rest."""
        self.keyring = keyring
        self.table.grace = grace
        for session in self.table.sessions:
            role = session.party.role
            lost = {name for name, key in session.services.items() if not keyring.find(role, key)}
            if lost:
                session.party.release(session, lost, time.monotonic())
                session.mux.withdraw(lost, Code.WITHDRAWN)
                _log.info("services withdrawn", services=",".join(sorted(lost)), **_who(session))
            if session.link:
                session.mux.say(frames.frame(Type.CHANGED))

    def move(self, through: Callable[[str], bool], reason: str) -> int:
        """Asks the peers whose link comes from an address that `through` accepts for a new link; their number."""
        asked = [session for session in self.table.sessions if session.link and through(session.link.pipe.peer)]
        for session in asked:
            session.mux.say(frames.goaway(GoAway(Mode.MOVE, Code.DONE, text=reason)))
        return len(asked)

    def _judge(self, pipe: Pipe, acceptor: Acceptor, login: Login, party: Party, visitor: str) -> None:
        decision = self.table.login(login, party, acceptor.identifiers, time.monotonic())
        session = decision.session
        if session is None:
            retry = _RETRY_MS if decision.attach is Attach.RETRY else 0
            pipe.write([[acceptor.welcome(decision.attach, bytes(16), 0, WINDOW_INITIAL, retry)]])
            pipe.close()
            if decision.attach is Attach.PROBED:
                _log.info(f"{party.noun} probed", peer=pipe.peer)
            else:
                _log.warning("login answered", peer=pipe.peer, answer=decision.attach.name.lower())
            self._complain({party.noun: pipe.peer}, login.services, decision.refused)
            return
        received = session.mux.received
        welcome = acceptor.welcome(decision.attach, session.id, received, WINDOW_INITIAL, refused=decision.refused)
        pipe.write([[welcome]])
        link = Link(pipe, session.mux, lambda link, reason: self._link_ended(session, link, reason))
        session.link, session.acceptor, session.visitor = link, acceptor, visitor
        _log.info(
            f"{party.noun} connected",
            **_who(session),
            peer=pipe.peer,
            session=decision.attach.name.lower(),
            epoch=session.epoch,
            services=",".join(sorted(session.services)),
        )
        self._complain({party.noun: pipe.peer}, login.services, decision.refused)
        link.start(login.received if decision.attach is Attach.RESUMED else 0)
        if session.link is link:
            self.table.linked(session)

    def proving(self, session: Session, payload: bytes) -> None:
        assert session.acceptor is not None
        party, now = session.party, time.monotonic()
        refused = party.refused(self.keyring.names(party.role), session.instance, now)
        frame, proved = session.acceptor.prove(payload, self.keyring, refused)
        session.mux.say(frame)
        party.release(session, proved.withdrawn, now)
        session.mux.withdraw(proved.withdrawn, Code.WITHDRAWN)
        identifiers = session.acceptor.identifiers
        good = {name: identifiers[name] for name, status in proved.services.items() if status is Status.OK}
        new = sorted(good.keys() - session.services.keys())
        session.hosts.update(proved.hosts)
        party.claim(session, good, now)
        if new or proved.withdrawn:
            _log.info(
                "services changed",
                **_who(session),
                proved=",".join(new) or "none",
                withdrawn=",".join(proved.withdrawn) or "none",
            )
        self._complain(_who(session), proved.services, refused & proved.services.keys())
        party.linked(session)

    def started(self, session: Session) -> None:
        session.party.linked(session)

    def draining(self, session: Session) -> None:
        session.party.rest(session, time.monotonic())
        _log.info(f"{session.party.noun} drains", **_who(session), streams=len(session.mux.streams))

    def quiet(self) -> None:
        if not self.streams:
            self._on_quiet()

    def _complain(self, who: Mapping[str, str], statuses: Mapping[str, Status], refused: Set[str]) -> None:
        log = _log.bind(**who)
        for name, status in statuses.items():
            if status is Status.UNKNOWN:
                log.warning("names a service that is not in our file, or not for this role", service=name)
            elif status is Status.MISMATCH:
                log.warning("token mismatch", service=name)
        for name in refused:
            log.warning("two homes use one token; the newer is refused for now", service=name)

    def _new_session(self, login: Login, party: Party) -> Session:
        return Session(os.urandom(16), login, party, self, self._buffered, self._limits)

    def _link_ended(self, session: Session, link: Link, reason: str) -> None:
        if session.link is not link:
            return
        if session.mux.failed:
            session.link = None
            self.table.remove(session, time.monotonic())
            _log.info("session ended", **_who(session), reason=reason)
            return
        self.table.detach(session, time.monotonic())
        _log.warning(
            "link lost; streams wait",
            **_who(session),
            peer=link.pipe.peer,
            reason=reason,
            streams=len(session.mux.streams),
            grace=self.table.grace,
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            for session, reason in self.table.expire(time.monotonic()):
                streams = len(session.mux.streams)
                session.mux.close(Code.AWAY, reason)
                _log.warning("session ended", **_who(session), reason=reason, streams=streams)
            for session in [session for session in self.table.sessions if session.link and session.over]:
                session.mux.close(Code.DONE, "another session took its place")


def _who(session: Session) -> dict[str, str]:
    return {session.party.noun: session.name}
