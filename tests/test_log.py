"""One event a line, whatever the values hold; sd-daemon's priorities for the journal; a flood becomes a line."""

import io
from collections.abc import Iterator

import pytest

from hushgate.log import Seldom, configure, logger
from tests.logs import capture_logs, reset_logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    reset_logs()


def written(level: str = "info", *, journal: bool = False, colours: bool = False, **values: object) -> str:
    stream = io.StringIO()
    configure(level, stream, journal=journal, colours=colours)
    logger("part").warning("something happened", **values)
    return stream.getvalue()


def test_a_line_has_time_level_component_event_and_values() -> None:
    time, level, rest = written(count=3, peer="[::1]:80").split(" ", 2)
    assert time.endswith("Z")
    assert level == "warning"
    assert rest == "part: something happened count=3 peer=[::1]:80\n"


@pytest.mark.parametrize("value", ["two\nlines", "a b", 'quo"te', "", "\x1b[31m", "\u202e", "\u2028"])
def test_untrusted_text_stays_on_its_line_and_in_its_quotes(value: str) -> None:
    text = written(journal=True, name=value)
    assert text.startswith('<4>part: something happened name="')
    assert text.endswith('"\n')
    assert text.count("\n") == 1
    assert all(c.isprintable() for c in text[:-1])


def test_the_journal_gets_priorities_and_a_terminal_colours() -> None:
    assert written(journal=True).startswith("<4>part: ")
    assert written(colours=True).startswith("\x1b[33m")


def test_levels_below_the_wanted_one_are_silent() -> None:
    assert written("error") == ""


def test_a_traceback_follows_its_line() -> None:
    stream = io.StringIO()
    configure("info", stream)
    try:
        raise ValueError("a bug")
    except ValueError as error:
        logger("part").error("task failed", exc_info=error)
    assert "ValueError: a bug" in stream.getvalue()


def test_a_flood_of_one_event_becomes_one_line_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("hushgate.log.time.monotonic", lambda: now[0])
    with capture_logs() as lines:
        seldom = Seldom(logger("part"), every=10)
        for _ in range(5):
            seldom.warning("flood", peer="x")
        seldom.warning("other")
        now[0] += 10
        seldom.warning("flood", peer="y")
    assert [(line["event"], line.get("more")) for line in lines] == [("flood", None), ("other", None), ("flood", 4)]
