"""The replay: what is kept, what is dropped, what never leaves again."""

import pytest

from hushgate.errors import ProtocolError
from hushgate.protocol import frames
from hushgate.protocol.frames import HEADER, Code, Type
from hushgate.protocol.pace import Snapshot
from hushgate.protocol.resume import Replay
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Pair, pattern

NONE = Snapshot(0.0, 0, 0.0, False)


def data(id: int, n: int) -> bytes:
    return frames.frame(Type.DATA, id, bytes(n))


def filled() -> Replay:
    replay = Replay()
    for id in (1, 3, 5):
        replay.seal([data(id, 10), data(id, 20)], 2, 46, NONE._replace(delivered=id))
    return replay


def test_messages_are_dropped_when_all_their_frames_were_acknowledged() -> None:
    replay = filled()
    assert (replay.next, replay.kept, replay.flight, replay.acked) == (6, 138, 138, 0)
    assert replay.acknowledge(1) == (0, None) and replay.confirmed == 1
    freed, snapshot = replay.acknowledge(5)
    assert freed == 92 and snapshot and snapshot.delivered == 3
    assert (replay.kept, replay.flight, replay.acked, replay.confirmed) == (46, 46, 4, 5)
    assert replay.acknowledge(3) == (0, None) and replay.confirmed == 5


def test_rewind_sends_the_rest_again_from_the_beginning_of_a_message() -> None:
    replay = filled()
    assert replay.rewind(3) == 2 and replay.flight == 0 and replay.replaying
    assert b"".join(replay.again(NONE).parts) == data(3, 10) + data(3, 20)
    assert replay.flight == 46
    replay.acknowledge(4)
    assert replay.flight == 0 and replay.replaying
    assert replay.rewind(4) == 4
    replay.again(NONE)
    assert not replay.replaying and replay.flight == 46


def test_acknowledging_what_was_not_yet_sent_again_keeps_the_books() -> None:
    replay = filled()
    replay.rewind(0)
    replay.again(NONE)
    replay.acknowledge(4)
    assert (replay.flight, replay.kept) == (0, 46) and replay.replaying
    replay.again(NONE)
    assert (replay.flight, replay.replaying) == (46, False)


@pytest.mark.parametrize("count", [7, 10**9])
def test_more_than_was_sent_is_a_mismatch(count: int) -> None:
    for ask in (Replay.acknowledge, Replay.rewind):
        with pytest.raises(ProtocolError) as caught:
            ask(filled(), count)
        assert caught.value.code == Code.MISMATCH


def test_a_count_that_an_ack_overtook_does_not_turn_time_back() -> None:
    replay = filled()
    replay.acknowledge(4)
    assert replay.rewind(2) == 4 and replay.confirmed == 4
    assert filled().rewind(0) == 0


def test_blank_replaces_frames_and_keeps_their_numbers() -> None:
    replay = filled()
    replay.seal([data(3, 5), frames.reset(3, Code.DONE)], 2, 13 + 10, NONE)
    replay.remember(5, "gone")
    replay.blank({3}, {"gone"})
    replay.rewind(0)
    raw = b"".join(b"".join(replay.again(NONE).parts) for _ in range(4))
    void = frames.frame(Type.VOID)
    assert raw == data(1, 10) + data(1, 20) + 5 * void + frames.reset(3, Code.DONE)
    assert replay.flight == replay.kept == len(raw)


def test_what_was_remembered_of_gone_streams_goes_with_their_frames() -> None:
    replay = filled()
    replay.remember(1, "x")
    replay.acknowledge(6)
    assert not replay._gone
    replay.remember(3, "x")
    assert not replay._gone


def test_export_and_restore() -> None:
    replay = filled()
    replay.remember(5, "gone")
    replay.acknowledge(3)
    again = Replay()
    again.restore(replay.export(), NONE)
    assert (again.next, again.kept, again.flight, again.confirmed) == (6, 92, 0, 3)
    again.blank((), {"gone"})
    again.rewind(4)
    assert b"".join(again.again(NONE).parts) == 2 * frames.frame(Type.VOID)


SECRET = b"the secret of a service"


