"""Programs that the race starts: ports, readiness, and what Linux counts for each of them."""

import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

READY = 15.0
"""Seconds that a program may take until it answers."""
STOP = 5.0
"""Seconds between SIGTERM and SIGKILL."""

_TICKS = os.sysconf("SC_CLK_TCK")
_LISTEN = "0A"  # the state column of /proc/net/tcp


class BenchError(Exception):
    """A race, or one load of it, that cannot go on; the message is one sentence for the user."""


def find(program: str, advice: str, *places: Path) -> str:
    """The program's path from PATH or one of `places`. Raises BenchError with `advice` on how to install it."""
    for place in (program, *map(str, places)):
        if path := shutil.which(place):
            return path
    raise BenchError(f"{program} is not installed: {advice}.")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int) -> bool:
    """Whether somebody listens on the IPv4 port, told without connecting: a connection is a visitor."""
    wanted = f":{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == _LISTEN and local.endswith(wanted):
            return True
    return False


def raise_descriptor_limit() -> None:
    """Give this process and its children all the descriptors the system grants; rathole does so by itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Program:
    """A child process whose output goes to a file of its own in `directory`."""

    def __init__(self, name: str, argv: Sequence[str], directory: Path, environ: Mapping[str, str] | None = None):
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=None if environ is None else {**os.environ, **environ},
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return once `ready()` holds. Raises BenchError when the program ends before, or after READY seconds."""
        deadline = time.monotonic() + READY
        while not ready():
            if (code := self._process.poll()) is not None:
                raise BenchError(f"{self.name} ended with exit code {code}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} was not ready within {READY:.0f} seconds: {self._last_words()}")
            time.sleep(0.02)

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / _TICKS

    def resident(self) -> int:
        """Resident memory (VmRSS) in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BenchError(f"{self.name} is gone: {self._last_words()}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for those who do not hear it; returns when it is gone."""
        self._process.terminate()
        try:
            self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        return " / ".join(self._log.read_text(errors="replace").splitlines()[-3:]) or "it printed nothing"
