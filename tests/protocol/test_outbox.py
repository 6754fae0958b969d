"""What leaves next: the order of things, how large messages are, when an ACK is due."""

from hushgate.protocol import frames
from hushgate.protocol.frames import Buffer, Code, Kind, Open, Type
from hushgate.protocol.limits import (
    ACK_BYTES,
    ACK_DELAY,
    ACK_FRAMES,
    ACK_SHARE,
    CAP_SPARE,
    CAP_START,
    DATAGRAM_AGE,
    DATAGRAM_QUEUE,
    MESSAGE_MAX,
)
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Pair, pattern
from tests.protocol.test_resume import split


def kinds(message: list[Buffer] | None) -> list[str]:
    return [frames.describe(raw).split(" ")[0] for raw in split(b"".join(message or []))]


def test_link_frames_then_windows_then_orders_then_data() -> None:
    pair = Pair()
    bulk = pair.open(pattern(20_000), ends=False, side=1)
    pair.load(1)
    pair.dialler.receive(memoryview(bytes(pair.wires[1])), pair.now)
    answer = pair.open(b"data", ends=False)
    pair.dialler.outbox.say(frames.ping(1))
    pair.dialler.receive(memoryview(frames.ping(2)), pair.now)
    pair.dialler.tick(pair.now + ACK_DELAY)
    answer.stream.ready()
    assert kinds(pair.dialler.pull(pair.now)) == [
        "START", "PING", "PONG", "ACK", "WINDOW", "OPEN_OK", "OPEN", "DATA", "DATA",
    ]  # fmt: skip
    assert bulk.stream.sent == 20_000


def test_a_source_that_breaks_when_it_is_asked_is_told_in_the_same_message() -> None:
    """Nothing else may be said for a long time."""
    pair = Pair()
    memory = pair.open(b"hello", ends=False)
    pair.pump()

    class Broken(Memory):
        def take(self, n: int) -> bytes | None:
            self.close()
            return b""

    Broken(memory.stream).stream.ready()
    assert kinds(pair.dialler.pull(pair.now)) == ["RESET"]
    assert not pair.dialler.pending


def test_messages_on_a_slow_path_hold_one_quantum() -> None:
    pair = Pair()
    pair.open(pattern(40_000)), pair.open(pattern(40_000))
    pair.dialler.outbox.pace.quantum = 5_000
    pair.dialler.pull(pair.now)
    sizes = [sum(map(len, pair.dialler.pull(pair.now) or [])) for _ in range(5)]
    assert all(size <= 5_008 + 40 for size in sizes), sizes


def test_no_message_is_larger_than_allowed_whatever_waits() -> None:
    pair = Pair(window=1 << 20)
    pair.dialler.peer_window = 1 << 20
    pair.dialler.outbox.pace.cap = 1 << 24
    pair.dialler.outbox.pace.quantum = 65_527
    for i in range(300):
        pair.open(pattern(700, i), service="s" * 255, ends=i % 2 == 0)
    pair.dialler.outbox.say(frames.frame(Type.PROVE, 0, bytes(65_000)))
    pair.load(0)
    pair.pump()
    assert len(pair.owners[1].memories) == 300 and not pair.acceptor.failed


def test_the_cap_holds_back_data_and_nothing_else() -> None:
    pair = Pair(window=1 << 20)
    pair.dialler.peer_window = 1 << 20
    pair.open(pattern(500_000))
    pair.load(0)
    flight = pair.dialler.outbox.replay.flight
    assert CAP_START <= flight <= CAP_START + MESSAGE_MAX
    assert pair.dialler.pending and pair.dialler.pull(pair.now) is None
    pair.dialler.outbox.say(frames.ping(1))
    small = pair.open(ends=False)
    small.close(Code.DONE)
    assert kinds(pair.dialler.pull(pair.now)) == ["PING", "OPEN", "RESET"]
    check(pair.dialler)


def test_a_keystroke_does_not_wait_for_the_cap_and_a_crowd_does() -> None:
    pair = Pair(window=1 << 20)
    pair.dialler.peer_window = 1 << 20
    typed = [pair.open(ends=False) for _ in range(300)]
    bulk = pair.open(pattern(500_000))
    pair.load(0)
    pace, replay = pair.dialler.outbox.pace, pair.dialler.outbox.replay
    pace.cap //= 2  # As when the minimum is looked for.
    assert pair.dialler.pull(pair.now) is None
    before, sent = replay.flight, bulk.stream.sent
    for memory in typed:
        memory.out += b"x" * 100
        memory.stream.ready()
        if memory is typed[0]:
            assert kinds(pair.dialler.pull(pair.now)) == ["DATA"] and memory.stream.sent == 100
    pair.load(0)
    assert CAP_SPARE < replay.flight - before < CAP_SPARE + pace.quantum + 200 and bulk.stream.sent == sent
    assert pair.dialler.pending
    check(pair.dialler)


