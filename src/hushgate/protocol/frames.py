"""Frames: eight bytes of header, a payload, and what each payload holds (docs/protocol.md §4, §6.1, §11).

The data path packs and unpacks headers itself with `HEADER`; everything rarer goes through the functions below.
"""

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from hushgate.errors import ProtocolError
from hushgate.protocol.limits import SERVICE_NAME_MAX, TEXT_MAX

HEADER: Final = Struct("!BBHI")
Buffer = bytes | memoryview
"""Bytes on their way out, which never change: a view is one of a bytes object."""
COUNTED: Final = 0x80
IGNORABLE: Final = 0x40
FIN: Final = 0x01


class Type(IntEnum):
    """The first byte of a frame."""

    CHALLENGE = 0x01
    LOGIN = 0x02
    WELCOME = 0x03
    PROVE = 0x04
    PROVED = 0x05
    CHANGED = 0x06
    START = 0x08
    ACK = 0x09
    PING = 0x0A
    PONG = 0x0B
    GOAWAY = 0x0C
    OPEN = 0x10
    OPEN_OK = 0x11
    DATA = 0x12
    WINDOW = 0x13
    RESET = 0x14
    VOID = 0x15
    DATAGRAM = 0x20


DATA: Final = int(Type.DATA)
"""For the data path, where a member of an enum would cost."""

HANDSHAKE: Final = frozenset({Type.CHALLENGE, Type.LOGIN, Type.WELCOME, Type.PROVE, Type.PROVED, Type.CHANGED})
"""Frames of the link's conversation about proofs; the mux hands them to whoever drives the handshake."""

COUNTED_TYPES: Final = frozenset({Type.OPEN, Type.OPEN_OK, Type.DATA, Type.RESET, Type.VOID})


class Code(IntEnum):
    """Why a stream was reset or a session ended (§11)."""

    DONE = 0
    REFUSED = 1
    UNREACHABLE = 2
    UNKNOWN = 3
    WITHDRAWN = 4
    FLOW = 5
    ABORTED = 6
    LIMIT = 7
    SHUTDOWN = 8
    AWAY = 9
    DENIED = 10
    PROTOCOL = 11
    UNSUPPORTED = 12
    MISMATCH = 13
    FLOOD = 14
    REPLACED = 15
    INTERNAL = 16

    @classmethod
    def _missing_(cls, value: object) -> "Code":
        return cls.INTERNAL


class Mode(IntEnum):
    """What a GOAWAY asks for."""

    MOVE = 1
    DRAIN = 2
    CLOSE = 3


class Kind(IntEnum):
    """What a stream carries."""

    BYTES = 0
    DATAGRAMS = 1


E2E_VERSION: Final = 1
"""Of the layer that encrypts a stream between its two ends (§14)."""


class Open(NamedTuple):
    """The meaning of an OPEN payload. `visitor` is the server's word: never the basis of an allow at home. `e2e`: 0, or
    the version of the end-to-end layer."""

    service: str
    visitor: str = ""
    kind: Kind = Kind.BYTES
    hop: int = 0
    ingress: str = ""
    e2e: int = 0


class GoAway(NamedTuple):
    """The meaning of a GOAWAY payload; `after` and `spread` in milliseconds."""

    mode: Mode
    code: Code
    after: int = 0
    spread: int = 0
    text: str = ""


_ACK: Final = Struct("!QI")
_U64: Final = Struct("!Q")
_RESET: Final = Struct("!H")
_GOAWAY: Final = Struct("!BHII")

_SERVICE, _VISITOR, _KIND, _HOP, _INGRESS, _E2E = 0x81, 0x02, 0x83, 0x84, 0x05, 0x86
_TAGS = {_SERVICE, _VISITOR, _KIND, _HOP, _INGRESS, _E2E}
_MANDATORY = 0x80
_KINDS = {bytes((kind,)): kind for kind in Kind}


