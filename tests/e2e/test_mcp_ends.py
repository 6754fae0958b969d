"""A client of MCP that cancels its call or goes away, and one that comes back for what it has missed."""

import os
import subprocess
import sys
import time

import pytest

from tests.e2e.hushgate import ENVIRON, Tunnel
from tests.e2e.mcp_raw import Event, Session
from tests.e2e.mcp_rig import Rig
from tests.e2e.node import node
from tests.e2e.programs import Programs, free_port, until
from tests.e2e.relay import Relay
from tests.processes import killed_at_the_end

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

WAITING = [sys.executable, "-m", "tests.e2e.mcp_waiting"]
SOON = 1.0
"""Seconds from the end of a client, or its cancelling, to the tool's."""
STEPS = 6


@pytest.mark.parametrize(
    ("mode", "killed"),
    [("legacy", False), ("2026-07-28", False), ("2026-07-28", True)],
    ids=["legacy-cancels", "modern-cancels", "modern-is-killed"],
)
def test_a_tool_at_home_ends_with_its_call(programs: Programs, mode: str, killed: bool) -> None:
    """A legacy client cancels in a request of its own, a modern one ends the stream. The end of a legacy client's
    stream cancels nothing: it may come back for the rest."""
    port = free_port()
    server = programs.start("waiting", [*WAITING, "serve", str(port)], ENVIRON)
    server.wait_listening(("127.0.0.1", port), timeout=30)
    rig = Rig(programs, {"port": port, "program": [*WAITING, "serve"]})
    home = programs.started[-1]
    for name in rig.ports:
        log = home if name.startswith("program") else server
        since = len(log.log())
        argv, environ = [*WAITING, "call", rig.url(name), mode], {**os.environ, **ENVIRON}
        program = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with killed_at_the_end(program) as client:
            assert client.stdin and client.stdout
            log.wait_log(r"\bwaits\b", since=since)
            if killed:
                at = time.monotonic()
                client.kill()
            else:
                client.stdin.write(b"\n")
                client.stdin.flush()
                at = float(client.stdout.readline().split()[1])
            ended = float(log.wait_log(r"\bcancelled ([\d.]+)", since=since)[1])
        assert ended - at < SOON, name


@pytest.mark.parametrize("service", ["tcp", "http"])
def test_what_came_after_a_cut_is_resumed_once(programs: Programs, service: str) -> None:
    """While the link to home is cut the visitor's connection is lost, too, and server-everything's tool goes on: with
    Last-Event-ID the visitor gets every event that it has not seen, and none twice."""
    port = free_port()
    everything = programs.start("everything", node("server-everything", "streamableHttp"), {"PORT": str(port)})
    everything.wait_listening(("127.0.0.1", port), timeout=30)
    kind = f'type = "{service}"\n'
    tunnel = Tunnel(
        programs, {service: ("127.0.0.1", port)}, server_lines={service: kind}, client_lines={service: kind}
    )
    with Relay(("127.0.0.1", tunnel.door)) as relay:
        tunnel.remote = f"ws://127.0.0.1:{relay.port}/"
        tunnel.start().client.wait_log("client: connected ")
        session = Session(tunnel.address(service))
        stream = session.post(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {
                    "name": "trigger-long-running-operation",
                    "arguments": {"duration": 3, "steps": STEPS},
                    "_meta": {"progressToken": "p"},
                },
            }
        )
        coming = stream.events()
        seen = [next(coming), next(coming)]
        relay.refuse()
        relay.cut()
        stream.close()
        relay.refuse(False)

        def ended() -> bool:
            seen.extend(rest(session, seen[-1].id))
            return "result" in seen[-1].message

        until(ended, "the result of the tool", 30)
    assert [event.message["params"]["progress"] for event in seen[:-1]] == list(range(1, STEPS + 1))
    assert len({event.id for event in seen}) == STEPS + 1
    assert "session=resumed" in tunnel.client.log()


def rest(session: Session, after: str) -> list[Event]:
    """What is there to be resumed now: server-everything sends what it has, and nothing more on the same stream."""
    stream = session.resume(after, silence=0.5)
    found = list(stream.events())
    stream.close()
    return found
