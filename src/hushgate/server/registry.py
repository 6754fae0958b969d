"""Which home serves which service. Decides synchronously; does no I/O itself.

Ownership is per service. The session that proved a service last owns it; sessions that proved it before stand behind
it and take over when it goes. Two homes that fight over one token are damped: after three changes in a minute the
newcomer is refused until the minute is over, and the log says so.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hushgate.log import logger
from hushgate.protocol.frames import Code
from hushgate.protocol.keys import Role
from hushgate.protocol.stream import Stream
from hushgate.server.session import Session

_log = logger("registry")
_CHANGES = 3
_CHANGES_WINDOW = 60.0


@dataclass(slots=True)
class _Ownership:
    owners: list[Session] = field(default_factory=list)
    """The newest last."""
    changes: deque[float] = field(default_factory=deque)
    away_since: float = 0.0


class Registry:
    """The homes' sessions by service (server.session.Party). `on_up` is called with a service that has a route
    again."""

    role = Role.CLIENT
    noun = "client"

    def __init__(self, now: float, on_up: Callable[[str], None]) -> None:
        self._started_at = now
        self._on_up = on_up
        self._services: dict[str, _Ownership] = {}

    def find(self, service: str) -> Session | None:
        """The route to `service`: the newest session that is up, else the newest that may come back."""
        owners = self._services[service].owners if service in self._services else []
        for session in reversed(owners):
            if session.up:
                return session
        return owners[-1] if owners else None

    def host(self, service: str) -> bytes:
        """The Host that HTTP requests to `service` shall have at its home; empty: that of the visitor."""
        session = self.find(service)
        return session.hosts.get(service, "").encode() if session else b""

    def away(self, service: str, now: float) -> float:
        """Seconds since `service` was last served; 0 while it is, or about to be, because home has logged in."""
        owned = self._services.get(service)
        if owned and any(session.link and not session.draining for session in owned.owners):
            return 0.0
        return now - (owned.away_since if owned and owned.away_since else self._started_at)

    def refused(self, names: Iterable[str], instance: bytes, now: float) -> frozenset[str]:
        """Those that two homes fight over."""
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

    def linked(self, session: Session) -> None:
        """Those who wait for its services may go on, unless it drains or is not taken up yet. Were WELCOME lost, nobody
        would ever come back for their streams."""
        if session.up:
            for name in session.services:
                self._on_up(name)

    def release(self, session: Session, names: Iterable[str], now: float) -> None:
        """`session` no longer serves these services."""
        for name in set(names):
            session.services.pop(name, None)
            owned = self._services.get(name)
            if owned and session in owned.owners:
                owned.owners.remove(session)
                if not owned.owners:
                    owned.away_since = now

    def unlinked(self, session: Session, now: float) -> None:
        self.rest(session, now)
        self._yield(session, now)

    def rest(self, session: Session, now: float) -> None:
        """The session takes no new streams for the time being."""
        for name in session.services:
            self._services[name].away_since = now

    def incoming(self, session: Session, stream: Stream) -> None:
        stream.reset(Code.DENIED, "a home client opens no streams")
