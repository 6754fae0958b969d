"""A probe: a login that asks only, and that neither side may take for anything else (the rest is in test_hello)."""

from enum import IntEnum

import pytest

from hushgate.protocol import payloads
from hushgate.protocol.hello import ATTACHED, Attach, Dialler, Status
from hushgate.protocol.keys import Role, derive_keys
from hushgate.protocol.payloads import NO_SESSION
from tests.protocol import vectors
from tests.protocol.handshake import (
    HOST,
    OLLAMA,
    RESUME,
    RING,
    SESSION,
    SSH,
    acceptor_of,
    dialler_of,
    keyring_of,
    log_in,
    numbered,
    pair,
    payload_of,
    refused,
)
from tests.protocol.specification import section, table
from tests.protocol.vectors import STRONG, TIME_MS, WEAK


def test_vector_of_a_probe() -> None:
    keys = [derive_keys(STRONG, "ssh", Role.CLIENT), derive_keys(WEAK, "ollama", Role.CLIENT)]
    ring = keyring_of(*keys)
    dialler = Dialler(keys, HOST, b"D" * 16, TIME_MS, numbered(0), hosts={"ollama": "127.0.0.1:11434"}, probe=True)
    acceptor = acceptor_of(dialler.upgrade, ring, numbered(0x80))
    assert acceptor.challenge() == vectors.CHALLENGE
    assert dialler.challenge(payload_of(vectors.CHALLENGE)) == [vectors.PROBE_LOGIN]
    login = acceptor.login(payload_of(vectors.PROBE_LOGIN), ring)
    assert login is not None
    assert (login.probe, login.session) == (True, None)
    assert acceptor.welcome(Attach.PROBED, NO_SESSION, 0, 65536) == vectors.PROBE_WELCOME
    welcome = dialler.welcome(payload_of(vectors.PROBE_WELCOME))
    assert (welcome.attach, dict(welcome.services)) == (Attach.PROBED, dict.fromkeys(("ssh", "ollama"), Status.OK))


@pytest.mark.parametrize("attach", Attach)
@pytest.mark.parametrize("probe", [False, True], ids=["login", "probe"])
def test_only_a_probe_is_answered_as_one(attach: Attach, probe: bool) -> None:
    """A session that a probe did not ask for would end with it, and its streams too."""
    resume = RESUME if attach in (Attach.RESUMED, Attach.UNKNOWN) and not probe else None
    dialler = dialler_of([SSH, OLLAMA], resume, probe=probe)
    acceptor = acceptor_of(dialler.upgrade, RING)
    log_in(dialler, acceptor, RING)
    session = b"other session..." if attach is Attach.UNKNOWN else SESSION
    answer = payload_of(acceptor.welcome(attach, session, 0, 65536))
    if attach is Attach.PROBED if not probe else attach in ATTACHED:
        with refused():
            dialler.welcome(answer)
    else:
        assert dialler.welcome(answer).attach is attach


def test_a_probe_asks_for_no_session() -> None:
    services = [payloads.Named("ssh", SSH.identifier)]
    raw = payloads.login(b"D" * 16, SESSION, 1, 0, 65536, services, payloads.PROBE) + bytes(64)
    with refused():
        pair()[1].login(raw, RING)
    with pytest.raises(ValueError):
        dialler_of([SSH], RESUME, probe=True)


def test_unknown_features_are_ignored() -> None:
    services = [payloads.Named("ssh", SSH.identifier)]
    login = pair()[1].login(payloads.login(b"D" * 16, SESSION, 1, 0, 65536, services, 0xFFFF_FFFE) + bytes(64), RING)
    assert login is not None
    assert (login.session, login.probe) == (SESSION, False)


@pytest.mark.parametrize(("column", "known"), [("attach", Attach), ("status", Status)])
def test_answers_are_those_of_the_specification(column: str, known: type[IntEnum]) -> None:
    rows = [row for row in table(section(5)) if column in row]
    assert [(int(row[column]), row["name"]) for row in rows] == [(member, member.name.lower()) for member in known]
