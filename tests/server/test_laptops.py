"""What a laptop may open, and what becomes of it; laptop and home are played over memory pipes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest

from hushgate.config.model import Limits, Secret
from hushgate.edge.judge import Rules
from hushgate.edge.sides import Site
from hushgate.guard.proofs import ProofGuard, Refusal
from hushgate.link.lobby import Lobby
from hushgate.protocol.frames import Code, Kind, Open
from hushgate.protocol.hello import Attach, Resume, Status
from hushgate.protocol.keys import Role, derive_keys
from hushgate.protocol.limits import GRACE, HOPS_MAX
from hushgate.protocol.stream import Stream
from hushgate.protocol.upgrade import build_upgrade
from hushgate.server.app import build_keyring
from hushgate.server.front import Front
from hushgate.server.laptops import Laptops
from hushgate.server.registry import Registry
from hushgate.server.sessions import Sessions
from hushgate.server.wayhome import Destination
from tests.aio import run
from tests.link.joined import Voice
from tests.server.home import Home
from tests.server.laptop import PlayedLaptop
from tests.tunnel import QUICK, access_key, server_config, token, until

SERVICES = ("echo", "other", "web")


class Served(Home):
    """A home that keeps what is asked of it."""

    def __init__(self, services: Iterable[str] = ("echo",)) -> None:
        super().__init__(services)
        self.asked: list[Voice] = []

    def incoming(self, stream: Stream) -> None:
        self.asked.append(Voice(stream, ends=False))
        stream.accept()


class House:
    """The server's part of it, with a lobby for each service."""

    def __init__(self, limits: Limits) -> None:
        self.config = server_config(dict.fromkeys(SERVICES, 0))
        self.registry = Registry(time.monotonic(), lambda name: self.lobbies[name].open())
        self.lobbies = {name: self._lobby(name, limits) for name in SERVICES}
        destination = Destination("web", lambda: self.registry.find("web"), lambda: b"home:1", self.lobbies["web"])
        self.front = Front(Site("web", Rules("web")), destination)
        self.laptops = Laptops(self.lobbies.get, {"web": self.front}.get)
        keyring = build_keyring(self.config.services.values())
        self.sessions = Sessions(keyring, (self.registry, self.laptops), limits, GRACE, lambda: None)

    def _lobby(self, name: str, limits: Limits) -> Lobby:
        timing = replace(QUICK, visitor_wait=0.3)
        return Lobby(lambda: self.registry.find(name), lambda now: self.registry.away(name, now), timing, limits)


@contextlib.asynccontextmanager
async def house(limits: Limits | None = None) -> AsyncIterator[House]:
    made = House(limits or Limits())
    try:
        yield made
    finally:
        for lobby in made.lobbies.values():
            lobby.close()
        made.front.stop()
        await made.sessions.stop()
        await asyncio.sleep(0.01)


def opened(laptop: Home, what: Open) -> Voice:
    stream = laptop.mux.open(what, time.monotonic())
    return Voice(stream, ends=False)


def test_a_stream_goes_on_to_home_with_its_bytes_and_the_servers_word_for_the_visitor() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(), PlayedLaptop()
            await home.come(made.sessions)
            await laptop.come(made.sessions, peer="192.0.2.9:4000")
            near = opened(laptop, Open("echo", visitor="10.0.0.1 1", ingress="elsewhere", e2e=1))
            near.say(b"question")
            await until(lambda: home.asked and home.asked[0].got == b"question", "the question")
            assert home.asked[0].stream.what == Open("echo", visitor="192.0.2.9 4000", hop=1, e2e=1)
            await until(lambda: near.was_opened, "OPEN_OK")
            home.asked[0].say(b"answer", ends=True)
            await until(lambda: near.finished, "the end")
            assert near.got == b"answer"

    run(main())


