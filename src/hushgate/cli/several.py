"""A file with several sections: the programs as processes that live and end together.

Each keeps its own event loop, log lines and drain; this process only passes signals on and waits.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

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
    children: list[subprocess.Popen[bytes]] = []
    asked_to_end = False

    def pass_on(number: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = asked_to_end or number in (signal.SIGTERM, signal.SIGINT)
        if sys.platform == "win32" and number == signal.SIGINT:
            return  # Ctrl-C comes from the console, to everybody who shares it.
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    ended: SimpleQueue[int] = SimpleQueue()
    try:
        for command in commands:
            # A process group of its own: Ctrl-C on the terminal must reach a child once, through us.
            child = subprocess.Popen(command, process_group=0 if sys.platform != "win32" else None)
            children.append(child)
            threading.Thread(target=_wait, args=(child, ended), daemon=True).start()
        codes = [ended.get()]
        if not asked_to_end:  # A second SIGTERM could cut another one's drain short.
            for child in children:
                child.terminate()
        codes += [ended.get() for _ in children[1:]]
    finally:
        for child in children:
            child.terminate()
        for number, handler in before.items():
            signal.signal(number, handler)
    return next((code for code in codes if code), 0)


def _wait(child: "subprocess.Popen[bytes]", ended: "SimpleQueue[int]") -> None:
    code = child.wait()
    ended.put(128 - code if code < 0 else code)
