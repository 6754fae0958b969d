"""Home is away in the middle of a client's MCP session: its calls wait, and the session goes on."""

import ssl
import time
from collections.abc import Awaitable, Callable

import anyio
import httpx2
import pytest
from anyio.to_thread import run_sync
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import ProgressFnT

from tests.e2e.mcp_public import KEY, Public
from tests.e2e.programs import Programs
from tests.e2e.relay import Relay

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

AWAY = 1.0
"""Seconds that a call waits before home is started again."""
STEPS = 6
"""Of the tool that counts; it takes about a second."""
Use = Callable[[Client], Awaitable[None]]


async def with_session(public: Public, url: str, use: Use) -> None:
    """In one session of the official client, of a revision that has them; nothing in it may begin another."""
    trust = ssl.create_default_context(cafile=public.trust["SSL_CERT_FILE"])
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, verify=trust, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
    ):
        assert client.session.protocol_version == "2025-11-25"
        await use(client)
    assert public.tunnel.server.log().count("mcp_method=initialize") == 1


async def add(client: Client) -> None:
    assert (await client.call_tool("add", {"a": 2, "b": 40})).structured_content == {"result": 42}


async def count(client: Client, report: ProgressFnT) -> None:
    done = await client.call_tool("count", {"steps": STEPS}, progress_callback=report)
    assert done.structured_content == {"result": f"counted to {STEPS}"}


@pytest.mark.parametrize(("where", "how"), [("url", "kill"), ("local", "stop")])
def test_a_call_waits_for_home_in_the_same_session(programs: Programs, where: str, how: str) -> None:
    """At the public address and at the laptop's port, and once more when the client has come back for its stream."""
    public = Public(programs).start()
    home = public.tunnel.client

    async def use(client: Client) -> None:
        for _ in range(2):
            await add(client)
            await run_sync(public.lose_home, how)
            began = time.monotonic()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(add, client)
                await anyio.sleep(AWAY)
                await run_sync(home.start)
            assert time.monotonic() - began >= AWAY
        await add(client)

    anyio.run(with_session, public, getattr(public, where), use)


def test_a_call_goes_on_when_the_link_is_cut(programs: Programs) -> None:
    public = Public(programs)
    with Relay(("127.0.0.1", public.tunnel.door)) as relay:
        public.tunnel.remote = f"wss://localhost:{relay.port}/"
        public.start()

        async def use(client: Client) -> None:
            steps: list[float] = []

            async def report(progress: float, total: float | None, message: str | None) -> None:
                steps.append(progress)
                if progress in (2, 4):
                    assert await run_sync(relay.cut, "rst" if progress == 2 else "fin")

            await count(client, report)
            assert steps == [*range(1, STEPS + 1)]
            await add(client)

        anyio.run(with_session, public, public.url, use)
    assert public.tunnel.client.log().count("session=resumed") == 2


def test_a_call_that_home_takes_with_it_fails_at_once_and_the_next_one_succeeds(programs: Programs) -> None:
    """It may have been executed, so it is not asked a second time."""
    public = Public(programs).start()
    home = public.tunnel.client

    async def use(client: Client) -> None:
        async def report(progress: float, total: float | None, message: str | None) -> None:
            if progress == 2:
                await run_sync(public.lose_home, "kill")
                await run_sync(home.start)

        with anyio.fail_after(20), pytest.raises(MCPError, match="ended without a response"):
            await count(client, report)
        await add(client)

    anyio.run(with_session, public, public.url, use)
    assert public.tunnel.server.log().count("mcp_name=count") == 1
