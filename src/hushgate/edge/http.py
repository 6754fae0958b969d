"""Reading requests as nginx 1.22 reads them, so that the decoy can answer as it would. Sans-IO.

Two parsers see each request. The first is a screen: regular expressions that state which request and header lines nginx
refuses (and at which byte it does), which ones it forgives (empty lines in front, spaces, HTTP/0.9, a header without a
colon) and which headers it silently drops (names with anything but letters, digits and `-`). What passes is written
down again in strict form and given to h11, which has the last word and does all framing: Content-Length, chunks, where
the next request begins. So what is acted on was read by one strict parser, and no stranger can tell from an answer that
it is not nginx.

A refusal carries the status of nginx's page and whether bytes were left unread, because nginx closes slowly only then.
"""

import re
from dataclasses import dataclass, field
from typing import Final

import h11

from hushgate.protocol.limits import REQUEST_LINE_MAX

_FIRST_BUFFER: Final = 1024
_LARGE_BUFFERS: Final = 4
"""nginx's client_header_buffer_size, and the number of large_client_header_buffers, of REQUEST_LINE_MAX bytes each."""
_LENGTH_MAX: Final = 2**63 - 1

_TEXT = rb"[^\x00-\x20\x7f]"
_LITERAL = rb"[A-Za-z0-9:._~!$&'()*+,;=-]*"
_LINE = re.compile(
    rb"([A-Z_-]+) +(?:[A-Za-z][A-Za-z0-9+.-]*://(\[" + _LITERAL + rb"\]|[A-Za-z0-9.-]+)(?::[0-9]*)?)?"
    rb"((?:[/?]" + _TEXT + rb"*)?)(?: +(?:HTTP/1\.([0-9]+) *)?)?"
)
_TARGET_BEGUN = (
    rb"(?:/" + _TEXT + rb"*|[A-Za-z][A-Za-z0-9+.-]*(?::(?:/(?:/(?:(?:\[" + _LITERAL + rb"\]?|[A-Za-z0-9.-]+)"
    rb"(?::[0-9]*)?(?:[/?]" + _TEXT + rb"*)?)?)?)?)?)"
)
_LINE_BEGUN = re.compile(
    rb"(?:[A-Z_-]+(?: +(?:"
    + _TARGET_BEGUN
    + rb"(?: +(?:H(?:T(?:T(?:P(?:/(?:1(?:\.(?:[0-9]+ *)?)?)?)?)?)?)?)?)?)?)?)?\r?"
)
_VERSION_TOO_HIGH = re.compile(rb"[A-Z_-]+ +(?:/|[A-Za-z][A-Za-z0-9+.-]*://)" + _TEXT + rb"* +HTTP/(?:[2-9]|1[0-9])")
_HEADER = re.compile(rb"([^\x00-\x20\x7f:]+)(?:: *([^\x00\r]*))?")
_HEADER_BEGUN = re.compile(rb"\r?|[^\x00-\x20\x7f:]+(?::[^\x00\r]*)?\r*")
_NAME = re.compile(rb"[A-Za-z0-9-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_BAD_HOST = re.compile(rb"\.\.|[\x00-\x20\x7f/]")
_ONCE = frozenset(
    b"host authorization content-length content-range expect if-match if-modified-since if-none-match if-range"
    b" if-unmodified-since transfer-encoding".split()
)
"""nginx refuses a second one of these."""


class BadRequest(Exception):
    """nginx answers with the page of `status` and closes; `unread` says that it leaves bytes that came."""

    def __init__(self, status: int, *, unread: bool) -> None:
        super().__init__(status)
        self.status = status
        self.unread = unread


@dataclass(slots=True)
class Head:
    """What is known of a request so far; `done` when the whole head was read and nothing is wrong with it.

    `version` is 9 for HTTP/0.9, 1000 for 1.0, 1001 for 1.1. `path` is decoded and normalised.
    """

    method: bytes = b""
    target: bytes = b""
    path: bytes = b""
    version: int = 1000
    headers: dict[bytes, list[bytes]] = field(default_factory=dict)
    length: int = 0
    chunked: bool = False
    done: bool = False

    def first(self, name: bytes) -> bytes | None:
        values = self.headers.get(name)
        return values[0] if values else None

    @property
    def body(self) -> bool:
        return self.chunked or self.length > 0


class RequestReader:
    """One request: its head line by line, then its body, which nobody wants. A new one is made for each request."""

    def __init__(self) -> None:
        self.head = Head()
        self._line = bytearray()
        self._started = False
        self._room = _FIRST_BUFFER
        self._buffers = 0
        self._h11 = h11.Connection(h11.SERVER)
        self._raw: list[tuple[bytes, bytes]] = []
        self._ended = False

    @property
    def finished(self) -> bool:
        """The whole request was read."""
        return self._ended or (self.head.done and not self.head.body)

    def read(self, data: bytes) -> int:
        """Reads up to the end of the head, which is then `head.done`.

        Returns the number of bytes used. Raises BadRequest as soon as nginx would refuse.
        """
        at = 0
        while at < len(data) and not self.head.done:
            if not self._started and not self._line and data[at] in b"\r\n":
                at += 1
                continue
            end = data.find(b"\n", at)
            self._line += data[at:] if end < 0 else data[at : end + 1]
            at = len(data) if end < 0 else end + 1
            self._reserve(complete=end >= 0, unread=at < len(data))
            if end < 0:
                self._look()
                break
            line = bytes(self._line[:-1])
            self._line.clear()
            if self._started:
                self._header(line, unread=at < len(data))
            else:
                self._request_line(line, unread=at < len(data))
        return at

    def skip(self, data: bytes) -> int | None:
        """Drops the body. Returns the bytes used (`finished` tells whether all came), None for a malformed one."""
        if not data:
            return 0
        try:
            self._h11.receive_data(data)
            while True:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    return len(data)
                if isinstance(event, h11.EndOfMessage):
                    self._ended = True
                    return len(data) - len(self._h11.trailing_data[0])
        except h11.RemoteProtocolError:
            return None

    def _reserve(self, *, complete: bool, unread: bool) -> None:
        """nginx's head buffers: a line must lie in one of them, and a line that does not fit begins the next."""
        size = len(self._line)
        if size < self._room or (complete and size == self._room):
            if complete:
                self._room -= size
            return
        self._buffers += 1
        over = size > REQUEST_LINE_MAX or (size == REQUEST_LINE_MAX and not complete)
        if over or self._buffers > _LARGE_BUFFERS:
            if not self._started:
                self._note_method(bytes(self._line))
            raise BadRequest(494 if self._started else 414, unread=True)
        self._room = REQUEST_LINE_MAX - (size if complete else 0)

    def _look(self) -> None:
        """Refuses an unfinished line at the byte at which nginx does."""
        line = bytes(self._line)
        if self._started:
            if not _HEADER_BEGUN.fullmatch(line):
                raise BadRequest(400, unread=True)
        elif not _LINE_BEGUN.fullmatch(line):
            self._bad_line(line)

    def _bad_line(self, line: bytes) -> None:
        self._note_method(line)
        raise BadRequest(505 if _VERSION_TOO_HIGH.match(line) else 400, unread=True)

    def _note_method(self, line: bytes) -> None:
        if line.startswith(b"HEAD "):
            self.head.method = b"HEAD"

    def _request_line(self, line: bytes, *, unread: bool) -> None:
        match = _LINE.fullmatch(line.removesuffix(b"\r"))
        if match is None or not (match[2] or match[3].startswith(b"/")):
            self._bad_line(line)
            return
        method, host, target, minor = match.groups()
        head = self.head
        head.method = method
        if minor is None:
            head.version = 9
            if method != b"GET":
                raise BadRequest(400, unread=unread)
        elif int(minor[:-1] or b"0") > 99:
            raise BadRequest(400, unread=True)
        else:
            head.version = 1000 + int(minor)
        head.target = target if target.startswith(b"/") else b"/" + target
        path = normalise(head.target)
        if path is None or (host is not None and not valid_host(host)):
            raise BadRequest(400, unread=unread)
        head.path = path
        self._started = True
        if head.version == 9:
            head.done = True

    def _header(self, line: bytes, *, unread: bool) -> None:
        if line in (b"", b"\r"):
            self._complete(unread=unread)
            return
        match = _HEADER.fullmatch(line.rstrip(b"\r"))
        if match is None:
            raise BadRequest(400, unread=True)
        name, value = match[1], (match[2] or b"").rstrip(b" ")
        if not _NAME.fullmatch(name):
            return
        key = name.lower()
        values = self.head.headers.setdefault(key, [])
        if (values and key in _ONCE) or (key == b"host" and not valid_host(value)):
            raise BadRequest(400, unread=unread)
        values.append(value)
        self._raw.append((name, value))

    def _complete(self, *, unread: bool) -> None:
        """The rules that need the whole head, in nginx's order; then h11 reads it."""
        head = self.head
        length, coding = head.first(b"content-length"), head.first(b"transfer-encoding")
        if head.version > 1000 and b"host" not in head.headers:
            raise BadRequest(400, unread=unread)
        if length is not None:
            if not length.isdigit() or len(length) > 40 or int(length) > _LENGTH_MAX:
                raise BadRequest(400, unread=unread)
            head.length = int(length)
        if coding is not None:
            if head.version < 1001:
                raise BadRequest(400, unread=unread)
            if coding.lower() != b"chunked":
                raise BadRequest(501, unread=unread)
            if length is not None:
                raise BadRequest(400, unread=unread)
            head.chunked = True
        if head.method in (b"TRACE", b"CONNECT"):
            raise BadRequest(405, unread=unread)
        try:
            self._h11.receive_data(self._strict())
            if not isinstance(self._h11.next_event(), h11.Request):
                raise BadRequest(400, unread=unread)
        except h11.RemoteProtocolError:
            raise BadRequest(400, unread=unread) from None
        head.done = True

    def _strict(self) -> bytes:
        head = self.head
        target = _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], head.target)
        lines = [b"%s %s HTTP/1.%d" % (head.method, target, 1 if head.version > 1000 else 0)]
        lines += [b"%s: %s" % (name, _CONTROL.sub(b"?", value)) for name, value in self._raw]
        return b"\r\n".join(lines) + b"\r\n\r\n"


def valid_host(host: bytes) -> bool:
    """Whether nginx takes this for the name of a host, with or without a port."""
    if _BAD_HOST.search(host):
        return False
    if host.startswith(b"["):
        return True
    return host.partition(b":")[0].removesuffix(b".") != b""


def normalise(target: bytes) -> bytes | None:
    """The path that nginx matches against its locations; None where it refuses (bad escapes, `..` above the root)."""
    path = re.split(rb"[?#]", target, maxsplit=1)[0]
    pieces = path.split(b"%")
    decoded = [pieces[0]]
    for piece in pieces[1:]:
        if not re.match(rb"[0-9A-Fa-f]{2}", piece) or piece.startswith(b"00"):
            return None
        decoded.append(bytes((int(piece[:2], 16),)) + piece[2:])
    kept: list[bytes] = []
    *folders, last = b"".join(decoded).split(b"/")[1:]
    for segment in (*folders, last):
        if segment == b"..":
            if not kept:
                return None
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    if not kept:
        return b"/"
    return b"/" + b"/".join(kept) + (b"/" if last in (b"", b".", b"..") else b"")
