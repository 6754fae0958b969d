"""The `endpoint` event gets its prefix back whatever the cuts, and nothing else in a stream changes or waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.edge.endpoint_event import LINE_MAX, EndpointEvent

LATER = b"event: message\r\ndata: /not/this\r\n\r\nevent: endpoint\ndata: /nor/this\n\n"
ENDS = ["\n", "\r\n", "\r"]


def outer(place: bytes) -> bytes:
    return b"/mcp" + place if place.startswith(b"/") else place


def passed(*pieces: bytes) -> bytes:
    event = EndpointEvent(outer)
    return b"".join([*map(event.feed, pieces), event.end()])


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("event: endpoint|data: /messages?session_id=1||", "event: endpoint|data: /mcp/messages?session_id=1||"),
        ("event:endpoint|data:/messages||", "event:endpoint|data:/mcp/messages||"),
        (
            ": hello||id: 7|event: endpoint|retry: 5|data: /m||",
            ": hello||id: 7|event: endpoint|retry: 5|data: /mcp/m||",
        ),
        ("event: endpoint|data: messages||", "event: endpoint|data: messages||"),
        ("event: endpoint|data||", "event: endpoint|data||"),
        ("event: endpoints|data: /m||", "event: endpoints|data: /m||"),
        ("event: endpoint||data: /m||", "event: endpoint||data: /m||"),
        ("data: /m|event: endpoint||", "data: /m|event: endpoint||"),
        ("|event: endpoint|data: /a|data: /b||", "|event: endpoint|data: /mcp/a|data: /b||"),
        ("event: endpoint|data: /m", "event: endpoint|data: /m"),
    ],
)
def test_every_cut(before: str, after: str, end: str) -> None:
    """A line that the stream ends in is none."""
    rest = LATER if after.endswith("|") else b""
    whole, meant = before.replace("|", end).encode() + rest, after.replace("|", end).encode() + rest
    for at in range(len(whole) + 1):
        assert passed(whole[:at], whole[at:]) == meant
    assert passed(*(whole[at : at + 1] for at in range(len(whole)))) == meant


@given(st.lists(st.sampled_from([b"event", b": endpoint", b"data", b": /x", b":", b" ", b"\n", b"\r", b"\r\n"])))
def test_cuts_never_matter(pieces: list[bytes]) -> None:
    assert passed(*pieces) == passed(b"".join(pieces))


def test_the_event_goes_on_with_the_end_of_its_line_and_all_else_at_once() -> None:
    event = EndpointEvent(outer)
    assert event.feed(b"event: endpoint\r\nda") == b"event: endpoint\r\n"
    assert event.feed(b"ta: /messages") == b""
    assert (event.feed(b"\r\n"), event.over) == (b"data: /mcp/messages\r\n", True)
    later = b"event: end"
    assert event.feed(later) is later and event.end() == b""


def test_a_stream_of_something_else_waits_for_nothing() -> None:
    event = EndpointEvent(outer)
    assert event.feed(b'data: {"half') == b'data: {"half' and event.over


@pytest.mark.parametrize("size", [LINE_MAX - 30, LINE_MAX, 3 * LINE_MAX])
def test_what_is_kept_is_bounded(size: int) -> None:
    line = b"data: /" + b"x" * (size - 7)
    whole = b"event: endpoint\n" + line + b"\r\n\r\n"
    meant = whole if size > LINE_MAX else whole.replace(b"/", b"/mcp/", 1)
    for step in (1, 1000, len(whole)):
        event, shown = EndpointEvent(outer), b""
        for at in range(0, len(whole), step):
            shown += event.feed(whole[at : at + step])
            assert len(shown) >= min(at, len(whole)) - LINE_MAX - step
        assert shown == meant and event.over