def frame_bytes(pair: Pair, link: int) -> bytes:
    return bytes(pair.history[link][0])


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("arrived", [0, 30, 60, None])
def test_no_byte_of_a_withdrawn_service_is_sent_again(ends: bool, arrived: int | None) -> None:
    pair = Pair()
    pair.owners[1].ends = ends
    other = pair.open(pattern(100), service="other")
    secret = pair.open(SECRET, service="withdrawn", ends=ends)
    pair.load(0)
    pair.acceptor.receive(memoryview(bytes(pair.wires[0][:arrived])), pair.now)
    pair.detach()
    unsent = pair.open(SECRET, service="withdrawn", ends=ends)
    assert unsent.stream.id == 5
    pair.dialler.withdraw({"withdrawn"}, Code.WITHDRAWN)
    later = pair.open(b"later", service="other")
    check(*pair.muxes)
    pair.attach()
    pair.pump()
    assert SECRET not in frame_bytes(pair, 1) and b"withdrawn" not in frame_bytes(pair, 1)
    assert not pair.dialler.failed and not pair.acceptor.failed
    assert pair.far(other).got == pattern(100) and pair.far(later).got == b"later"
    far = pair.owners[1].memories.get(secret.stream.id)
    assert far is None or far.was_reset is Code.WITHDRAWN or (ends and far.got == SECRET)
    assert 5 not in pair.owners[1].memories
    assert pair.acceptor.outbox.received == pair.dialler.outbox.replay.next and not pair.dialler.outbox.replay.kept
    check(*pair.muxes)


def test_frames_of_a_withdrawn_stream_that_is_gone_are_blanked_too() -> None:
    pair = Pair()
    pair.owners[0].reply = SECRET
    memory = pair.open(b"question", service="withdrawn", side=1)
    pair.step(1)
    pair.load(0)
    pair.load(0)
    pair.step(1)
    assert not pair.dialler.streams
    pair.detach()
    pair.dialler.withdraw({"withdrawn"}, Code.WITHDRAWN)
    pair.attach()
    pair.pump()
    assert SECRET in frame_bytes(pair, 0) and SECRET not in frame_bytes(pair, 1)
    assert memory.got == b"" and not pair.dialler.failed and not pair.acceptor.failed


def mismatched(pair: Pair) -> None:
    for mux in pair.muxes:
        assert mux.failed and mux.failed[0] is Code.MISMATCH
        assert not mux.streams
    check(*pair.muxes)


def started() -> tuple[Pair, Memory]:
    pair = Pair()
    pair.owners[1].ends = False
    memory = pair.open(b"abc", ends=False)
    pair.pump()
    return pair, memory


def test_start_above_the_count_ends_the_session() -> None:
    pair, memory = started()
    pair.detach()
    pair.acceptor.outbox.received -= 1
    pair.dialler.outbox.replay.confirmed = 0
    pair.dialler.attach(pair.now, 2)
    pair.acceptor.attach(pair.now, pair.dialler.outbox.received)
    for side in (0, 1, 0):
        pair.step(side)
    mismatched(pair)
    assert memory.was_reset is Code.MISMATCH


def test_a_count_that_cannot_be_ends_the_session_on_attach() -> None:
    pair, _ = started()
    pair.detach()
    pair.dialler.attach(pair.now, 3)
    pair.acceptor.attach(pair.now, pair.dialler.outbox.received)
    assert pair.dialler.attached and pair.dialler.failed
    pair.step(0)
    mismatched(pair)


def test_an_ack_beyond_what_was_sent_ends_the_session() -> None:
    pair, _ = started()
    pair.dialler.receive(memoryview(frames.ack(3, 0)), pair.now)
    pair.step(0)
    mismatched(pair)


def test_windows_are_sent_again_after_the_replay() -> None:
    pair = Pair()
    pair.owners[1].ends = False
    near = pair.open(pattern(20_000), ends=False)
    back = pair.open(pattern(10), ends=False, side=1)
    pair.pump()
    limit = pair.far(near).stream.limit
    assert limit > 65_536
    pair.detach()
    pair.far(near).out += b"not yet sent"
    pair.attach()
    pair.pump()
    kinds = [frames.describe(raw) for raw in split(bytes(pair.history[1][1]))]
    assert "WINDOW #1 8 bytes" in kinds and f"WINDOW #{back.stream.id} 8 bytes" not in kinds
    assert near.stream.send_limit == limit


def split(raw: bytes) -> list[bytes]:
    whole, at = [], 0
    while at < len(raw):
        size = HEADER.size + HEADER.unpack_from(raw, at)[2]
        whole.append(raw[at : at + size])
        at += size
    return whole


def test_while_too_much_is_kept_no_new_data_leaves_but_resets_do() -> None:
    pair = Pair(replay_limit=50_000)
    pair.owners[1].ends = False
    near, other = pair.open(pattern(60_000), ends=False), pair.open(ends=False)
    pair.load(0)
    assert 50_000 <= pair.dialler.outbox.replay.kept < 70_000
    sent = near.stream.sent
    pair.detach()
    pair.attach()
    other.close()
    pair.open(service="new", ends=False)
    pair.load(0)
    assert near.stream.sent == sent
    kinds = [frames.describe(raw).split(" ")[0] for raw in split(bytes(pair.history[1][0]))]
    assert "RESET" in kinds or pair.dialler.outbox.replay.replaying
    pair.pump()
    assert pair.far(near).got == pattern(60_000)
    check(*pair.muxes)
