"""Lines of the log: what they look like, and what untrusted text cannot do to them."""

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from hushgate.log import Seldom, configure, logger


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def written(level: str = "info", **how: bool) -> tuple[Any, StringIO]:
    stream = StringIO()
    configure(level, stream, **how)
    return logger("door"), stream


def test_a_line_has_time_level_component_event_and_context() -> None:
    out, stream = written()
    out.bind(peer="[::1]:443").warning("login refused", reason="unknown token", tries=3)
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    expected = time + r' warning door: login refused peer=\[::1\]:443 reason="unknown token" tries=3\n'
    assert re.fullmatch(expected, stream.getvalue())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two\nlines", '"two\\x0alines"'),
        ("\x1b[31mred", '"\\x1b[31mred"'),
        ('a" b=c', '"a\\" b=c"'),
        ("back\\slash x", '"back\\\\slash x"'),
        ("", '""'),
        ("über", '"über"'),
        ("ssh-2.example.org:22", "ssh-2.example.org:22"),
    ],
)
def test_a_value_stays_a_value(value: str, shown: str) -> None:
    out, stream = written()
    out.info("visitor", name=value)
    assert stream.getvalue().endswith(f"door: visitor name={shown}\n")
    assert stream.getvalue().count("\n") == 1


def test_the_journal_gets_priorities_and_no_time() -> None:
    out, stream = written("debug", journal=True)
    for level in ("debug", "info", "warning", "error"):
        getattr(out, level)("said")
    assert stream.getvalue() == "<7>door: said\n<6>door: said\n<4>door: said\n<3>door: said\n"


def test_less_severe_events_are_left_out() -> None:
    out, stream = written("warning", journal=True)
    out.info("not this")
    out.error("but this")
    assert stream.getvalue() == "<3>door: but this\n"


def test_colours_enclose_the_line() -> None:
    out, stream = written(colours=True)
    out.error("port in use")
    out.info("listening")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("\x1b[31m") and first.endswith("door: port in use\x1b[0m")
    assert "\x1b" not in second


def test_a_bug_shows_its_traceback() -> None:
    out, stream = written(journal=True)
    out.error("task failed", exc_info=ValueError("that was it"))
    assert stream.getvalue().startswith("<3>door: task failed\n")
    assert "ValueError: that was it" in stream.getvalue()


def test_seldom_counts_what_it_holds_back(monkeypatch: pytest.MonkeyPatch) -> None:
    out, stream = written(journal=True)
    now = 100.0
    monkeypatch.setattr("hushgate.log.time.monotonic", lambda: now)
    seldom = Seldom(out, every=10.0)
    for _ in range(3):
        seldom.warning("login refused", peer="192.0.2.1:5")
    seldom.warning("another thing")
    now = 111.0
    seldom.warning("login refused", peer="192.0.2.1:6")
    assert stream.getvalue().splitlines() == [
        "<4>door: login refused peer=192.0.2.1:5",
        "<4>door: another thing",
        "<4>door: login refused peer=192.0.2.1:6 more=2",
    ]
