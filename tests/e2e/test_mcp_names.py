"""Servers that check their own name: what `host_header` makes of it, and where their redirects lead."""

import http.client
import json
import sys
from collections.abc import Callable

import pytest

from tests.e2e.hushgate import ENVIRON, Tunnel
from tests.e2e.mcp_raw import HEADERS, INITIALIZE
from tests.e2e.mcp_rig import start_fixtures
from tests.e2e.node import HERE, place, script
from tests.e2e.ollama import Ollama
from tests.e2e.programs import Address, Programs, free_port, run

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PUBLIC = "mcp.test"
HTTP = 'type = "http"\n'


def python_sdk(programs: Programs) -> Address:
    return ("127.0.0.1", start_fixtures(programs))


def typescript_sdk(programs: Programs) -> Address:
    address = ("127.0.0.1", free_port())
    server = script(HERE / "express_server.cjs", place(), str(address[1]))
    programs.start("express", server).wait_listening(address, timeout=30)
    return address


def ollama(programs: Programs) -> Address:
    return Ollama(programs).address


def ask(address: Address, name: str, path: str) -> http.client.HTTPResponse:
    """The answer to an `initialize`, or to a GET where it is no MCP server."""
    connection = http.client.HTTPConnection(*address, timeout=30)
    if path == "/mcp":
        connection.request("POST", path, json.dumps(INITIALIZE), {**HEADERS, "Host": name})
    else:
        connection.request("GET", path, headers={"Host": name})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("server", "path", "refusal"),
    [(python_sdk, "/mcp", 421), (typescript_sdk, "/mcp", 403), (ollama, "/api/version", 403)],
    ids=["python", "typescript", "ollama"],
)
def test_a_public_name_is_refused_at_home_and_not_shown_there_by_default(
    programs: Programs, server: Callable[[Programs], Address], path: str, refusal: int
) -> None:
    address = server(programs)
    headers = {
        "default": "",
        "literal": f'host_header = "localhost:{address[1]}"',
        "preserve": 'host_header = "preserve"',
    }
    tunnel = Tunnel(
        programs,
        dict.fromkeys(headers, address),
        server_lines={name: f'{HTTP}hostname = "{name}.{PUBLIC}"' for name in headers},
        client_lines={name: HTTP + line for name, line in headers.items()},
    ).start()
    found = {name: ask(tunnel.address(name), f"{name}.{PUBLIC}", path).status for name in headers}
    assert found == {"default": 200, "literal": 200, "preserve": refusal}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_client_that_asks_with_a_slash_is_led_back_to_the_public_name(programs: Programs, mode: str) -> None:
    """Starlette redirects `/mcp/` to `/mcp` of the Host it sees, which is the one at home; the client follows no
    redirect to another origin, nor one from https to http."""
    home = ("127.0.0.1", start_fixtures(programs))
    tunnel = Tunnel(
        programs,
        {"mcp": home},
        server_lines={"mcp": f'{HTTP}tls = true\nhostname = "localhost"'},
        client_lines={"mcp": HTTP},
    )
    tunnel.use_tls().start()
    public = f"https://localhost:{tunnel.ports['mcp']}"
    root = tunnel.directory / "tls" / "root.pem"
    asked = [sys.executable, "-m", "tests.e2e.mcp_client", f"{public}/mcp/", mode]
    seen = run(asked, environ={**ENVIRON, "SSL_CERT_FILE": str(root)}).stdout
    straight = run([*asked[:-2], f"http://127.0.0.1:{home[1]}/mcp", mode], environ=ENVIRON).stdout
    assert json.loads(seen) == json.loads(straight)
    fixtures = next(program for program in programs.started if program.name == "fixtures")
    assert 'POST /mcp/ HTTP/1.1" 307' in fixtures.log()
