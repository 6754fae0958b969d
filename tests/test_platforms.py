"""Client and laptop are written for macOS and Windows as well, where nobody runs these tests. So this machine is made
to look like them: names that they lack are taken away, and the programs must do without."""

import subprocess
import sys

import pytest

# What Linux has and the other has not, as far as a program might use it.
LACKING = {
    "darwin": {
        "os": "memfd_create pidfd_open sched_getaffinity eventfd O_TMPFILE",
        "socket": "TCP_USER_TIMEOUT TCP_KEEPIDLE TCP_QUICKACK SO_BINDTODEVICE SO_MARK MSG_NOSIGNAL",
        "select": "epoll EPOLLIN EPOLLOUT",
        "signal": "SIGPWR SIGRTMIN SIGRTMAX",
        "time": "CLOCK_BOOTTIME",
    },
    "win32": {
        "os": "killpg getuid geteuid getgid sysconf fork fchmod fchown mkfifo getpgid setsid "
        "memfd_create pidfd_open sched_getaffinity eventfd O_CLOEXEC O_NONBLOCK",
        "socket": "MSG_DONTWAIT MSG_NOSIGNAL SO_REUSEPORT TCP_USER_TIMEOUT TCP_QUICKACK SO_BINDTODEVICE SO_MARK",
        "select": "epoll EPOLLIN EPOLLOUT poll",
        "signal": "SIGHUP SIGKILL SIGPIPE SIGUSR1 SIGUSR2 SIGCHLD",
        "time": "CLOCK_BOOTTIME CLOCK_MONOTONIC clock_gettime",
    },
}
# Of other people's modules those that are not there.
MISSING = {
    "darwin": ("uvloop", "aiofastnet"),
    "win32": ("uvloop", "aiofastnet", "fcntl", "termios", "pwd", "grp", "resource"),
}

PREPARED = """
import asyncio, importlib, os, pkgutil, selectors, signal, sys

PARTS = ("protocol", "config", "transports", "link", "ops", "uplink", "client", "mcp", "doctor", "access", "cli")


def modules():
    for part in PARTS:
        package = importlib.import_module(f"hushgate.{part}")
        yield from (f"{package.__name__}.{found.name}" for found in pkgutil.iter_modules(package.__path__))


def ours():
    for name in modules():
        importlib.import_module(name)


# What other people's modules do while they are imported is theirs.
ours()
import tests.laptops, tests.tunnel

for name in [name for name in sys.modules if name.partition(".")[0] in ("hushgate", "tests")]:
    del sys.modules[name]
for owner, names in LACKING.items():
    for name in names.split():
        vars(importlib.import_module(owner)).pop(name, None)
for name in MISSING:
    sys.modules[name] = None
selectors.DefaultSelector = selectors.SelectSelector  # What Windows has.
sys.platform = PLATFORM
"""

RUN = """
from tests.laptops import laptop
from tests.tunnel import exchange, leave, say, tunnel
from hushgate.ops.program import run, until_stopped
from hushgate.log import logger


async def carry():
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio")
    async with tunnel() as made, laptop(made) as one:
        for visit, cutter in ((made.visit, made.cutter), (one.visit, one.cutter)):
            visitor = await visit()
            await say(visitor, b"before")
            cutter.cut()
            await say(visitor, b"after")
            await leave(visitor[1])
        await exchange(made, 2_000_000, 1)
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        other = type(made.client)(made.client.config)
        assert await until_stopped(other, logger("test")) == 0
    return 0


assert run(carry) == 0
print("carried")
"""


def played(platform: str, script: str) -> str:
    """What the script prints on such a machine."""
    given = f"PLATFORM, LACKING, MISSING = {platform!r}, {LACKING[platform]!r}, {MISSING[platform]!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", given + PREPARED + script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("platform", LACKING)
def test_every_module_of_client_and_laptop_can_be_imported(platform: str) -> None:
    assert played(platform, "ours()\nprint('imported', len(list(modules())))").startswith("imported ")


@pytest.mark.parametrize("platform", LACKING)
def test_client_and_laptop_carry_bytes_and_end_at_a_signal(platform: str) -> None:
    assert played(platform, RUN) == "carried\n"


def test_what_is_taken_away_is_missed() -> None:
    """Or the other tests would find nothing."""
    script = "import select\nprint(sys.platform, hasattr(select, 'epoll'), hasattr(os, 'killpg'))"
    assert played("win32", script) == "win32 False False\n"
