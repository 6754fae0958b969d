"""The client's session between links: a changed file, a server that says goodbye, an orderly end."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from hushgate.client.app import Client
from hushgate.config.model import Address, ClientConfig, Remote
from hushgate.errors import SystemFault
from tests.aio import run
from tests.tunnel import Tunnel, ending, knock, leave, say, token, tunnel, until


def with_services(made: Tunnel, *names: str) -> ClientConfig:
    return made.home(dict.fromkeys(names, made.service.port))


def test_a_changed_file_adds_and_withdraws_services_on_the_running_link() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made:
            kept = await made.visit()
            await say(kept, b"before")
            made.client.reload(with_services(made, "echo", "other"))
            await until(lambda: made.route("other"), "the added service")
            other = await made.visit("other")
            await say(other, b"hello")
            made.client.reload(with_services(made, "echo"))
            assert await ending(other[0]) == "reset"
            await leave(other[1])
            await until(lambda: not made.route("other"), "the withdrawal")
            await say(kept, b"after")
            await leave(kept[1])
            assert (made.client.uplink.links, made.cutter.accepted) == (1, 1)
            made.client.reload(made.client.config)
            assert [line["changed"] for line in made.lines("configuration reloaded")] == ["other", "other", "nothing"]

    run(main())


def test_a_changed_address_is_for_new_streams() -> None:
    async def main() -> None:
        async with tunnel() as made:
            kept = await made.visit()
            await say(kept, b"before")
            config = made.client.config
            echo = replace(config.services["echo"], local=Address("127.0.0.1", 1))
            made.client.reload(replace(config, services={"echo": echo}))
            assert await knock(made) == "reset"
            await say(kept, b"after")
            await leave(kept[1])

    run(main())


def test_a_proved_service_may_change_its_token() -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.client.reload(made.home({"echo": made.service.port}, {"echo": token("echo", "wrong")}))
            await until(lambda: made.lines("token mismatch: the server has another"), "the complaint")
            made.client.reload(with_services(made, "echo"))
            await until(lambda: made.lines("services proved", "echo"), "the proof")
            assert made.client.uplink.links == 1

    run(main())


def test_another_server_is_dialled_at_once() -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            right = made.client.config
            made.client = Client(replace(right, remote=Remote("ws", "127.0.0.1", 1)))
            await made.client.start()
            await until(lambda: made.lines("not connected", "refused"), "the failure")
            start = time.monotonic()
            made.client.reload(right)
            await until(made.route, "home")
            assert time.monotonic() - start < 5

    run(main())


def test_a_file_that_cannot_be_followed_changes_nothing() -> None:
    async def main() -> None:
        async with tunnel() as made:
            old = made.client.config
            new = replace(with_services(made), remote=Remote("wss", "127.0.0.1", 1), trusted_root=Path("missing.pem"))
            with pytest.raises(SystemFault, match=r"missing\.pem"):
                made.client.reload(new)
            assert made.client.config is old
            assert made.client.services.offered is old.services
            visitor = await made.visit()
            await say(visitor, b"hello")
            await leave(visitor[1])

    run(main())


def test_a_server_that_asks_for_a_new_link_gets_one_and_streams_move_along() -> None:
    async def main() -> None:
        async with tunnel() as made:
            visitor = await made.visit()
            await say(visitor, b"before")
            assert made.server.sessions.move(lambda _: True, "for a reason") == 1
            await until(lambda: made.client.uplink.links == 2, "the second link")
            await say(visitor, b"after")
            await leave(visitor[1])
            assert made.lines("the server says goodbye", "move", "for a reason")
            assert made.lines("client connected", "resumed")
            assert not made.lines("link lost; streams wait")

    run(main())


def test_draining_takes_no_new_streams_and_is_over_with_the_last() -> None:
    async def main() -> None:
        async with tunnel() as made:
            visitor = await made.visit()
            await say(visitor, b"hello")
            assert made.client.drain() == made.timing.drain
            await until(lambda: not made.route(), "the server to hear of it")
            late = await made.visit()
            await until(lambda: made.server.lobbies["echo"].waiting, "the late visitor to wait")
            made.cutter.cut()
            await say(visitor, b"still served")
            assert made.client.uplink.links == 2
            assert not made.route(), "a link that comes back still drains"
            assert made.server.lobbies["echo"].waiting == 1
            assert not made.client.quiet.is_set()
            await leave(visitor[1])
            await until(made.client.quiet.is_set, "quiet")
            await leave(late[1])

    run(main())


def test_without_streams_there_is_nothing_to_drain() -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.client.drain()
            assert made.client.quiet.is_set()

    run(main())


def test_a_drained_client_whose_last_link_is_lost_does_not_come_back() -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.client.drain()
            made.cutter.cut()
            await until(lambda: made.client.uplink.link is None, "the loss")
            assert not made.lines("not connected")

    run(main())
