"""Two sides of a handshake with fixed clocks and randomness, for the tests of the handshake and its guard."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from hushgate.errors import ProtocolError
from hushgate.guard.keyring import Keyring
from hushgate.guard.proofs import ProofGuard
from hushgate.protocol.frames import HEADER, Code
from hushgate.protocol.hello import Acceptor, Attach, Dialler, Login, Resume, Welcome
from hushgate.protocol.keys import Keys, Role, derive_keys
from tests.protocol.vectors import TIME_MS

HOST = "your-domain.com"
SESSION = bytes(range(0x40, 0x50))


def counting(first: int = 0) -> Callable[[int], bytes]:
    """Randomness that never repeats and never surprises."""
    drawn = [first]

    def random(size: int) -> bytes:
        drawn[0] += 1
        return drawn[0].to_bytes(size)

    return random


def numbered(first: int) -> Callable[[int], bytes]:
    """The one answer of a vector: bytes that count up from `first`."""
    return lambda size: bytes(range(first, first + size))


@cache
def keys_of(service: str, which: str = "current", role: Role = Role.CLIENT) -> Keys:
    return derive_keys(f"{which} token of {service}, long enough", service, role)


def keyring_of(*keys: Keys) -> Keyring:
    services: dict[str, list[Keys]] = {}
    for key in keys:
        services.setdefault(key.service, []).append(key)
    return Keyring({name: [key.verifier() for key in found] for name, found in services.items()})


def dialler_of(keys: Iterable[Keys], resume: Resume | None = None, first: int = 0, *, probe: bool = False) -> Dialler:
    return Dialler(list(keys), HOST, b"D" * 16, TIME_MS, counting(first), resume, probe=probe)


def acceptor_of(upgrade: bytes, keyring: Keyring, random: Callable[[int], bytes] | None = None) -> Acceptor:
    admission = ProofGuard(TIME_MS - 1).check(upgrade, keyring, TIME_MS)
    assert admission is not None
    return Acceptor(admission, b"A" * 16, random or counting(1000))


def payload_of(frame: bytes) -> bytes:
    assert HEADER.unpack_from(frame)[2] == len(frame) - HEADER.size
    return frame[HEADER.size :]


def log_in(dialler: Dialler, acceptor: Acceptor, keyring: Keyring) -> Login:
    """Everything up to LOGIN."""
    login = None
    for frame in dialler.challenge(payload_of(acceptor.challenge())):
        assert login is None
        login = acceptor.login(payload_of(frame), keyring)
    assert login is not None
    return login


def shake(
    dialler: Dialler, acceptor: Acceptor, keyring: Keyring, attach: Attach = Attach.NEW, session: bytes = SESSION
) -> tuple[Login, Welcome]:
    login = log_in(dialler, acceptor, keyring)
    return login, dialler.welcome(payload_of(acceptor.welcome(attach, session, 7, 65536)))


SSH, OLLAMA = keys_of("ssh"), keys_of("ollama")
RING = keyring_of(SSH, OLLAMA)
RESUME = Resume(SESSION, 4, 1234)


def pair(resume: Resume | None = None) -> tuple[Dialler, Acceptor]:
    """Two sides that know the same two tokens."""
    dialler = dialler_of([SSH, OLLAMA], resume)
    return dialler, acceptor_of(dialler.upgrade, RING)


def up() -> tuple[Dialler, Acceptor]:
    """The same, after WELCOME."""
    dialler, acceptor = pair()
    shake(dialler, acceptor, RING)
    return dialler, acceptor


@contextmanager
def refused(code: Code = Code.PROTOCOL) -> Iterator[None]:
    """ProtocolError, with this code."""
    with pytest.raises(ProtocolError) as caught:
        yield
    assert caught.value.code == code
