"""Both sides of the handshake against each other and against liars."""

import pytest

from hushgate.errors import AuthRefused, LocalProtocolError, ProtocolError
from hushgate.guard.proofs import ProofGuard
from hushgate.protocol import payloads
from hushgate.protocol.frames import Code
from hushgate.protocol.hello import ATTACHED, Acceptor, Attach, Dialler, Resume, Status
from hushgate.protocol.keys import Role, derive_keys
from hushgate.protocol.payloads import NO_SESSION
from hushgate.protocol.transcript import challenge_proof, digest
from tests.protocol import vectors
from tests.protocol.handshake import (
    HOST,
    OLLAMA,
    RESUME,
    RING,
    SESSION,
    SSH,
    acceptor_of,
    counting,
    dialler_of,
    keyring_of,
    keys_of,
    log_in,
    numbered,
    pair,
    payload_of,
    refused,
    shake,
    up,
)
from tests.protocol.vectors import STRONG, TIME_MS, WEAK


def test_new_session() -> None:
    dialler, acceptor = pair()
    login, welcome = shake(dialler, acceptor, RING)
    assert (login.version, login.session, login.epoch, login.received, login.window) == (1, None, 1, 0, 65536)
    assert login.instance == b"D" * 16
    assert dict(login.services) == dict(welcome.services) == {"ssh": Status.OK, "ollama": Status.OK}
    assert (welcome.attach, welcome.session, welcome.received) == (Attach.NEW, SESSION, 7)
    assert welcome.binding == acceptor.binding


def test_resumed_session() -> None:
    dialler, acceptor = pair(RESUME)
    login, welcome = shake(dialler, acceptor, RING, Attach.RESUMED)
    assert (login.session, login.epoch, login.received) == (SESSION, 4, 1234)
    assert (welcome.attach, welcome.session) == (Attach.RESUMED, SESSION)


def test_vector() -> None:
    keys = [derive_keys(STRONG, "ssh", Role.CLIENT), derive_keys(f" {WEAK}\n", "ollama", Role.CLIENT)]
    server = [derive_keys(STRONG, "ssh", Role.CLIENT), derive_keys(WEAK, "ollama", Role.CLIENT)]
    ring = keyring_of(*server)
    dialler = Dialler(keys, HOST, b"D" * 16, TIME_MS, numbered(0), hosts={"ollama": "127.0.0.1:11434"})
    admission = ProofGuard(TIME_MS).check(vectors.UPGRADE, ring, TIME_MS)
    assert admission is not None
    acceptor = Acceptor(admission, b"A" * 16, numbered(0x80))
    assert (dialler.upgrade, acceptor.challenge()) == (vectors.UPGRADE, vectors.CHALLENGE)
    assert dialler.challenge(payload_of(vectors.CHALLENGE)) == [vectors.LOGIN]
    assert acceptor.login(payload_of(vectors.LOGIN), ring) is not None
    assert acceptor.welcome(Attach.NEW, SESSION, 0, 65536) == vectors.WELCOME
    assert dialler.welcome(memoryview(payload_of(vectors.WELCOME))).binding == vectors.BINDING == acceptor.binding
    assert dialler.prove(keys[:1], ["ollama"]) == vectors.PROVE
    assert acceptor.prove(payload_of(vectors.PROVE), ring)[0] == vectors.PROVED
    assert dialler.proved(payload_of(vectors.PROVED)) == {"ssh": Status.OK}


def test_both_sides_name_the_wrong_tokens() -> None:
    dialler = dialler_of([SSH, keys_of("ollama", "wrong"), keys_of("nowhere")])
    login, welcome = shake(dialler, acceptor_of(dialler.upgrade, RING), RING)
    assert dict(login.services) == {"ssh": Status.OK, "ollama": Status.MISMATCH, "nowhere": Status.UNKNOWN}
    assert dict(welcome.services) == dict(login.services)


def test_policy_refuses_a_proved_service() -> None:
    dialler, acceptor = pair()
    assert log_in(dialler, acceptor, RING).services["ollama"] == Status.OK
    frame = acceptor.welcome(Attach.NEW, SESSION, 0, 65536, refused={"ollama", "nowhere"})
    assert dict(dialler.welcome(payload_of(frame)).services) == {"ssh": Status.OK, "ollama": Status.REFUSED}


