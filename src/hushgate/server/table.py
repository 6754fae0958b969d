"""All sessions of this process, and what becomes of each LOGIN (docs/protocol.md §9). Decides synchronously; does no
I/O itself but through the links it is told to fence.

Homes and laptops are alike here; what a proved service means is their party's business (server.session.Party).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from hushgate.protocol.frames import Code
from hushgate.protocol.hello import Attach, Login
from hushgate.protocol.limits import GRACE, REPLAY_DETACHED_LIMIT
from hushgate.server.session import Party, Session


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a LOGIN. `session` is None when the link ends; `refused` services are not for this peer now."""

    attach: Attach
    session: Session | None
    refused: frozenset[str] = frozenset()


class SessionTable:
    """Sessions by id. `create` builds one with a fresh random id."""

    def __init__(
        self,
        create: Callable[[Login, Party], Session],
        grace: float = GRACE,
        replay_detached: int = REPLAY_DETACHED_LIMIT,
    ) -> None:
        """`replay_detached`: bytes that all sessions without a link may keep together."""
        self.grace = grace
        self._create = create
        self._replay_detached = replay_detached
        self._sessions: dict[bytes, Session] = {}

    @property
    def sessions(self) -> Collection[Session]:
        return self._sessions.values()

    def login(self, login: Login, party: Party, identifiers: Mapping[str, bytes], now: float) -> Decision:
        """Decides what becomes of a proved LOGIN, and carries it out up to fencing the older link.

        `identifiers`: the identifier with which each OK service was proved.
        """
        if not identifiers:
            return Decision(Attach.DENIED, None)
        if login.session is not None and (session := self._sessions.get(login.session)):
            return self._resume(session, login, party, identifiers, now)
        refused = party.refused(identifiers, login.instance, now)
        if login.probe:
            return Decision(Attach.PROBED, None, refused)
        if len(refused) == len(identifiers):
            return Decision(Attach.RETRY, None, refused)
        self._forget_unheard_of(login.instance, set(identifiers), now)
        session = self._create(login, party)
        self._sessions[session.id] = session
        session.hosts.update(login.hosts)
        party.claim(session, {name: key for name, key in identifiers.items() if name not in refused}, now)
        return Decision(Attach.NEW if login.session is None else Attach.UNKNOWN, session, refused)

    def _resume(
        self, session: Session, login: Login, party: Party, identifiers: Mapping[str, bytes], now: float
    ) -> Decision:
        if party is not session.party or not set(identifiers) & set(session.services):
            return Decision(Attach.DENIED, None)
        if login.epoch <= session.epoch:
            return Decision(Attach.STALE, None)
        session.epoch = login.epoch
        if session.link:
            session.link.fence("a newer link of the same session took over")
            session.link = None
        lost = set(session.services) - set(identifiers)
        party.release(session, lost, now)
        session.mux.withdraw(lost, Code.DENIED)
        refused = party.refused(identifiers, login.instance, now)
        session.hosts.update(login.hosts)
        party.claim(session, {name: key for name, key in identifiers.items() if name not in refused}, now)
        return Decision(Attach.RESUMED, session, refused)

    def _forget_unheard_of(self, instance: bytes, names: set[str], now: float) -> None:
        """A peer that begins another session has not heard of those that it did not take up: WELCOME was lost."""
        for session in list(self._sessions.values()):
            if session.instance == instance and not session.taken_up and names & session.services.keys():
                if session.link:
                    session.link.fence("the peer begins another session")
                    session.link = None
                self.remove(session, now)

    def linked(self, session: Session) -> None:
        """The session's link stands."""
        session.detached_at = None
        session.party.linked(session)

    def detach(self, session: Session, now: float) -> None:
        """The session's link is gone; it may come back within the grace."""
        session.link = None
        session.detached_at = now
        session.party.unlinked(session, now)

    def expire(self, now: float) -> list[tuple[Session, str]]:
        """Removes and returns the sessions whose grace is over, and the oldest detached ones when together they keep
        too much for replay; each with the reason."""
        detached = sorted(
            (session for session in self._sessions.values() if session.detached_at is not None),
            key=lambda session: session.detached_at or 0.0,
        )
        kept = sum(session.mux.kept for session in detached)
        ended = []
        for session in detached:
            reason = self._ends(session, now)
            if not reason and kept > self._replay_detached:
                reason = "detached sessions keep too much"
            if reason:
                kept -= session.mux.kept
                self.remove(session, now)
                ended.append((session, reason))
        return ended

    def _ends(self, session: Session, now: float) -> str:
        if not session.services:
            return "it has lost all its services"
        over = now - (session.detached_at or now) >= self.grace
        return f"the grace is over: the {session.party.noun} did not come back in time" if over else ""

    def remove(self, session: Session, now: float) -> None:
        """Forgets the session; its mux is the caller's to close."""
        since = session.detached_at
        self._sessions.pop(session.id, None)
        session.party.release(session, list(session.services), since if since is not None else now)
