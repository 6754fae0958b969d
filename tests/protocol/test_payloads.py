"""Damaged payloads: every truncation, every byte, and anything at all. None may mean something else than was sent."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.errors import ProtocolError
from hushgate.guard.proofs import ProofGuard
from hushgate.protocol import payloads
from hushgate.protocol.frames import Code
from hushgate.protocol.hello import Acceptor, Attach, Status
from hushgate.protocol.payloads import NO_SESSION, Named
from tests.protocol import vectors
from tests.protocol.handshake import (
    OLLAMA,
    RESUME,
    RING,
    SESSION,
    SSH,
    counting,
    dialler_of,
    log_in,
    pair,
    payload_of,
    refused,
    up,
)
from tests.protocol.vectors import TIME_MS


def flips(raw: bytes) -> Iterator[tuple[int, bytes]]:
    for at, bits in product(range(len(raw)), (0x01, 0x80, 0xFF)):
        yield at, raw[:at] + bytes((raw[at] ^ bits,)) + raw[at + 1 :]


def test_damaged_challenge() -> None:
    _, acceptor = pair()
    whole = payload_of(acceptor.challenge())
    for size in range(len(whole)):
        with refused():
            pair()[0].challenge(whole[:size])
    with refused():
        pair()[0].challenge(whole + b"\0")
    entries = len(whole) - 2 * 48
    dialler = dialler_of([SSH, OLLAMA])
    for at, damaged in flips(whole):
        if at < entries:
            with pytest.raises(ProtocolError):
                dialler.challenge(damaged)
        else:
            # The other service's proof still holds: LOGIN signs the damaged payload, which its acceptor never sent.
            login = acceptor_login(damaged)
            assert Status.OK not in login.values()


def acceptor_login(challenge: bytes) -> dict[str, Status]:
    dialler, acceptor = pair()
    login = acceptor.login(payload_of(dialler.challenge(challenge)[0]), RING)
    assert login is not None
    return dict(login.services)


def test_damaged_login() -> None:
    dialler, acceptor = pair(RESUME)
    whole = payload_of(dialler.challenge(payload_of(acceptor.challenge()))[0])
    for size in range(len(whole)):
        with refused():
            pair(RESUME)[1].login(whole[:size], RING)
    with refused():
        pair(RESUME)[1].login(whole + b"\0", RING)
    admission = ProofGuard(TIME_MS).check(dialler.upgrade, RING, TIME_MS)
    assert admission is not None
    signatures = len(whole) - 128
    for at, damaged in flips(whole):
        try:
            login = Acceptor(admission, b"A" * 16, counting(1000)).login(damaged, RING)
        except ProtocolError as error:
            assert error.code == Code.PROTOCOL
            continue
        assert login is not None
        held = [name for name, status in login.services.items() if status == Status.OK]
        assert held == ([] if at < signatures else ["ollama"] if at < signatures + 64 else ["ssh"])
        if held:
            assert (login.session, login.epoch, login.received) == (SESSION, 4, 1234)


def test_damaged_welcome() -> None:
    """All but the statuses that grant nothing is covered by the proofs."""
    dialler, acceptor = pair()
    log_in(dialler, acceptor, RING)
    whole = payload_of(acceptor.welcome(Attach.NEW, SESSION, 7, 65536, text="hello", refused={"ollama"}))
    for size in range(len(whole)):
        dialler, acceptor = pair()
        log_in(dialler, acceptor, RING)
        with refused():
            dialler.welcome(whole[:size])
    dialler, acceptor = pair()
    log_in(dialler, acceptor, RING)
    with refused():
        dialler.welcome(whole + b"\0")
    for _, damaged in flips(whole):
        dialler, acceptor = pair()
        log_in(dialler, acceptor, RING)
        try:
            welcome = dialler.welcome(damaged)
        except ProtocolError:
            continue
        assert welcome.services["ssh"] == Status.OK
        assert welcome.services["ollama"] != Status.OK
        assert (welcome.attach, welcome.session, welcome.received, welcome.window) == (Attach.NEW, SESSION, 7, 65536)
        assert (welcome.retry_ms, welcome.text) == (0, "hello")


def test_damaged_prove_and_proved() -> None:
    dialler, acceptor = up()
    prove = payload_of(dialler.prove([SSH], ["ollama"]))
    proved = payload_of(acceptor.prove(prove, RING)[0])
    for size in range(len(prove)):
        with refused():
            up()[1].prove(prove[:size], RING)
    for size in range(len(proved)):
        with refused():
            dialler.proved(proved[:size])
    for _, damaged in flips(prove):
        fresh = up()[1]
        try:
            _, result = fresh.prove(damaged, RING)
        except ProtocolError:
            continue
        assert Status.OK not in result.services.values()
    for _, damaged in flips(proved):
        with pytest.raises(ProtocolError):
            dialler.proved(damaged)
    with refused():
        dialler.proved(proved + b"\0")
    assert dialler.proved(proved) == {"ssh": Status.OK}


@given(st.binary(max_size=300))
def test_random_bytes(raw: bytes) -> None:
    dialler, acceptor = up()
    for receive in (dialler.challenge, dialler.welcome, dialler.proved):
        with pytest.raises(ProtocolError):
            receive(raw)
    with pytest.raises(ProtocolError):
        acceptor.prove(raw, RING)
    dialler, acceptor = pair()
    with pytest.raises(ProtocolError):
        dialler.challenge(raw)
    try:
        login = acceptor.login(raw, RING)
    except ProtocolError:
        return
    assert login is not None
    assert Status.OK not in login.services.values()


@given(st.binary(max_size=200))
def test_random_bytes_behind_a_good_front(raw: bytes) -> None:
    """Deeper into the parsers: each payload's fixed part, then anything."""
    dialler, acceptor = pair()
    challenge = payload_of(acceptor.challenge())
    login = payload_of(dialler.challenge(challenge)[0])
    for front in (58, 59, 62):
        try:
            asked = pair()[1].login(login[:front] + raw, RING)
        except ProtocolError as error:
            assert error.code == Code.PROTOCOL
        else:
            assert asked is not None
            assert Status.OK not in asked.services.values()
    with pytest.raises(ProtocolError):
        pair()[0].challenge(challenge[:56] + raw)
    with pytest.raises(ProtocolError):
        dialler.welcome(payload_of(vectors.WELCOME)[:39] + raw)