def test_a_laptops_requests_pass_the_gateway_like_everybodys() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(["web"]), PlayedLaptop(["web"])
            await home.come(made.sessions)
            await laptop.come(made.sessions, peer="192.0.2.9:4000")
            near = opened(laptop, Open("web"))
            near.say(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
            await until(lambda: home.asked and home.asked[0].got.endswith(b"\r\n\r\n"), "the request")
            assert home.asked[0].got.startswith(b"GET / HTTP/1.1\r\nHost: home:1\r\nX-Forwarded-For: 192.0.2.9\r\n")
            home.asked[0].say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await until(lambda: near.got.endswith(b"ok"), "the answer")
            evil = opened(laptop, Open("web"))
            evil.say(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            await until(lambda: evil.got.startswith(b"HTTP/1.1 400 "), "the refusal")
            sealed = opened(laptop, Open("web", e2e=1))
            await until(lambda: sealed.was_reset is Code.UNSUPPORTED, "the reset")
            assert len(home.asked) == 1

    run(main())


def test_datagrams_and_resets_pass() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(), PlayedLaptop()
            await home.come(made.sessions)
            await laptop.come(made.sessions)
            near = opened(laptop, Open("echo", kind=Kind.DATAGRAMS))
            near.stream.send_datagram(b"one")
            await until(lambda: home.asked and home.asked[0].datagrams, "the datagram")
            home.asked[0].close(Code.REFUSED)
            await until(lambda: near.was_reset is not None, "the reset")
            assert near.was_reset is Code.REFUSED

    run(main())


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (Open("other"), Code.DENIED),
        (Open("ghost"), Code.DENIED),
        (Open("echo", hop=HOPS_MAX), Code.LIMIT),
        (Open("echo", hop=255), Code.LIMIT),
    ],
)
def test_what_a_laptop_may_not_open(what: Open, code: Code) -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(SERVICES), PlayedLaptop(["echo"])
            await home.come(made.sessions)
            await laptop.come(made.sessions)
            near = opened(laptop, what)
            await until(lambda: near.was_reset is not None, "the refusal")
            assert near.was_reset is code
            assert not home.mux.streams

    run(main())


def test_a_laptop_is_never_the_route_to_a_service() -> None:
    async def main() -> None:
        async with house() as made:
            laptop = PlayedLaptop(SERVICES)
            welcome = await laptop.come(made.sessions)
            assert (welcome.attach, welcome.services) == (Attach.NEW, dict.fromkeys(SERVICES, Status.OK))
            assert [made.registry.find(name) for name in SERVICES] == [None] * len(SERVICES)

    run(main())


def test_each_role_proves_its_own_secrets_only() -> None:
    async def main() -> None:
        async with house() as made:
            laptop = PlayedLaptop(["echo"])
            await laptop.come(made.sessions)
            foreign = derive_keys(token("other").reveal(), "other", Role.CLIENT)
            guessed = derive_keys(token("other").reveal(), "other", Role.ACCESS)
            laptop.mux.say(laptop.dialler.prove([foreign]))
            await until(lambda: laptop.answers, "the first answer")
            assert laptop.dialler.proved(laptop.answers[0]) == {"other": Status.MISMATCH}
            laptop.mux.say(laptop.dialler.prove([guessed]))
            await until(lambda: len(laptop.answers) == 2, "the second answer")
            assert laptop.dialler.proved(laptop.answers[1]) == {"other": Status.MISMATCH}
            near = opened(laptop, Open("other"))
            await until(lambda: near.was_reset is not None, "the refusal")

    run(main())


@pytest.mark.parametrize(
    ("secret", "role"), [(access_key("echo"), Role.CLIENT), (token("echo"), Role.ACCESS)], ids=["key", "token"]
)
def test_a_secret_of_the_other_role_does_not_even_open_the_door(secret: Secret, role: Role) -> None:
    keyring = build_keyring(server_config({"echo": 0}).services.values())
    blob = build_upgrade([derive_keys(secret.reveal(), "echo", role)], "", 1_000_000, bytes(16))
    guard = ProofGuard(0)
    assert guard.check(blob, keyring, 1_000_000) is None
    assert guard.last_refusal is Refusal.UNKNOWN


def test_a_blob_whose_role_was_changed_on_the_way_opens_nothing() -> None:
    keyring = build_keyring(server_config({"echo": 0}).services.values())
    keys = derive_keys(access_key("echo").reveal(), "echo", Role.ACCESS)
    blob = bytearray(build_upgrade([keys], "", 1_000_000, bytes(16)))
    assert blob[1] == Role.ACCESS
    assert ProofGuard(0).check(bytes(blob), keyring, 1_000_000) is not None
    blob[1] = Role.CLIENT
    assert ProofGuard(0).check(bytes(blob), keyring, 1_000_000) is None


def test_a_service_that_is_proved_later_is_opened_then() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(SERVICES), PlayedLaptop(["echo"])
            await home.come(made.sessions)
            await laptop.come(made.sessions)
            laptop.mux.say(laptop.dialler.prove(PlayedLaptop(["other"]).keys, ["echo"]))
            await until(lambda: laptop.answers, "the answer")
            assert laptop.dialler.proved(laptop.answers[0]) == {"other": Status.OK}
            opened(laptop, Open("other"))
            await until(lambda: home.asked, "the stream")
            near = opened(laptop, Open("echo"))
            await until(lambda: near.was_reset is not None, "the refusal of what was withdrawn")

    run(main())


