from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hushgate.guard.keyring import Keyring
from hushgate.guard.proofs import ProofGuard, Refusal
from hushgate.protocol.keys import Keys, Role, Verifier
from hushgate.protocol.transcript import upgrade_tag
from hushgate.protocol.upgrade import build_upgrade
from tests.protocol.handshake import HOST, keyring_of, keys_of
from tests.protocol.vectors import TIME_MS

SSH, OLLAMA = keys_of("ssh"), keys_of("ollama")
RING = keyring_of(SSH, OLLAMA)
START = TIME_MS - 600_000


def blob_of(*keys: Keys, time_ms: int = TIME_MS, nonce: int = 1, audience: str = HOST) -> bytes:
    return build_upgrade(keys or (SSH, OLLAMA), audience, time_ms, nonce.to_bytes(16))


def refused(guard: ProofGuard, blob: bytes | None, now_ms: int = TIME_MS, ring: Keyring = RING) -> Refusal | None:
    return None if guard.check(blob, ring, now_ms) else guard.last_refusal


def test_admission() -> None:
    admission = ProofGuard(START).check(blob_of(), RING, TIME_MS)
    assert admission is not None
    assert admission.verifiers == (SSH.verifier(), OLLAMA.verifier())
    assert admission.upgrade.blob == blob_of()


def test_no_and_malformed_proof() -> None:
    guard = ProofGuard(START)
    assert refused(guard, None) == Refusal.ABSENT
    assert refused(guard, b"") == Refusal.FORM
    assert refused(guard, blob_of() + b"x") == Refusal.FORM


def test_some_entries_pass() -> None:
    ring = keyring_of(OLLAMA)
    admission = ProofGuard(START).check(blob_of(), ring, TIME_MS)
    assert admission is not None
    assert admission.verifiers == (OLLAMA.verifier(),)
    assert refused(ProofGuard(START), blob_of(SSH), ring=ring) == Refusal.UNKNOWN


@pytest.mark.parametrize("which", ["current", "staged", "retiring"])
def test_any_token_of_a_service(which: str) -> None:
    ring = keyring_of(*(keys_of("ssh", name) for name in ("current", "staged", "retiring")))
    assert refused(ProofGuard(START), blob_of(keys_of("ssh", which)), ring=ring) is None


def test_roles_services_and_tokens_are_apart() -> None:
    """The full matrix: each key passes where exactly its own verifier is known, whatever role byte the blob claims."""
    everybody = [keys_of(*who) for who in product(("ssh", "ollama"), ("current", "other"), Role)]
    for holder, known in product(everybody, everybody):
        ring = keyring_of(known)
        blob = blob_of(holder)
        other_role = bytes((blob[0], 3 - blob[1])) + blob[2:]
        assert (refused(ProofGuard(START), blob, ring=ring) is None) == (holder is known)
        assert refused(ProofGuard(START), other_role, ring=ring) == Refusal.UNKNOWN


def test_key_that_claims_another_role() -> None:
    """Even a server that mistook a laptop's verifier for home's would need the role byte under the signature."""
    laptop = keys_of("ssh", role=Role.ACCESS)
    blob = blob_of(laptop)
    forged = bytes((blob[0], Role.CLIENT)) + blob[2:]
    mistaken = Verifier(Role.CLIENT, "ssh", laptop.identifier, laptop.public, laptop.server_key)
    assert refused(ProofGuard(START), forged, ring=Keyring({"ssh": [mistaken]})) == Refusal.TAG


