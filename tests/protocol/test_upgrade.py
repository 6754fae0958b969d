from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.protocol.keys import Keys, Role, derive_keys
from hushgate.protocol.upgrade import build_upgrade, clock_offset, parse_upgrade
from tests.protocol.handshake import keys_of
from tests.protocol.vectors import STRONG, TIME_MS, UPGRADE, WEAK

NONCE = bytes(range(16))
HEAD = 1 + 1 + 8 + 16 + 1 + len("your-domain.com") + 1


def test_vector() -> None:
    keys = [derive_keys(STRONG, "ssh", Role.CLIENT), derive_keys(WEAK, "ollama", Role.CLIENT)]
    assert build_upgrade(keys, "Your-Domain.com", TIME_MS, NONCE) == UPGRADE
    upgrade = parse_upgrade(UPGRADE)
    assert upgrade is not None
    assert (upgrade.role, upgrade.time_ms, upgrade.nonce) == (Role.CLIENT, TIME_MS, NONCE)
    assert (upgrade.audience, upgrade.head, upgrade.blob) == ("your-domain.com", UPGRADE[:HEAD], UPGRADE)
    assert [entry.identifier for entry in upgrade.entries] == [key.identifier for key in keys]
    assert b"".join(b"".join(entry) for entry in upgrade.entries) == UPGRADE[HEAD:]


def test_first_eight() -> None:
    keys = [keys_of(f"service-{number}") for number in range(10)]
    upgrade = parse_upgrade(build_upgrade(keys, "h", 0, NONCE))
    assert upgrade is not None
    assert [entry.identifier for entry in upgrade.entries] == [key.identifier for key in keys[:8]]


@pytest.mark.parametrize(
    "build",
    [
        lambda key, other: build_upgrade([], "h", 0, NONCE),
        lambda key, other: build_upgrade([key, other], "h", 0, NONCE),
        lambda key, other: build_upgrade([key], "h" * 256, 0, NONCE),
        lambda key, other: build_upgrade([key], "h", -1, NONCE),
        lambda key, other: build_upgrade([key], "h", 2**64, NONCE),
        lambda key, other: build_upgrade([key], "h", 0, NONCE[1:]),
    ],
)
def test_what_cannot_be_built(build: Callable[[Keys, Keys], bytes]) -> None:
    with pytest.raises(ValueError):
        build(keys_of("ssh"), keys_of("ssh", role=Role.ACCESS))


def test_form() -> None:
    for size in range(len(UPGRADE)):
        assert parse_upgrade(UPGRADE[:size]) is None
    assert parse_upgrade(UPGRADE + b"\0") is None

    def patched(at: int, value: bytes) -> bytes:
        return UPGRADE[:at] + value + UPGRADE[at + len(value) :]

    for version in (0, 2, 255):
        assert parse_upgrade(patched(0, bytes([version]))) is None
    for role in (0, 3, 255):
        assert parse_upgrade(patched(1, bytes([role]))) is None
    for count in (0, 1, 3, 8, 9, 255):
        assert parse_upgrade(patched(HEAD - 1, bytes([count]))) is None
    for length in (0, 14, 16, 255):
        assert parse_upgrade(patched(26, bytes([length]))) is None
    assert parse_upgrade(patched(27, b"\xff")) is None
    nine = UPGRADE[: HEAD - 1] + b"\x09" + b"".join(bytes([n]) * 96 for n in range(9))
    assert parse_upgrade(nine) is None
    twice = UPGRADE[:HEAD] + UPGRADE[HEAD : HEAD + 96] * 2
    assert parse_upgrade(twice) is None


@given(st.binary(max_size=400))
def test_random_bytes(raw: bytes) -> None:
    assert parse_upgrade(raw) is None
    upgrade = parse_upgrade(b"\x01\x01" + raw)
    assert upgrade is None or upgrade.blob == b"\x01\x01" + raw


NOW_MS = int(datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("date", "offset"),
    [
        ("Sun, 01 Mar 2026 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:01:00 GMT", None),
        ("Sun, 01 Mar 2026 11:59:00 GMT", None),
        ("Sun, 01 Mar 2026 12:01:01 GMT", 61_000),
        ("Sun, 01 Mar 2026 11:58:59 GMT", -61_000),
        ("Sun, 01 Mar 2026 13:00:00 GMT", 3_600_000),
        ("Sun, 01 Mar 2026 13:00:00 -0000", 3_600_000),
        ("Sunday, 01-Mar-26 13:00:00 GMT", 3_600_000),
        ("Sun, 01 Mar 2026 13:00:00 +0100", None),
        ("", None),
        ("yesterday", None),
        ("Sun, 32 Mar 2026 13:00:00 GMT", None),
        ("Sun, 01 Mar 99999 13:00:00 GMT", None),
        ("Sun, 01 Mar 2026 13:00:00 +99999999999999", None),
    ],
)
def test_clock_offset(date: str, offset: int | None) -> None:
    assert clock_offset(date, NOW_MS) == offset


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ (Jan|Dec) \d+ \d+:\d+:\d+ ([+-]\d+|GMT)", fullmatch=True))
def test_clock_offset_of_anything(date: str) -> None:
    offset = clock_offset(date, NOW_MS)
    assert offset is None or abs(offset) > 60_000
