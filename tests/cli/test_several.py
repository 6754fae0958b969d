"""Two programs that live and end together, in a process of their own because signals are."""

import signal
import subprocess
import sys

SUPERVISOR = """
import sys
from hushgate.cli.several import supervise
sys.exit(supervise([[sys.executable, "-c", code] for code in sys.argv[1:]]))
"""
WAITER = """
import os, signal, sys
def end(number, frame):
    os.write(1, b"got %d\\n" % number)
    if number != signal.SIGHUP:
        sys.exit({code})
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, end)
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


def supervisor(*codes: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SUPERVISOR, *codes], stdout=subprocess.PIPE, text=True)


def test_a_signal_reaches_both_once() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with supervisor(WAITER.format(code=0), WAITER.format(code=0)) as process:
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
    with supervisor(killed, WAITER.format(code=0)) as process:
        assert process.wait(20) == 128 + signal.SIGKILL


def test_on_windows_the_console_tells_them_of_ctrl_c() -> None:
    """Nobody else can: there `Popen.send_signal` refuses SIGINT."""
    script = SUPERVISOR.replace("import sys\n", "import sys\nimport hushgate.cli.several\nsys.platform = 'win32'\n", 1)
    command = [sys.executable, "-c", script, WAITER.format(code=0)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got 15\n"
        assert process.wait(10) == 0
