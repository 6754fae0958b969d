"""What a program sees of its session, beyond what tests/client/test_app.py and tests/faults do with it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from hushgate.config.model import AccessService, SessionLimits, Timing
from hushgate.errors import AuthError, LocalProtocolError, UnreachableError
from hushgate.log import logger
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.hello import Status
from hushgate.protocol.keys import Role, derive_keys
from hushgate.protocol.stream import Stream
from hushgate.uplink.uplink import Uplink
from tests.aio import run
from tests.laptops import access_config
from tests.tunnel import QUICK, Tunnel, access_key, tunnel, until


class User:
    def __init__(self) -> None:
        self.links = 0

    def linked(self) -> None:
        self.links += 1

    def spent(self) -> None:
        self.links += 100

    def incoming(self, stream: Stream) -> None:
        stream.reset(Code.DENIED)


def uplink(
    made: Tunnel, services: Sequence[str] = ("echo",), which: str = "current", timing: Timing = QUICK
) -> tuple[Uplink, User]:
    """A laptop's session through the tunnel's relay, not started."""
    keys = [derive_keys(access_key(name, which).reveal(), name, Role.ACCESS) for name in services]
    user = User()
    config = replace(access_config(services, made.cutter.port), timing=timing)
    return Uplink(Role.ACCESS, config, keys, user, logger("test")), user


def test_the_first_attempt_may_be_the_callers() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, user = uplink(made)
            assert not link.up
            await link.start_now()
            assert (link.up, link.links, user.links, link.lost) == (True, 1, 1, False)
            made.cutter.cut()
            await until(lambda: link.links == 2, "the next link")
            assert user.links == 2
            await link.stop()

    run(main())


def test_a_first_attempt_that_fails_says_why() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made:
            link, _ = uplink(made, which="wrong")
            with pytest.raises(AuthError, match="no access key of ours is known there"):
                await link.start_now()
            await link.stop()
            made.cutter.refusing = True
            link, _ = uplink(made)
            with pytest.raises(UnreachableError):
                await link.start_now()
            await link.stop()

    run(main())


def test_services_that_are_not_proved_are_told_in_the_log() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, _ = uplink(made, ["echo", "ghost"])
            await link.start_now()
            assert link.statuses == {"echo": Status.OK, "ghost": Status.UNKNOWN}
            assert made.lines("no service of this name with an access key", "ghost")
            await link.stop()

    run(main())


def test_without_a_service_nobody_is_dialled_until_there_is_one() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, _ = uplink(made, [])
            await link.start()
            await until(lambda: made.lines("no service to prove"), "the log")
            config = access_config(["echo"], made.cutter.port)
            keys = [derive_keys(access_key("echo").reveal(), "echo", Role.ACCESS)]
            link.reload(config, keys, [], ["echo"])
            await until(lambda: link.up, "the link")
            await link.stop()

    run(main())


def test_who_is_in_a_hurry_does_not_wait_for_the_whole_backoff() -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.cutter.refusing = True
            link, _ = uplink(made)
            await link.start()
            await until(lambda: made.lines("not connected"), "a failure")
            for _ in range(8):
                link._retries.failed()
            made.cutter.refusing = False
            link.hurry()
            await until(lambda: link.up, "the link", 5.0)
            await link.stop()

    run(main())


def test_the_limits_of_the_file_hold_from_the_next_session_on() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, _ = uplink(made)
            await link.start_now()
            config = replace(access_config(["echo"], made.cutter.port), limits=SessionLimits(streams=1))
            link.reload(config, link._keys, [], [])
            for _ in range(2):
                link.open(Open("echo"))
            session = link._session
            await made.restart_server()
            await until(lambda: link.up and link._session not in (None, session), "the next session")
            link.open(Open("echo"))
            with pytest.raises(LocalProtocolError):
                link.open(Open("echo"))
            await link.stop()

    run(main())


def test_a_program_that_ends_opens_no_streams() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, _ = uplink(made)
            await link.start_now()
            link.drain()
            assert not link.up
            with pytest.raises(LocalProtocolError):
                link.open(Open("echo"))
            await link.stop()

    run(main())


def test_what_was_sent_is_owed_until_the_server_has_it() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, _ = uplink(made)
            await link.start_now()
            made.cutter.cut("stall")
            link.open(Open("echo"))
            await asyncio.sleep(0)
            assert link.owed
            await link.stop()

    run(main())


def test_an_unchanged_service_is_not_proved_again() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, _ = uplink(made)
            await link.start_now()
            config = access_config(["echo"], made.cutter.port)
            moved = replace(config, services={"echo": AccessService("echo", access_key("echo"))})
            link.reload(moved, link._keys, [], [])
            assert link.links == 1
            await link.stop()

    run(main())


def test_the_grace_of_a_lost_session_does_not_end_the_next() -> None:
    async def main() -> None:
        async with tunnel() as made:
            link, _ = uplink(made, timing=replace(QUICK, grace=1.0))
            await link.start_now()
            made.cutter.refusing = True
            made.cutter.cut()
            await until(lambda: not link.link, "the link to be lost")
            lost = asyncio.get_running_loop().time()
            await made.restart_server()  # Its goodbye does not arrive.
            made.cutter.refusing = False
            await until(lambda: link.up and made.lines("connected", "the old one is lost"), "the next session")
            stream = link.open(Open("echo"))
            await asyncio.sleep(lost + 1.1 - asyncio.get_running_loop().time())
            assert (link.links, link.lost, list(link.streams.values())) == (2, False, [stream])
            await link.stop()

    run(main())
