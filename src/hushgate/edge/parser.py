"""Reads the heads of requests and responses, once and strictly: what passes here is all that anybody acts on.

Two readers see each head. The first is a screen, regular expressions that state the grammar of RFC 9112 without any of
its leniencies: no bare CR or LF, no folded header, no white space before a colon, no empty name, no byte that is not
visible in a target. What passes is read by llhttp (httptools), and the framing is taken from its headers: two lengths,
two codings, or both of them are refused and never reconciled, since request smuggling lives on two readers that
reconcile differently. tests/edge/test_smuggling.py holds the pair to h11 as oracle; docs/why/http-gateway.md says why
h11 is not the one that reads here.
"""

import re
from typing import Final

import httptools

from hushgate.edge.heads import Headers, RequestHead, ResponseHead
from hushgate.protocol.limits import REQUEST_LINE_MAX

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21\x22\x24-\x7e]+) HTTP/1\.([01])\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
_FIELDS = re.compile(rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)((?:[/?].*)?)", re.IGNORECASE)
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_LENGTH_DIGITS: Final = 18
"""A length below 10^18 bytes."""
_NOTHING: Final[frozenset[bytes]] = frozenset()
_BODILESS: Final = (204, 304)


class BadMessage(Exception):
    """A message that is not read any further. `status` answers a request; a response becomes a 502."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Fields:
    """What llhttp found."""

    __slots__ = ("headers", "on_header")

    def __init__(self) -> None:
        self.headers: Headers = []
        append = self.headers.append
        self.on_header = lambda name, value: append((name, value.rstrip(b" \t")))


def read_request(head: bytes) -> RequestHead:
    """Reads everything up to and with the empty line. Raises BadMessage."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise BadMessage(400, "malformed request line")
    if line.end() > REQUEST_LINE_MAX:
        raise BadMessage(414, "the request line is too long")
    if not _FIELDS.fullmatch(head, line.end()):
        raise BadMessage(400, "malformed header")
    method, target, minor = line[1], line[2], line[3] == b"1"
    if method in (b"CONNECT", b"TRACE"):
        raise BadMessage(405, f"{method.decode()} is not forwarded")
    found = _Fields()
    try:
        httptools.HttpRequestParser(found).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise BadMessage(400, str(error)) from None
    request = RequestHead(method, target, found.headers, int(minor))
    _frame_request(request)
    _aim(request)
    return request


def read_response(head: bytes, method: bytes) -> ResponseHead:
    """Reads everything up to and with the empty line; `method` is that of the request. Raises BadMessage."""
    line = _STATUS_LINE.match(head)
    if line is None:
        raise BadMessage(502, "malformed status line")
    if not _FIELDS.fullmatch(head, line.end()):
        raise BadMessage(502, "malformed header")
    found = _Fields()
    try:
        httptools.HttpResponseParser(found).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise BadMessage(502, str(error)) from None
    response = ResponseHead(int(line[2]), line[3] or b"", found.headers, int(line[1]))
    lengths, codings, response.connection = [], [], _NOTHING
    for name, value in response.headers:
        key = name.lower()
        if key == b"content-length":
            lengths.append(value)
        elif key == b"transfer-encoding":
            codings.append(value)
        elif key == b"connection":
            response.connection |= _options(value)
    length = _length(lengths, 502)
    chunked = _chunked(codings, response.minor, 502)
    if chunked and length is not None:
        raise BadMessage(502, "both a length and a coding")
    if method == b"HEAD" or response.status < 200 or response.status in _BODILESS:
        return response
    response.chunked = chunked
    response.length = length
    return response


def _frame_request(request: RequestHead) -> None:
    """Takes from the headers what decides about the connection."""
    lengths, codings, hosts, upgrade = [], [], [], b""
    for name, value in request.headers:
        key = name.lower()
        if key == b"content-length":
            lengths.append(value)
        elif key == b"transfer-encoding":
            codings.append(value)
        elif key == b"host":
            hosts.append(value)
        elif key == b"connection":
            request.connection |= _options(value)
        elif key == b"upgrade":
            upgrade = upgrade + b", " + value if upgrade else value
        elif key == b"expect":
            if value.lower() != b"100-continue":
                raise BadMessage(417, "an expectation that is not known")
            request.expects = request.minor > 0
    length = _length(lengths, 400)
    if _chunked(codings, request.minor, 400):
        if length is not None:
            raise BadMessage(400, "both a length and a coding")
        request.length = None
    else:
        request.length = length or 0
    if len(hosts) > 1 or (request.minor and not hosts) or (hosts and not _HOST.fullmatch(hosts[0])):
        raise BadMessage(400, "not exactly one valid Host header")
    request.host = hosts[0] if hosts else b""
    if request.minor and b"upgrade" in request.connection:
        request.upgrade = upgrade


def _aim(request: RequestHead) -> None:
    """Brings the target into origin-form. A target that names another host than the Host header is refused."""
    target = request.target
    if target.startswith(b"/") or (target == b"*" and request.method == b"OPTIONS"):
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _HOST.fullmatch(absolute[1]):
        raise BadMessage(400, "malformed target")
    if request.host and absolute[1].lower() != request.host.lower():
        raise BadMessage(400, "target and Host header differ")
    request.target = absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]


def _length(values: list[bytes], status: int) -> int | None:
    if not values:
        return None
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > _LENGTH_DIGITS:
        raise BadMessage(status, "not exactly one valid Content-Length")
    return int(values[0])


def _chunked(values: list[bytes], minor: int, status: int) -> bool:
    if not values:
        return False
    if len(values) > 1 or not minor:
        raise BadMessage(status, "a Transfer-Encoding where none may be")
    if values[0].lower() != b"chunked":
        raise BadMessage(501 if status == 400 else status, "a Transfer-Encoding that is not known")
    return True


def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip().lower() for option in value.split(b","))
