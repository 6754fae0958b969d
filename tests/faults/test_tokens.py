"""Tokens that are wrong, removed, replaced or used by two homes; files that change while streams run."""

import asyncio
import time
from dataclasses import replace

from hushgate.client.app import Client
from hushgate.config.model import ServerConfig
from hushgate.protocol.hello import Status
from hushgate.server.app import Server
from tests.aio import run
from tests.tunnel import QUICK, Service, Tunnel, ending, knock, leave, say, server_config, token, tunnel, until


def without(config: ServerConfig, *names: str) -> ServerConfig:
    return replace(config, services={name: held for name, held in config.services.items() if name not in names})


async def served(made: Tunnel, service: str = "echo") -> None:
    visitor = await made.visit(service)
    await say(visitor, b"served")
    await leave(visitor[1])


def test_one_wrong_and_one_unknown_service_leave_the_others_alone_and_both_logs_name_them() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}, up=False) as made:
            port = made.service.port
            made.client.reload(
                made.home({"echo": port, "other": port, "ghost": port}, {"other": token("other", "wrong")})
            )
            await made.up()
            assert made.client.uplink.statuses == {"echo": Status.OK, "other": Status.MISMATCH, "ghost": Status.UNKNOWN}
            await served(made)
            assert len(made.lines("server has another token", "other")) == 1
            assert len(made.lines("no such service in its file", "ghost")) == 1
            assert len(made.lines("token mismatch", "other")) == 2
            assert len(made.lines("not in our file", "ghost")) == 1

    run(main())


def test_without_any_valid_token_the_client_lists_the_causes_and_the_server_logs_one_line() -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            made.client.reload(made.home({"echo": made.service.port}, {"echo": token("echo", "wrong")}))
            await made.client.start()
            await until(lambda: made.cutter.accepted >= 3, "three attempts")
            (line,) = made.lines("login refused")
            assert line["reason"] == "unknown token"
            assert line["peer"].startswith("127.0.0.1:")
            for cause in ("token", "path", "host", "clocks"):
                assert made.lines("not connected", cause)
            assert made.client.uplink.link is None
            made.client.reload(made.home({"echo": made.service.port}))
            await until(made.route, "the link, soon after the file was put right", 2)

    run(main())


def test_a_removed_token_ends_its_streams_within_a_second_and_no_others() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made:
            made.client.reload(made.home({"echo": made.service.port, "other": made.service.port}))
            await until(lambda: made.route("other"), "the second service")
            kept, lost = await made.visit("echo"), await made.visit("other")
            await say(kept, b"kept")
            await say(lost, b"lost")
            start = time.monotonic()
            made.server.reload(without(made.server.config, "other"))
            assert await ending(lost[0]) == "reset"
            assert time.monotonic() - start < 1
            await until(lambda: made.client.uplink.statuses["other"] is Status.UNKNOWN, "the client to hear of it")
            await say(kept, b"still here")
            for _, writer in (kept, lost):
                await leave(writer)
            await until(lambda: made.empty, "every stream to be gone")

    run(main())


def test_a_replaced_token_ends_the_streams_of_a_detached_session() -> None:
    async def main() -> None:
        async with tunnel() as made:
            visitor = await made.visit()
            await say(visitor, b"hello")
            made.cutter.refusing = True
            made.cutter.cut()
            await until(lambda: not made.route(), "the link to be gone")
            services = {
                name: replace(held, tokens=(token(name, "next"),)) for name, held in made.server.config.services.items()
            }
            start = time.monotonic()
            made.server.reload(replace(made.server.config, services=services))
            assert await ending(visitor[0]) == "reset"
            assert time.monotonic() - start < 1
            await leave(visitor[1])
            made.client.reload(made.home({"echo": made.service.port}, {"echo": token("echo", "next")}))
            made.cutter.refusing = False
            await until(made.route, "home with its new token")
            await served(made)
            await until(lambda: made.empty, "the local connection of the old stream to be gone")

    run(main())


def test_a_service_that_the_server_learns_of_later_is_served_without_a_new_link() -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.client.reload(made.home({"echo": made.service.port, "late": made.service.port}))
            await until(lambda: made.client.uplink.statuses.get("late") is Status.UNKNOWN, "the answer")
            late = server_config({"late": 0}).services
            made.server.reload(replace(made.server.config, services={**made.server.config.services, **late}))
            await served(made, "late")
            assert made.cutter.accepted == 1

    run(main())


def test_a_changed_local_address_is_for_new_visitors_and_running_streams_stay() -> None:
    async def main() -> None:
        second = Service()
        await second.start()
        async with tunnel() as made:
            running = await made.visit()
            await say(running, b"first")
            made.client.reload(made.home({"echo": second.port}))
            await served(made)
            assert (made.service.visits, second.visits) == (1, 1)
            await say(running, b"still the first")
            await leave(running[1])
            assert made.cutter.accepted == 1
        await second.stop()

    run(main())


def test_services_that_change_places_get_each_others_port() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made:
            one, two = made.port("echo"), made.port("other")
            made.server.reload(server_config({"echo": two, "other": one}, made.timing, made.server.config.bind.port))
            assert (made.port("echo"), made.port("other")) == (two, one)
            await served(made)

    run(main())


def newest(server: Server, homes: int) -> bool:
    """Whether visitors are led to the last of so many homes."""
    sessions = list(server.sessions.table.sessions)
    return len(sessions) == homes and server.registry.find("echo") is sessions[-1] and sessions[-1].up


def test_of_two_homes_with_one_token_the_newest_wins_until_they_fight() -> None:
    async def main() -> None:
        async with tunnel() as made:
            homes = [made.client]
            for _ in range(3):
                homes.append(Client(made.client.config))
                await homes[-1].start()
                await until(lambda: newest(made.server, len(homes)), "the newer home")
                running = await made.visit()
                await say(running, b"hello")
                assert [len(home.uplink.streams) for home in homes] == [0] * (len(homes) - 1) + [1]
                await leave(running[1])
                await until(lambda: made.server.streams == 0, "the stream to end")
            assert len(made.lines("another home took the service over")) == 3
            homes.append(Client(made.client.config))
            await homes[-1].start()
            await until(lambda: made.lines("not connected", "retry"), "the fifth to be held back")
            assert made.lines("two homes use one token", "echo")
            await served(made)
            for home in reversed(homes[1:]):
                await home.stop()
            await until(lambda: len(made.server.sessions.table.sessions) == 1, "the first home alone")
            await served(made)

    run(main())


def test_while_home_is_up_but_does_not_offer_a_service_its_visitors_are_turned_away() -> None:
    async def main() -> None:
        async with tunnel(replace(QUICK, grace=0.3), services={"echo": 0, "other": 0}) as made:
            await asyncio.sleep(0.35)
            assert await knock(made, "other") == "reset"
            await served(made)

    run(main())
