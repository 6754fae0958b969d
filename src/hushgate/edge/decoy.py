"""What strangers see: the article's site, as nginx 1.22 answers it, byte for byte. Sans-IO.

`tls=True` is the whole site: `location = /` and `location /health` with the two Content-Types that nginx sends there
(its default type, and the one of `add_header`, which also keeps the server's Strict-Transport-Security away),
everything else an error page with Strict-Transport-Security. `tls=False` stands behind the article's nginx, which
relays the answer, puts its own Server and Date on it and adds Strict-Transport-Security: there each answer has the one
Content-Type that an API would send.

The rules below are those of nginx's modules, in nginx's order: request body limit, rewrite (`return`), not-modified
filter, static files.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hushgate.edge.discovery import NOTHING
from hushgate.edge.http import BadRequest, Head

_BODY_MAX: Final = 1024 * 1024
"""nginx's client_max_body_size."""
_REQUESTS_MAX: Final = 1000
"""nginx's keepalive_requests."""
_HSTS: Final = b"Strict-Transport-Security: max-age=31536000\r\n"
_PADDING: Final = b"<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n" * 6
_REASONS: Final = {
    200: "OK",
    304: "Not Modified",
    400: "Bad Request",
    404: "Not Found",
    405: "Not Allowed",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}
HEAD_TOO_LARGE: Final = 494
PLAIN_TO_TLS: Final = 497
_SPECIAL: Final = {
    HEAD_TOO_LARGE: "Request Header Or Cookie Too Large",
    PLAIN_TO_TLS: "The plain HTTP request was sent to HTTPS port",
}
"""nginx's own codes: they go out as 400, with a page that says more."""
_SITE: Final = ((b"/", b'{"status":"ok","version":"1.0.0"}'), (b"/health", b'{"status":"healthy"}'))


@dataclass(frozen=True, slots=True)
class Answer:
    """`keep`: the connection waits for another request; `linger`: it is closed slowly, reading on for a while."""

    data: bytes
    keep: bool
    linger: bool = False


