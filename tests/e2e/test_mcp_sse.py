"""MCP's transport of 2024-11-05 below a path: the server names the place for calls without it."""

import json
import sys

import pytest

from tests.e2e.hushgate import ENVIRON, Tunnel
from tests.e2e.programs import Programs, free_port, run

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

SSE = [sys.executable, "-m", "tests.e2e.mcp_sse"]


def test_the_old_transport_below_a_path(programs: Programs) -> None:
    home = ("127.0.0.1", free_port())
    fixtures = programs.start("fixtures", [*SSE, str(home[1])], ENVIRON)
    fixtures.wait_listening(home, timeout=30)
    http = 'type = "http"\n'
    tunnel = Tunnel(
        programs,
        {"mcp": home},
        server_lines={"mcp": f'{http}path = "/at/home"'},
        client_lines={"mcp": http},
    ).start()
    straight, below = (
        json.loads(run([*SSE, f"http://127.0.0.1:{port}{path}/sse"], environ=ENVIRON).stdout)
        for port, path in ((home[1], ""), (tunnel.door, "/at/home"))
    )
    assert below == straight and below["one_by_one"]
    assert fixtures.log().count('GET /sse HTTP/1.1" 200') == 2
