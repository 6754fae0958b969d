"""Server, client and a laptop's access, the real programs, and the network between home and the server."""

import contextlib
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from demo.access import access_file, make_private
from demo.certificate import make_certificate
from demo.cut import Network
from demo.files import write_files
from demo.private import write_private
from demo.screen import Failed
from demo.services import LOCAL_PORTS


class Tunnel:
    """Everything that is started keeps its files in one temporary directory and ends with `stop`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.door = _free_port()
        self.network = Network(self.door)
        self.public = {name: _free_port() for name in LOCAL_PORTS}
        self.laptop = {name: _free_port() for name in LOCAL_PORTS}

    def configure(self, local: dict[str, int]) -> None:
        """Writes the two files for services on the ports `local`."""
        make_certificate(self.directory)
        tokens = {name: secrets.token_urlsafe(32) for name in LOCAL_PORTS}
        write_files(self.directory, self.door, self.network.port, self.public, local, tokens)

    def start_server(self) -> None:
        """Returns once it listens on all its ports."""
        self._start("server")
        for port in (self.door, *self.public.values()):
            self._await_port("server", port)

    def start_client(self) -> None:
        self._start("client")

    def add_service(self, name: str, local: int) -> int:
        """Adds a service to both files while both programs run; returns its public port once it listens."""
        public, token = _free_port(), secrets.token_urlsafe(32)
        lines = {"client": f'local_addr = "127.0.0.1:{local}"', "server": f'bind_addr = "127.0.0.1:{public}"'}
        for program, line in lines.items():
            path = self.directory / f"{program}.toml"
            section = f'\n[{program}.services.{name}]\ntoken = "{token}"\n{line}\n'
            write_private(path, path.read_text() + section)
        self._await_port("server", public)
        return public

    def leave_to_laptop(self, local: dict[str, int]) -> Path:
        """Takes the public ports of the three services away, while server and client run, and gives a laptop a key for
        each; returns the laptop's file once the public ports are closed. `local`: the services' ports at home."""
        keys = {name: secrets.token_urlsafe(32) for name in LOCAL_PORTS}
        make_private(self.directory, self.public, local, keys)
        file = self.directory / "access.toml"
        write_private(file, access_file(self.door, self.laptop, keys))
        for program in ("client", "server"):
            self._await_reload(program, "mcp")
        self._await(lambda: not any(map(_listens, self.public.values())), "the public ports stay open")
        return file

    def start_access(self) -> None:
        self._start("access")
        for port in self.laptop.values():
            self._await_port("access", port)

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.directory.glob("*.log")))

    def stop(self) -> None:
        for _, process in reversed(self.processes):
            process.terminate()
        for _, process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, what: str) -> None:
        command = [sys.executable, "-m", "hushgate", what, str(self.directory / f"{what}.toml")]
        with (self.directory / f"{what}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append((what, process))

    def _await_port(self, what: str, port: int) -> None:
        self._await(lambda: _listens(port), f"the {what} does not listen on port {port}")

    def _await_reload(self, program: str, service: str) -> None:
        log, told = self.directory / f"{program}.log", re.compile(rf"changed=\S*\b{service}\b")
        self._await(lambda: bool(told.search(log.read_text())), f"the {program} did not read its changed file")

    def _await(self, true: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + 20
        while not true():
            ended = [name for name, process in self.processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise Failed(failure)
            time.sleep(0.02)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
