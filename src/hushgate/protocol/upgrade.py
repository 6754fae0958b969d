"""The blob in the upgrade's Authorization header, and the clock correction it may need (docs/protocol.md §3.2, §3.3).

The blob buys the 101 and nothing else: whoever captured one may send it again. What it must do is tell a token's holder
from a stranger before the server shows anything but the decoy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final, NamedTuple

from hushgate.protocol.keys import IDENTIFIER_SIZE, SIGNATURE_SIZE, Keys, Role, Verifier
from hushgate.protocol.limits import UPGRADE_PROOFS_MAX
from hushgate.protocol.transcript import TAG_SIZE, upgrade_message, upgrade_tag

UPGRADE_VERSION: Final = 1
NONCE_SIZE: Final = 16
CLOCK_TOLERANCE_MS: Final = 60_000
"""Below this the clock is not why a proof was refused (PROOF_SKEW is 90 s), and `Date` has whole seconds only."""

_FIXED: Final = Struct(f"!BBQ{NONCE_SIZE}sB")
_ENTRY: Final = Struct(f"!{IDENTIFIER_SIZE}s{TAG_SIZE}s{SIGNATURE_SIZE}s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Entry(NamedTuple):
    """The proof of one service."""

    identifier: bytes
    tag: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A well-formed blob, not yet checked. `head` is what the entries sign; `time_ms` counts from 1970."""

    role: Role
    time_ms: int
    audience: str
    nonce: bytes = field(repr=False)
    entries: tuple[Entry, ...] = field(repr=False)
    head: bytes = field(repr=False)
    blob: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Admission:
    """An upgrade that the guard let pass, and the verifiers of the entries that held."""

    upgrade: Upgrade
    verifiers: tuple[Verifier, ...]


def build_upgrade(keys: Sequence[Keys], audience: str, time_ms: int, nonce: bytes) -> bytes:
    """The blob that proves the first eight of `keys` to the host `audience`.

    Raises ValueError when there are no keys, when they are of two roles, or when a field does not fit.
    """
    proved = keys[:UPGRADE_PROOFS_MAX]
    host = audience.lower().encode()
    if len({key.role for key in keys}) != 1 or len(nonce) != NONCE_SIZE or len(host) > 255 or not 0 <= time_ms < 2**64:
        raise ValueError("an upgrade needs keys of one role, a nonce of 16 bytes and a host of at most 255 bytes")
    head = _FIXED.pack(UPGRADE_VERSION, keys[0].role, time_ms, nonce, len(host)) + host + bytes((len(proved),))
    parts = [head]
    for key in proved:
        message = upgrade_message(head, key.identifier)
        parts.append(_ENTRY.pack(key.identifier, upgrade_tag(key.server_key, message), key.sign(message)))
    return b"".join(parts)


def parse_upgrade(blob: bytes) -> Upgrade | None:
    """The fields of `blob`, or None when it has not exactly the form of §3.2."""
    if len(blob) < _FIXED.size + 1 + _ENTRY.size:
        return None
    version, role, time_ms, nonce, host_size = _FIXED.unpack_from(blob)
    end = _FIXED.size + host_size + 1
    if version != UPGRADE_VERSION or role not in (Role.CLIENT, Role.ACCESS) or len(blob) < end:
        return None
    count = blob[end - 1]
    if not 1 <= count <= UPGRADE_PROOFS_MAX or len(blob) != end + count * _ENTRY.size:
        return None
    try:
        audience = blob[_FIXED.size : end - 1].decode()
    except UnicodeDecodeError:
        return None
    entries = tuple(Entry._make(fields) for fields in _ENTRY.iter_unpack(blob[end:]))
    if len({entry.identifier for entry in entries}) != count:
        return None
    return Upgrade(Role(role), time_ms, audience, nonce, entries, blob[:end], blob)


def clock_offset(date: str, now_ms: int) -> int | None:
    """Milliseconds to add to our clock so that it agrees with a `Date` header (RFC 9110 §6.6.1).

    None when they differ by 60 s at most, or when `date` is not a date.
    """
    # Only a client whose clock is off needs it, and `email` is large.
    from email.utils import parsedate_to_datetime

    try:
        there = parsedate_to_datetime(date)
        if there.tzinfo is None:
            there = there.replace(tzinfo=UTC)
        offset = (there - _EPOCH) // timedelta(milliseconds=1) - now_ms
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return offset if abs(offset) > CLOCK_TOLERANCE_MS else None
