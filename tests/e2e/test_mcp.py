"""MCP with its own programs: the tunnel changes nothing, and a program at home is a server like any other."""

import base64
import http.client
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hushgate import ENVIRON, command
from tests.e2e.mcp_rig import FIXTURES, Rig, start_fixtures
from tests.e2e.nginx import Nginx
from tests.e2e.node import Checks, conformance, inspect, node
from tests.e2e.programs import Programs, free_port, run

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

BETTER = {
    # The SDK takes the white space that HTTP allows around a value for a part of it; the gateway and h11 do not.
    ("server-http-header-validation", "sep-2243-server-accepts-whitespace-header-value"),
    # The bridge primes its streams; the SDK does that only with a store of events.
    ("server-server-sse-polling", "server-sse-priming-event"),
}
"""Checks of the conformance suite in which the tunnel does better than the server behind it."""
STREAMS = (
    "server-session-lifecycle",
    "server-sse-polling",
    "server-sse-multiple-streams",
    "tools-call-with-progress",
    "tools-call-sampling",
)
"""What a bridge can spoil; each session of it starts a Python with the whole SDK, which takes a second."""
NGINX = """\
events {{}}
error_log {directory}/error.log;
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
    gzip on;
    gzip_types *;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
    }}
}}
"""


def client(url: str, mode: str) -> dict[str, Any]:
    output = run([sys.executable, "-m", "tests.e2e.mcp_client", url, mode], environ=ENVIRON).stdout
    found = json.loads(output)
    assert isinstance(found, dict)
    return found


def direct(port: int) -> str:
    return f"http://127.0.0.1:{port}/mcp"


def unlike(expected: Checks, found: Checks) -> dict[tuple[str, str], tuple[list[str], list[str]]]:
    """Where the two runs differ, but for what is better."""
    keys = {key for key in {*expected, *found} - BETTER if expected.get(key) != found.get(key)}
    return {key: (expected.get(key, []), found.get(key, [])) for key in keys}


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
def test_the_python_client_sees_the_same_server_everywhere(programs: Programs, mode: str) -> None:
    port = start_fixtures(programs)
    rig = Rig(programs, {"port": port, "program": FIXTURES})
    expected = client(direct(port), mode)
    assert expected["revision"] == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    assert expected["steps"] == [0, 50, 100]
    for name in ("port-http", "program-http"):
        assert client(rig.url(name), mode) == expected, name


@pytest.mark.parametrize(
    ("revision", "names"), [("2025-11-25", ["port-http"]), ("2026-07-28", ["port-http", "program"])]
)
def test_conformance_through_the_tunnel(programs: Programs, tmp_path: Path, revision: str, names: list[str]) -> None:
    """As it is without the tunnel, check by check."""
    port = start_fixtures(programs)
    rig = Rig(programs, {"port": port, "program": FIXTURES})
    expected = conformance(direct(port), tmp_path / "direct", "--requirements", revision)
    assert sum(statuses.count("SUCCESS") for statuses in expected.values()) > 50
    for name in names:
        found = conformance(rig.url(name), tmp_path / name, "--requirements", revision)
        assert unlike(expected, found) == {}, name


def test_conformance_of_a_program_with_sessions(programs: Programs, tmp_path: Path) -> None:
    port = start_fixtures(programs)
    rig = Rig(programs, {"program": FIXTURES})
    for scenario in STREAMS:
        selected = ("--scenario", scenario, "--spec-version", "2025-11-25")
        expected = conformance(direct(port), tmp_path / f"direct-{scenario}", *selected)
        found = conformance(rig.url("program"), tmp_path / f"tunnel-{scenario}", *selected)
        assert expected, scenario
        assert unlike(expected, found) == {}


def test_the_inspector_sees_a_filesystem_server_as_if_it_ran_it_itself(programs: Programs, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "note.txt").write_text("bring milk")
    server = node("server-filesystem", shared)
    rig = Rig(programs, {"files": server})
    asked: tuple[dict[str, str], ...] = (
        {"method": "tools/list"},
        {"method": "tools/call", "tool": "read_text_file", "path": str(shared / "note.txt")},
        {"method": "tools/call", "tool": "list_directory", "path": str(shared)},
    )
    for call in asked:
        expected = inspect(*server, **call)
        for name in rig.ports:
            assert inspect(rig.url(name), "--transport", "http", **call) == expected
    assert "bring milk" in json.dumps(inspect(rig.url("files"), "--transport", "http", **asked[1]))


