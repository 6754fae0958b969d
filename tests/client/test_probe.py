"""One look at everything: what is printed, and the exit code that says which step failed."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hushgate.client.probe import run as run_probe
from hushgate.config.model import ClientConfig, Loaded, Stdio
from hushgate.errors import AuthError, UnreachableError, UserError
from hushgate.server.app import Server
from tests.aio import run
from tests.tunnel import Service, client_config, leave, say, server_config, token, tunnel, until


def probed(
    offered: Mapping[str, str], known: Mapping[str, int], *, local: bool = True, stdio: Stdio | None = None
) -> int | UserError:
    """What a client that offers these services, each with the token named, gets from a server that knows those."""

    async def main() -> int | UserError:
        server, service = Server(server_config(known)), Service()
        await server.start()
        await service.start()
        port = service.port
        if not local:
            await service.stop()
        tokens = {name: token(name, which) for name, which in offered.items()}
        config = client_config(dict.fromkeys(offered, port), server.door.port, tokens=tokens)
        services = {name: replace(service, stdio=stdio) for name, service in config.services.items()}
        config = replace(config, services=services)
        try:
            return await asyncio.to_thread(verdict, config)
        finally:
            await server.stop()
            if local:
                await service.stop()

    return run(main())


def verdict(config: ClientConfig) -> int | UserError:
    try:
        return run_probe(Loaded(Path("client.toml"), client=config))
    except UserError as error:
        return error


def test_every_step_that_holds_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert probed({"echo": "current"}, {"echo": 0}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok    127.0.0.1 is 127.0.0.1"
    assert lines[1].startswith("ok    ws://127.0.0.1:")
    assert lines[2] == "ok    service echo: ok"
    assert lines[3].startswith("ok    local service echo at 127.0.0.1:")
    assert len(lines) == 4


def test_a_local_service_that_is_down_is_a_note_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert probed({"echo": "current"}, {"echo": 0}, local=False) == 0
    assert [line[:29] for line in capsys.readouterr().out.splitlines()][3] == "note  local service echo at 1"


@pytest.mark.parametrize(
    ("stdio", "line"),
    [
        (Stdio((sys.executable, "-c", "")), f"ok    local service echo is the program {sys.executable}"),
        (Stdio(("./server",), cwd=Path(__file__).parent), "note  local service echo: there is no program ./server"),
        (Stdio((f"./{Path(sys.executable).name}",), cwd=Path(sys.executable).parent), "ok    local service echo is"),
    ],
)
def test_a_program_is_looked_for_and_not_started(stdio: Stdio, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert probed({"echo": "current"}, {"echo": 0}, stdio=stdio) == 0
    assert capsys.readouterr().out.splitlines()[3].startswith(line)


def test_services_that_are_not_proved_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    error = probed({"echo": "current", "ssh": "old", "mine": "current"}, {"echo": 0, "ssh": 0})
    assert isinstance(error, AuthError)
    assert (error.exit_code, str(error)) == (3, "not proved: ssh, mine")
    services = [line for line in capsys.readouterr().out.splitlines() if " service " in line and "local" not in line]
    assert [line.partition(":")[0] for line in services] == [
        "ok    service echo",
        "FAIL  service ssh",
        "FAIL  service mine",
    ]
    assert "another token" in services[1]
    assert "no service of this name" in services[2]


def test_a_probe_leaves_nothing_at_the_server_that_would_wait_for_it() -> None:
    async def main() -> None:
        async with tunnel() as made:
            (home,) = made.server.sessions.table.sessions
            assert await asyncio.to_thread(verdict, made.client.config) == 0
            assert list(made.server.sessions.table.sessions) == [home]
            assert made.lines("client probed")
            assert not made.lines("link lost")

    run(main())


def test_a_probe_while_home_is_away_ends_no_stream_that_waits_for_it() -> None:
    async def main() -> None:
        async with tunnel() as made:
            visitor = await made.visit()
            await say(visitor, b"before")
            made.cutter.refusing = True
            made.cutter.cut()
            await until(lambda: made.route() is None and made.client.uplink.link is None, "the loss of the link")
            assert (
                await asyncio.to_thread(verdict, client_config({"echo": made.service.port}, made.server.door.port)) == 0
            )
            made.cutter.refusing = False
            await say(visitor, b"after")
            await leave(visitor[1])
            assert not made.lines("took the service over")

    run(main())


def test_a_visitor_who_waits_for_home_is_not_led_to_a_probe() -> None:
    async def main() -> None:
        async with tunnel(up=False) as made:
            visitor = await made.visit()
            await until(lambda: made.server.lobbies["echo"].waiting, "the visitor to wait")
            assert await asyncio.to_thread(verdict, made.client.config) == 0
            await made.client.start()
            await say(visitor, b"hello")
            await leave(visitor[1])

    run(main())


def test_a_server_that_knows_no_token_of_ours_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    error = probed({"echo": "old"}, {"echo": 0})
    assert isinstance(error, AuthError)
    assert error.exit_code == 3
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("host", "steps"), [("x" * 64 + ".invalid", 0), ("127.0.0.1", 1)], ids=["no such name", "nobody there"]
)
def test_a_server_that_is_not_reached_is_exit_code_4(host: str, steps: int, capsys: pytest.CaptureFixture[str]) -> None:
    config = client_config({"echo": 1}, 1)
    error = verdict(replace(config, remote=config.remote._replace(host=host)))
    assert isinstance(error, UnreachableError)
    assert error.exit_code == 4
    assert len(capsys.readouterr().out.splitlines()) == steps
