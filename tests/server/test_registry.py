"""Which session serves which service: the newest, while it is up; and what becomes of each LOGIN."""

import asyncio
from collections.abc import Callable
from typing import cast

from hushgate.config.model import Limits
from hushgate.link.link import Link
from hushgate.protocol.credit import Buffered
from hushgate.protocol.hello import Attach, Login, Status
from hushgate.protocol.limits import REPLAY_DETACHED_LIMIT
from hushgate.server.registry import Registry
from hushgate.server.session import Keeper, Session
from tests.aio import run

IDS = {"ssh": b"s" * 16, "ollama": b"o" * 16}


class Fenced:
    """A link as far as the registry knows one."""

    def __init__(self) -> None:
        self.fenced = False

    def fence(self, reason: str) -> None:
        self.fenced = True


class House:
    """A registry, and sessions whose links stand at once."""

    def __init__(self, grace: float = 60.0) -> None:
        self.made = 0
        self.registry = Registry(self._create, 1000.0, grace)

    def _create(self, login: Login) -> Session:
        self.made += 1
        return Session(bytes([self.made]) * 16, login, cast(Keeper, None), Buffered(), Limits())

    def login(
        self, instance: bytes = b"A", session: Session | None = None, epoch: int = 1, now: float = 1000.0, *names: str
    ) -> tuple[Attach, Session | None]:
        services = {name: IDS[name] for name in names or ("ssh",)}
        asked = Login(
            1, session.id if session else None, epoch, 0, 65536, instance * 16, dict.fromkeys(services, Status.OK)
        )
        decision = self.registry.login(asked, services, now)
        if decision.session:
            decision.session.link = cast(Link, Fenced())
            decision.session.taken_up = True
            self.registry.announce(decision.session)
        return decision.attach, decision.session


def in_loop(test: Callable[[House], None]) -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        test(House())

    run(main())


def test_a_new_home_is_found_and_away_counts_from_its_loss() -> None:
    def test(house: House) -> None:
        assert house.registry.find("ssh") is None
        assert house.registry.away("ssh", 1007.0) == 7.0
        attach, session = house.login()
        assert session is not None
        assert (attach, house.registry.find("ssh"), house.registry.away("ssh", 1010.0)) == (Attach.NEW, session, 0.0)
        house.registry.detach(session, 1020.0)
        assert house.registry.find("ssh") is session
        assert house.registry.away("ssh", 1025.0) == 5.0
        assert house.registry.expire(1079.0) == []
        assert [ended for ended, _ in house.registry.expire(1080.0)] == [session]
        assert house.registry.find("ssh") is None
        assert house.registry.away("ssh", 1081.0) == 61.0

    in_loop(test)


def test_a_session_is_resumed_with_a_higher_epoch_only_and_its_older_link_fenced() -> None:
    def test(house: House) -> None:
        _, session = house.login()
        assert session is not None
        link = cast(Fenced, session.link)
        assert house.login(session=session, epoch=1)[0] is Attach.STALE
        assert not link.fenced
        assert house.login(session=session, epoch=3) == (Attach.RESUMED, session)
        assert link.fenced
        assert house.login(session=session, epoch=2)[0] is Attach.STALE
        house.registry.remove(session, 1000.0)
        assert house.login(session=session, epoch=4)[0] is Attach.UNKNOWN

    in_loop(test)


def test_a_session_that_its_client_never_took_up_is_no_route_and_goes_when_the_client_begins_another() -> None:
    def test(house: House) -> None:
        _, served = house.login(b"B")
        _, lost = house.login(b"A")
        _, elsewhere = house.login(b"A", None, 1, 1000.0, "ollama")
        assert served is not None and lost is not None and elsewhere is not None
        lost.taken_up = elsewhere.taken_up = False
        link = cast(Fenced, lost.link)
        assert house.registry.find("ssh") is served
        attach, session = house.login(b"A", now=1001.0)
        assert (attach, house.registry.find("ssh"), link.fenced, lost.link) == (Attach.NEW, session, True, None)
        assert list(house.registry.sessions) == [served, elsewhere, session]
        assert house.login(b"A", now=1002.0)[1] is not session
        assert session in house.registry.sessions, "one that was taken up stays beside it"

    in_loop(test)


def test_services_that_are_not_proved_again_are_lost_and_none_proved_is_denied() -> None:
    def test(house: House) -> None:
        _, session = house.login(b"A", None, 1, 1000.0, "ssh", "ollama")
        assert session is not None
        assert house.login(b"A", session, 2, 1000.0, "ssh") == (Attach.RESUMED, session)
        assert set(session.services) == {"ssh"}
        assert house.login(b"A", session, 3, 1000.0, "ollama")[0] is Attach.DENIED

    in_loop(test)


def test_the_newest_home_wins_and_the_older_follows_when_it_goes() -> None:
    def test(house: House) -> None:
        _, first = house.login(b"A")
        _, second = house.login(b"B")
        assert house.registry.find("ssh") is second
        assert first is not None
        assert second is not None
        house.registry.claim(first, {"ssh": IDS["ssh"]}, 1001.0)
        assert house.registry.find("ssh") is second, "proving again takes nothing over"
        house.registry.detach(second, 1002.0)
        assert house.registry.find("ssh") is first
        assert house.registry.away("ssh", 1003.0) == 0.0

    in_loop(test)


def test_homes_that_fight_are_damped_for_a_minute() -> None:
    def test(house: House) -> None:
        answers = [house.login(bytes([65 + n]), now=1000.0 + n)[0] for n in range(6)]
        assert answers == [Attach.NEW] * 4 + [Attach.RETRY] * 2
        assert house.login(b"Z", now=1070.0)[0] is Attach.NEW

    in_loop(test)


def test_detached_sessions_that_together_keep_too_much_for_replay_end_the_oldest_first() -> None:
    def test(house: House) -> None:
        sessions = []
        for number, name in enumerate(("ssh", "ollama")):
            _, session = house.login(bytes([65 + number]), None, 1, 1000.0, name)
            assert session is not None
            session.mux.outbox.replay.kept = REPLAY_DETACHED_LIMIT // 2 + 1
            sessions.append(session)
        house.registry.detach(sessions[1], 1001.0)
        assert house.registry.expire(1002.0) == []
        house.registry.detach(sessions[0], 1002.0)
        assert house.registry.expire(1003.0) == [(sessions[1], "detached sessions keep too much")]
        assert list(house.registry.sessions) == [sessions[0]]
        assert house.registry.expire(1004.0) == []

    in_loop(test)


def test_a_draining_session_is_away_from_then_on() -> None:
    def test(house: House) -> None:
        _, session = house.login()
        assert session is not None
        session.draining = True
        house.registry.rest(session, 1030.0)
        assert house.registry.away("ssh", 1031.0) == 1.0

    in_loop(test)


def test_revoked_tokens() -> None:
    def test(house: House) -> None:
        _, session = house.login(b"A", None, 1, 1000.0, "ssh", "ollama")
        assert session is not None
        assert house.registry.revoked(session, lambda key: key == IDS["ssh"]) == {"ollama"}

    in_loop(test)
