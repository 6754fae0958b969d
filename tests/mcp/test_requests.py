"""What heads of requests ask for, and which are refused."""

import pytest

from hushgate.edge.heads import RequestHead
from hushgate.mcp.requests import Asked, Refused, examine

BOTH = "application/json, text/event-stream"


def ask(method: str = "POST", target: str = "/mcp", **headers: str) -> Asked:
    fields = {"Accept": BOTH, "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    written = [(name.encode(), value.encode()) for name, value in fields.items()]
    return examine(RequestHead(method.encode(), target.encode(), written))


def refused(method: str = "POST", target: str = "/mcp", **headers: str) -> Refused:
    with pytest.raises(Refused) as caught:
        ask(method, target, **headers)
    return caught.value


def test_what_is_asked() -> None:
    asked = ask("GET", "/mcp?x=1", Mcp_Session_Id="s", Last_Event_ID="1-2")
    assert (asked.session, asked.last_event, asked.events, asked.modern) == ("s", "1-2", True, False)
    assert (ask().session, ask().last_event) == ("", "")


def test_places() -> None:
    assert ask(target="/").method == b"POST"
    for target in ("/mcp/", "/sse", "/.well-known/oauth-protected-resource", "*"):
        assert refused(target=target).status == 404


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_older_revisions_have_sessions(revision: str) -> None:
    assert not ask("DELETE", MCP_Protocol_Version=revision).modern


def test_newer_revisions_have_posts_only() -> None:
    assert ask(MCP_Protocol_Version="2026-07-28").modern
    assert ask(MCP_Protocol_Version="2027-01-01").modern
    assert ask(MCP_Protocol_Version="tomorrow").modern, "the program says what it speaks"
    gone = refused("GET", MCP_Protocol_Version="2026-07-28")
    assert (gone.status, gone.fields) == (405, {"Allow": "POST"})


def test_a_revision_is_named_once() -> None:
    twice = [(b"MCP-Protocol-Version", b"2026-07-28"), (b"Mcp-Protocol-Version", b"2025-11-25")]
    with pytest.raises(Refused):
        examine(RequestHead(b"POST", b"/mcp", [(b"Content-Type", b"application/json"), *twice]))


def test_methods() -> None:
    for method in ("PUT", "OPTIONS", "HEAD"):
        assert refused(method).fields == {"Allow": "POST, GET, DELETE"}


@pytest.mark.parametrize(
    ("accept", "events"),
    [(BOTH, True), ("*/*", True), ("text/*;q=0.5, application/json", True), ("application/json", False)],
)
def test_accept(accept: str, events: bool) -> None:
    assert ask(Accept=accept).events is events
    if not events:
        assert refused("GET", Accept=accept).status == 406
    assert refused(Accept="text/html").status == 406
    bare = RequestHead(b"POST", b"/mcp", [(b"Content-Type", b"application/json; charset=utf-8")])
    assert examine(bare).events


def test_bodies() -> None:
    assert refused(Content_Type="text/plain").status == 415
    assert refused(Content_Encoding="gzip").status == 415
    assert ask(Content_Encoding="identity")


@pytest.mark.parametrize("origin", ["http://localhost", "http://127.0.0.1:3000", "https://[::1]:1"])
def test_local_origins(origin: str) -> None:
    assert ask(Origin=origin)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://[", ""])
def test_foreign_origins(origin: str) -> None:
    assert refused(Origin=origin).status == 403
