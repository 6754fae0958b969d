"""A program at home that speaks MCP on its standard input and output: started, read line by line, ended for good.

It gets a process group of its own, because `npx` is a tree of processes, and little of our environment: the tunnel's
tokens are none of its business. It ends as the specification of stdio says (its input is closed, SIGTERM, SIGKILL), and
whatever is left of its group ends with it.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final, cast

from hushgate.config.model import Stdio
from hushgate.log import Log
from hushgate.mcp.lines import Lines
from hushgate.tasks import Tasks

LINE_MAX: Final = 8 * 1024 * 1024
"""Bytes of one message: a result with an image in it is a few megabytes."""
UNREAD_MAX: Final = 8 * 1024 * 1024
"""Bytes that a program may leave unread on its input."""
_KILL: Final = int(getattr(signal, "SIGKILL", signal.SIGTERM))
_STDIN: Final = 0
_STDOUT: Final = 1
_TOLD_MAX: Final = 400
"""Bytes of a line on stderr that are logged."""
_TOLD_EVERY: Final = 10.0
_TOLD_LINES: Final = 100
"""So many lines are logged in `_TOLD_EVERY` seconds."""
_CLOSED_FOR: Final = 2.0
_TERMINATED_FOR: Final = 5.0
"""Seconds for a program to end after its input was closed, and after SIGTERM."""
_INHERITED: Final = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "APPDATA",
    "COMSPEC",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATHEXT",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "USERNAME",
    "USERPROFILE",
)


class Child(asyncio.SubprocessProtocol):
    """One run of `stdio.command`. `received` gets every line it writes, `ended` once and last: why it is over, in words
    for the client. `tasks` owns the run."""

    def __init__(
        self, stdio: Stdio, log: Log, tasks: Tasks, received: Callable[[bytes], None], ended: Callable[[str], None]
    ) -> None:
        self._stdio = stdio
        self._log = log
        self._received = received
        self._ended = ended
        self._early: list[bytes] | None = []
        """What was sent before it ran."""
        self._transport: asyncio.SubprocessTransport | None = None
        self._lines = Lines(LINE_MAX)
        self._errors = Lines(_TOLD_MAX, cut=True)
        self._told = 0
        self._told_since = 0.0
        self._broken = ""
        self._wanted = True
        self._closing, self._exited, self._lost = asyncio.Event(), asyncio.Event(), asyncio.Event()
        tasks.start(f"run {stdio.command[0]}", self._run())

    def send(self, line: bytes) -> None:
        """Writes one line. A program that does not read is given up."""
        if self._early is not None:
            self._early.append(line)
            return
        stdin = self._input()
        if stdin is None or stdin.is_closing():
            return
        stdin.write(line + b"\n")
        if stdin.get_write_buffer_size() > UNREAD_MAX:
            self._give_up("it does not read what it is sent")

    def close(self) -> None:
        """Ends it; `ended` follows."""
        self._wanted = False
        self._closing.set()

    # What the event loop tells.

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _STDOUT:
            for line in self._lines.feed(data):
                self._received(line)
            if self._lines.overlong:
                self._give_up(f"it wrote a line of more than {LINE_MAX} bytes")
        else:
            for line in self._errors.feed(data):
                self._tell(line)

    def process_exited(self) -> None:
        self._exited.set()
        self._closing.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    # Its life.

    async def _run(self) -> None:
        stdio = self._stdio
        try:
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                *stdio.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=stdio.cwd,
                env=environment(os.environ, stdio),
                start_new_session=sys.platform != "win32",
            )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._log.warning("the program of the service cannot be started", program=stdio.command[0], reason=reason)
            self._early = None
            self._ended(f"the program of this service cannot be started at home ({reason})")
            return
        self._transport = transport
        self._log.debug("program started", program=stdio.command[0], pid=transport.get_pid())
        early, self._early = self._early or [], None
        for line in early:
            self.send(line)
        try:
            await self._closing.wait()
            await self._shut(transport.get_pid())
        finally:
            # A descendant that has left the group may hold its pipes open for as long as it likes.
            kill_group(transport.get_pid())
            transport.close()
        self._over(transport)

    async def _shut(self, pid: int) -> None:
        """Until it has ended and what it wrote was read."""
        stdin = self._input()
        if stdin is not None:
            stdin.close()
        if not await within(self._exited, _CLOSED_FOR):
            kill_group(pid, signal.SIGTERM)
            await within(self._exited, _TERMINATED_FOR)
        kill_group(pid)
        await within(self._lost, _CLOSED_FOR)

    def _input(self) -> asyncio.WriteTransport | None:
        return cast(asyncio.WriteTransport | None, self._transport and self._transport.get_pipe_transport(_STDIN))

    def _tell(self, line: bytes) -> None:
        """What it says on stderr is for whoever looks for a fault, and may be endless."""
        now = asyncio.get_running_loop().time()
        if now - self._told_since > _TOLD_EVERY:
            self._told, self._told_since = 0, now
        self._told += 1
        if self._told <= _TOLD_LINES:
            self._log.debug("program said", line=line.decode(errors="replace"))
        elif self._told == _TOLD_LINES + 1:
            self._log.debug("program says more than is logged")

    def _give_up(self, reason: str) -> None:
        self._broken = self._broken or reason
        self._closing.set()

    def _over(self, transport: asyncio.SubprocessTransport) -> None:
        code = transport.get_returncode()
        if self._broken:
            reason = f"the program of this service was ended: {self._broken}"
        elif not self._wanted:
            reason = "the session has ended"
        else:
            how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
            reason = f"the program of this service has ended ({how})"
        tell = self._log.warning if self._broken or self._wanted else self._log.debug
        tell("program ended", program=self._stdio.command[0], pid=transport.get_pid(), reason=reason)
        self._ended(reason)


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event comes so soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def environment(environ: Mapping[str, str], stdio: Stdio) -> dict[str, str]:
    """What the program sees of `environ`, and what the configuration gives it."""
    kept = {name: value for name, value in environ.items() if name in _INHERITED or name.startswith(("LC_", "XDG_"))}
    return {**kept, **{name: value.reveal() for name, value in stdio.env}}


def kill_group(pid: int, number: int = _KILL) -> None:
    """Sends the signal to every process of the group that `pid` leads, if there is any left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(pid, number)
        else:
            os.killpg(pid, number)
