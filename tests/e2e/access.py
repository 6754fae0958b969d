"""A laptop as its user runs it: `hushgate access FILE` and `hushgate connect`, beside the tunnel of `hushgate.py`."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.hushgate import ENVIRON, Tunnel, access_key, command, e2e_key, write
from tests.e2e.programs import Address, Program, free_port


@dataclass
class Laptop:
    """A file with `services` of `tunnel`, each with a local port. `settings`: lines of `[access]`; `remote`: where it
    dials, when not where home does."""

    tunnel: Tunnel
    services: Sequence[str]
    settings: str = ""
    remote: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(init=False)
    program: Program = field(init=False)

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in self.services}
        self.file = self.write()

    def write(self) -> Path:
        remote = self.remote or self.tunnel.remote or f"ws://127.0.0.1:{self.tunnel.door}/"
        lines = ["[access]", f'remote_addr = "{remote}"', self.settings or self.tunnel.client_settings]
        for name in self.services:
            key = self.keys.get(name, access_key(name))
            lines += [f"[access.services.{name}]", f'key = "{key}"', f'bind_addr = "127.0.0.1:{self.ports[name]}"']
            lines += [f'e2e_key = "{e2e_key(name)}"'] if name in self.tunnel.hidden else []
        return write(self.tunnel.directory / "access.toml", "\n".join(lines) + "\n")

    def start(self) -> "Laptop":
        """`hushgate access`; on return its ports listen."""
        environ = {**ENVIRON, **self.tunnel.environ}
        self.program = self.tunnel.programs.start("access", command("access", self.file), environ)
        for name in self.services:
            self.program.wait_listening(self.address(name))
        return self

    def address(self, service: str) -> Address:
        return ("127.0.0.1", self.ports[service])

    def connect(self, *arguments: str | Path) -> list[str]:
        """The command line of `hushgate connect ARGUMENTS` with this file."""
        return [str(part) for part in command("connect", *arguments, "--file", self.file)]

    def proxy(self, service: str) -> str:
        """ssh's ProxyCommand, with the environment that finds this checkout."""
        environ = {**ENVIRON, **self.tunnel.environ}
        return shlex.join(
            ["env", *(f"{name}={value}" for name, value in environ.items()), *self.connect(service, "--stdio")]
        )
