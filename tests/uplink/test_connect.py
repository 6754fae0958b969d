"""One attempt: what it returns, and what its failures say to the user."""

import asyncio
import os
import time
from dataclasses import replace

import pytest

from hushgate.client.app import derive
from hushgate.config.model import ServerConfig
from hushgate.errors import AuthError, UnreachableError, UserError
from hushgate.guard.proofs import ProofGuard
from hushgate.protocol.hello import Attach
from hushgate.server.app import Server
from hushgate.uplink.connect import Clock, connect
from tests.aio import run
from tests.logs import capture_logs
from tests.tunnel import client_config, server_config, token


async def attempt(server: ServerConfig, clock: Clock, which: str = "current") -> Attach:
    """The answer of a server of this configuration."""
    running = Server(server)
    await running.start()
    try:
        config = client_config({"echo": 1}, running.door.port, tokens={"echo": token("echo", which)})
        connected = await connect(config, None, derive(config), os.urandom(16), clock, None)
        connected.pipe.abort("done")
        return connected.welcome.attach
    finally:
        await running.stop()


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_wrong_clock_is_corrected_once_by_the_decoys_date_and_said(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The Date header counts whole seconds, and proofs from before the server's start are refused.
    monkeypatch.setattr("hushgate.server.app.ProofGuard", lambda start, names: ProofGuard(start - 5000, names))
    clock = Clock(hours * 3_600_000)
    with capture_logs() as lines:
        assert run(attempt(server_config({"echo": 0}), clock)) is Attach.NEW
    assert abs(clock.offset_ms) < 3000
    assert [line for line in lines if "clock differs" in line["event"]]


def test_a_wrong_token_lists_what_it_may_be() -> None:
    with pytest.raises(AuthError, match=r"token .* path or host .* just started \(the clocks agree\)"):
        run(attempt(server_config({"echo": 0}), Clock(), "wrong"))


def test_another_name_than_the_servers_is_refused() -> None:
    with pytest.raises(AuthError):
        run(attempt(replace(server_config({"echo": 0}), names=("your-domain.com",)), Clock()))


def test_nobody_there_is_one_sentence() -> None:
    async def main() -> None:
        listener = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        listener.close()
        await listener.wait_closed()
        config = client_config({"echo": 1}, port)
        with pytest.raises(UnreachableError, match=f"cannot reach ws://127.0.0.1:{port}/.*refused") as caught:
            await connect(config, None, derive(config), os.urandom(16), Clock(), None)
        assert isinstance(caught.value, UserError)

    run(main())


def test_the_clock_is_that_of_this_machine_plus_what_was_learnt() -> None:
    assert abs(Clock(5000).now_ms() - 5000 - time.time_ns() // 1_000_000) < 1000