def frame(type: Type, stream_id: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """One whole frame; COUNTED is set by its type."""
    if type in COUNTED_TYPES:
        flags |= COUNTED
    return HEADER.pack(type, flags, len(payload), stream_id) + payload


def start(first: int) -> bytes:
    return frame(Type.START, 0, _U64.pack(first))


def ack(count: int, hold: float) -> bytes:
    """`hold`: seconds since the last counted frame arrived."""
    return frame(Type.ACK, 0, _ACK.pack(count, _microseconds(hold)))


def ping(token: int) -> bytes:
    return frame(Type.PING, 0, _U64.pack(token))


def pong(token: int, hold: float) -> bytes:
    return frame(Type.PONG, 0, _ACK.pack(token, _microseconds(hold)))


def window(stream_id: int, limit: int) -> bytes:
    return frame(Type.WINDOW, stream_id, _U64.pack(limit))


def reset(stream_id: int, code: Code, text: str = "") -> bytes:
    return frame(Type.RESET, stream_id, _RESET.pack(code) + _text(text))


def goaway(away: GoAway) -> bytes:
    return frame(Type.GOAWAY, 0, _GOAWAY.pack(away.mode, away.code, away.after, away.spread) + _text(away.text))


def open_stream(stream_id: int, what: Open) -> bytes:
    """Raises ValueError for a service name that is empty or longer than 255 bytes."""
    service = what.service.encode()
    if not 1 <= len(service) <= SERVICE_NAME_MAX:
        raise ValueError(f"service name of {len(service)} bytes")
    parts = [_tlv(_SERVICE, service)]
    if what.visitor:
        parts.append(_tlv(_VISITOR, _cut(what.visitor, 255)))
    if what.kind:
        parts.append(_tlv(_KIND, bytes((what.kind,))))
    if what.hop:
        parts.append(_tlv(_HOP, bytes((what.hop,))))
    if what.ingress:
        parts.append(_tlv(_INGRESS, _cut(what.ingress, 255)))
    if what.e2e:
        parts.append(_tlv(_E2E, bytes((what.e2e,))))
    return frame(Type.OPEN, stream_id, b"".join(parts))


def take_u64(payload: memoryview) -> int:
    if len(payload) != _U64.size:
        raise _malformed("a 64-bit number")
    value: int = _U64.unpack(payload)[0]
    return value


def take_counted(payload: memoryview) -> tuple[int, float]:
    """The number and the hold time, in seconds, of an ACK or PONG."""
    if len(payload) != _ACK.size:
        raise _malformed("ACK or PONG")
    count, hold = _ACK.unpack(payload)
    return count, hold / 1e6


def take_reset(payload: memoryview) -> tuple[Code, str]:
    if len(payload) < _RESET.size:
        raise _malformed("RESET")
    return Code(_RESET.unpack_from(payload)[0]), _take_text(payload[_RESET.size :])


def take_goaway(payload: memoryview) -> GoAway:
    if len(payload) < _GOAWAY.size:
        raise _malformed("GOAWAY")
    mode, code, after, spread = _GOAWAY.unpack_from(payload)
    try:
        return GoAway(Mode(mode), Code(code), after, spread, _take_text(payload[_GOAWAY.size :]))
    except ValueError:
        raise _malformed("GOAWAY") from None


def take_open(payload: memoryview) -> Open:
    """Raises ProtocolError: `protocol` when malformed, `unsupported` for a mandatory tag or a kind we do not know."""
    values: dict[int, bytes] = {}
    data, at = bytes(payload), 0
    while at < len(data):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise _malformed("OPEN")
        tag, begin = data[at], at + 2
        if tag in values:
            raise _malformed("OPEN")
        at = begin + data[at + 1]
        values[tag] = data[begin:at]
    for tag in values.keys() - _TAGS:
        if tag & _MANDATORY:
            raise ProtocolError(Code.UNSUPPORTED, f"OPEN with mandatory tag 0x{tag:02x}")
    raw_kind = values.get(_KIND, b"\0")
    kind = _KINDS.get(raw_kind)
    if kind is None:
        if len(raw_kind) == 1:
            raise ProtocolError(Code.UNSUPPORTED, f"OPEN with kind {raw_kind[0]}")
        raise _malformed("OPEN")
    try:
        return Open(
            service=values[_SERVICE].decode() or _fail(),
            visitor=values.get(_VISITOR, b"").decode(),
            kind=kind,
            hop=_u8(values.get(_HOP)),
            ingress=values.get(_INGRESS, b"").decode(),
            e2e=_u8(values.get(_E2E)),
        )
    except (KeyError, ValueError):
        raise _malformed("OPEN") from None


def describe(header_and_payload: bytes | memoryview) -> str:
    """A frame as one word group for logs and tests, payload elided: `DATA #3 1200 bytes FIN`."""
    kind, flags, length, stream_id = HEADER.unpack_from(header_and_payload)
    name = Type(kind).name if kind in Type._value2member_map_ else f"0x{kind:02x}"
    where = f" #{stream_id}" if stream_id else ""
    return f"{name}{where} {length} bytes{' FIN' if kind == Type.DATA and flags & FIN else ''}"


def _tlv(tag: int, value: bytes) -> bytes:
    return bytes((tag, len(value))) + value


def _u8(value: bytes | None) -> int:
    if value is None:
        return 0
    if len(value) != 1:
        _fail()
    return value[0]


def _fail() -> str:
    raise ValueError


def _text(text: str) -> bytes:
    return _cut(text, TEXT_MAX)


def _cut(text: str, size: int) -> bytes:
    """`text` in at most `size` bytes, never ending within a character."""
    data = text.encode()
    return data if len(data) <= size else data[:size].decode(errors="ignore").encode()


def _take_text(payload: memoryview) -> str:
    if len(payload) > TEXT_MAX:
        raise _malformed("text")
    return bytes(payload).decode(errors="replace")


def _microseconds(seconds: float) -> int:
    return min(0xFFFFFFFF, max(0, round(seconds * 1e6)))


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(Code.PROTOCOL, f"malformed {what}")