def test_a_service_under_another_ones_identifier() -> None:
    """The name in LOGIN and the verifier's own must agree: one parsed value decides."""
    dialler, acceptor = pair()
    frame = dialler.challenge(payload_of(acceptor.challenge()))[0]
    payload = payload_of(frame)
    swapped = payload.replace(b"\x03ssh" + SSH.identifier, b"\x03ssh" + OLLAMA.identifier)
    login = acceptor.login(swapped, RING)
    assert login is not None
    assert Status.OK not in login.services.values()


@pytest.mark.parametrize("which", ["current", "staged", "retiring"])
def test_any_token_of_a_service(which: str) -> None:
    ring = keyring_of(*(keys_of("ssh", name) for name in ("current", "staged", "retiring")))
    dialler = dialler_of([keys_of("ssh", which)])
    _, welcome = shake(dialler, acceptor_of(dialler.upgrade, ring), ring)
    assert dict(welcome.services) == {"ssh": Status.OK}


def test_token_removed_between_upgrade_and_login() -> None:
    dialler, acceptor = pair()
    login = log_in(dialler, acceptor, keyring_of(OLLAMA, keys_of("ssh", "next")))
    assert dict(login.services) == {"ssh": Status.MISMATCH, "ollama": Status.OK}


def test_nothing_proved_is_denied() -> None:
    dialler, acceptor = pair(RESUME)
    login = log_in(dialler, acceptor, keyring_of(keys_of("ssh", "next")))
    assert Status.OK not in login.services.values()
    for attach in ATTACHED:
        with pytest.raises(LocalProtocolError):
            acceptor.welcome(attach, SESSION, 0, 65536)
    welcome = dialler.welcome(payload_of(acceptor.welcome(Attach.DENIED, NO_SESSION, 0, 65536, text="no service")))
    assert (welcome.attach, welcome.text) == (Attach.DENIED, "no service")


def test_weak_token_on_both_sides() -> None:
    """White space around it, on either side, changes nothing."""
    dialler = dialler_of([derive_keys(f"{WEAK}\n", "ssh", Role.CLIENT)])
    ring = keyring_of(derive_keys(f"  {WEAK}", "ssh", Role.CLIENT))
    _, welcome = shake(dialler, acceptor_of(dialler.upgrade, ring), ring)
    assert dict(welcome.services) == {"ssh": Status.OK}


def test_laptop_is_no_home() -> None:
    """A laptop's key proves the service for its own role only, in LOGIN and in PROVE."""
    laptop = keys_of("ssh", role=Role.ACCESS)
    ring = keyring_of(SSH, OLLAMA, laptop)
    dialler = dialler_of([laptop])
    acceptor = acceptor_of(dialler.upgrade, ring)
    login, _ = shake(dialler, acceptor, ring)
    assert dict(login.services) == {"ssh": Status.OK}
    assert acceptor.prove(payload_of(dialler.prove([SSH])), ring)[1].services == {"ssh": Status.MISMATCH}
    home, acceptor = pair()
    shake(home, acceptor, ring)
    assert acceptor.prove(payload_of(home.prove([laptop])), ring)[1].services == {"ssh": Status.MISMATCH}
    with pytest.raises(ValueError):
        dialler_of([SSH, keys_of("ollama", role=Role.ACCESS)])


def test_session_is_told_after_the_servers_proof_only() -> None:
    dialler, acceptor = pair(RESUME)
    challenge = payload_of(acceptor.challenge())
    assert SESSION not in dialler.upgrade
    stranger = dialler_of([keys_of("ssh", "guessed")])
    guess = payload_of(acceptor_of(stranger.upgrade, keyring_of(keys_of("ssh", "guessed"))).challenge())
    with pytest.raises(AuthRefused) as caught:
        dialler.challenge(guess)
    assert caught.value.code == Code.DENIED
    with pytest.raises(AuthRefused):
        dialler.challenge(challenge[:56] + b"\0")
    assert SESSION in dialler.challenge(challenge)[0]
    assert repr(SESSION) not in repr(RESUME)


def test_challenge_to_another_upgrade_proves_nothing() -> None:
    dialler, other = dialler_of([SSH]), dialler_of([SSH], first=50)
    captured = payload_of(acceptor_of(other.upgrade, RING).challenge())
    with pytest.raises(AuthRefused):
        dialler.challenge(captured)


def test_server_that_stole_one_verifier_proves_no_other() -> None:
    dialler = dialler_of([SSH, OLLAMA])
    thief = keyring_of(SSH)
    acceptor = acceptor_of(dialler.upgrade, thief)
    log_in(dialler, acceptor, thief)
    payload = bytearray(payload_of(acceptor.welcome(Attach.NEW, SESSION, 0, 65536)))
    assert payload[-33] == Status.UNKNOWN
    payload[-33:] = bytes((Status.OK,)) + b"\1" * 32
    with refused():
        dialler.welcome(bytes(payload))


