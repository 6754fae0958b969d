"""A session whose stream ids run out is followed by another one, and what runs in it does not notice."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter

import pytest

from hushgate.errors import SystemFault
from hushgate.link.port import Port
from hushgate.protocol.limits import STREAM_ID_MAX, STREAM_IDS_RESERVE
from hushgate.server.session import Session
from tests.aio import run
from tests.laptops import laptop
from tests.tunnel import Tunnel, ending, leave, say, tunnel, until

Visitor = tuple[StreamReader, StreamWriter]


def sessions(made: Tunnel) -> list[Session]:
    return list(made.server.sessions.table.sessions)


def wear(made: Tunnel) -> Session:
    """The next stream of home's only session finds few ids left behind it."""
    (session,) = sessions(made)
    session.mux.next_id = STREAM_ID_MAX - STREAM_IDS_RESERVE + 1
    return session


async def two(made: Tunnel) -> Visitor:
    """A visitor in home's first session, when the second one stands beside it."""
    early = await made.visit()
    await say(early, b"in the old one")
    old = wear(made)
    await leave((await made.visit())[1])
    await until(lambda: old.draining and made.route(), "the second session")
    return early


def test_before_the_ids_are_used_up_another_session_stands_beside_the_old_one() -> None:
    async def main() -> None:
        async with tunnel() as made:
            early = await made.visit()
            await say(early, b"in the old one")
            old = wear(made)
            late = await made.visit()
            await say(late, b"in the old one, too")
            await until(lambda: len(sessions(made)) == 2 and old.draining, "the second session")
            new = sessions(made)[1]
            assert (new.instance, made.server.registry.find("echo"), made.cutter.open) == (old.instance, new, 2)
            assert not made.lines("another home took the service over")
            next = await made.visit()
            await say(next, b"in the new one")
            assert (list(new.mux.streams), len(old.mux.streams)) == ([2], 2)
            assert made.cutter.cut() == 2
            for visitor in (early, late, next):
                await say(visitor, b"over other links")
            assert made.cutter.open == 2
            await leave(early[1])
            await leave(late[1])
            await until(lambda: sessions(made) == [new] and made.cutter.open == 1, "the end of the old session")
            await say(next, b"still")
            await leave(next[1])

    run(main())


def test_a_visitor_who_is_on_the_way_through_the_old_session_when_the_new_one_stands_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with tunnel() as made:
            old, port = wear(made), made.server.ports["echo"]
            assert isinstance(port, Port)
            visitor, ours = socket.socketpair()
            ours.setblocking(False)

            def linked() -> None:
                """Home has turned to the new session, and the server has not heard of it yet."""
                assert len(sessions(made)) == 2 and not old.draining
                port.serve(ours, "a visitor", old)

            monkeypatch.setattr(made.client, "linked", linked)
            made.client.uplinks.spent()
            stream = await asyncio.open_connection(sock=visitor)
            await say(stream, b"in the old one")
            await until(lambda: old.draining, "the server to hear of it")
            await say(stream, b"still")
            await leave(stream[1])
            await until(lambda: len(sessions(made)) == 1 and made.cutter.open == 1, "the end of the old session")
            assert made.lines("goodbye", "another session took its place")

    run(main())


def test_a_session_that_cannot_be_begun_costs_nobody_anything() -> None:
    """The old one serves until the new one stands."""

    async def main() -> None:
        async with tunnel() as made:
            old = wear(made)
            made.cutter.refusing = True
            for _ in range(3):
                visitor = await made.visit()
                await say(visitor, b"in the old one")
                await leave(visitor[1])
            await until(lambda: len(made.lines("not connected")) >= 2, "attempts in vain")
            made.cutter.refusing = False
            await until(lambda: old not in sessions(made) and made.route(), "the new session alone")
            assert len(made.lines("beginning another session")) == 1
            visitor = await made.visit()
            await say(visitor, b"in the new one")
            assert list(sessions(made)[0].mux.streams) == [2]
            await leave(visitor[1])

    run(main())


def test_a_drain_waits_for_the_streams_of_all_sessions_and_a_stop_ends_them() -> None:
    async def main() -> None:
        async with tunnel() as made:
            early = await two(made)
            made.client.drain()
            await until(lambda: made.client.uplinks.newest.quiet.is_set(), "the newer one")
            await say(early, b"still")
            assert not made.client.quiet.is_set()
            await leave(early[1])
            await asyncio.wait_for(made.client.quiet.wait(), 10)

    run(main())


def test_the_end_of_the_program_is_the_end_of_all_its_sessions() -> None:
    async def main() -> None:
        async with tunnel() as made:
            early = await two(made)
            await made.client.stop()
            assert await ending(early[0]) == "reset"
            await leave(early[1])
            await until(lambda: not sessions(made), "the end of both sessions")

    run(main())


def test_another_configuration_holds_for_all_sessions() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made:
            early = await two(made)
            made.client.reload(made.home({"other": made.service.port}))
            assert await ending(early[0]) == "reset"
            await leave(early[1])
            await until(lambda: made.route("other") and len(sessions(made)) == 1, "the other service")

    run(main())


def test_a_laptop_whose_ids_run_out_begins_another_session() -> None:
    async def main() -> None:
        async with tunnel() as made, laptop(made) as one:
            early = await one.visit()
            await say(early, b"in the old one")
            old = one.access.uplink
            old._mux.next_id = STREAM_ID_MAX - STREAM_IDS_RESERVE + 2
            late = await one.visit()
            await say(late, b"in the old one")
            await until(lambda: one.access.uplink is not old, "the second session")
            assert len(sessions(made)) == 3
            next = await one.visit()
            await say(next, b"in the new one")
            assert (len(old.streams), len(one.access.uplink.streams)) == (2, 1)
            one.cutter.cut()
            for visitor in (early, late, next):
                await say(visitor, b"over other links")
            await leave(early[1])
            await leave(late[1])
            await until(lambda: len(sessions(made)) == 2, "the end of the old session")
            await leave(next[1])

    run(main())


def test_what_keeps_a_session_from_being_begun_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(config: object) -> None:
        raise SystemFault("ca.pem: cannot be read")

    async def main() -> None:
        async with tunnel() as made:
            wear(made)
            monkeypatch.setattr("hushgate.uplink.uplink.tls_context", unreadable)
            visitor = await made.visit()
            await say(visitor, b"in the old one")
            await until(lambda: made.lines("no other session can be begun", "ca.pem"), "the log")
            await say(visitor, b"still")
            await leave(visitor[1])

    run(main())