def test_a_laptop_resumes_its_session_and_no_home_does() -> None:
    async def main() -> None:
        async with house() as made:
            laptop = PlayedLaptop()
            first = await laptop.come(made.sessions)
            home = Home(instance=laptop.instance)
            assert (await home.login(made.sessions, Resume(first.session, 2, 0))).attach is Attach.DENIED
            again = PlayedLaptop(instance=laptop.instance)
            assert (await again.come(made.sessions, Resume(first.session, 3, 0))).attach is Attach.RESUMED

    run(main())


def test_while_home_is_away_a_stream_waits_with_what_it_has_sent() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(), PlayedLaptop()
            await laptop.come(made.sessions)
            near = opened(laptop, Open("echo"))
            near.say(b"early")
            await until(lambda: made.lobbies["echo"].waiting, "the stream to wait")
            await home.come(made.sessions)
            await until(lambda: home.asked and home.asked[0].got == b"early", "the stream")

    run(main())


def test_who_has_waited_too_long_or_finds_no_place_is_told_that_home_is_away() -> None:
    async def main() -> None:
        async with house(Limits(visitors_waiting_address=2)) as made:
            laptop = PlayedLaptop()
            await laptop.come(made.sessions, peer="127.0.0.1:5000")
            waiting = [opened(laptop, Open("echo")) for _ in range(3)]
            await until(lambda: waiting[2].was_reset is not None, "the one without a place")
            assert [memory.was_reset for memory in waiting] == [None, None, Code.AWAY]
            other = PlayedLaptop()
            await other.come(made.sessions, peer="127.0.0.1:5001")
            theirs = opened(other, Open("echo"))
            await until(lambda: all(memory.was_reset for memory in (*waiting, theirs)), "the end of their time")
            assert {memory.was_reset for memory in (*waiting, theirs)} == {Code.AWAY}

    run(main())


def test_who_left_while_waiting_is_not_taken_home() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(), PlayedLaptop()
            await laptop.come(made.sessions)
            near = opened(laptop, Open("echo"))
            await until(lambda: made.lobbies["echo"].waiting, "the stream to wait")
            near.close()
            (session,) = made.sessions.table.sessions
            await until(lambda: not session.mux.streams, "the reset")
            await home.come(made.sessions)
            await until(lambda: not made.lobbies["echo"].waiting, "the lobby")
            assert not home.mux.streams

    run(main())


def test_a_home_without_room_is_told_as_a_limit() -> None:
    async def main() -> None:
        async with house(Limits(streams=1)) as made:
            home, one, two = Served(), PlayedLaptop(), PlayedLaptop()
            await home.come(made.sessions)
            await one.come(made.sessions)
            await two.come(made.sessions)
            opened(one, Open("echo"))
            await until(lambda: home.asked, "the first stream")
            near = opened(two, Open("echo"))
            await until(lambda: near.was_reset is not None, "the refusal")
            assert near.was_reset is Code.LIMIT

    run(main())


def test_a_removed_key_ends_the_streams_that_it_opened() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(SERVICES), PlayedLaptop(SERVICES)
            await home.come(made.sessions)
            await laptop.come(made.sessions)
            near, other = opened(laptop, Open("echo")), opened(laptop, Open("other"))
            await until(lambda: len(home.mux.streams) == 2, "both streams")
            services = dict(made.config.services)
            services["echo"] = replace(services["echo"], access_keys=())
            made.sessions.change(build_keyring(services.values()), GRACE)
            await until(lambda: near.was_reset is not None, "the reset")
            assert (near.was_reset, other.was_reset) == (Code.WITHDRAWN, None)
            await until(lambda: len(home.mux.streams) == 1, "home to hear of it")
            again = opened(laptop, Open("echo"))
            await until(lambda: again.was_reset is not None, "the refusal")

    run(main())


def test_a_server_that_ends_takes_no_more() -> None:
    async def main() -> None:
        async with house() as made:
            home, laptop = Served(), PlayedLaptop()
            await home.come(made.sessions)
            await laptop.come(made.sessions)
            made.laptops.close()
            near = opened(laptop, Open("echo"))
            await until(lambda: near.was_reset is not None, "the refusal")
            assert near.was_reset is Code.SHUTDOWN

    run(main())