def test_captured_upgrade_yields_no_session_at_a_second_server() -> None:
    """The same tokens there: the 101 is bought, but the captured LOGIN does not answer the new challenge."""
    dialler, acceptor = pair(RESUME)
    captured = dialler.challenge(payload_of(acceptor.challenge()))[0]
    second = acceptor_of(dialler.upgrade, RING, counting(2000))
    login = second.login(payload_of(captured), RING)
    assert login is not None
    assert dict(login.services) == {"ssh": Status.MISMATCH, "ollama": Status.MISMATCH}
    first = acceptor.login(payload_of(captured), RING)
    assert first is not None
    assert set(first.services.values()) == {Status.OK}


def test_upgrade_provoked_by_a_forged_date_yields_no_session() -> None:
    """A liar's `Date` makes the dialler prove a future time; when it comes, the proof buys the 101 and nothing more."""
    future = TIME_MS + 3_600_000
    dialler = Dialler([SSH], HOST, b"D" * 16, future, counting(), RESUME)
    admission = ProofGuard(TIME_MS).check(dialler.upgrade, RING, future)
    assert admission is not None
    acceptor = Acceptor(admission, b"A" * 16, counting(9))
    forged = payloads.login(b"E" * 16, SESSION, 9, 0, 65536, [payloads.Named("ssh", SSH.identifier)]) + bytes(64)
    login = acceptor.login(forged, RING)
    assert login is not None
    assert dict(login.services) == {"ssh": Status.MISMATCH}


def test_login_signatures_do_not_move_between_services() -> None:
    dialler, acceptor = pair()
    payload = payload_of(dialler.challenge(payload_of(acceptor.challenge()))[0])
    login = acceptor.login(payload[:-128] + payload[-64:] + payload[-128:-64], RING)
    assert login is not None
    assert dict(login.services) == {"ssh": Status.MISMATCH, "ollama": Status.MISMATCH}


def test_prove_does_not_move_between_links() -> None:
    dialler, acceptor = up()
    frame = payload_of(dialler.prove([SSH]))
    other = dialler_of([SSH], first=70)
    elsewhere = acceptor_of(other.upgrade, RING, counting(3000))
    shake(other, elsewhere, RING)
    assert elsewhere.prove(frame, RING)[1].services == {"ssh": Status.MISMATCH}
    assert acceptor.prove(frame, RING)[1].services == {"ssh": Status.OK}
    with refused():
        acceptor.prove(frame, RING)


@pytest.mark.parametrize(
    ("resume", "attach", "session", "good"),
    [
        (None, Attach.NEW, SESSION, True),
        (None, Attach.RESUMED, SESSION, False),
        (None, Attach.UNKNOWN, SESSION, False),
        (RESUME, Attach.NEW, SESSION, False),
        (RESUME, Attach.NEW, b"n" * 16, False),
        (RESUME, Attach.RESUMED, SESSION, True),
        (RESUME, Attach.RESUMED, b"n" * 16, False),
        (RESUME, Attach.UNKNOWN, b"n" * 16, True),
        (RESUME, Attach.UNKNOWN, SESSION, False),
        (RESUME, Attach.RETRY, NO_SESSION, True),
        (None, Attach.RETRY, NO_SESSION, True),
        (RESUME, Attach.STALE, SESSION, True),
        (None, Attach.DENIED, NO_SESSION, True),
    ],
)
def test_attach(resume: Resume | None, attach: Attach, session: bytes, good: bool) -> None:
    dialler, acceptor = pair(resume)
    log_in(dialler, acceptor, RING)
    payload = payload_of(acceptor.welcome(attach, session, 0, 65536, retry_ms=1500))
    if good:
        welcome = dialler.welcome(payload)
        assert (welcome.attach, welcome.retry_ms) == (attach, 1500)
    else:
        with refused():
            dialler.welcome(payload)


def test_attach_needs_a_session_a_proof_and_a_window() -> None:
    for session, window, refusals in (
        (NO_SESSION, 65536, frozenset[str]()),
        (SESSION, 65536, frozenset({"ssh", "ollama"})),
    ):
        dialler, acceptor = pair()
        log_in(dialler, acceptor, RING)
        with pytest.raises(LocalProtocolError):
            acceptor.welcome(Attach.NEW, session, 0, window, refused=refusals)
    dialler, acceptor = pair()
    log_in(dialler, acceptor, RING)
    with refused():
        dialler.welcome(payload_of(acceptor.welcome(Attach.NEW, SESSION, 0, 65535)))


