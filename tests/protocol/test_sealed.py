"""Encrypted streams over a mux: bytes, ends and pressure as without encryption, and nothing passes that was changed."""

import random
from collections.abc import Callable
from typing import cast

import pytest

from hushgate.protocol.e2e import HELLO, LENGTH, TAG, Conversation
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.keys import derive_e2e_key
from hushgate.protocol.limits import WINDOW_INITIAL
from hushgate.protocol.sealed import SealedStream
from hushgate.protocol.stream import NOWHERE, Endpoint, Half, Stream
from tests.protocol.pair import Memory, Owner, Pair, pattern
from tests.protocol.scripted import interesting

KEY = derive_e2e_key("a key that only laptop and home hold", "ssh")
OTHER = derive_e2e_key("a key that somebody else might hold", "ssh")


class Home(Owner):
    """Answers every stream with encryption; `failures` keeps why streams were given up."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self.key = key
        self.stood = 0
        self.failures: list[str] = []
        self.sealed: dict[int, SealedStream] = {}

    def incoming(self, stream: Stream) -> None:
        self.sealed[stream.id] = sealed = sealing(stream, self.key, False, self.failures, self.connect)
        self.memories[stream.id] = Memory(cast(Stream, sealed), self.reply, ends=self.ends, room=self.room)
        sealed.start()

    def connect(self) -> None:
        self.stood += 1
        for sealed in self.sealed.values():
            sealed.accept()


def sealing(
    stream: Stream, key: bytes, opener: bool, failures: list[str], stood: Callable[[], None] = lambda: None
) -> SealedStream:
    conversation = Conversation(key, stream.what.service, opener=opener)
    return SealedStream(stream, conversation, opener=opener, stood=stood, failed=failures.append)


class SealedPair(Pair):
    """A laptop and a home whose users look again before each side sends, as the loop would make them."""

    def __init__(self) -> None:
        self.home = Home(KEY)
        self.sealed: list[SealedStream] = []
        super().__init__()
        self.acceptor.owner = self.home

    def load(self, side: int) -> None:
        for sealed in self.home.sealed.values() if side else self.sealed:
            sealed.ready()
        super().load(side)


class Ends:
    """A laptop and a home over a mux."""

    def __init__(self) -> None:
        self.pair = SealedPair()
        self.home = self.pair.home
        self.failures: list[str] = []

    def open(self, out: bytes, *, ends: bool = True) -> tuple[Memory, SealedStream]:
        stream = self.pair.dialler.open(Open("ssh", e2e=1), self.pair.now)
        sealed = sealing(stream, KEY, True, self.failures)
        memory = Memory(cast(Stream, sealed), out, ends=ends)
        self.pair.sealed.append(sealed)
        sealed.start()
        return memory, sealed

    def far(self) -> Memory:
        (memory,) = self.home.memories.values()
        return memory


def play(out: bytes, reply: bytes, cuts: list[tuple[int, int]]) -> Ends:
    ends = Ends()
    ends.home.reply = reply
    near, _ = ends.open(out)
    ends.pair.pump_cut(list(cuts))
    far = ends.far()
    assert far.got == out and near.got == reply
    assert (near.finished, far.finished, near.was_opened, ends.home.stood) == (1, 1, 1, 1)
    assert not ends.failures and not ends.home.failures
    assert not ends.pair.dialler.streams and not ends.pair.acceptor.streams
    return ends


def test_bytes_and_ends_pass_both_ways() -> None:
    play(pattern(300_000, 1), pattern(500_000, 2), [])
    play(b"", b"", [])


def test_the_wire_shows_no_plaintext() -> None:
    ends = play(b"attack at dawn" * 100, b"no", [])
    sent = b"".join(bytes(wire) for link in ends.pair.history for wire in link)
    assert b"dawn" not in sent and len(sent) > 1400


def test_a_link_that_is_cut_anywhere_costs_nothing() -> None:
    whole = play(pattern(20_000, 1), pattern(30_000, 2), [])
    offsets = [(side, n) for side in (0, 1) for n in interesting(whole.pair.history[0][side])]
    for cut in offsets[:: max(1, len(offsets) // 60)]:
        play(pattern(20_000, 1), pattern(30_000, 2), [cut])
    rng = random.Random(5)
    for _ in range(40):
        play(pattern(20_000, 1), pattern(30_000, 2), sorted(rng.sample(offsets, 2)))


def test_nothing_is_taken_before_the_peer_has_said_hello() -> None:
    ends = Ends()
    near, sealed = ends.open(b"password", ends=False)
    ends.pair.load(0)
    assert sealed.starved and near.out == b"password"
    ends.pair.pump()
    assert not sealed.starved and ends.far().got == b"password"


def test_half_close_is_of_one_side_only() -> None:
    ends = Ends()
    ends.home.ends = False
    near, _ = ends.open(b"question")
    ends.pair.pump()
    far = ends.far()
    assert (far.finished, near.finished) == (1, 0)
    far.out += b"answer"
    far.stream.ready()
    ends.pair.pump()
    assert near.got == b"answer" and near.finished == 0
    far.ends = True
    far.stream.ready()
    ends.pair.pump()
    assert near.finished == 1 and not ends.pair.dialler.streams


def test_a_sink_that_takes_nothing_holds_the_source_back() -> None:
    ends = Ends()
    ends.home.room = 0
    near, _ = ends.open(pattern(1_000_000))
    ends.pair.pump()
    assert len(near.out) > 1_000_000 - 3 * WINDOW_INITIAL
    far = ends.far()
    for room in (1, 999, 70_000):
        far.room = room
        far.stream.drain()
        ends.pair.pump()
    far.room = None
    far.stream.drain()
    ends.pair.pump()
    assert far.got == pattern(1_000_000) and far.finished == 1


def test_small_turns_of_the_schedule_lose_nothing() -> None:
    """A quantum may be smaller than the smallest record: what does not fit leaves with the next turn."""
    ends = Ends()
    near, _ = ends.open(b"", ends=False)
    ends.pair.pump()
    seal = ends.pair.dialler.streams[1].endpoint
    near.out += pattern(5000)
    taken = b""
    while piece := seal.take(100):
        assert len(piece) <= 100
        taken += piece
    near.ends = True
    while (piece := seal.take(7)) is not None:
        taken += piece
    far = ends.home.sealed[1]
    stream = ends.pair.acceptor.streams[1]
    assert stream.endpoint.data(memoryview(taken)) == len(taken)
    assert ends.far().got == pattern(5000) and far.receive is Half.FINISHED


class Lower:
    """A stream without a mux (stream.ByteStream): counts the calls, keeps resets."""

    def __init__(self, service: str = "ssh") -> None:
        self.endpoint: Endpoint = NOWHERE
        self.id = 1
        self.what = Open(service, e2e=1)
        self.send = self.receive = Half.OPEN
        self.sent = 0
        self.backlog = b""
        self.listed = self.starved = False
        self.resets: list[tuple[Code, str]] = []

    def ready(self) -> None:
        pass

    drain = accept = ready

    def reset(self, code: Code, text: str = "") -> None:
        self.resets.append((code, text))


class Wire:
    """Laptop and home with nothing between them but what `carry` does."""

    def __init__(self, key: bytes = KEY) -> None:
        self.failures: list[str] = []
        self.lowers = (Lower(), Lower())
        self.ends = []
        for lower, opener in zip(self.lowers, (True, False), strict=True):
            sealed = sealing(cast(Stream, lower), KEY if opener else key, opener, self.failures)
            self.ends.append(Memory(cast(Stream, sealed), ends=False))
            sealed.start()

    def hear(self, side: int, data: bytes) -> None:
        """The other side's bytes arrive at `side`."""
        endpoint, at = self.lowers[side].endpoint, 0
        while at < len(data):
            used = endpoint.data(memoryview(data)[at:])
            assert used
            at += used

    def say(self, side: int, text: bytes = b"") -> bytes:
        """What leaves at `side` when its user writes `text`."""
        self.ends[side].out += text
        return bytes(self.lowers[side].endpoint.take(100_000) or b"")

    def meet(self) -> "Wire":
        self.hear(1, self.say(0))
        self.hear(0, self.say(1))
        return self


