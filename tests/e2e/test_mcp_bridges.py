"""Other people's bridges where they stand: at home in front of a program, and between a host and an old server."""

import shlex
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from tests.e2e import mcp_proxy, node
from tests.e2e.mcp_rig import Rig
from tests.e2e.programs import Programs, free_port
from tests.e2e.test_doctor import KEY, started

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

AT_HOME = {
    "supergateway": ("/mcp", ["--outputTransport", "streamableHttp", "--stateful", "--stdio"]),
    "mcp-proxy": ("/servers/files/mcp", ["--named-server", "files"]),
}
"""Name to the path under which it serves, and what comes before the program that it starts."""


def called(folder: Path, name: str) -> Path:
    return node.place() / "node_modules" / ".bin" / name if name != "mcp-proxy" else mcp_proxy.command_in(folder)


async def read(server: str | StdioServerParameters, file: Path) -> tuple[list[Any], list[Any]]:
    """The tools of a file server, and what it says of a file."""
    async with Client(server, mode="legacy") as client:
        tools = [tool.model_dump(mode="json") for tool in (await client.list_tools()).tools]
        said = await client.call_tool("read_text_file", {"path": str(file)})
        return tools, [part.model_dump(mode="json") for part in said.content]


@pytest.mark.parametrize("name", AT_HOME)
def test_a_bridge_at_home(programs: Programs, tmp_path: Path, name: str) -> None:
    """What the program says is the same without the bridge and the tunnel."""
    note = tmp_path / "shared" / "note.txt"
    note.parent.mkdir()
    note.write_text("bring milk")
    path, before = AT_HOME[name]
    files, port = [str(word) for word in node.node("server-filesystem", note.parent)], free_port()
    argv: list[str | Path] = [called(tmp_path, name), "--port", str(port), *before, shlex.join(files)]
    programs.start(name, argv, {"PATH": node.path()}).wait_listening(("127.0.0.1", port), timeout=30)
    rig = Rig(programs, {"files": port})
    expected = anyio.run(read, StdioServerParameters(command=files[0], args=files[1:]), note)
    assert "bring milk" in str(expected)
    for url in (rig.url(service).removesuffix("/mcp") + path for service in rig.ports):
        assert anyio.run(read, url, note) == expected


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mcp-remote", ["URL", "--header", "Authorization:${AUTHORIZATION}"]),
        ("supergateway", ["--sse", "URL", "--oauth2Bearer", KEY]),
        ("mcp-proxy", ["URL"]),
    ],
)
def test_a_bridge_to_a_server_of_the_first_transport(
    programs: Programs, tmp_path: Path, name: str, arguments: list[str]
) -> None:
    rig = Rig(programs, {"old": started(programs, "sse")}, {"server": f'profile = "mcp"\nkeys = ["{KEY}"]'})
    url = f"http://127.0.0.1:{rig.ports['old-http']}/sse"
    environ = {"AUTHORIZATION": f"Bearer {KEY}", "API_ACCESS_TOKEN": KEY, "HOME": str(tmp_path), "PATH": node.path()}
    host = StdioServerParameters(
        command=str(called(tmp_path, name)), args=[url if word == "URL" else word for word in arguments], env=environ
    )

    async def use() -> str:
        async with Client(host, mode="legacy") as client:
            return str((await client.call_tool("echo", {"message": "hello"})).content)

    assert "Echo: hello" in anyio.run(use)