class Decoy:
    """The site. `now` everywhere is seconds since 1970, for the Date header."""

    def __init__(self, *, tls: bool) -> None:
        self._tls = tls
        self._second = -1
        self._date = b""

    def answer(self, head: Head, now: float, *, requests: int = 1, body_ok: bool = True, oauth: bool = False) -> Answer:
        """The answer to a request that was read without a refusal. Its `Upgrade` header is of no interest.

        `requests` counts those of the connection; `body_ok` is False when the body is known to be malformed;
        `oauth`: the request looks for OAuth, where nginx would have `return 404` with a text (edge.discovery).
        """
        keep = _keeps(head, requests)
        if head.length > _BODY_MAX:
            return self._page(413, head, now, keep=False)
        if oauth:
            return self._return(NOTHING, head, now, keep=keep, body_ok=body_ok, found=False)
        content = _content(head.path)
        if content is not None:
            return self._return(content, head, now, keep=keep, body_ok=body_ok)
        status = 404 if head.method in (b"GET", b"HEAD", b"POST") else 405
        return self._page(status, head, now, keep=keep and body_ok, linger=not body_ok)

    def refuse(self, bad: BadRequest, head: Head, now: float) -> Answer:
        """The page for a request that could not be read; `head` is what was known of it by then."""
        return self._page(bad.status, head, now, keep=False, linger=bad.unread)

    def plain_to_tls(self, head: Head, now: float) -> Answer:
        """The page for plain HTTP on the TLS port."""
        return self._page(PLAIN_TO_TLS, head, now, keep=False)

    def switching(self, protocol: bytes, accept: bytes, now: float) -> bytes:
        """The 101; `accept` is the value of Sec-WebSocket-Accept, empty for another protocol."""
        lines = [b"Connection: upgrade\r\nUpgrade: ", protocol, b"\r\n"]
        if accept:
            lines += [b"Sec-WebSocket-Accept: ", accept, b"\r\n"]
        return b"HTTP/1.1 101 Switching Protocols\r\n" + self._server(now) + b"".join(lines) + b"\r\n"

    def _return(
        self, content: bytes, head: Head, now: float, *, keep: bool, body_ok: bool, found: bool = True
    ) -> Answer:
        if not body_ok:
            return self._page(400, head, now, keep=False, linger=True, hsts=not found)
        ready = head.version >= 1001 and (head.first(b"expect") or b"").lower() == b"100-continue"
        interim = b"HTTP/1.1 100 Continue\r\n\r\n" if ready else b""
        status = _condition(head) if found else 404
        if status == 412:
            page = self._page(412, head, now, keep=keep, hsts=False)
            return Answer(interim + page.data, keep=False)
        if head.version < 1000:
            return Answer(content, keep=False)
        plain, json = b"Content-Type: text/plain\r\n", b"Content-Type: application/json\r\n"
        kind = plain if self._tls and found else json
        typed = b"%sContent-Length: %d\r\n" % (kind, len(content)) if status != 304 else b""
        more = (json if found else _HSTS) if self._tls else b""
        lines = interim + self._first_lines(status, now) + typed + _connection(keep) + more + b"\r\n"
        return Answer(lines if head.method == b"HEAD" or status == 304 else lines + content, keep=keep)

    def _page(
        self, status: int, head: Head, now: float, *, keep: bool, linger: bool = False, hsts: bool = True
    ) -> Answer:
        code = 400 if status in _SPECIAL else status
        body = _page(code, _SPECIAL.get(status)) + (_PADDING if _padded(head) else b"")
        if head.version < 1000:
            return Answer(body, keep=False, linger=linger)
        lines = self._first_lines(code, now) + b"Content-Type: text/html\r\nContent-Length: %d\r\n" % len(body)
        lines += _connection(keep) + (_HSTS if hsts and self._tls else b"") + b"\r\n"
        return Answer(lines if head.method == b"HEAD" else lines + body, keep=keep, linger=linger)

    def _first_lines(self, status: int, now: float) -> bytes:
        return f"HTTP/1.1 {status} {_REASONS[status]}\r\n".encode() + self._server(now)

    def _server(self, now: float) -> bytes:
        if int(now) != self._second:
            self._second = int(now)
            # Without a locale of the process, and nobody sets one, the names are English.
            self._date = datetime.fromtimestamp(self._second, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
        return b"Server: nginx\r\nDate: " + self._date + b"\r\n"


def _content(path: bytes) -> bytes | None:
    (_, root), (prefix, health) = _SITE
    if path == b"/":
        return root
    return health if path.startswith(prefix) else None


def _connection(keep: bool) -> bytes:
    return b"Connection: keep-alive\r\n" if keep else b"Connection: close\r\n"


def _keeps(head: Head, requests: int) -> bool:
    keep = head.version > 1000
    for value in head.headers.get(b"connection", ()):
        lower = value.lower()
        if b"close" in lower:
            keep = False
        elif b"keep-alive" in lower:
            keep = True
    if head.method == b"POST" and any(_msie6(agent) for agent in head.headers.get(b"user-agent", ())):
        return False
    return keep and requests < _REQUESTS_MAX


def _condition(head: Head) -> int:
    """nginx's not-modified filter for a page that has neither an ETag nor a date."""
    match = head.first(b"if-match")
    if b"if-unmodified-since" in head.headers or (match is not None and match != b"*"):
        return 412
    if head.first(b"if-none-match") == b"*" and b"if-modified-since" not in head.headers:
        return 304
    return 200


def _page(code: int, more: str | None) -> bytes:
    name = f"{code} {_REASONS[code]}"
    title = f"{code} {more}" if more else name
    middle = f"<center>{more}</center>\r\n" if more else ""
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{name}</h1></center>\r\n{middle}"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    ).encode()


def _padded(head: Head) -> bool:
    """nginx makes its pages longer for browsers that would show their own in place of a short one."""
    return head.version >= 1000 and any(
        b"Opera" not in agent and (_msie(agent) or (b"Chrome/" in agent and b"Gecko/" not in agent))
        for agent in head.headers.get(b"user-agent", ())
    )


def _msie(agent: bytes) -> bool:
    at = agent.find(b"MSIE ")
    return 0 <= at < len(agent) - 7


def _msie6(agent: bytes) -> bool:
    at = agent.find(b"MSIE ")
    if not _msie(agent) or b"Opera" in agent or agent[at + 6 : at + 7] != b".":
        return False
    version = agent[at + 5 : at + 6]
    return version in (b"4", b"5") or (version == b"6" and b"SV1" not in agent[at + 8 :])