def test_tag_before_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cryptography for an unknown identifier, one HMAC for a wrong tag, Ed25519 only after a right one."""
    done: list[str] = []
    verify = Verifier.verify

    def counted_tag(server_key: bytes, message: bytes) -> bytes:
        done.append("hmac")
        return upgrade_tag(server_key, message)

    def counted_verify(self: Verifier, message: bytes, signature: bytes) -> bool:
        done.append("ed25519")
        return verify(self, message, signature)

    monkeypatch.setattr("hushgate.guard.proofs.upgrade_tag", counted_tag)
    monkeypatch.setattr(Verifier, "verify", counted_verify)
    blob = blob_of(SSH)
    wrong_tag = blob[:-80] + bytes(16) + blob[-64:]
    for ring, raw, refusal, cost in (
        (keyring_of(OLLAMA), blob, Refusal.UNKNOWN, []),
        (RING, wrong_tag, Refusal.TAG, ["hmac"]),
        (RING, blob[:-1] + bytes((blob[-1] ^ 1,)), Refusal.SIGNATURE, ["hmac", "ed25519"]),
        (RING, blob, None, ["hmac", "ed25519"]),
    ):
        done.clear()
        assert refused(ProofGuard(START), raw, ring=ring) == refusal
        assert done == cost


@pytest.mark.parametrize("skew", [-90_000, -89_999, 0, 89_999, 90_000])
def test_clock_within(skew: int) -> None:
    assert refused(ProofGuard(START), blob_of(time_ms=TIME_MS + skew)) is None


@pytest.mark.parametrize("time_ms", [0, TIME_MS - 3_600_000, TIME_MS - 90_001, TIME_MS + 90_001, 2**64 - 1])
def test_clock_outside(time_ms: int) -> None:
    assert refused(ProofGuard(0), blob_of(time_ms=time_ms)) == Refusal.CLOCK


def test_older_than_the_start() -> None:
    """The nonces of the run before are gone; a proof captured then is worth nothing now."""
    captured = blob_of(time_ms=TIME_MS)
    restarted = ProofGuard(TIME_MS + 1)
    assert refused(restarted, captured, TIME_MS + 5_000) == Refusal.OLD
    assert refused(restarted, blob_of(time_ms=TIME_MS + 1), TIME_MS + 5_000) is None


def test_clock_that_was_ahead_at_the_start() -> None:
    guard = ProofGuard(TIME_MS + 3_600_000)
    assert refused(guard, blob_of(time_ms=TIME_MS - 1)) == Refusal.OLD
    assert refused(guard, blob_of(time_ms=TIME_MS)) is None


def test_audience() -> None:
    named = ProofGuard(START, ["Your-Domain.com", "other.example"])
    assert refused(named, blob_of(audience="else.example")) == Refusal.AUDIENCE
    assert refused(named, blob_of()) is None
    assert refused(ProofGuard(START), blob_of(audience="else.example")) is None


def test_replay() -> None:
    guard = ProofGuard(START)
    blob = blob_of(time_ms=TIME_MS + 90_000)
    assert refused(guard, blob) is None
    for later in (0, 1, 90_000, 179_999, 180_000):
        assert refused(guard, blob, TIME_MS + later) == Refusal.REPLAY
    # From here on the time refuses it, and nothing has to be remembered.
    assert refused(guard, blob, TIME_MS + 180_001) == Refusal.CLOCK
    assert refused(guard, blob_of(time_ms=TIME_MS + 180_001), TIME_MS + 180_001) is None


def test_replay_with_another_entry_cut_or_damaged() -> None:
    guard = ProofGuard(START)
    blob = blob_of()
    assert refused(guard, blob) is None
    assert refused(guard, blob[:-1] + bytes((blob[-1] ^ 1,))) == Refusal.REPLAY


def test_clock_that_is_set_back_forgets_nothing() -> None:
    guard = ProofGuard(0)
    late, early = blob_of(time_ms=TIME_MS), blob_of(time_ms=TIME_MS - 80_000, nonce=2)
    assert refused(guard, late, TIME_MS) is None
    assert refused(guard, early, TIME_MS - 80_000) is None
    assert refused(guard, late, TIME_MS - 80_000) == Refusal.REPLAY
    assert refused(guard, early, TIME_MS) == Refusal.REPLAY


def test_failed_proofs_leave_no_nonce() -> None:
    guard = ProofGuard(START, capacity=1)
    for nonce in range(100):
        assert refused(guard, blob_of(keys_of("ssh", "wrong"), nonce=nonce)) == Refusal.UNKNOWN
    assert refused(guard, blob_of(nonce=1)) is None


def test_second_server_with_the_same_tokens() -> None:
    """The upgrade passes there (§3: it may have been replayed); test_hello shows that nothing follows."""
    blob = blob_of()
    assert refused(ProofGuard(START), blob) is None
    assert refused(ProofGuard(START), blob) is None
    assert refused(ProofGuard(START, ["second.example"]), blob) == Refusal.AUDIENCE


def test_full_cache_refuses_and_recovers() -> None:
    guard = ProofGuard(START, capacity=3)
    for nonce in range(3):
        assert refused(guard, blob_of(SSH, nonce=nonce, time_ms=TIME_MS + nonce), TIME_MS + nonce) is None
    later = TIME_MS + 180_001
    assert refused(guard, blob_of(SSH, nonce=9), TIME_MS + 10) == Refusal.FULL
    assert refused(guard, blob_of(SSH, nonce=10, time_ms=later), later) is None
    assert refused(guard, blob_of(SSH, nonce=11, time_ms=later), later) == Refusal.FULL
    assert refused(guard, blob_of(SSH, nonce=12, time_ms=later + 5), later + 5) is None


@given(st.binary(max_size=300), st.integers(0, 2**64))
def test_random_bytes(raw: bytes, now_ms: int) -> None:
    assert ProofGuard(0).check(raw, RING, now_ms) is None


@settings(deadline=None)
@given(st.integers(0), st.integers(1, 255))
def test_every_flip(at: int, bits: int) -> None:
    """A damaged blob is refused, or admits by an entry that was not touched, with the meaning unchanged."""
    blob = blob_of()
    at %= len(blob)
    damaged = blob[:at] + bytes((blob[at] ^ bits,)) + blob[at + 1 :]
    admission = ProofGuard(START).check(damaged, RING, TIME_MS)
    entries = len(blob) - 2 * 96
    if at < entries:
        assert admission is None
    else:
        untouched = OLLAMA if at < entries + 96 else SSH
        assert admission is not None
        assert admission.verifiers == (untouched.verifier(),)
        assert admission.upgrade.head == blob[:entries]