@pytest.mark.parametrize("size", [1, 2, 3, 17, 48, 50, 1000])
def test_records_come_in_any_pieces(size: int) -> None:
    wire = Wire()
    for side, text in ((0, b""), (1, b""), (0, pattern(2500, 1)), (1, b"x"), (0, pattern(1100, 2))):
        sent = wire.say(side, text)
        for at in range(0, len(sent), size):
            wire.hear(1 - side, sent[at : at + size])
    assert wire.ends[1].got == pattern(2500, 1) + pattern(1100, 2) and wire.ends[0].got == b"x"
    assert not wire.failures


def test_another_key_ends_the_stream_on_both_sides() -> None:
    wire = Wire(OTHER)
    wire.hear(1, wire.say(0))
    assert wire.failures == ["the other end has another e2e_key"]
    assert wire.lowers[1].resets[0][0] is Code.DENIED and wire.ends[1].was_reset is Code.DENIED
    assert not wire.say(1)


@pytest.mark.parametrize(
    "plain", [b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(60), bytes(200), b"\xff" * 200, b"\0\x0f" + bytes(50)]
)
def test_plaintext_is_refused(plain: bytes) -> None:
    wire = Wire()
    wire.hear(1, plain)
    assert wire.lowers[1].resets[0][0] is Code.DENIED and not wire.ends[1].got


