"""Local ports on a laptop: reached at once or after a wait, changed while they run, closed in order."""

import asyncio
from dataclasses import replace

import pytest

from hushgate.access.app import Access, Impatient
from hushgate.config.model import AccessService, Address
from hushgate.errors import AuthError, ConfigError, SystemFault, UnreachableError
from hushgate.protocol.frames import Open
from tests.aio import run
from tests.laptops import access_config, laptop
from tests.tunnel import QUICK, access_key, ending, leave, say, tunnel, until


def test_a_local_port_leads_home() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            visitors = [await one.visit() for _ in range(20)]
            await asyncio.gather(*(say(visitor, b"hello") for visitor in visitors))
            assert one.cutter.accepted == 1
            assert made.service.visits == 20
            for _, writer in visitors:
                await leave(writer)
            await until(lambda: one.empty, "every stream to be gone")

    run(main())


def test_half_close_passes() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            reader, writer = await one.visit()
            writer.write(b"all")
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 10) == b"all"
            await leave(writer)

    run(main())


def test_who_comes_before_the_link_waits_for_it() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made, up=False) as one:
            visitor = await one.visit()
            await say(visitor, b"early")
            await leave(visitor[1])

    run(main())


def test_who_comes_while_the_link_is_away_is_in_a_hurry_and_then_let_go() -> None:
    async def main() -> None:
        async with tunnel(replace(QUICK, visitor_wait=0.5)) as made, laptop(made) as one:
            one.cutter.refusing = True
            one.cutter.cut()
            await until(lambda: not one.access.uplink.link, "the loss")
            reader, writer = await one.visit()
            assert await ending(reader) == "closed"
            await leave(writer)

    run(main())


def test_a_service_whose_key_is_wrong_leaves_the_others_alone() -> None:
    async def main() -> None:
        keys = {"other": access_key("other", "wrong")}
        async with tunnel(services={"echo": 0, "other": 0}) as made, laptop(made, ["echo", "other"], keys) as one:
            visitor = await one.visit()
            await say(visitor, b"hello")
            await leave(visitor[1])
            reader, writer = await one.visit("other")
            assert await ending(reader) == "reset"
            await leave(writer)
            assert made.lines("access key mismatch", "other")

    run(main())


def test_a_changed_file_opens_and_closes_ports_and_running_streams_do_not_notice() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made, laptop(made) as one:
            kept = await one.visit()
            await say(kept, b"before")
            config = one.access.config
            other = AccessService("other", access_key("other"), None, Address("127.0.0.1", 0))
            one.access.reload(replace(config, services={**config.services, "other": other}))
            assert sorted(one.access.ports) == ["echo", "other"]
            one.access.reload(config)
            assert sorted(one.access.ports) == ["echo"]
            moved = replace(config.services["echo"], nodelay=False)
            one.access.reload(replace(config, services={"echo": moved}))
            await say(kept, b"after")
            assert (one.access.uplink.links, one.access.ports["echo"].nodelay) == (1, False)
            await leave(kept[1])
            one.access.reload(one.access.config)
            assert [line["changed"] for line in made.lines("configuration reloaded")][-4:] == [
                "other",
                "other",
                "echo",
                "nothing",
            ]

    run(main())


def test_a_key_that_cannot_be_had_changes_nothing() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            config = one.access.config
            other = AccessService("other", None, ("/does/not/exist",), Address("127.0.0.1", 0))
            with pytest.raises(ConfigError):
                one.access.reload(replace(config, services={**config.services, "other": other}))
            assert one.access.config is config
            assert list(one.access.ports) == ["echo"]

    run(main())


def test_draining_takes_no_new_visitors_and_is_over_with_the_last_stream() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            visitor = await one.visit()
            await say(visitor, b"hello")
            assert one.access.drain() == made.timing.drain
            with pytest.raises(ConnectionRefusedError):
                await one.visit()
            await say(visitor, b"still served")
            assert not one.access.quiet.is_set()
            await leave(visitor[1])
            await until(one.access.quiet.is_set, "quiet")

    run(main())


def test_a_port_in_use_is_a_fault_of_this_machine() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            config = access_config(["echo"], made.server.door.port)
            taken = replace(config.services["echo"], bind=one.access.ports["echo"].address)
            second = Access(replace(config, services={"echo": taken}))
            with pytest.raises(SystemFault, match="another program listens there"):
                await second.start()
            await second.stop()

    run(main())


@pytest.mark.parametrize(("which", "error"), [("wrong", AuthError), ("current", UnreachableError)])
def test_ports_for_somebody_who_watches_fail_with_the_first_attempt(which: str, error: type[Exception]) -> None:
    async def main() -> None:
        async with tunnel() as made:
            door = made.server.door.port if which == "wrong" else 1
            impatient = Impatient(access_config(["echo"], door, keys={"echo": access_key("echo", which)}))
            with pytest.raises(error):
                await impatient.start()
            await impatient.stop()

    run(main())


def test_services_without_a_port_are_neither_proved_nor_listened_for() -> None:
    async def main() -> None:
        async with tunnel() as made:
            config = access_config(["echo", "other"], made.server.door.port)
            private = replace(config.services["other"], bind=None)
            access = Access(replace(config, services={**config.services, "other": private}))
            await access.start()
            await until(lambda: access.uplink.link, "the link")
            assert list(access.uplink.statuses) == list(access.ports) == ["echo"]
            await access.stop()

    run(main())


def test_the_server_opens_no_stream_to_a_laptop() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            (session,) = [s for s in made.server.sessions.table.sessions if s.party is made.server.laptops]
            stream = session.open(Open("echo"))
            await until(lambda: stream.gone, "the refusal")
            assert not one.access.uplink.streams

    run(main())
