"""What a program may hold, as each section says it (test_server.py reads the server's own keys)."""

import pytest

from hushgate.config.model import Limits, SessionLimits

from .conftest import Read

TEXTS = {
    "server": '[server]\nbind_addr = "127.0.0.1:1"\nservices = {}\n',
    "client": '[client]\nremote_addr = "wss://h/"\nservices = {}\n',
    "access": '[access]\nremote_addr = "wss://h/"\nservices = {}\n',
}


@pytest.mark.parametrize("section", ["client", "access"])
def test_limits_of_sessions(read: Read, section: str) -> None:
    loaded, problems = read(TEXTS[section])
    assert (getattr(loaded, section).limits, problems) == (SessionLimits(), [])
    text = f'[{section}.limits]\nstreams = 7\nreplay = "1MiB"\nwindow = 65536\ngrowth = 0\nunread = "2MiB"\n'
    loaded, problems = read(TEXTS[section] + text)
    assert (getattr(loaded, section).limits, problems) == (SessionLimits(7, 2**20, 65536, 0, 2**21), [])


def test_one_limit_leaves_the_others(read: Read) -> None:
    loaded, problems = read(TEXTS["server"] + '[server.limits]\nwindow = "1MiB"\n')
    assert loaded.server is not None
    assert (loaded.server.limits, problems) == (Limits(window=2**20), [])


@pytest.mark.parametrize(
    ("section", "line", "problem"),
    [
        ("client", 'window = "1KiB"', "client.limits.window: must be at least 65536 bytes"),
        ("access", "unread = 1", "access.limits.unread: must be at least 65536 bytes"),
        ("server", "replay_detached = 1", "server.limits.replay_detached: must be at least 65536 bytes"),
        (
            "client",
            "growth = -1",
            'client.limits.growth: must be a size such as "16MiB", "512KiB" or a number of bytes',
        ),
    ],
)
def test_limits_that_would_stop_everything(read: Read, section: str, line: str, problem: str) -> None:
    assert read(f"{TEXTS[section]}[{section}.limits]\n{line}\n")[1] == [problem]


def test_a_home_has_no_limits_on_visitors(read: Read) -> None:
    [problem] = read(TEXTS["client"] + "[client.limits]\nvisitors_waiting = 1\n")[1]
    assert problem.startswith("client.limits.visitors_waiting: unknown key")
