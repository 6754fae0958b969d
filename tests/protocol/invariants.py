"""What is true of a mux between any two calls."""

from hushgate.protocol.limits import GROWTH_BUDGET
from hushgate.protocol.mux import Mux
from hushgate.protocol.stream import Half


def check(*muxes: Mux) -> None:
    """Asserts everything that holds for one mux, and for the budget of bytes that these, and no others, may share."""
    for mux in muxes:
        _streams(mux)
        _schedule(mux)
        _replay(mux)
        _ended(mux)
    for buffered in {mux.buffered for mux in muxes}:
        mine = [stream for mux in muxes if mux.buffered is buffered for stream in mux.streams.values()]
        assert buffered.used == sum(len(chunk) for stream in mine for chunk in stream.backlog)
        assert set(buffered._stalled) == {stream for stream in mine if stream.backlog}


def _streams(mux: Mux) -> None:
    for id, stream in mux.streams.items():
        assert stream.id == id and stream.mux is mux and not stream.gone
        assert 0 < id < mux.next_id if mux.is_ours(id) else 0 < id <= mux.inbox.peer_id
        assert stream.send is not Half.RESET and stream.receive is not Half.RESET
        assert stream.sent <= stream.send_limit
        assert stream.taken + sum(map(len, stream.backlog)) == stream.received <= stream.limit
        assert stream.received == 0 or all(map(len, stream.backlog))
        if stream.receive is Half.OPEN:
            assert stream.taken < stream.mark <= stream.limit and not stream.told
        if stream.told:
            assert not stream.backlog
        assert stream.window >= mux.window
    grown = sum(stream.window - mux.window for stream in mux.streams.values())
    assert mux.growth.used == grown <= GROWTH_BUDGET


def _schedule(mux: Mux) -> None:
    schedule = mux.outbox.schedule
    queued = [*schedule.fresh, *schedule.busy]
    assert len(queued) == len(set(queued)) == len(schedule)
    assert set(queued) == {stream for stream in mux.streams.values() if stream.listed}
    assert set(schedule._rests) <= set(queued)
    for stream in mux.streams.values():
        if stream.listed:
            assert stream.send is Half.OPEN and stream.sent < stream.send_limit and not stream.starved
        if stream.starved and stream.send is Half.OPEN:
            assert stream.sent == stream.send_limit
    assert set(mux.outbox._windows) <= set(mux.streams.values())
    assert mux.outbox._datagram_bytes == sum(len(frame) - 8 for _, _, frame in mux.outbox._datagrams)


def _replay(mux: Mux) -> None:
    replay = mux.outbox.replay
    messages = list(replay._kept)
    assert replay.kept == sum(message.size for message in messages)
    assert replay.flight == sum(message.size for message in messages[: replay._again])
    assert all(message.size == sum(map(len, message.parts)) for message in messages)
    number = replay.acked
    for message in messages:
        assert message.end - message.frames == number
        number = message.end
    assert number == replay.next
    assert replay.acked <= replay.confirmed <= replay.next or mux.failed


def _ended(mux: Mux) -> None:
    if mux.failed:
        assert not mux.streams and not mux.outbox._orders and not mux.outbox.replay.replaying
        assert not mux.outbox._windows and not mux.outbox._datagrams and not len(mux.outbox.schedule)
