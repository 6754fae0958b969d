"""WebSocket frames (RFC 6455 §5) after the handshake, without extensions, as docs/protocol.md §2 uses them.

Receiving. The payloads of successive binary messages are one sequence of bytes to us, so nothing is ever put together
again: a fragment is handed on as it comes, and only the size of its message is counted. Nearly every frame takes the
short way through `parse`: final, binary, complete; its payload is a slice of what was received, or a new buffer when a
mask has to come off. The key 00 00 00 00 changes nothing and is not applied.

Sending. A message becomes a header in front of the buffers it consists of. Only a key other than zero costs a copy,
which leaves the plain buffers as they are, for a replay.
"""

import base64
import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from hashlib import sha1
from typing import Final

from hushgate.errors import PipeError
from hushgate.protocol.frames import Buffer
from hushgate.protocol.limits import MESSAGE_MAX

ZERO_KEY: Final = bytes(4)
_ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_CONTROL_MAX: Final = 125


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """RFC 6455 §7.4.1, those that we send or tell apart."""

    NORMAL = 1000
    GOING_AWAY = 1001
    VIOLATION = 1002
    UNSUPPORTED = 1003
    NONE = 1005
    TOO_BIG = 1009


_FINAL_BINARY: Final = _FINAL | Opcode.BINARY
_OPCODES: Final = frozenset(Opcode)
_MASKED_APART: Final = 4096
"""Buffers larger than this on average are masked one by one: a copy less, and a call more for each."""
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
"""What may stand in a close frame: RFC 6455 §7.4 and the IANA registry."""


class Violation(PipeError):
    """The peer broke the rules; `code` goes into our close frame."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Decoder:
    """Reads the frames of one direction. `masked`: whether they must be (RFC 6455 §5.1: from the client, always)."""

    def __init__(self, *, masked: bool) -> None:
        self._mask_bit = _MASKED if masked else 0
        self._message: int | None = None
        """Size so far of the message that a fragment is to continue."""

    def parse(self, view: memoryview, at: int) -> tuple[int, int, memoryview | bytes] | None:
        """The frame at `at`: where the next one begins, the opcode (BINARY for fragments too), the payload. None: it
        is not complete yet. Raises Violation, as early as the bytes allow."""
        if len(view) < at + 2:
            return None
        first, second = view[at], view[at + 1]
        plain = first == _FINAL_BINARY and self._message is None
        if not plain:
            self._check_first(first)
        if second & _MASKED != self._mask_bit:
            raise Violation(CloseCode.VIOLATION, "a masked frame" if second & _MASKED else "a frame without a mask")
        length = second & 0x7F
        at += 2
        if length > _CONTROL_MAX:
            if first & 8:
                raise Violation(CloseCode.VIOLATION, "a control frame that is too long")
            size = 2 if length == 126 else 8
            if len(view) < at + size:
                return None
            length = int.from_bytes(view[at : at + size])
            at += size
            if length <= _CONTROL_MAX or (size == 8 and (length <= 0xFFFF or length >> 63)):
                raise Violation(CloseCode.VIOLATION, "a length in the wrong form")
            if length > MESSAGE_MAX:
                raise Violation(CloseCode.TOO_BIG, f"a message over {MESSAGE_MAX} bytes")
        if self._mask_bit:
            at += 4
        end = at + length
        if not plain:
            self._check_size(first, length)
        if len(view) < end:
            return None
        payload: memoryview | bytes = view[at:end]
        if self._mask_bit and (key := bytes(view[at - 4 : at])) != ZERO_KEY:
            payload = _masker()(payload, key)
        if plain:
            return end, Opcode.BINARY, payload
        if first & 8:
            return end, first & 0xF, payload
        self._message = None if first & _FINAL else (self._message or 0) + length
        return end, Opcode.BINARY, payload

    def _check_first(self, first: int) -> None:
        opcode = first & 0xF
        if first & 0x70:
            raise Violation(CloseCode.VIOLATION, "a reserved bit is set")
        if opcode not in _OPCODES:
            raise Violation(CloseCode.VIOLATION, f"the reserved opcode {opcode}")
        if opcode & 8:
            if not first & _FINAL:
                raise Violation(CloseCode.VIOLATION, "a fragmented control frame")
        elif (opcode == Opcode.CONTINUATION) != (self._message is not None):
            raise Violation(CloseCode.VIOLATION, "a fragment out of place")
        elif opcode == Opcode.TEXT:
            raise Violation(CloseCode.UNSUPPORTED, "a text message")

    def _check_size(self, first: int, length: int) -> None:
        if not first & 8 and (self._message or 0) + length > MESSAGE_MAX:
            raise Violation(CloseCode.TOO_BIG, f"a message over {MESSAGE_MAX} bytes")


def header(opcode: int, length: int, key: bytes | None) -> bytes:
    """The header of a final frame; `key` is None for a server's."""
    mask_bit, tail = (0, b"") if key is None else (_MASKED, key)
    if length <= _CONTROL_MAX:
        return bytes((_FINAL | opcode, mask_bit | length)) + tail
    if length <= 0xFFFF:
        return struct.pack("!BBH", _FINAL | opcode, mask_bit | 126, length) + tail
    return struct.pack("!BBQ", _FINAL | opcode, mask_bit | 127, length) + tail


def encode(message: Sequence[Buffer], key: bytes | None, opcode: int = Opcode.BINARY) -> list[Buffer]:
    """The buffers that put `message` on the wire; its own ones are among them unless a key has to be applied."""
    length = sum(map(len, message))
    if key is None or key == ZERO_KEY:
        return [header(opcode, length, key), *message]
    mask = _masker()
    if length < _MASKED_APART * len(message):
        return [header(opcode, length, key), mask(b"".join(message), key)]
    masked: list[Buffer] = [header(opcode, length, key)]
    at = 0
    for buffer in message:
        masked.append(mask(buffer, key[at % 4 :] + key[: at % 4]))
        at += len(buffer)
    return masked


@cache
def _masker() -> Callable[[memoryview | bytes, bytes], bytes]:
    """Applies a key to a payload, in C where that was built. Imported with the first key that is not zero: a server
    behind TLS sees none, and its package would cost it a megabyte."""
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        from websockets.utils import apply_mask
    return apply_mask


def accept_key(key: bytes) -> bytes:
    """What Sec-WebSocket-Accept answers to a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    return base64.b64encode(sha1(key + _ACCEPT_GUID, usedforsecurity=False).digest())


def close_payload(code: int) -> bytes:
    """What a close frame with `code` carries; a reason would tell a stranger more than it needs."""
    return b"" if code == CloseCode.NONE else code.to_bytes(2)


def parse_close(payload: memoryview | bytes) -> tuple[int, str]:
    """Code and reason of a close frame. Raises Violation (RFC 6455 §5.5.1, §7.4)."""
    if not payload:
        return CloseCode.NONE, ""
    code = int.from_bytes(payload[:2])
    if len(payload) == 1 or code not in _CLOSE_CODES:
        raise Violation(CloseCode.VIOLATION, "a close frame without a valid code")
    try:
        return code, bytes(payload[2:]).decode()
    except UnicodeDecodeError as error:
        raise Violation(CloseCode.VIOLATION, "a close reason that is not UTF-8") from error