@pytest.mark.parametrize(
    ("session", "epoch", "window", "services"),
    [
        (NO_SESSION, 0, 65536, [Named("ssh", bytes(16))]),
        (NO_SESSION, 1, 65535, [Named("ssh", bytes(16))]),
        (NO_SESSION, 1, 65536, [Named("ssh", bytes(16)), Named("ssh", b"1" * 16)]),
    ],
)
def test_login_that_makes_no_sense(session: bytes, epoch: int, window: int, services: list[Named]) -> None:
    raw = payloads.login(b"D" * 16, session, epoch, 0, window, services) + bytes(64 * len(services))
    with refused():
        pair()[1].login(raw, RING)


def test_a_host_is_nothing_that_could_end_a_header() -> None:
    good = payloads.login(b"D" * 16, NO_SESSION, 1, 0, 65536, [Named("ab", bytes(16), "[::1]:80")]) + bytes(64)
    login = pair()[1].login(good, RING)
    assert login is not None and login.hosts == {"ab": "[::1]:80"}
    for host in (b"\x08a\r\nb: c\n", b"\x08a b.c.de", b"\x08\xc3\xa9.a.b.c"):
        with refused():
            pair()[1].login(good.replace(b"\x08[::1]:80", host), RING)
    with pytest.raises(ValueError):
        payloads.login(b"D" * 16, NO_SESSION, 1, 0, 65536, [Named("ab", bytes(16), "a\r\n")])


def test_names_are_utf8_and_not_empty() -> None:
    good = payloads.login(b"D" * 16, NO_SESSION, 1, 0, 65536, [Named("ab", bytes(16))]) + bytes(64)
    for name in (b"\x02\xc3\x28", b"\x00"):
        with refused():
            pair()[1].login(good.replace(b"\x02ab", name), RING)
    with pytest.raises(ValueError):
        payloads.name_bytes("")
    with pytest.raises(ValueError):
        payloads.name_bytes("é" * 128)
