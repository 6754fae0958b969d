"""Real programs as child processes: started, waited for by connecting, their logs shown when something fails."""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

Address = tuple[str, int]


def need(name: str) -> str:
    """The path of a program. One that is not installed is a failure, not a skip: these tests stand for real use."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        pytest.fail(f"{name} is not installed; .ci/run names the packages that the end-to-end tests need")
    return path


def installed(here: Path, *files: str, tag: str = "") -> Path:
    """Where `here/install` (as .ci/run calls it) has put what these files of it pin, for the Python of this tag. Not to
    have it is a failure, not a skip."""
    digest = hashlib.sha256(b"".join((here / name).read_bytes() for name in ("install", *files)) + tag.encode())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = base / "hushgate-tests" / f"{here.name.replace('_', '-')}-{digest.hexdigest()[:12]}"
    if not (found / "complete").exists():
        pytest.fail(f"what tests/e2e/{here.name}/install installs is missing: run it")
    return found


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool], what: str, timeout: float = 15.0, interval: float = 0.02) -> None:
    """Polls until the condition holds; fails after `timeout` seconds, naming `what` was awaited."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s in vain: {what}")
        time.sleep(interval)


def listens(address: Address) -> bool:
    """Whether a TCP connection to the address is accepted."""
    try:
        socket.create_connection(address, 1.0).close()
    except OSError:
        return False
    return True


class Program:
    """One child process with a log file that collects its stdout and stderr."""

    def __init__(
        self, name: str, argv: Sequence[str | Path], directory: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.argv = [str(part) for part in argv]
        self.path = directory / f"{name}.log"
        self._environ = {**os.environ, **(environ or {})}
        self._directory = directory
        self.start()

    def start(self) -> None:
        """Starts it, or starts it again; the log goes on in the same file."""
        with self.path.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                cwd=self._directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def resident(self) -> int:
        """Bytes of memory in use, those shared with other programs included."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return int(fields["VmRSS"].split()[0]) * 1024

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        return self.path.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = 15.0) -> int:
        """The exit code; fails when the program does not end."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.name} did not end within {timeout:g} s")

    def stop(self, timeout: float = 15.0) -> int | None:
        """SIGTERM, again after a second for who drains, then SIGKILL. The exit code."""
        for wait in (1.0, timeout):
            if self.running:
                self.process.terminate()
                try:
                    return self.process.wait(wait)
                except subprocess.TimeoutExpired:
                    continue
        if self.running:
            self.process.kill()
        return self.process.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def wait_listening(self, address: Address, timeout: float = 15.0) -> Self:
        """Until the address accepts; fails at once when the program ends before that."""

        def ready() -> bool:
            if not self.running:
                pytest.fail(f"{self.name} ended with {self.process.returncode} before it listened on {address}")
            return listens(address)

        until(ready, f"{self.name} to listen on {address[0]}:{address[1]}", timeout)
        return self

    def wait_log(self, pattern: str, timeout: float = 15.0, since: int = 0) -> re.Match[str]:
        """The first match of the pattern in the log from character `since` on."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            match = re.compile(pattern, re.MULTILINE).search(self.log(), since)
            if match:
                found.append(match)
            return bool(match)

        until(look, f"{pattern!r} in the log of {self.name}", timeout)
        return found[0]


class Programs:
    """The programs of one test: all are stopped at its end, the last started first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[Program] = []

    def start(self, name: str, argv: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Program:
        program = Program(name, argv, self.directory, environ)
        self.started.append(program)
        return program

    def stop(self) -> None:
        for program in reversed(self.started):
            program.stop(5.0)

    def logs(self, lines: int = 60) -> Iterator[tuple[str, str]]:
        """(name, the end of its log) of every program that wrote one."""
        for program in self.started:
            text = program.log().splitlines()
            if text:
                yield program.name, "\n".join(text[-lines:])


@contextmanager
def programs_in(directory: Path) -> Iterator[Programs]:
    programs = Programs(directory)
    try:
        yield programs
    finally:
        programs.stop()


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float = 60.0,
    stdin: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    code: int | None = 0,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end and expects the exit code (None: any); its stderr is in the failure."""
    done = subprocess.run(
        [str(part) for part in argv],
        input=stdin if stdin is not None else b"",
        capture_output=True,
        timeout=timeout,
        env={**os.environ, **(environ or {})},
        cwd=cwd,
        check=False,
    )
    if code is not None and done.returncode != code:
        shown = " ".join(str(part) for part in argv)
        pytest.fail(f"{shown}\nended with {done.returncode} instead of {code}: {done.stderr.decode(errors='replace')}")
    return done
