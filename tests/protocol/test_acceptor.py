"""LOGIN over several frames, and how many services it may name."""

import pytest

from hushgate.protocol import payloads
from hushgate.protocol.hello import Attach, Status
from hushgate.protocol.limits import PAYLOAD_MAX
from hushgate.protocol.payloads import LOGIN_SERVICES_MAX, NO_SESSION
from tests.protocol.handshake import (
    RING,
    SESSION,
    SSH,
    acceptor_of,
    dialler_of,
    keyring_of,
    keys_of,
    pair,
    payload_of,
    refused,
    up,
)


@pytest.mark.parametrize("count", [9, 550, 1200])
def test_many_services(count: int) -> None:
    keys = [keys_of(f"service-number-{number:05}") for number in range(count)]
    ring = keyring_of(*keys)
    dialler = dialler_of(keys)
    acceptor = acceptor_of(dialler.upgrade, ring)
    frames = dialler.challenge(payload_of(acceptor.challenge()))
    assert [len(frame) for frame in frames[:-1]] == [8 + PAYLOAD_MAX] * (len(frames) - 1)
    assert (len(frames) > 1) == (count > 550)
    for frame in frames[:-1]:
        assert acceptor.login(payload_of(frame), ring) is None
    login = acceptor.login(payload_of(frames[-1]), ring)
    assert login is not None
    welcome = dialler.welcome(payload_of(acceptor.welcome(Attach.NEW, SESSION, 0, 65536)))
    assert list(welcome.services) == list(login.services) == [key.service for key in keys]
    assert set(welcome.services.values()) == {Status.OK}


def test_login_that_ends_with_a_full_frame() -> None:
    """58 bytes of numbers and 80 + 1 + n + 1 for each service: names chosen so that the whole is two full frames."""
    names = [f"{number:04}".ljust(100, "x") for number in range(719)]
    surplus = 2 * PAYLOAD_MAX - 58 - 719 * 182
    assert 0 < surplus < 255 - 100
    names[0] = names[0].ljust(100 + surplus, "y")
    dialler = dialler_of([keys_of(name) for name in names])
    acceptor = acceptor_of(dialler.upgrade, keyring_of(*[keys_of(name) for name in names[:1]]))
    frames = dialler.challenge(payload_of(acceptor.challenge()))
    assert [len(frame) for frame in frames] == [8 + PAYLOAD_MAX] * 2
    assert acceptor.login(payload_of(frames[0]), RING) is None
    login = acceptor.login(payload_of(frames[1]), RING)
    assert login is not None
    assert len(login.services) == 719


def test_login_of_several_frames_that_breaks_off() -> None:
    services = [payloads.Named(f"service-number-{number:05}", bytes(16)) for number in range(1200)]
    raw = payloads.login(b"D" * 16, NO_SESSION, 1, 0, 65536, services) + bytes(64 * 1200)
    for second in (b"", raw[PAYLOAD_MAX : PAYLOAD_MAX + 100]):
        acceptor = pair()[1]
        assert acceptor.login(raw[:PAYLOAD_MAX], RING) is None
        with refused():
            acceptor.login(second, RING)
    acceptor = pair()[1]
    assert acceptor.login(raw[:PAYLOAD_MAX], RING) is None
    with refused():
        acceptor.login(raw[PAYLOAD_MAX:] + b"x", RING)


def test_too_many_services() -> None:
    """WELCOME has to answer all of them in one frame, so neither side goes beyond."""
    many = [payloads.Named(f"{number}", bytes(16)) for number in range(LOGIN_SERVICES_MAX + 1)]
    with refused():
        pair()[1].login(payloads.login(b"D" * 16, NO_SESSION, 1, 0, 65536, many)[:PAYLOAD_MAX], RING)
    with pytest.raises(ValueError):
        dialler_of([SSH, SSH])
    dialler, _ = up()
    with pytest.raises(ValueError):
        dialler.prove([SSH] * 513)
    with pytest.raises(ValueError):
        dialler.prove([], ["x" * 255] * 256)
    largest = payloads.welcome_fixed(1, 0, SESSION, 0, 65536, 0, "t" * 200)
    verdicts = (payloads.Verdict(1, bytes(32)),) * LOGIN_SERVICES_MAX
    assert len(payloads.welcome(largest, verdicts)) <= PAYLOAD_MAX
