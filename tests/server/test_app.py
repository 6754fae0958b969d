"""The server's parts as its root joins them: a changed file, a renewed certificate, an orderly end."""

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hushgate.config.model import Address, Certificate, Limits, ServerConfig
from hushgate.errors import SystemFault
from hushgate.server.app import Server, _is_loopback
from tests.aio import run
from tests.logs import capture_logs
from tests.transports.certificates import write_pair
from tests.tunnel import ending, leave, say, server_config, token, tunnel, until


def test_a_changed_file_touches_the_services_that_changed_alone() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0, "third": 0}) as made:
            visitor = await made.visit()
            await say(visitor, b"before")
            config, kept, moved = made.server.config, made.server.ports["echo"], made.port("other")
            services = {name: service for name, service in config.services.items() if name != "third"}
            services["other"] = replace(services["other"], bind=None)
            services["new"] = replace(services["echo"], name="new", tokens=(token("new"),))
            made.server.reload(replace(config, services=services))
            assert made.server.ports.keys() == {"echo", "new"}
            assert made.server.ports["echo"] is kept
            assert [line["changed"] for line in made.lines("configuration reloaded")] == ["new,other,third"]
            socket.create_server(("127.0.0.1", moved)).close()
            await say(visitor, b"after")
            await leave(visitor[1])
            made.server.reload(made.server.config)
            assert [line["changed"] for line in made.lines("configuration reloaded")][1:] == ["nothing"]
            assert not made.lines("need a restart")

    run(main())


@pytest.mark.parametrize(
    "change",
    [
        lambda config: replace(config, bind=Address("127.0.0.1", 1)),
        lambda config: replace(config, names=("a.example",)),
        lambda config: replace(config, limits=Limits(9)),
    ],
    ids=["bind", "names", "limits"],
)
def test_what_needs_a_restart_is_said(change: Callable[[ServerConfig], ServerConfig]) -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            made.server.reload(change(made.server.config))
            assert len(made.lines("need a restart")) == 1

    run(main())


def test_a_new_port_that_is_taken_costs_its_service_alone() -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            with socket.create_server(("127.0.0.1", 0)) as other:
                config = server_config({"echo": 0, "taken": other.getsockname()[1], "free": 0})
                made.server.reload(replace(made.server.config, services=config.services))
            assert made.server.ports.keys() == {"echo", "free"}
            assert [line["service"] for line in made.lines("no public port")] == ["taken"]

    run(main())


def test_a_port_that_is_taken_at_the_start_ends_the_start() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            server = Server(server_config({"echo": other.getsockname()[1]}))
            with pytest.raises(SystemFault, match=str(other.getsockname()[1])):
                await server.start()
            await server.stop()

    run(main())


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hushgate.ops.watch._EVERY", 0.02)
    cert, key = write_pair(tmp_path)

    async def main() -> None:
        server = Server(replace(server_config({}), certificate=Certificate(cert, key)))
        await server.start()
        for at, new in enumerate(write_pair(tmp_path, label="renewed")):
            os.replace(new, (cert, key)[at])
        await until(lambda: any(line["event"] == "certificate reloaded" for line in lines), "the new certificate")
        shutil.copy(key, cert)
        await until(lambda: any("is not used" in line["event"] for line in lines), "the complaint")
        await server.stop()

    with capture_logs() as lines:
        run(main())
    assert str(cert) in str([line for line in lines if "is not used" in line["event"]][-1]["reason"])


def test_draining_closes_the_ports_and_is_over_with_the_last_stream() -> None:
    async def main() -> None:
        async with tunnel(services={"echo": 0, "other": 0}) as made:
            visitor = await made.visit()
            await say(visitor, b"hello")
            ports = [made.port(name) for name in ("echo", "other")]
            assert made.server.drain() == made.timing.drain
            for port in ports:
                socket.create_server(("127.0.0.1", port)).close()
            await say(visitor, b"still served")
            assert not made.server.quiet.is_set()
            visitor[1].write_eof()
            assert await ending(visitor[0]) == "closed"
            await until(made.server.quiet.is_set, "quiet")
            await leave(visitor[1])

    run(main())


def test_without_streams_there_is_nothing_to_drain() -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.server.drain()
            assert made.server.quiet.is_set()

    run(main())


def test_a_reloaded_nginx_moves_the_links_that_come_through_it() -> None:
    async def main() -> None:
        async with tunnel() as made:
            made.server._nginx_reloaded()
            await until(lambda: made.client.uplink.links == 2, "the move")
            assert [line["clients"] for line in made.lines("nginx was reloaded")] == [1]

    run(main())


@pytest.mark.parametrize(
    ("peer", "near"),
    [("127.0.0.1:5000", True), ("[::1]:5000", True), ("192.0.2.1:5000", False), ("unix", False), ("", False)],
)
def test_what_comes_through_this_machine(peer: str, near: bool) -> None:
    assert _is_loopback(peer) is near
