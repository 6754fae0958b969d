"""Cuts the next frame from the front of received bytes, while a handshake runs (docs/protocol.md §4)."""

from hushgate.errors import ProtocolError
from hushgate.protocol.frames import HEADER, Code
from hushgate.protocol.limits import FRAME_HEADER, PAYLOAD_MAX


def take_frame(view: memoryview) -> tuple[int, int, int, memoryview, int] | None:
    """Type, flags, stream id, payload and whole size of the first frame; None while it is incomplete.

    The payload is a part of `view`, not a copy. Raises ProtocolError for a length above PAYLOAD_MAX.
    """
    if len(view) < FRAME_HEADER:
        return None
    kind, flags, length, stream_id = HEADER.unpack_from(view)
    if length > PAYLOAD_MAX:
        raise ProtocolError(Code.PROTOCOL, f"frame of {length} bytes")
    size = FRAME_HEADER + length
    if len(view) < size:
        return None
    return kind, flags, stream_id, view[FRAME_HEADER:size], size
