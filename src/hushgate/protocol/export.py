"""A session as plain data, for a process that replaces itself: everything that the next link needs.

What belongs to a link (its measurements, ACKs, PONGs) is left out, as a broken link loses it anyway, and so are
datagrams that wait. Sockets are the business of `bind`: it finds for each stream the endpoint that its predecessor was.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hushgate.errors import LocalProtocolError
from hushgate.protocol.credit import Buffered
from hushgate.protocol.frames import Code, Kind, Open
from hushgate.protocol.limits import REPLAY_LIMIT, STREAMS_MAX
from hushgate.protocol.mux import Mux, Owner
from hushgate.protocol.stream import Endpoint, Half, Stream

_PLAIN = ("confirmed", "sent", "send_limit", "received", "taken", "window", "limit", "mark", "told")


def export_mux(mux: Mux) -> dict[str, object]:
    """The state of `mux` as numbers, strings, bytes, lists and dictionaries, taken between two of its calls. Raises
    LocalProtocolError for a session that has ended."""
    if mux.failed:
        raise LocalProtocolError("a session that has ended cannot be exported")
    return {
        "dialler": mux.dialler,
        "window": mux.window,
        "peer_window": mux.peer_window,
        "next_id": mux.next_id,
        "peer_id": mux.inbox.peer_id,
        "outbox": mux.outbox.export(),
        "streams": [_export_stream(stream) for stream in mux.streams.values()],
    }


def restore_mux(
    state: Mapping[str, Any],
    owner: Owner,
    *,
    now: float,
    random: Callable[[], float],
    bind: Callable[[Stream], Endpoint],
    buffered: Buffered | None = None,
    replay_limit: int = REPLAY_LIMIT,
    streams_max: int = STREAMS_MAX,
) -> Mux:
    """The session that `export_mux` described, detached. `bind` gives the endpoint of each stream; once all are bound,
    each is offered what waits for it, and asked in its turn what it has to send."""
    mux = Mux(
        owner,
        dialler=state["dialler"],
        now=now,
        random=random,
        buffered=buffered,
        window=state["window"],
        replay_limit=replay_limit,
        streams_max=streams_max,
    )
    mux.peer_window = state["peer_window"]
    mux.next_id = state["next_id"]
    mux.inbox.peer_id = state["peer_id"]
    mux.outbox.restore(state["outbox"], now)
    victims = []
    for described in state["streams"]:
        stream = _restore_stream(mux, described, now)
        mux.streams[stream.id] = stream
        mux.growth.used += stream.window - mux.window
        if stream.backlog:
            victims.append(mux.buffered.add(stream, len(stream.backlog[0])))
    for stream in list(mux.streams.values()):
        stream.endpoint = bind(stream)
    for victim in victims:
        if victim:
            victim.mux.abort(victim, Code.LIMIT, "too many bytes wait unread")
    for stream in list(mux.streams.values()):
        stream.drain()
        stream.ready()
    return mux


def _export_stream(stream: Stream) -> dict[str, object]:
    what = [int(field) if isinstance(field, int) else field for field in stream.what]
    plain = {name: getattr(stream, name) for name in _PLAIN}
    halves = {"send": stream.send.value, "receive": stream.receive.value}
    return {"id": stream.id, "what": what, "backlog": b"".join(stream.backlog), **plain, **halves}


def _restore_stream(mux: Mux, state: Mapping[str, Any], now: float) -> Stream:
    service, visitor, kind, hop, ingress, e2e = state["what"]
    what = Open(service, visitor, Kind(kind), hop, ingress, e2e)
    stream = Stream(mux, state["id"], what, state["send_limit"], state["window"], now)
    for name in _PLAIN:
        setattr(stream, name, state[name])
    stream.send = Half(state["send"])
    stream.receive = Half(state["receive"])
    if state["backlog"]:
        stream.backlog.append(memoryview(state["backlog"]))
    return stream
