"""Whose turn it is: keystrokes first, nobody starves, equal shares."""

from hushgate.protocol.frames import HEADER, Open
from hushgate.protocol.schedule import Schedule
from hushgate.protocol.stream import Stream
from tests.protocol.invariants import check
from tests.protocol.pair import Memory, Pair, pattern


def streams(n: int) -> list[Stream]:
    mux = Pair().dialler
    return [mux.open(Open("ssh"), 0.0) for _ in range(n)]


def test_fresh_streams_come_first_and_used_quanta_go_to_the_end() -> None:
    schedule, (a, b, c) = Schedule(), streams(3)
    for stream in (a, b):
        schedule.add(stream)
        assert stream.listed
    assert schedule.next() is a and not a.listed
    schedule.again(a)
    schedule.add(c)
    assert [schedule.next() for _ in range(4)] == [b, c, a, None]


def test_after_two_batches_of_fresh_data_a_busy_stream_has_its_turn() -> None:
    schedule, (bulk, *crowd) = Schedule(), streams(9)
    schedule.again(bulk)
    for stream in crowd:
        schedule.add(stream)
    order = []
    while turn := schedule.next():
        order.append(turn)
        schedule.sent(50_000)
    assert order.index(bulk) == 3


def test_fresh_data_without_busy_streams_is_not_held_against_a_keystroke() -> None:
    schedule, (bulk, key) = Schedule(), streams(2)
    for _ in range(100):
        schedule.add(key)
        schedule.next()
        schedule.sent(60_000)
    schedule.again(bulk)
    schedule.add(key)
    assert schedule.next() is key


def test_an_interrupted_turn_goes_on_with_what_is_left() -> None:
    schedule, (a, b) = Schedule(), streams(2)
    schedule.again(a)
    schedule.again(b)
    schedule.next()
    schedule.again(a)
    schedule.next()
    schedule.again(b)
    assert schedule.next() is a and schedule.rest == 0
    schedule.again(a, 5_000)
    assert schedule.next() is a and schedule.rest == 5_000
    schedule.again(a)
    assert schedule.next() is b and schedule.rest == 0


def test_discarded_streams_are_not_given() -> None:
    schedule, (a, b, c) = Schedule(), streams(3)
    schedule.add(a)
    schedule.add(b)
    schedule.again(c)
    schedule.discard(a)
    schedule.discard(c)
    assert len(schedule) == 1 and not a.listed and schedule.next() is b
    schedule.discard(b)
    schedule.add(a)
    schedule.clear()
    assert not len(schedule) and not a.listed


def bulk_pair(n: int, quantum: int) -> tuple[Pair, list[Memory]]:
    pair = Pair(window=1 << 22)
    pair.dialler.peer_window = 1 << 22
    bulks = [pair.open(pattern(2_000_000, i)) for i in range(n)]
    pair.dialler.outbox.pace.cap = 1 << 24
    pair.dialler.outbox.pace.quantum = quantum
    return pair, bulks


def test_a_keystroke_leaves_in_the_next_message_under_bulk() -> None:
    pair, _ = bulk_pair(5, 65_527)
    key = pair.open(ends=False)
    for _ in range(6):
        pair.dialler.pull(pair.now)
    for turn in range(12):
        pair.dialler.pull(pair.now)
        key.out += b"k"
        key.stream.ready()
        message = pair.dialler.pull(pair.now)
        assert message and HEADER.pack(0x12, 0x80, 1, key.stream.id) in message, turn
        check(pair.dialler)


def test_equal_shares_whatever_the_quantum() -> None:
    for quantum in (4_096, 12_000, 30_000, 65_527):
        pair, bulks = bulk_pair(3, quantum)
        key = pair.open(ends=False)
        for _ in range(60):
            key.out += b"key"
            key.stream.ready()
            pair.dialler.pull(pair.now)
        sent = [bulk.stream.sent for bulk in bulks]
        assert max(sent) - min(sent) <= quantum + 4_096, (quantum, sent)


def test_many_small_streams_do_not_starve_a_bulk_one() -> None:
    pair, (bulk,) = bulk_pair(1, 65_527)
    pair.dialler.pull(pair.now)
    pair.dialler.pull(pair.now)
    before, total = bulk.stream.sent, 0
    crowd = [pair.open(ends=False) for _ in range(50)]
    for _ in range(80):
        for small in crowd:
            small.out = bytearray(5_000)
            small.stream.ready()
        total += sum(map(len, pair.dialler.pull(pair.now) or []))
    assert bulk.stream.sent - before > total / 4
