"""Tells a token's holder from a stranger before anything but the decoy is shown (docs/protocol.md §3.3).

The checks run from the cheapest to the dearest, and none of them uses cryptography before an identifier was recognised:
identifiers are 128 secret bits, so a stranger cannot make the server compute. A nonce is kept only after a proof held,
so that a stranger cannot fill the cache either. Proofs from before the start are refused because the cache of the run
before is gone.
"""

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from hushgate.guard.keyring import Keyring
from hushgate.protocol.keys import Verifier
from hushgate.protocol.limits import NONCE_KEPT, NONCES_MAX, PROOF_SKEW
from hushgate.protocol.transcript import same, upgrade_message, upgrade_tag
from hushgate.protocol.upgrade import Admission, Upgrade, parse_upgrade

__all__ = ["Admission", "ProofGuard", "Refusal"]

_SKEW_MS: Final = round(PROOF_SKEW * 1000)
_KEPT_MS: Final = round(NONCE_KEPT * 1000)


class Refusal(StrEnum):
    """Why an upgrade was answered with the decoy: for our log, never for the peer."""

    ABSENT = "no proof"
    FORM = "malformed proof"
    CLOCK = "the clocks differ too much"
    OLD = "proof from before the start of this server"
    AUDIENCE = "proof for another host"
    REPLAY = "proof seen before"
    FULL = "too many logins in three minutes"
    UNKNOWN = "unknown token"
    TAG = "known token, wrong tag"
    SIGNATURE = "known token, wrong signature"


class ProofGuard:
    """The verdict on upgrade proofs. `last_refusal` is the reason of the newest refusal."""

    def __init__(self, started_ms: int, names: Iterable[str] = (), capacity: int = NONCES_MAX) -> None:
        """`names`: the hosts we answer to, any when empty. `capacity`: nonces kept at a time."""
        self.last_refusal: Refusal | None = None
        self._started_ms = started_ms
        self._names = frozenset(name.lower() for name in names)
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._expiry: deque[tuple[int, bytes]] = deque()

    def check(self, blob: bytes | None, keyring: Keyring, now_ms: int) -> Admission | None:
        """The admission that `blob` buys at `now_ms` (milliseconds since 1970), or None."""
        verdict = self._judge(blob, keyring, now_ms)
        if isinstance(verdict, Refusal):
            self.last_refusal = verdict
            return None
        self._seen.add(verdict.upgrade.nonce)
        self._expiry.append((now_ms + _KEPT_MS, verdict.upgrade.nonce))
        return verdict

    def _judge(self, blob: bytes | None, keyring: Keyring, now_ms: int) -> Admission | Refusal:
        if blob is None:
            return Refusal.ABSENT
        upgrade = parse_upgrade(blob)
        if upgrade is None:
            return Refusal.FORM
        # A machine that boots with its clock ahead starts us in the future; without this nobody gets in until then.
        self._started_ms = min(self._started_ms, now_ms)
        if abs(upgrade.time_ms - now_ms) > _SKEW_MS:
            return Refusal.CLOCK
        if upgrade.time_ms < self._started_ms:
            return Refusal.OLD
        if self._names and upgrade.audience not in self._names:
            return Refusal.AUDIENCE
        self._forget(now_ms)
        if upgrade.nonce in self._seen:
            return Refusal.REPLAY
        if len(self._seen) >= self._capacity:
            return Refusal.FULL
        return _prove(upgrade, keyring)

    def _forget(self, now_ms: int) -> None:
        while self._expiry and self._expiry[0][0] < now_ms:
            self._seen.remove(self._expiry.popleft()[1])


def _prove(upgrade: Upgrade, keyring: Keyring) -> Admission | Refusal:
    passed: list[Verifier] = []
    refusal = Refusal.UNKNOWN
    for entry in upgrade.entries:
        verifier = keyring.find(upgrade.role, entry.identifier)
        if verifier is None:
            continue
        message = upgrade_message(upgrade.head, entry.identifier)
        if not same(upgrade_tag(verifier.server_key, message), entry.tag):
            refusal = Refusal.TAG
        elif not verifier.verify(message, entry.signature):
            refusal = Refusal.SIGNATURE
        else:
            passed.append(verifier)
    return Admission(upgrade, tuple(passed)) if passed else refusal
