"""Which session serves which service: the newest, while it is up; and what becomes of each LOGIN."""

import asyncio
from collections.abc import Callable
from typing import cast

from hushgate.config.model import Limits
from hushgate.link.link import Link
from hushgate.protocol.credit import Buffered
from hushgate.protocol.hello import Attach, Login, Status
from hushgate.server.registry import Registry
from hushgate.server.session import Keeper, Party, Session
from hushgate.server.table import Decision, SessionTable
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
        self.up: list[str] = []
        self.registry = Registry(1000.0, self.up.append)
        self.table = SessionTable(self._create, grace)

    def _create(self, login: Login, party: Party) -> Session:
        self.made += 1
        return Session(bytes([self.made]) * 16, login, party, cast(Keeper, None), Buffered(), Limits())

    def probe(self, instance: bytes = b"P", now: float = 1000.0) -> Decision:
        """The answer to somebody who asks only, about `ssh`."""
        asked = Login(1, None, 1, 0, 65536, instance * 16, {"ssh": Status.OK}, probe=True)
        return self.table.login(asked, self.registry, {"ssh": IDS["ssh"]}, now)

    def login(
        self, instance: bytes = b"A", session: Session | None = None, epoch: int = 1, now: float = 1000.0, *names: str
    ) -> tuple[Attach, Session | None]:
        services = {name: IDS[name] for name in names or ("ssh",)}
        asked = Login(
            1, session.id if session else None, epoch, 0, 65536, instance * 16, dict.fromkeys(services, Status.OK)
        )
        decision = self.table.login(asked, self.registry, services, now)
        if decision.session:
            decision.session.link = cast(Link, Fenced())
            decision.session.taken_up = True
            self.table.linked(decision.session)
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
        house.table.detach(session, 1020.0)
        assert house.registry.find("ssh") is session
        assert house.registry.away("ssh", 1025.0) == 5.0
        assert house.table.expire(1079.0) == []
        assert [ended for ended, _ in house.table.expire(1080.0)] == [session]
        assert house.registry.find("ssh") is None
        assert house.registry.away("ssh", 1081.0) == 61.0

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
        house.table.detach(second, 1002.0)
        assert house.registry.find("ssh") is first
        assert house.registry.away("ssh", 1003.0) == 0.0

    in_loop(test)


def test_homes_that_fight_are_damped_for_a_minute() -> None:
    def test(house: House) -> None:
        answers = [house.login(bytes([65 + n]), now=1000.0 + n)[0] for n in range(6)]
        assert answers == [Attach.NEW] * 4 + [Attach.RETRY] * 2
        assert house.login(b"Z", now=1070.0)[0] is Attach.NEW

    in_loop(test)


def test_a_draining_session_is_away_from_then_on() -> None:
    def test(house: House) -> None:
        _, session = house.login()
        assert session is not None
        session.draining = True
        house.registry.rest(session, 1030.0)
        assert house.registry.away("ssh", 1031.0) == 1.0

    in_loop(test)
