"""A file with several sections: the programs as processes that live and end together.

Each keeps its own event loop, log lines and drain; this process only passes signals on and waits.

It waits at a socket that Python's C handler writes to (`signal.set_wakeup_fd`). A lock or `signal.pause` would sleep
through a signal that comes between Python's last look for signals and the system call.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

_PASSED_ON = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


def run_all(file: Path, sections: Sequence[str], log_level: str) -> int:
    """The first exit code that is not 0, or 0; 128 + n for a child that signal n killed.

    When one of them ends, the others are asked to end as well.
    """
    # -P: what lies in the working directory must not be imported.
    ourselves = [sys.executable, "-P", "-m", "hushgate"]
    return supervise([[*ourselves, section, str(file), "--log-level", log_level] for section in sections])


def supervise(commands: Sequence[Sequence[str]]) -> int:
    """As `run_all`, for any commands. Must be called in the main thread, where signal handlers can be set."""
    signals: SimpleQueue[int] = SimpleQueue()
    ended: SimpleQueue[int] = SimpleQueue()
    children: list[subprocess.Popen[bytes]] = []
    asked_to_end = False
    wake, woken = socket.socketpair()
    wake.setblocking(False)

    def pass_on(number: int) -> None:
        nonlocal asked_to_end
        asked_to_end = asked_to_end or number in (signal.SIGTERM, signal.SIGINT)
        if sys.platform == "win32" and number == signal.SIGINT:
            return  # Ctrl-C comes from the console, to everybody who shares it.
        for child in children:
            child.send_signal(number)

    def next_end() -> int:
        while ended.empty():
            woken.recv(4096)
            while not signals.empty():
                pass_on(signals.get())
        return ended.get()

    before_fd = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda number, _frame: signals.put(number)) for number in _PASSED_ON}
    try:
        for command in commands:
            # A process group of its own: Ctrl-C on the terminal must reach a child once, through us.
            child = subprocess.Popen(command, process_group=0 if sys.platform != "win32" else None)
            children.append(child)
            threading.Thread(target=_wait, args=(child, ended, wake), daemon=True).start()
        codes = [next_end()]
        if not asked_to_end:  # A second SIGTERM could cut another one's drain short.
            for child in children:
                child.terminate()
        codes += [next_end() for _ in children[1:]]
    finally:
        for child in children:
            child.terminate()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        wake.close()
        woken.close()
    return next((code for code in codes if code), 0)


def _wait(child: "subprocess.Popen[bytes]", ended: "SimpleQueue[int]", wake: socket.socket) -> None:
    code = child.wait()
    ended.put(128 - code if code < 0 else code)
    with contextlib.suppress(OSError):  # Full of bytes that wake as well, or closed since nobody waits any more.
        wake.send(b"\0")