def test_a_server_that_answers_itself_is_noticed_by_the_laptop() -> None:
    """It sends the laptop's own hello back, or one of its own making."""
    for answer in (None, bytes((0, HELLO)) + bytes(HELLO)):
        wire = Wire()
        hello = wire.say(0)
        wire.hear(0, answer or hello)
        assert wire.lowers[0].resets and not wire.say(0, b"password")


@pytest.mark.parametrize("spoil", ["flip", "flip length", "repeat", "swap", "drop", "insert", "reflect"])
def test_whatever_the_server_does_to_records_ends_the_stream(spoil: str) -> None:
    wire = Wire().meet()
    one, two, back = wire.say(0, b"rm -r "), wire.say(0, b"old/"), wire.say(1, b"$ ")
    changed = {
        "flip": one[:-1] + bytes((one[-1] ^ 1,)) + two,
        "flip length": LENGTH.pack(LENGTH.unpack_from(one)[0] - 1) + one[2:] + two,
        "repeat": one + one,
        "swap": two + one,
        "drop": two,
        "insert": one + LENGTH.pack(TAG + 4) + bytes(TAG + 4),
        "reflect": one + back,
    }[spoil]
    wire.hear(1, changed)
    good = b"rm -r " if spoil in ("repeat", "insert", "reflect") else b""
    assert wire.ends[1].got == good and wire.ends[1].was_reset is Code.ABORTED
    assert wire.lowers[1].resets == [(Code.ABORTED, "a record was altered on the way")]
    assert wire.failures == ["a record was altered on the way"]


def test_an_end_without_its_record_is_a_cut() -> None:
    wire = Wire().meet()
    wire.hear(1, wire.say(0, b"half of a file"))
    wire.lowers[1].endpoint.finish()
    assert not wire.ends[1].finished and wire.ends[1].was_reset is Code.ABORTED
    assert wire.failures == ["the stream was cut on the way"]


def test_nothing_may_follow_the_end() -> None:
    wire = Wire().meet()
    wire.ends[0].ends = True
    wire.hear(1, wire.say(0, b"all") + wire.say(0))
    assert wire.ends[1].got == b"all"
    assert wire.ends[1].finished == 1
    wire.hear(1, b"more")
    assert wire.lowers[1].resets == [(Code.PROTOCOL, "more came after the end")]


def test_the_end_waits_for_a_slow_sink() -> None:
    wire = Wire().meet()
    wire.ends[0].ends = True
    wire.ends[1].room = 1
    sent = wire.say(0, b"all") + (wire.lowers[0].endpoint.take(100) or b"")
    used = wire.lowers[1].endpoint.data(memoryview(sent))
    assert used < len(sent) and wire.ends[1].got == b"a"
    wire.ends[1].room = None
    wire.ends[1].stream.drain()
    wire.hear(1, sent[used:])
    assert wire.ends[1].got == b"all"
    assert wire.ends[1].finished == 1