@pytest.mark.parametrize("where", ["home", "server"])
def test_a_tool_that_may_not_be_called(programs: Programs, tmp_path: Path, where: str) -> None:
    """By name, and since the server says that it changes things."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "note.txt").write_text("bring milk")
    rules = {where: 'profile = "mcp"\ntools_deny = ["list_*"]\nread_only = true'}
    rig = Rig(programs, {"files": node("server-filesystem", shared)}, rules)
    for name in rig.ports if where == "home" else ["files-http"]:
        call = (rig.url(name), "--transport", "http")
        inspect(*call, method="tools/list")
        assert "milk" in str(inspect(*call, method="tools/call", tool="read_text_file", path=f"{shared}/note.txt"))
        for tool, more in (("write_file", "--tool-arg=content=gone"), ("list_directory", "")):
            asked = ["--method", "tools/call", "--tool-name", tool, f"--tool-arg=path={shared}/note.txt", *more.split()]
            told = run(node("inspector", "--cli", *call, *asked), code=None)
            assert told.returncode
            assert b"may be called here" in told.stderr or b"may not be called here" in told.stderr
        assert (shared / "note.txt").read_text() == "bring milk"


def test_the_inspector_sees_server_everything_through_the_gateway(programs: Programs) -> None:
    port = free_port()
    everything = programs.start("everything", node("server-everything", "streamableHttp"), {"PORT": str(port)})
    everything.wait_listening(("127.0.0.1", port), timeout=30)
    rig = Rig(programs, {"port": port})
    asked: tuple[dict[str, str], ...] = (
        {"method": "tools/list"},
        {"method": "resources/list"},
        {"method": "tools/call", "tool": "echo", "message": "hello"},
        {"method": "tools/call", "tool": "trigger-long-running-operation", "duration": "1", "steps": "4"},
    )
    for call in asked:
        expected = inspect(direct(port), "--transport", "http", **call)
        assert inspect(rig.url("port-http"), "--transport", "http", **call) == expected


class OldClient:
    """A client of the transport before revision 2025-03-26: answers are events of one GET, calls are POSTs."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._events = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._events.request("GET", "/sse")
        self._stream = self._events.getresponse()
        self._endpoint = self._event()
        self.post(call("initialize", protocolVersion="2024-11-05", capabilities={}, clientInfo=NOBODY))
        assert json.loads(self._event())["result"]["serverInfo"]
        self.post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def post(self, body: bytes, kind: str = "application/json") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", self._endpoint, body, {"Content-Type": kind})
        status = connection.getresponse().status
        connection.close()
        return status

    def answer(self) -> Any:
        """The next response; what the server says or asks of itself is passed over."""
        while "id" not in (message := json.loads(self._event())) or "method" in message:
            pass
        return message

    def close(self) -> None:
        self._stream.close()
        self._events.close()

    def _event(self) -> str:
        while not (line := self._stream.readline().decode()).startswith("data:"):
            assert line, "the stream of events ended"
        return line.removeprefix("data:").strip()


NOBODY = {"name": "test", "version": "1"}


def call(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def test_the_old_transport_and_a_call_in_disguise(programs: Programs) -> None:
    """The server decodes a body by its charset; in UTF-7 a text of the ping is a call of the tool."""
    port = free_port()
    everything = programs.start("everything", node("server-everything", "sse"), {"PORT": str(port)})
    everything.wait_listening(("127.0.0.1", port), timeout=30)
    rig = Rig(programs, {"port": port}, {"server": 'profile = "mcp"\ntools_deny = ["get-sum"]'})
    hidden = '"},"method":"tools/call","params":{"name":"get-sum","arguments":{"a":20,"b":22},"z":"'
    for char in '"{}':
        hidden = hidden.replace(char, f"+{base64.b64encode(char.encode('utf-16be')).decode().rstrip('=')}-")
    disguised = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": hidden}}).encode()
    for name in rig.ports:
        peer = OldClient(rig.ports[name])
        assert peer.post(call("tools/call", name="echo", arguments={"message": "hello"})) == 202
        assert "hello" in json.dumps(peer.answer())
        refused = name == "port-http"
        assert peer.post(call("tools/call", name="get-sum", arguments={"a": 1, "b": 2})) == (403 if refused else 202)
        assert refused or "3" in json.dumps(peer.answer())
        told = peer.post(disguised, "application/json; charset=utf-7")
        assert told == (415 if refused else 202)
        assert refused or "42" in json.dumps(peer.answer())
        peer.close()


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_an_nginx_that_buffers_and_compresses_holds_no_step_back(programs: Programs, mode: str) -> None:
    rig = Rig(programs, {"port": start_fixtures(programs), "program": FIXTURES})
    for name in ("port-http", "program"):
        directory, port = programs.directory / name, free_port()
        directory.mkdir()
        conf = NGINX.format(directory=directory, port=port, upstream=rig.ports[name])
        nginx = Nginx(directory, programs.start, conf)
        nginx.program.wait_listening(("127.0.0.1", port))
        assert client(direct(port), mode)["one_by_one"]
        nginx.program.stop()


def test_what_is_printed_for_a_project_is_used_by_the_inspector(programs: Programs, tmp_path: Path) -> None:
    rig = Rig(programs, {"program": FIXTURES})
    file = tmp_path / ".mcp.json"
    file.write_bytes(run(command("config", "mcp-json", rig.url("program"), "--no-key"), environ=ENVIRON).stdout)
    listed = inspect("--config", file, "--server", "home", method="tools/list")
    assert listed == inspect(rig.url("program"), "--transport", "http", method="tools/list")
