"""Who is connected and which session serves which service (docs/protocol.md §9). Decides synchronously; does no I/O
itself but through the links it is told to fence.

Ownership is per service. The session that proved a service last owns it; sessions that proved it before stand behind
it and take over when it goes. Two homes that fight over one token are damped: after three changes in a minute the
newcomer is refused until the minute is over, and the log says so.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hushgate.log import logger
from hushgate.protocol.frames import Code
from hushgate.protocol.hello import Attach, Login
from hushgate.protocol.limits import GRACE, REPLAY_DETACHED_LIMIT
from hushgate.server.session import Session

_log = logger("registry")
_GRACE_OVER = "the grace is over: home did not come back in time"
_CHANGES = 3
_CHANGES_WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a LOGIN. `session` is None when the link ends; `refused` services are not for this client now."""

    attach: Attach
    session: Session | None
    refused: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Ownership:
    owners: list[Session] = field(default_factory=list)
    """The newest last."""
    changes: deque[float] = field(default_factory=deque)
    away_since: float = 0.0


class Registry:
    """All sessions of this process. `create` builds a session with a fresh random id."""

    def __init__(self, create: Callable[[Login], Session], now: float, grace: float = GRACE) -> None:
        self.grace = grace
        self._create = create
        self._started_at = now
        self._sessions: dict[bytes, Session] = {}
        self._services: dict[str, _Ownership] = {}
        self.on_up: Callable[[str], None] = _ignore
        """Called with a service that has a route again."""

    @property
    def sessions(self) -> Collection[Session]:
        return self._sessions.values()

    def find(self, service: str) -> Session | None:
        """The route to `service`: the newest session that is up, else the newest that may come back."""
        owners = self._services[service].owners if service in self._services else []
        for session in reversed(owners):
            if session.up:
                return session
        return owners[-1] if owners else None

    def away(self, service: str, now: float) -> float:
        """Seconds since `service` was last served; 0 while it is."""
        owned = self._services.get(service)
        if owned and any(session.up for session in owned.owners):
            return 0.0
        return now - (owned.away_since if owned and owned.away_since else self._started_at)

    def login(self, login: Login, identifiers: Mapping[str, bytes], now: float) -> Decision:
        """Decides what becomes of a proved LOGIN, and carries it out up to fencing the older link.

        `identifiers`: the identifier with which each OK service was proved.
        """
        if not identifiers:
            return Decision(Attach.DENIED, None)
        if login.session is not None and (session := self._sessions.get(login.session)):
            return self._resume(session, login, identifiers, now)
        refused = self.refused(identifiers, login.instance, now)
        if len(refused) == len(identifiers):
            return Decision(Attach.RETRY, None, refused)
        self._forget_unheard_of(login.instance, set(identifiers), now)
        session = self._create(login)
        self._sessions[session.id] = session
        self.claim(session, {name: key for name, key in identifiers.items() if name not in refused}, now)
        return Decision(Attach.NEW if login.session is None else Attach.UNKNOWN, session, refused)

    def _resume(self, session: Session, login: Login, identifiers: Mapping[str, bytes], now: float) -> Decision:
        if not set(identifiers) & set(session.services):
            return Decision(Attach.DENIED, None)
        if login.epoch <= session.epoch:
            return Decision(Attach.STALE, None)
        session.epoch = login.epoch
        if session.link:
            session.link.fence("a newer link of the same session took over")
            session.link = None
        lost = set(session.services) - set(identifiers)
        self.release(session, lost, now)
        session.mux.withdraw(lost, Code.DENIED)
        refused = self.refused(identifiers, login.instance, now)
        self.claim(session, {name: key for name, key in identifiers.items() if name not in refused}, now)
        return Decision(Attach.RESUMED, session, refused)

    def _forget_unheard_of(self, instance: bytes, names: set[str], now: float) -> None:
        """A client that begins another session has not heard of those that it did not take up: WELCOME was lost."""
        for session in list(self._sessions.values()):
            if session.instance == instance and not session.taken_up and names & session.services.keys():
                if session.link:
                    session.link.fence("the client begins another session")
                    session.link = None
                self.remove(session, now)

    def refused(self, names: Iterable[str], instance: bytes, now: float) -> frozenset[str]:
        """Those of the services that are not for the client `instance` now, because two homes fight over them."""
        return frozenset(name for name in names if self._fights(name, instance, now))

    def _fights(self, name: str, instance: bytes, now: float) -> bool:
        owned = self._services.get(name)
        if not owned or all(session.instance == instance or not session.up for session in owned.owners):
            return False
        while owned.changes and now - owned.changes[0] > _CHANGES_WINDOW:
            owned.changes.popleft()
        return len(owned.changes) >= _CHANGES

    def claim(self, session: Session, identifiers: Mapping[str, bytes], now: float) -> None:
        """`session` serves these services from now on: the newest wins. One that proves again what it proved before
        keeps its place."""
        for name, identifier in identifiers.items():
            owned = self._services.setdefault(name, _Ownership())
            session.services[name] = identifier
            if session in owned.owners:
                continue
            other = owned.owners[-1] if owned.owners else None
            if other and other.instance != session.instance and other.up:
                owned.changes.append(now)
                _log.warning("another home took the service over", service=name, old=other.name, new=session.name)
            owned.owners.append(session)
            for older in owned.owners[:-1]:
                if older.detached_at is not None:
                    self._yield(older, now)

    def _yield(self, session: Session, now: float) -> None:
        """`session` has no link, and another home took services of it over: a restarted client, or a replacement. It
        does not come back for their streams, so whoever waits at them is told now."""
        taken = {name for name in session.services if self._services[name].owners[-1].instance != session.instance}
        self.release(session, taken, now)
        session.mux.withdraw(taken, Code.REPLACED)

    def announce(self, session: Session) -> None:
        """The session's link stands: those who wait for its services may go on, unless it drains or is not taken up
        yet. Were WELCOME lost, nobody would ever come back for their streams."""
        session.detached_at = None
        if session.up:
            for name in session.services:
                self.on_up(name)

    def release(self, session: Session, names: Iterable[str], now: float) -> None:
        """`session` no longer serves these services."""
        for name in set(names):
            session.services.pop(name, None)
            owned = self._services.get(name)
            if owned and session in owned.owners:
                owned.owners.remove(session)
                if not owned.owners:
                    owned.away_since = now

    def detach(self, session: Session, now: float) -> None:
        """The session's link is gone; it may come back within the grace."""
        session.link = None
        session.detached_at = now
        self.rest(session, now)
        self._yield(session, now)

    def rest(self, session: Session, now: float) -> None:
        """The session takes no new streams for the time being."""
        for name in session.services:
            self._services[name].away_since = now

    def expire(self, now: float) -> list[tuple[Session, str]]:
        """Removes and returns the sessions whose grace is over, and the oldest detached ones when together they keep
        too much for replay; each with the reason."""
        detached = sorted(
            (session for session in self._sessions.values() if session.detached_at is not None),
            key=lambda session: session.detached_at or 0.0,
        )
        kept = sum(session.mux.outbox.replay.kept for session in detached)
        ended = []
        for session in detached:
            reason = self._ends(session, now)
            if not reason and kept > REPLAY_DETACHED_LIMIT:
                reason = "detached sessions keep too much"
            if reason:
                kept -= session.mux.outbox.replay.kept
                self.remove(session, now)
                ended.append((session, reason))
        return ended

    def _ends(self, session: Session, now: float) -> str:
        if not session.services:
            return "another home took its services over"
        return _GRACE_OVER if now - (session.detached_at or now) >= self.grace else ""

    def remove(self, session: Session, now: float) -> None:
        """Forgets the session; its mux is the caller's to close."""
        since = session.detached_at
        self._sessions.pop(session.id, None)
        self.release(session, list(session.services), since if since is not None else now)

    def revoked(self, session: Session, valid: Callable[[bytes], bool]) -> set[str]:
        """The services of `session` whose token is not valid any more."""
        return {name for name, identifier in session.services.items() if not valid(identifier)}


def _ignore(_: str) -> None:
    pass
