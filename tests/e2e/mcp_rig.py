"""A tunnel for MCP: each home service is a port or a program, reached as tcp and through the gateway."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.hushgate import ENVIRON, ROOT, command, token, write
from tests.e2e.programs import Programs, free_port

FIXTURES = [sys.executable, "-m", "tests.e2e.mcp_fixtures"]
Local = int | Sequence[str | Path]
"""A port at home, or a program on standard input and output."""


class Rig:
    """`services`: name to what is at home. Each is reached under its name as tcp, and as `NAME-http`. `rules`: lines of
    every service in home's file, and of the `-http` ones in the server's."""

    def __init__(
        self, programs: Programs, services: Mapping[str, Local], rules: Mapping[str, str] | None = None
    ) -> None:
        at_home, at_server = (rules or {}).get("home", ""), (rules or {}).get("server", "")
        self.door = free_port()
        self.ports = {name + kind: free_port() for name in services for kind in ("", "-http")}
        server, client = [f'[server]\nbind_addr = "127.0.0.1:{self.door}"'], ["[client]"]
        client.append(f'remote_addr = "ws://127.0.0.1:{self.door}/"')
        for name, port in self.ports.items():
            kind = "http" if name.endswith("-http") else "tcp"
            shared = f'token = "{token(name)}"\ntype = "{kind}"'
            public = f'bind_addr = "127.0.0.1:{port}"\n{at_server if kind == "http" else ""}'
            server.append(f"[server.services.{name}]\n{shared}\n{public}")
            local = _local(services[name.removesuffix("-http")])
            client.append(f"[client.services.{name}]\n{shared}\n{at_home}\n{local}")
        for program, lines in (("server", server), ("client", client)):
            file = write(programs.directory / f"{program}.toml", "\n".join(lines) + "\n")
            started = programs.start(program, command(program, file, "--log-level", "debug"), ENVIRON)
        started.wait_log(r"client: connected ")

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}/mcp"


def _local(local: Local) -> str:
    if isinstance(local, int):
        return f'local_addr = "127.0.0.1:{local}"'
    words = ", ".join(f'"{word}"' for word in local)
    return f'command = [{words}]\nenv = {{ PYTHONPATH = "{ROOT}" }}'


def start_fixtures(programs: Programs) -> int:
    """The Python server on HTTP; its port."""
    port = free_port()
    programs.start("fixtures", [*FIXTURES, str(port)], ENVIRON).wait_listening(("127.0.0.1", port), timeout=30)
    return port
