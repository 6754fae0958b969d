"""`hushgate doctor mcp`: from the name to the first event, each step that can fail."""

from typing import Any, Final
from urllib.parse import urlsplit

from hushgate.doctor.faults import explain, is_decoy
from hushgate.doctor.fetch import Answer, Place
from hushgate.doctor.mcp_old import Endpoint, listen
from hushgate.doctor.report import Fault, Report

_MODERN: Final = "2026-07-28"
_LEGACY: Final = "2025-11-25"
_UNSUPPORTED: Final = -32022
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": _MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "hushgate-doctor", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_BOTH: Final = "application/json, text/event-stream"
STREAM_WAIT: Final = 3.0
"""Seconds in which the beginning of a stream has to arrive."""


def examine(place: Place, report: Report, origin: str = "") -> None:
    """Looks until a fault keeps it from going on. `origin`: of a page that is to use the service."""
    try:
        path = urlsplit(place.url).path
        answer = _discover(place, path)
        old = listen(place, path) if answer.status in (404, 405) and not is_decoy(answer) else None
        if old is None:
            explain(answer, keyed=bool(place.key))
        report.ok("reached", f"{place.url} answers")
        if old is not None:
            _old(place, old, report)
        elif _is_modern(answer):
            report.ok("era", f"revision {_MODERN}, without sessions")
            _modern_stream(place, path, report)
        else:
            _legacy(place, path, report)
        _origin(place, path, report, origin)
    except Fault as fault:
        report.fault(fault)


def _discover(place: Place, path: str, **headers: str) -> Answer:
    return place.ask("POST", path, _request("server/discover"), **_modern_headers("server/discover"), **headers)


def _request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": _META, **params}}


def _modern_headers(method: str) -> dict[str, str]:
    return {"Accept": _BOTH, "MCP_Protocol_Version": _MODERN, "Mcp_Method": method}


def _is_modern(answer: Answer) -> bool:
    value = answer.value
    if not isinstance(value, dict):
        return False
    error = value.get("error")
    result = value.get("result")
    versions = result.get("supportedVersions") if isinstance(result, dict) else None
    return (isinstance(versions, list) and _MODERN in versions) or (
        isinstance(error, dict) and error.get("code") == _UNSUPPORTED
    )


def _modern_stream(place: Place, path: str, report: Report) -> None:
    """A subscription is acknowledged at once, on a stream that stays open."""
    method = "subscriptions/listen"
    body = _request(method, notifications={"toolsListChanged": True})
    _timed(place.stream("POST", path, body, STREAM_WAIT, **_modern_headers(method)), report, first=True)


def _legacy(place: Place, path: str, report: Report) -> None:
    hello = {"protocolVersion": _LEGACY, "capabilities": {}, "clientInfo": {"name": "hushgate-doctor", "version": "0"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    answer = place.ask("POST", path, message, Accept=_BOTH)
    explain(answer, keyed=bool(place.key))
    result = answer.value.get("result") if isinstance(answer.value, dict) else None
    if not isinstance(result, dict):
        hint = "; check the path, which is /mcp as a rule" if answer.status in (404, 405) else ""
        raise Fault("initialize", f"no MCP server answers here (status {answer.status}): {answer.said}{hint}")
    revision = str(result.get("protocolVersion"))
    session = answer.headers.get("mcp-session-id", "")
    report.ok("era", f"revision {revision}, {'with' if session else 'without'} sessions")
    if not session:
        report.note("buffering", "cannot be told: without a session there is no stream to listen to")
        return
    headers = {"Mcp_Session_Id": session, "MCP_Protocol_Version": revision}
    try:
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        place.ask("POST", path, done, Accept=_BOTH, **headers)
        _timed(place.stream("GET", path, None, STREAM_WAIT, Accept="text/event-stream", **headers), report, first=False)
    finally:
        place.ask("DELETE", path, **headers)


def _old(place: Place, endpoint: Endpoint, report: Report) -> None:
    """Until revision 2025-03-26 answers were events of one stream, and calls went to an address that it named."""
    report.ok("era", "revision 2024-11-05 (HTTP+SSE), which newer clients speak as well")
    report.ok("buffering", f"a stream arrives at once ({endpoint.seconds * 1000:.0f} ms)")
    if endpoint.status not in (200, 202):
        raise Fault(
            "endpoint",
            f"the server sends calls to {endpoint.path}, where they are answered with status {endpoint.status}; what "
            "stands in front of it changes paths, and has to change this one too",
        )


def _timed(pieces: Any, report: Report, *, first: bool) -> None:
    """`first`: the stream begins with an event; otherwise its head has to do."""
    try:
        times = [at for at, piece in _some(pieces, 2 if first else 1)]
    except Fault as fault:
        if fault.finding.check != "answer":
            raise
        times = []
    if len(times) < (2 if first else 1):
        raise Fault(
            "buffering",
            f"a stream is held back on the way: nothing of it came in {STREAM_WAIT:.0f} s; a proxy in front compresses "
            "or buffers it (gzip off, or proxy_buffering off)",
        )
    report.ok("buffering", f"a stream arrives at once ({times[-1] * 1000:.0f} ms)")


def _some(pieces: Any, count: int) -> list[tuple[float, bytes]]:
    found = []
    for piece in pieces:
        found.append(piece)
        if len(found) == count:
            break
    pieces.close()
    return found


def _origin(place: Place, path: str, report: Report, origin: str) -> None:
    """What a page is told."""
    answer = _discover(place, path, Origin=origin or "https://page.invalid")
    if origin and answer.status == 403:
        raise Fault("origin", f"pages of {origin} are refused; add it to allowed_origins of the service")
    if origin:
        report.ok("origin", f"pages of {origin} may use it")
    elif answer.status == 403:
        report.ok("origin", "pages of other sites are refused")
    else:
        report.note("origin", "pages of any site may use it, if they know a key")