def test_out_of_turn() -> None:
    dialler, acceptor = pair()
    challenge = payload_of(acceptor.challenge())
    with refused():
        dialler.welcome(payload_of(vectors.WELCOME))
    with refused():
        dialler.proved(payload_of(vectors.PROVED))
    with refused():
        acceptor.prove(payload_of(vectors.PROVE), RING)
    with pytest.raises(LocalProtocolError):
        dialler.prove([SSH])
    with pytest.raises(LocalProtocolError):
        acceptor.welcome(Attach.NEW, SESSION, 0, 65536)
    with pytest.raises(LocalProtocolError):
        _ = acceptor.binding
    login = payload_of(dialler.challenge(challenge)[0])
    with refused():
        dialler.challenge(challenge)
    acceptor.login(login, RING)
    with refused():
        acceptor.login(login, RING)
    welcome = payload_of(acceptor.welcome(Attach.NEW, SESSION, 0, 65536))
    with pytest.raises(LocalProtocolError):
        acceptor.welcome(Attach.NEW, SESSION, 0, 65536)
    dialler.welcome(welcome)
    with refused():
        dialler.welcome(welcome)


def test_long_text_is_cut_between_characters() -> None:
    dialler, acceptor = pair()
    log_in(dialler, acceptor, RING)
    welcome = dialler.welcome(payload_of(acceptor.welcome(Attach.NEW, SESSION, 0, 65536, text="a" + "é" * 200)))
    assert welcome.text == "a" + "é" * 99


def test_no_common_version_is_told_inside() -> None:
    """A newer dialler's LOGIN may have any form; a newer acceptor's CHALLENGE may be longer."""
    dialler, acceptor = pair()
    login = acceptor.login(b"\0\2\0\3" + b"whatever version 2 says", RING)
    assert login is not None
    assert (login.version, login.session, dict(login.services)) == (0, None, {})
    fixed = b"\0\2\0\3" + bytes(4) + b"n" * 32 + b"A" * 16
    proof = challenge_proof(SSH.server_key, digest(dialler.upgrade), fixed, SSH.identifier)
    assert dialler.challenge(payloads.challenge(fixed, [(SSH.identifier, proof)]) + b"more")
    answer = payload_of(acceptor.welcome(Attach.DENIED, NO_SESSION, 0, 65536))
    with pytest.raises(ProtocolError, match="speaks protocol versions 2 to 3, this program 1") as caught:
        dialler.welcome(answer)
    assert caught.value.code == Code.UNSUPPORTED


def test_version_that_was_not_offered() -> None:
    dialler, acceptor = pair()
    log_in(dialler, acceptor, RING)
    payload = payload_of(acceptor.welcome(Attach.NEW, SESSION, 0, 65536))
    with refused():
        dialler.welcome(b"\0\2" + payload[2:])


def test_prove() -> None:
    dialler, acceptor = up()
    added, wrong = keys_of("added"), keys_of("ssh", "wrong")
    ring = keyring_of(SSH, OLLAMA, added)
    reply, proved = acceptor.prove(payload_of(dialler.prove([added, wrong, keys_of("nowhere")], ["ollama"])), ring)
    expected = {"added": Status.OK, "ssh": Status.MISMATCH, "nowhere": Status.UNKNOWN}
    assert proved.services == expected
    assert proved.withdrawn == ("ollama",)
    assert dialler.proved(payload_of(reply)) == expected
    reply, proved = acceptor.prove(payload_of(dialler.prove([added])), ring, refused={"added"})
    assert dialler.proved(payload_of(reply)) == proved.services == {"added": Status.REFUSED}


def test_two_proves_under_way() -> None:
    dialler, acceptor = up()
    first, second = dialler.prove([SSH]), dialler.prove([OLLAMA])
    with refused():
        acceptor.prove(payload_of(second), RING)
    answers = [acceptor.prove(payload_of(frame), RING)[0] for frame in (first, second)]
    with refused():
        dialler.proved(payload_of(answers[1]))
    assert dialler.proved(payload_of(answers[0])) == {"ssh": Status.OK}
    assert dialler.proved(payload_of(answers[1])) == {"ollama": Status.OK}
    with refused():
        dialler.proved(payload_of(answers[1]))
