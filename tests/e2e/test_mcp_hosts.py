"""Hosts that only start programs: what people put between them and a server, set up as docs/mcp-clients.md says."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import anyio
import pytest
from anyio.to_thread import run_sync
from mcp import Client, StdioServerParameters

from tests.e2e import mcp_proxy, node
from tests.e2e.hushgate import ROOT
from tests.e2e.mcp_public import KEY, WRONG, Public
from tests.e2e.mcp_raw import INITIALIZE
from tests.e2e.programs import programs_in

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

URL = "https://mcp.your-domain.com/mcp"
PAGE = (ROOT / "docs" / "mcp-clients.md").read_text()
SETTINGS = [json.loads(text)["mcpServers"]["home"] for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
BRIDGES = {
    name: next(found for found in SETTINGS if name in [found["command"], *found["args"]])
    for name in ("mcp-remote", "mcp-proxy", "supergateway")
}
STEPS = 3
SILENT = {"supergateway"}
"""What passes no progress on."""
REFUSED = {
    # It looks for OAuth before it gives up.
    "mcp-remote": "there is no OAuth here: mcp asks for a key",
    "mcp-proxy": "401 Unauthorized",
    "supergateway": "mcp does not know this key",
}
AWAY = 1.0
"""Seconds that a call waits before home is started again."""


class Scene(NamedTuple):
    public: Public
    path: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with programs_in(tmp_path_factory.mktemp("hosts")) as programs:
        folder = mcp_proxy.command_in(programs.directory).parent
        yield Scene(Public(programs).start(), f"{folder}:{node.path()}")


def bridge(scene: Scene, name: str, url: str, key: str = "") -> StdioServerParameters:
    """As a host starts it, for this URL, with this key in place of the page's or with none."""
    setting = BRIDGES[name]
    words = [url if word == URL else word.replace("the key", key) for word in setting["args"]]
    environ = {key_: value.replace("the key", key) for key_, value in setting.get("env", {}).items()}
    if not key:
        words, environ = words[: words.index(url) + 1], {}
    home = scene.public.tunnel.directory / "laptop"
    home.mkdir(exist_ok=True)
    found = {"PATH": scene.path, "HOME": str(home), "npm_config_offline": "true", **scene.public.trust}
    return StdioServerParameters(command=setting["command"], args=words, env=found | environ, cwd=node.place())


async def use(server: StdioServerParameters | str, mode: str) -> dict[str, Any]:
    """What a host sees of a server."""
    steps: list[float] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with Client(server, mode=mode) as client:
        tools = [tool.model_dump(mode="json") for tool in (await client.list_tools()).tools]
        added = await client.call_tool("add", {"a": 2, "b": 40})
        counted = await client.call_tool("count", {"steps": STEPS}, progress_callback=report)
        return {
            "revision": client.session.protocol_version,
            "tools": tools,
            "added": added.structured_content,
            "counted": counted.structured_content,
            "steps": steps,
        }


@pytest.mark.parametrize(
    ("name", "mode"),
    [("mcp-remote", "legacy"), ("mcp-remote", "auto"), ("mcp-proxy", "legacy"), ("supergateway", "legacy")],
)
def test_tools_are_listed_and_called(scene: Scene, name: str, mode: str) -> None:
    expected = anyio.run(use, scene.public.direct, mode)
    assert expected["added"] == {"result": 42} and len(expected["steps"]) == STEPS
    if name in SILENT:
        expected["steps"] = []
    for url, key in ((scene.public.url, KEY), (scene.public.local, "")):
        found = anyio.run(use, bridge(scene, name, url, key), mode)
        assert found == expected, url


@pytest.mark.parametrize(("name", "told"), REFUSED.items())
def test_a_wrong_key_is_told_in_the_hosts_log(scene: Scene, tmp_path: Path, name: str, told: str) -> None:
    """And nothing hangs, or opens a browser."""
    asked = bridge(scene, name, scene.public.url, WRONG)
    log = tmp_path / "log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [asked.command, *asked.args], env=asked.env, cwd=asked.cwd, stdin=PIPE, stderr=stderr
        ) as program,
    ):
        assert program.stdin
        program.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        program.stdin.flush()
        program.wait(30)
    assert told in log.read_text()
    assert WRONG not in log.read_text()


@pytest.mark.parametrize("name", BRIDGES)
def test_a_call_waits_for_home_in_the_same_session(scene: Scene, name: str) -> None:
    home, server = scene.public.tunnel.client, scene.public.tunnel.server

    async def add(client: Client) -> None:
        assert (await client.call_tool("add", {"a": 2, "b": 40})).structured_content == {"result": 42}

    async def use() -> None:
        async with Client(bridge(scene, name, scene.public.url, KEY), mode="legacy") as client:
            await add(client)
            since = len(server.log())
            await run_sync(scene.public.lose_home)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(add, client)
                await anyio.sleep(AWAY)
                await run_sync(home.start)
            await add(client)
            assert "mcp_method=initialize" not in server.log()[since:]

    anyio.run(use)
