"""The transport of MCP before revision 2025-03-26: events of one GET, the first of which says where calls go."""

from contextlib import closing, suppress
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from hushgate.doctor.fetch import Place
from hushgate.doctor.report import Fault

WAIT: Final = 3.0
"""Seconds in which the first event has to arrive."""
_EVENT_MAX: Final = 64 * 1024


class Endpoint(NamedTuple):
    """Where calls go, by the server's word; the status that one had there; and when the word came."""

    path: str
    status: int
    seconds: float


def listen(place: Place, path: str) -> Endpoint | None:
    """None when nothing there is of this transport."""
    with suppress(Fault), closing(place.stream("GET", path, None, WAIT, Accept="text/event-stream")) as pieces:
        said = b""
        for seconds, piece in pieces:
            said = (said + piece).replace(b"\r\n", b"\n")
            if (named := _endpoint(said)) is not None:
                # The stream stays open meanwhile, for it is the session.
                parts = urlsplit(urljoin(place.url, named))
                target = parts.path + (f"?{parts.query}" if parts.query else "")
                status = place.ask("POST", target, {"jsonrpc": "2.0", "id": 1, "method": "ping"}).status
                return Endpoint(parts.path, status, seconds)
            if b"\n\n" in said or len(said) > _EVENT_MAX:
                break
    return None


def _endpoint(said: bytes) -> str | None:
    """What the first event says, when it is whole."""
    event, end, _ = said.partition(b"\n\n")
    lines = dict(line.partition(":")[::2] for line in event.decode(errors="replace").splitlines())
    return lines.get("data", "").strip() if end and lines.get("event", "").strip() == "endpoint" else None
