"""`hushgate doctor` with the real programs, well and with one fault each."""

import json
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e import node
from tests.e2e.access import Laptop
from tests.e2e.hushgate import ENVIRON, Tunnel, command
from tests.e2e.mcp_rig import FIXTURES, Rig, start_fixtures
from tests.e2e.nginx import Nginx
from tests.e2e.ollama import EMBEDDER, MODEL, Ollama
from tests.e2e.programs import Programs, free_port, programs_in, run
from tests.e2e.test_mcp_names import python_sdk, typescript_sdk

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

KEY = "a key of the doctor's own, long enough"
HTTP = 'type = "http"\n'
KEYED = f'type = "http"\nkeys = ["{KEY}"]\npark = "1s"\n'
FOREIGN = 'type = "http"\nhost_header = "home.example.org"'
"""Lines at home with which its service is called by a name that it does not know."""


NGINX = """
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location /mcp/ {{
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_pass http://127.0.0.1:{door}/old/;
        }}
    }}
}}
"""
"""Takes one prefix off and puts another one on."""


class Said(NamedTuple):
    """The last finding, the exit code, and the text of all."""

    check: str
    code: int
    text: str


def doctor(kind: str, url: str, *more: str, key: str = "") -> Said:
    done = run(command("doctor", kind, url, "--json", *more), environ={**ENVIRON, "HUSHGATE_KEY": key}, code=None)
    found = json.loads(done.stdout)
    assert found["code"] == done.returncode
    text = "".join(f"{one['check']}: {one['text']}\n" for one in found["findings"])
    assert KEY not in text
    return Said(found["findings"][-1]["check"], done.returncode, text)


class Scene(NamedTuple):
    """Services: `good`; `foreign`, whose Host is wrong; `slow`, with a limit; `tcp`."""

    ollama: Ollama
    tunnel: Tunnel
    laptop: Laptop

    def ask(self, service: str, *more: str, path: str = "", key: str = KEY) -> Said:
        return doctor("ollama", f"http://127.0.0.1:{self.tunnel.ports[service]}{path}", *more, key=key)

    def ask_here(self, service: str) -> Said:
        """At the laptop's own port."""
        return doctor("ollama", f"http://127.0.0.1:{self.laptop.ports[service]}")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with programs_in(tmp_path_factory.mktemp("doctor")) as programs:
        ollama = Ollama(programs)
        guarded = KEYED + 'profile = "ollama"\n'
        slow = f'[[server.services.slow.keys]]\nlabel = "editor"\nkey = "{KEY}"\nper_minute = 1\n'
        tunnel = Tunnel(
            programs,
            dict.fromkeys(("good", "foreign", "slow", "tcp"), ollama.address),
            server_settings='visitor_wait = "1s"\n',
            server_lines={"good": guarded, "foreign": guarded, "slow": f'type = "http"\nprofile = "ollama"\n{slow}'},
            client_lines={"good": HTTP, "slow": HTTP, "foreign": FOREIGN},
        ).start()
        tunnel.client.wait_log("client: connected ")
        yield Scene(ollama, tunnel, Laptop(tunnel, ["good", "tcp"]).start())


def test_an_ollama_that_is_well(scene: Scene) -> None:
    said = scene.ask("good", "--model", MODEL)
    assert (said.check, said.code) == ("buffering", 0), said.text
    assert f"models: {EMBEDDER}:latest, {MODEL}:latest\n" in said.text
    assert scene.ask("good", path="/v1").code == scene.ask("tcp").code == scene.ask_here("good").code == 0


def test_an_ollama_that_is_asked_wrongly(scene: Scene) -> None:
    for key in ("", KEY.upper()):
        assert scene.ask("good", key=key)[:2] == ("key", 3)
    assert scene.ask("foreign")[:2] == ("host", 1)
    assert scene.ask("slow")[:2] == ("limit", 1)
    assert scene.ask("good", path="/api")[:2] == ("refused", 1)
    assert scene.ask("good", "--model", "other")[:2] == ("model", 1)
    assert "does not support generate" in scene.ask("good", "--model", EMBEDDER).text


def test_an_ollama_that_is_empty_or_down_and_a_home_that_is_away(scene: Scene) -> None:
    """In this order, since each takes away what the next does not need."""
    for model in (MODEL, EMBEDDER):
        scene.ollama.ask("DELETE", "/api/delete", {"model": model})
    assert scene.ask("good", "--model", MODEL)[:2] == ("models", 1)
    for program, told in ((scene.ollama.program, "does not accept connections"), (scene.tunnel.client, "home is not")):
        program.stop()
        for said in (scene.ask("good"), scene.ask_here("good")):
            assert said[:2] == ("offline", 4) and told in said.text
        for said in (scene.ask("tcp"), scene.ask_here("tcp")):
            assert said[:2] == ("connection", 4) and "home is away, or nobody listens" in said.text
    scene.tunnel.server.stop()
    assert scene.ask("good")[:2] == ("connect", 4)


