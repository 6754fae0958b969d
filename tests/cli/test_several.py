"""Two programs that live and end together, in a process of their own because signals are."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.processes import killed_at_the_end

SUPERVISOR = """
import sys
from hushgate.cli.several import supervise
sys.exit(supervise([[sys.executable, "-c", code] for code in sys.argv[1:]]))
"""
WAITER = """
import os, signal
signal.alarm(60)
awaited = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
os.write(1, b"ready\\n")
number = signal.SIGHUP
while number == signal.SIGHUP:
    number = signal.sigwait(awaited)
    os.write(1, b"got %d\\n" % number)
"""


@contextmanager
def supervisor(*codes: str, script: str = SUPERVISOR) -> "Iterator[subprocess.Popen[str]]":
    program = subprocess.Popen([sys.executable, "-c", script, *codes], stdout=subprocess.PIPE, text=True)
    with killed_at_the_end(program) as process:
        yield process


def test_a_signal_reaches_both_once() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with supervisor(WAITER, WAITER) as process:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
            process.send_signal(signal.SIGHUP)
            assert [process.stdout.readline() for _ in range(2)] == ["got 1\n"] * 2
            process.send_signal(number)
            assert process.stdout.read() == f"got {number.value}\n" * 2
            assert process.wait(10) == 0


def test_when_one_ends_the_other_is_asked_to() -> None:
    ends = "import sys; sys.exit(4)"
    with supervisor(ends, "import time; time.sleep(60)") as process:
        assert process.wait(20) == 4
    with supervisor("import time; time.sleep(60)", ends) as process:
        assert process.wait(20) == 4


def test_a_killed_one_counts_as_128_and_its_signal() -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with supervisor(killed, WAITER) as process:
        assert process.wait(20) == 128 + signal.SIGKILL


def test_on_windows_the_console_tells_them_of_ctrl_c() -> None:
    """Nobody else can: there `Popen.send_signal` refuses SIGINT."""
    script = SUPERVISOR.replace("import sys\n", "import sys\nimport hushgate.cli.several\nsys.platform = 'win32'\n", 1)
    with supervisor(WAITER, script=script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got 15\n"
        assert process.wait(10) == 0
