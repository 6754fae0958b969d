"""The product as its users run it: `hushgate server FILE` and `hushgate client FILE`, real files, real ports."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e import certificates
from tests.e2e.programs import Address, Program, Programs, free_port

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(os.environ.get("HUSHGATE_SOURCE") or ROOT / "src")
"""What is tested: the checkout, or what scripts/test compiled."""
ENVIRON = {"PYTHONPATH": f"{SOURCE}:{ROOT}", "PYTHONUNBUFFERED": "1"}
Start = Callable[[str, Sequence[str | Path], Mapping[str, str]], Program]


def command(*arguments: str | Path) -> list[str | Path]:
    """The command line of one hushgate command, on this interpreter."""
    return [sys.executable, "-m", "hushgate", *arguments]


def token(service: str) -> str:
    """A token of a test: long enough, and another for every service."""
    return (service.encode().hex() + "0123456789abcdef" * 4)[:64]


def e2e_key(service: str) -> str:
    return f"hidden-from-the-server-{service}-9d41"


def access_key(service: str) -> str:
    """The same for laptops."""
    return token(f"laptop's {service}")


def write(path: Path, text: str) -> Path:
    """Replaces the file at once, as an editor does, readable for its owner alone."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
    return path


@dataclass
class Tunnel:
    """A server and a client on this machine, and the two files they run.

    `services`: name to the local address at home; each has a public port on 127.0.0.1. `remote`: where the client
    dials, when not straight to the door (a relay, nginx). `settings`: lines of `[server]` and `[client]`. `at_server`
    and `at_home`: the services that each file names at the start, all of them unless changed before. `private`
    services have no public port; laptops have no key for `revoked` ones; `hidden` ones are encrypted end to end.
    `server_lines` and `client_lines`: further lines of a service in each file.
    """

    programs: Programs
    services: dict[str, Address]
    remote: str = ""
    server_settings: str = ""
    client_settings: str = ""
    client_tokens: dict[str, str] = field(default_factory=dict)
    door: int = field(default_factory=free_port)
    environ: Mapping[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    server_lines: dict[str, str] = field(default_factory=dict)
    client_lines: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(init=False)
    at_server: list[str] = field(init=False)
    at_home: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in self.services}
        self.at_server, self.at_home = list(self.services), list(self.services)
        self.directory = self.programs.directory
        self.server_file = self.directory / "server.toml"
        self.client_file = self.directory / "client.toml"

    def address(self, service: str) -> Address:
        """Where visitors of the service arrive."""
        return ("127.0.0.1", self.ports[service])

    def use_tls(self) -> "Tunnel":
        """The link over the server's own TLS, with a certificate for localhost."""
        files = certificates.make(self.directory / "tls", "localhost")
        self.server_settings += f'tls = true\ncertificate = {{ cert = "{files.chain}", key = "{files.key}" }}\n'
        self.client_settings += f'trusted_root = "{files.root}"\n'
        self.remote = f"wss://localhost:{self.door}/"
        return self

    def start(self) -> "Tunnel":
        """Writes the files and starts both; on return every public port listens (home may still be on its way)."""
        self.write_client(self.at_home)
        self.server = self.start_server()
        for port in (self.door, *(self.ports[name] for name in self.at_server if name not in self.private)):
            self.server.wait_listening(("127.0.0.1", port))
        self.client = self.programs.start("client", command("client", self.client_file), {**ENVIRON, **self.environ})
        return self

    def start_server(self) -> Program:
        self.write_server(self.at_server)
        return self.programs.start("server", command("server", self.server_file), {**ENVIRON, **self.environ})

    def write_server(self, services: Sequence[str]) -> None:
        lines = ["[server]", f'bind_addr = "127.0.0.1:{self.door}"', self.server_settings]
        for name in services:
            lines += [f"[server.services.{name}]", f'token = "{token(name)}"']
            lines += [f'access_key = "{access_key(name)}"'] if name not in self.revoked else []
            lines += [f'bind_addr = "127.0.0.1:{self.ports[name]}"'] if name not in self.private else []
            lines.append(self.server_lines.get(name, ""))
        write(self.server_file, "\n".join(lines) + "\n")

    def write_client(self, services: Sequence[str]) -> None:
        remote = self.remote or f"ws://127.0.0.1:{self.door}/"
        lines = ["[client]", f'remote_addr = "{remote}"', self.client_settings]
        for name in services:
            host, port = self.services[name]
            lines += [f"[client.services.{name}]", f'token = "{self.client_tokens.get(name, token(name))}"']
            lines += [f'local_addr = "{host}:{port}"', self.client_lines.get(name, "")]
            lines += [f'e2e_key = "{e2e_key(name)}"'] if name in self.hidden else []
        write(self.client_file, "\n".join(lines) + "\n")


def established(port: int) -> int:
    """ESTABLISHED IPv4 connections of this network namespace whose remote port is `port`, counted in the kernel."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, *_ = line.split()
        found += state == "01" and int(remote.rpartition(":")[2], 16) == port
    return found