def started(programs: Programs, transport: str) -> int:
    """The port of server-everything, on one of its transports."""
    port = free_port()
    program = programs.start(transport, node.node("server-everything", transport), {"PORT": str(port)})
    program.wait_listening(("127.0.0.1", port), timeout=30)
    return port


def test_mcp_servers_that_are_well(programs: Programs) -> None:
    """Of each era."""
    old, legacy, modern = started(programs, "sse"), started(programs, "streamableHttp"), start_fixtures(programs)
    rig = Rig(programs, {"old": old, "legacy": legacy, "port": modern, "program": FIXTURES})
    for name in rig.ports:
        kind = name.removesuffix("-http")
        url = rig.url(name) if kind != "old" else f"http://127.0.0.1:{rig.ports[name]}/sse"
        said = doctor("mcp", url)
        revision = {"old": "2024-11-05", "legacy": "2025-11-25"}.get(kind, "2026-07-28")
        assert f"era: revision {revision}" in said.text and said.code == 0, said
        assert "buffering: a stream arrives at once" in said.text, name


def test_mcp_servers_at_a_wrong_path(programs: Programs) -> None:
    rig = Rig(programs, {"old": started(programs, "sse"), "port": start_fixtures(programs)})
    for name in rig.ports:
        place = rig.url(name).removesuffix("/mcp")
        check = "path" if name.startswith("old") else "initialize"
        for path in ("", "/mpc"):
            said = doctor("mcp", place + path)
            assert said[:2] == (check, 1) and "check the path" in said.text
    assert doctor("mcp", f"http://127.0.0.1:{rig.door}/mcp")[:2] == ("decoy", 4)


def test_an_old_mcp_server_below_a_path(programs: Programs) -> None:
    """Hushgate puts its prefix into the address that such a server names for calls, an nginx in front does not."""
    lines = {"old": 'type = "http"\npath = "/old"'}
    tunnel = Tunnel(
        programs,
        {"old": ("127.0.0.1", started(programs, "sse"))},
        private={"old"},
        server_lines=lines,
        client_lines={"old": HTTP},
    ).start()
    tunnel.client.wait_log("client: connected ")
    said = doctor("mcp", f"http://127.0.0.1:{tunnel.door}/old/sse")
    assert said.code == 0 and "era: revision 2024-11-05" in said.text
    port = free_port()
    nginx = Nginx(programs.directory, programs.start, NGINX.format(port=port, door=tunnel.door))
    nginx.program.wait_listening(("127.0.0.1", port))
    said = doctor("mcp", f"http://127.0.0.1:{port}/mcp/sse")
    assert said[:2] == ("endpoint", 1) and "/old/message" in said.text


def test_mcp_servers_that_do_not_know_their_name_or_are_down(programs: Programs) -> None:
    services = {
        "python": python_sdk(programs),
        "typescript": typescript_sdk(programs),
        "down": ("127.0.0.1", free_port()),
    }
    tunnel = Tunnel(
        programs,
        services,
        server_lines=dict.fromkeys(services, HTTP),
        client_lines={"python": FOREIGN, "typescript": FOREIGN, "down": HTTP},
    ).start()
    tunnel.client.wait_log("client: connected ")
    found = {name: doctor("mcp", f"http://127.0.0.1:{port}/mcp")[:2] for name, port in tunnel.ports.items()}
    assert found == {"python": ("host", 1), "typescript": ("host", 1), "down": ("offline", 4)}


def test_programs_that_do_not_start(programs: Programs) -> None:
    crash = [sys.executable, "-c", "raise SystemExit(3)"]
    rig = Rig(programs, {"missing": ["/no/such/program"], "crash": crash})
    for name in rig.ports:
        said = doctor("mcp", rig.url(name))
        told = "no such file" if name.startswith("missing") else "has ended (exit status 3)"
        assert said[:2] == ("initialize", 1) and told in said.text


def test_a_key_a_foreign_page_and_a_home_that_is_away(programs: Programs) -> None:
    rig = Rig(programs, {"program": FIXTURES}, {"server": f'keys = ["{KEY}"]\npark = "1s"'})
    place = rig.url("program-http")
    assert doctor("mcp", place, key=KEY)[:2] == ("origin", 0)
    for key in ("", KEY.upper()):
        assert doctor("mcp", place, key=key)[:2] == ("key", 3)
    assert doctor("mcp", place, "--origin", "https://app.example", key=KEY)[:2] == ("origin", 1)
    programs.started[-1].stop()
    assert doctor("mcp", place, key=KEY)[:2] == ("offline", 4)