def test_an_ack_is_due_by_bytes_by_frames_and_by_time() -> None:
    for size, count in ((ACK_BYTES, 1), (1, ACK_FRAMES)):
        outbox = Pair().dialler.outbox
        outbox.pull(100.0)
        outbox.arrived(count - 1, size - 1, 100.0)
        assert outbox.pull(100.0) is None and outbox.ack_at == 100.0 + ACK_DELAY
        outbox.arrived(1, 1, 100.0)
        assert kinds(outbox.pull(100.0)) == ["ACK"] and outbox.ack_at is None
    pair = Pair()
    pair.step(0)
    pair.dialler.outbox.arrived(1, 9, 100.0)
    pair.dialler.tick(100.0 + ACK_DELAY / 2)
    assert pair.dialler.pull(100.0) is None
    pair.dialler.tick(100.0 + ACK_DELAY)
    message = pair.dialler.pull(100.0 + ACK_DELAY)
    assert message and message[-1] == frames.ack(0, ACK_DELAY)


def test_an_ack_goes_along_with_others_when_a_share_of_it_is_due() -> None:
    pair = Pair()
    pair.step(0)
    pair.dialler.outbox.arrived(ACK_FRAMES // ACK_SHARE, 100, pair.now)
    assert pair.dialler.pull(pair.now) is None
    stream = pair.open(b"x", ends=False).stream
    assert kinds(pair.dialler.pull(pair.now)) == ["ACK", "OPEN", "DATA"]
    pair.dialler.outbox.arrived(1, ACK_BYTES // ACK_SHARE, pair.now)
    assert pair.dialler.pull(pair.now) is None
    pair.dialler.outbox.window(stream)
    assert kinds(pair.dialler.pull(pair.now)) == ["ACK", "WINDOW"]


def test_a_timer_that_fired_is_not_due_again_while_the_pipe_is_full() -> None:
    pair = Pair()
    pair.dialler.outbox.arrived(1, 9, 100.0)
    pair.dialler.tick(101.0)
    assert pair.dialler.outbox.ack_at is None and pair.dialler.outbox.pending


def test_old_datagrams_are_dropped_and_too_many_refused() -> None:
    pair = Pair()
    stream = pair.dialler.open(Open("dns", kind=Kind.DATAGRAMS), pair.now)
    Memory(stream, ends=False)
    pair.pump()
    stream.send_datagram(b"old")
    pair.now += DATAGRAM_AGE + 0.01
    stream.send_datagram(b"")
    pair.dialler.pull(pair.now)
    stream.send_datagram(b"new")
    pair.pump()
    assert pair.owners[1].memories[1].datagrams == [b"new"] or b"old" not in pair.owners[1].memories[1].datagrams
    for _ in range(20):
        stream.send_datagram(bytes(60_000))
    assert pair.dialler.outbox._datagram_bytes <= DATAGRAM_QUEUE
    stream.send_datagram(bytes(65_528))
    check(pair.dialler)
    pair.pump()
    assert pair.dialler.outbox._datagram_bytes == 0


def test_nothing_counted_leaves_before_the_replay_is_over_and_windows_wait() -> None:
    pair = Pair()
    pair.owners[1].reply, pair.owners[1].ends = pattern(30_000), False
    near = pair.open(pattern(70_000), ends=False)
    pair.step(0)
    pair.step(1)
    pair.load(0)
    pair.detach()
    pair.attach()
    pair.open(b"new", service="new", ends=False)
    seen: list[str] = []
    while message := pair.dialler.pull(pair.now):
        seen += kinds(message)
    if "OPEN" in seen:
        assert seen.index("OPEN") > seen.index("DATA")
    assert "WINDOW" not in seen[: seen.index("DATA")]
    assert near.stream.sent
    pair.pump()
    check(*pair.muxes)


def test_wake_is_called_when_there_may_be_something() -> None:
    pair = Pair()
    pair.open(ends=False)
    pair.pump()
    woken: list[int] = []
    pair.dialler.outbox.wake = lambda: woken.append(1)
    memory = pair.open(b"x", ends=False)
    assert len(woken) >= 2
    for act in (
        memory.stream.ready,
        lambda: pair.dialler.receive(memoryview(frames.ping(1)), pair.now),
        lambda: memory.close(Code.DONE),
        lambda: pair.dialler.close(Code.SHUTDOWN),
    ):
        while pair.dialler.pull(pair.now):
            pass
        woken.clear()
        memory.out += b"y"
        act()
        assert woken and pair.dialler.pending
