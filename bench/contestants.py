"""The contestants: no tunnel at all, this build, and rathole, the latter two over ws and wss.

Both tunnels get the same two services, the same loopback, the same certificate, and their programs' defaults for
everything else. rathole's client speaks `websocket` in both; its TLS is OpenSSL's, limited to 1.2 by its own choice.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.certificate import PASSWORD, CertificateFiles
from bench.programs import Program, find, free_port, listening
from bench.targets import Ports
from bench.visitors import answers

Scheme = Literal["ws", "wss"]

RATHOLE_ADVICE = "cargo install rathole --version 0.5.0"

SOURCE = Path(os.environ.get("HUSHGATE_SOURCE") or Path(__file__).parent.parent / "src")
"""Where this build is: in the checkout, or compiled by scripts/bench."""


@dataclass(frozen=True, slots=True)
class Running:
    """A contestant that can be visited. `server` and `client` are None without a tunnel; `laptop` is the command that
    joins its standard input and output to the HTTP service, where the product has one; `home` is where the HTTP
    target itself listens."""

    ports: Ports
    server: Program | None = None
    client: Program | None = None
    laptop: Sequence[str] = ()
    home: int = 0

    def cpu_seconds(self) -> float:
        """What both ends of the tunnel have used so far."""
        return sum(program.cpu_seconds() for program in (self.server, self.client) if program)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start one tunnel: command lines (the file's name is appended) and their files; a laptop has one or
    none."""

    server: list[str]
    client: list[str]
    server_file: str
    client_file: str
    laptop: list[str] = field(default_factory=list)
    laptop_file: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def tunnel(name: str, home: Ports, files: CertificateFiles, directory: Path) -> Iterator[Running]:
    """Run the tunnel `hushgate-ws`, `rathole-wss` and so on in front of `home`; ready when a visitor is answered."""
    product, _, scheme = name.partition("-")
    door, public = free_port(), Ports(free_port(), free_port(), free_port() if product == "hushgate" else 0)
    make = {"hushgate": _hushgate, "rathole": _rathole}[product]
    recipe = make("wss" if scheme == "wss" else "ws", door, public, home, files)
    programs: list[Program] = []

    def file(role: str, text: str) -> str:
        config = directory / f"{name}-{role}.toml"
        config.touch(mode=0o600)
        config.write_text(text)
        return str(config)

    def start(role: str, argv: list[str], text: str) -> Program:
        programs.append(program := Program(f"{name}-{role}", [*argv, file(role, text)], directory, recipe.environ))
        return program

    try:
        server = start("server", recipe.server, recipe.server_file)
        server.wait_until(lambda: listening(door))
        client = start("client", recipe.client, recipe.client_file)
        client.wait_until(lambda: listening(public.http) and listening(public.iperf) and answers(public.http))
        environ = [f"{name}={value}" for name, value in recipe.environ.items()]
        laptop = ["env", *environ, *recipe.laptop, file("laptop", recipe.laptop_file)] if recipe.laptop else []
        yield Running(public, server, client, laptop, home.http)
    finally:
        for program in reversed(programs):
            program.stop()


def _hushgate(scheme: Scheme, door: int, public: Ports, home: Ports, files: CertificateFiles) -> Recipe:
    server = f'[server]\nbind_addr = "127.0.0.1:{door}"\n'
    if scheme == "wss":
        server += f'tls = true\ncertificate = {{ cert = "{files.cert}", key = "{files.key}" }}\n'
        remote = f'remote_addr = "wss://localhost:{door}/"\ntrusted_root = "{files.root}"\n'
    else:
        server += '[server.transport]\ntype = "websocket"\n[server.transport.websocket]\ntls = false\n'
        remote = f'remote_addr = "ws://127.0.0.1:{door}/"\n'
    server_services, client_services = _services(public, home)
    token = f'token = "{secrets.token_hex(32)}"\ntype = "http"'
    server_services += f'[server.services.web]\n{token}\nbind_addr = "127.0.0.1:{public.web}"\n'
    client_services += f'[client.services.web]\n{token}\nlocal_addr = "127.0.0.1:{home.http}"\n'
    key = secrets.token_hex(32)
    server_services = server_services.replace(
        "[server.services.http]\n", f'[server.services.http]\naccess_key = "{key}"\n'
    )
    command = [sys.executable, "-m", "hushgate"]
    return Recipe(
        server=[*command, "server"],
        client=[*command, "client"],
        server_file=server + server_services,
        client_file=f"[client]\n{remote}{client_services}",
        laptop=[*command, "connect", "http", "--stdio", "--file"],
        laptop_file=f'[access]\n{remote}[access.services.http]\nkey = "{key}"\n',
        environ={"PYTHONPATH": str(SOURCE)},
    )


def _rathole(scheme: Scheme, door: int, public: Ports, home: Ports, files: CertificateFiles) -> Recipe:
    tls = "true" if scheme == "wss" else "false"
    server = (
        f'[server]\nbind_addr = "127.0.0.1:{door}"\n[server.transport]\ntype = "websocket"\n'
        f"[server.transport.websocket]\ntls = {tls}\n"
    )
    client = (
        f'[client]\nremote_addr = "127.0.0.1:{door}"\n[client.transport]\ntype = "websocket"\n'
        f"[client.transport.websocket]\ntls = {tls}\n"
    )
    if scheme == "wss":
        server += f'[server.transport.tls]\npkcs12 = "{files.pkcs12}"\npkcs12_password = "{PASSWORD}"\n'
        client += f'[client.transport.tls]\ntrusted_root = "{files.root}"\nhostname = "localhost"\n'
    server_services, client_services = _services(public, home)
    rathole = find_rathole()
    return Recipe(
        server=[rathole, "--server"],
        client=[rathole, "--client"],
        server_file=server + server_services,
        client_file=client + client_services,
        environ={"RUST_LOG": "warn"},
    )


def find_rathole() -> str:
    """The path of rathole. Raises BenchError with the command that installs it."""
    return find("rathole", RATHOLE_ADVICE, Path.home() / ".cargo/bin/rathole")


def _services(public: Ports, home: Ports) -> tuple[str, str]:
    server = client = ""
    for service, bind, local in (("http", public.http, home.http), ("iperf", public.iperf, home.iperf)):
        token = secrets.token_hex(32)
        server += f'[server.services.{service}]\ntoken = "{token}"\nbind_addr = "127.0.0.1:{bind}"\n'
        client += f'[client.services.{service}]\ntoken = "{token}"\nlocal_addr = "127.0.0.1:{local}"\n'
    return server, client
