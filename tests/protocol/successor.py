"""What a process does that replaces itself: sessions leave it as plain data and go on in the next."""

import base64
import json
from collections.abc import Callable
from typing import Any

from hushgate.protocol.credit import Buffered
from hushgate.protocol.export import export_mux, restore_mux
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Endpoint, Stream
from tests.protocol.pair import Memory, Pair


def plain(value: Any) -> Any:
    """Through JSON, as another process would see it."""

    def pack(value: Any) -> Any:
        if isinstance(value, bytes):
            return {"base64": base64.b64encode(value).decode()}
        if isinstance(value, dict):
            return {name: pack(item) for name, item in value.items()}
        return [pack(item) for item in value] if isinstance(value, list) else value

    def unpack(item: dict[str, Any]) -> Any:
        return base64.b64decode(item["base64"]) if "base64" in item else item

    return json.loads(json.dumps(pack(value)), object_hook=unpack)


def restored(
    pair: Pair, old: Mux, buffered: Buffered | None = None, bind: Callable[[Stream], Endpoint] | None = None
) -> Mux:
    """The successor of `old`, one of the muxes of `pair`; unless there is a `bind`, with the same Memory endpoints."""
    state = export_mux(old)
    assert {type(field) for field in _flat(state)} <= {int, bool, bytes, str}

    def memory_of(stream: Stream) -> Memory:
        memory = old.streams[stream.id].endpoint
        assert isinstance(memory, Memory)
        memory.stream = stream
        return memory

    return restore_mux(
        plain(state), old.owner, now=pair.now, random=lambda: 0.5, bind=bind or memory_of, buffered=buffered
    )


def _flat(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _flat(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _flat(item)]
    return [value]
