"""From an admitted pipe to a session that serves, and to its end; home is played over a memory pipe."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import pytest

from hushgate.config.model import Limits
from hushgate.guard.keyring import Keyring
from hushgate.protocol.frames import Code, Mode
from hushgate.protocol.hello import Attach, Resume, Status
from hushgate.protocol.limits import GRACE
from hushgate.server.app import build_keyring
from hushgate.server.registry import Registry
from hushgate.server.sessions import Sessions
from tests.aio import run
from tests.logs import capture_logs
from tests.server.home import Home
from tests.tunnel import server_config, until


def keyring(services: Iterable[str]) -> Keyring:
    return build_keyring(server_config(dict.fromkeys(services, 0)).services.values())


class House:
    """Sessions of a server that knows `services`, with what they told it."""

    def __init__(self, *services: str) -> None:
        self.up: list[str] = []
        self.registry = Registry(0.0, self.up.append)
        known = keyring(services or ("echo", "other"))
        self.sessions = Sessions(known, [self.registry], Limits(), GRACE, lambda: self.up.append("quiet"))

    def knows(self, *services: str) -> None:
        self.sessions.change(keyring(services), GRACE)


@contextlib.asynccontextmanager
async def house(*services: str) -> AsyncIterator[House]:
    made = House(*services)
    try:
        yield made
    finally:
        await made.sessions.stop()
        await asyncio.sleep(0.01)


def test_a_home_logs_in_and_its_services_are_up() -> None:
    async def main() -> None:
        async with house() as made:
            home = Home(["echo", "other", "mine"])
            home.knock(made.sessions)
            assert (made.sessions.handshakes, len(made.sessions.table.sessions)) == (1, 0)
            home.pipe.abort("changed its mind")
            await until(lambda: not made.sessions.handshakes, "the handshake to be forgotten")
            welcome = await home.come(made.sessions)
            assert welcome.attach is Attach.NEW
            assert welcome.services == {"echo": Status.OK, "other": Status.OK, "mine": Status.UNKNOWN}
            assert (made.sessions.handshakes, made.up) == (0, [])
            await until(lambda: sorted(made.up) == ["echo", "other"], "START, which says that home got WELCOME")

    with capture_logs() as lines:
        run(main())
    assert [line["service"] for line in lines if "not in our file" in line["event"]] == ["mine"]


def test_a_session_outlives_its_link_and_the_newest_link_has_it() -> None:
    async def main() -> None:
        async with house() as made:
            home = Home()
            first = await home.come(made.sessions)
            (session,) = made.sessions.table.sessions
            again = Home(instance=home.instance)
            welcome = await again.come(made.sessions, Resume(first.session, 2, 0))
            assert welcome.attach is Attach.RESUMED
            assert (list(made.sessions.table.sessions), session.epoch, session.up) == ([session], 2, True)
            await until(lambda: home.reasons, "the older link to end")
            again.pipe.abort("lost")
            await until(lambda: not session.up, "the loss")
            assert made.registry.find("echo") is session

    with capture_logs() as lines:
        run(main())
    assert [line["session"] for line in lines if line["event"] == "client connected"] == ["new", "resumed"]
    assert len([line for line in lines if line["event"] == "link lost; streams wait"]) == 1


def test_a_login_that_is_not_granted_is_answered_and_its_pipe_ends() -> None:
    async def main() -> None:
        async with house() as made:
            home = Home()
            first = await home.come(made.sessions)
            late = Home(instance=home.instance)
            welcome = await late.login(made.sessions, Resume(first.session, 1, 0))
            assert (welcome.attach, welcome.session) == (Attach.STALE, bytes(16))
            await until(lambda: late.over, "the end of the pipe")
            assert (late.over, home.reasons) == ([None], [])

    with capture_logs() as lines:
        run(main())
    assert [line["answer"] for line in lines if line["event"] == "login answered"] == ["stale"]


def test_a_home_that_fights_is_told_when_to_come_back() -> None:
    async def main() -> None:
        async with house() as made:
            welcomes = [await Home().come(made.sessions) for _ in range(4)]
            welcomes.append(await Home().login(made.sessions))
            assert [welcome.attach for welcome in welcomes] == [Attach.NEW] * 4 + [Attach.RETRY]
            assert welcomes[-1].retry_ms == 30_000

    run(main())


def test_a_changed_file_withdraws_what_it_does_not_know_and_asks_for_new_proofs() -> None:
    async def main() -> None:
        async with house() as made:
            home = Home(["echo", "other"])
            await home.come(made.sessions)
            made.up.clear()
            made.knows("echo")
            assert (set(made.sessions.table.sessions), made.registry.find("other")) == (
                {made.registry.find("echo")},
                None,
            )
            await until(lambda: home.changed, "CHANGED")
            made.knows("echo", "other")
            home.mux.say(home.dialler.prove(home.keys))
            await until(lambda: home.answers, "PROVED")
            assert home.dialler.proved(home.answers[0]) == {"echo": Status.OK, "other": Status.OK}
            assert "other" in made.up
            home.mux.say(home.dialler.prove([], ["echo"]))
            await until(lambda: made.registry.find("echo") is None, "the withdrawal")

    with capture_logs() as lines:
        run(main())
    changes = [(line["proved"], line["withdrawn"]) for line in lines if line["event"] == "services changed"]
    assert changes == [("other", "none"), ("none", "echo")]
    assert [line["services"] for line in lines if line["event"] == "services withdrawn"] == ["other"]


def test_only_homes_behind_the_proxy_are_asked_to_move() -> None:
    async def main() -> None:
        async with house() as made:
            near, far = Home(["echo"]), Home(["other"])
            await near.come(made.sessions, peer="127.0.0.1:5000")
            await far.come(made.sessions)
            assert made.sessions.move(lambda peer: peer.startswith("127."), "proxy reloaded") == 1
            await until(lambda: near.away, "GOAWAY")
            assert [(away.mode, away.text) for away in near.away] == [(Mode.MOVE, "proxy reloaded")]
            assert far.away == []

    run(main())


def test_at_the_end_homes_are_told_when_to_come_back_and_handshakes_end() -> None:
    async def main() -> None:
        home, slow = Home(), Home()
        async with house() as made:
            await home.come(made.sessions)
            slow.knock(made.sessions)
        await until(lambda: home.away and slow.over, "both ends")
        assert [(away.code, away.after, away.spread) for away in home.away] == [(Code.SHUTDOWN, 500, 1000)]
        assert made.sessions.handshakes == 0

    run(main())


def test_a_session_whose_grace_is_over_is_swept_with_its_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.server.sessions._SWEEP", 0.01)

    async def main() -> None:
        async with house() as made:
            made.sessions.table.grace = 0.0
            home = Home()
            await home.come(made.sessions)
            made.sessions.start()
            home.pipe.abort("lost")
            await until(lambda: not made.sessions.table.sessions, "the sweep")

    with capture_logs() as lines:
        run(main())
    assert [line["reason"] for line in lines if line["event"] == "session ended"] == [
        "the grace is over: the client did not come back in time"
    ]
