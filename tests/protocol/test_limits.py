"""The numbers and tables of docs/protocol.md are those of the code."""

import re

import pytest

from hushgate.protocol import limits
from hushgate.protocol.frames import COUNTED_TYPES, Code, Mode, Type
from hushgate.protocol.limits import MESSAGE_MAX, PAYLOAD_MAX
from tests.protocol.specification import numbers, section, table


def test_limits_are_those_of_the_specification() -> None:
    told = {row["limit"]: numbers(row["value"]) for row in table(section(12))}
    assert told == {
        "payload of a frame": [PAYLOAD_MAX],
        "WebSocket message": [MESSAGE_MAX],
        "request line, head of the upgrade": [limits.REQUEST_LINE_MAX, limits.REQUEST_HEAD_MAX],
        "services proved in the upgrade": [limits.UPGRADE_PROOFS_MAX],
        "initial window, largest window": [limits.WINDOW_INITIAL, limits.WINDOW_MAX],
        "growth budget of a session": [limits.GROWTH_BUDGET],
        "replay limit of a session": [limits.REPLAY_LIMIT],
        "streams of a session": [limits.STREAMS_MAX],
        "relays of a stream": [limits.HOPS_MAX],
        "PING in a second": [limits.PINGS_PER_SECOND],
        "handshake wait": [limits.HANDSHAKE_WAIT],
        "grace": [limits.GRACE],
    }
    assert PAYLOAD_MAX + limits.FRAME_HEADER <= MESSAGE_MAX


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (3, f"within ± {limits.PROOF_SKEW:.0f} s"),
        (3, f"in the last {limits.NONCE_KEPT:.0f} s"),
        (3, f"at least {limits.WEAK_TOKEN} characters"),
        (4, f"≤ {limits.TEXT_MAX} bytes"),
        (5, f"at most {limits.PROVE_SERVICES_MAX} services"),
        (6, f"1..{limits.SERVICE_NAME_MAX} bytes"),
        (6, f"`limit` when `hop` is {limits.HOPS_MAX} already"),
        (6, f"within {limits.DATAGRAM_AGE * 1000:.0f} ms"),
        (7, f"max(window / 4, {limits.WINDOW_STEP_MIN // 1024} KiB)"),
        (7, f"up to {limits.WINDOW_MAX // limits.MIB} MiB"),
        (7, f"2 × max(min_rtt, {limits.GROWTH_RTT_FLOOR * 1000:.0f} ms)"),
        (7, f"idle for {limits.GROWTH_IDLE:.0f} s"),
        (8, f"{limits.QUANTUM_TIME * 1000:.0f} ms at the measured rate"),
        (8, f"between {limits.QUANTUM_MIN:,} and {PAYLOAD_MAX:,} bytes"),
        (8, f"{limits.QUANTUM_START:,} before the rate"),
        (8, f"cap = {limits.CAP_GAIN} × rate × (min_rtt + {limits.CAP_SLACK * 1000:.0f} ms)"),
        (8, f"at least {limits.CAP_MIN // 1024} KiB"),
        (8, f"starts at {limits.CAP_START // 1024} KiB"),
        (8, f"{limits.ACK_BYTES // 1024} KiB or {limits.ACK_FRAMES} counted frames"),
        (8, f"or {limits.ACK_DELAY * 1000:.0f} ms after"),
        (10, f"nothing for {limits.PING_AFTER:.0f} s (± {limits.PING_JITTER * 100:.0f} %"),
        (10, f"after {limits.SILENCE_MAX:.0f} s without a byte"),
        (10, f"max({limits.PROGRESS_MIN:.0f} s, {limits.PROGRESS_RTTS} × srtt)"),
        (10, f"within {limits.RETRY_FIRST * 1000:.0f} ms"),
        (10, f"min({limits.RETRY_MAX:.0f} s, {limits.RETRY_BASE} s × 2^n)"),
        (10, f"stood {limits.STABLE_AFTER:.0f} s"),
    ],
)
def test_the_text_tells_the_numbers_of_the_code(number: int, sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", section(number))


def test_types_are_those_of_the_specification() -> None:
    rows = [row for row in table(section(4)) if "counted" in row]
    assert {row["name"]: int(row["type"], 16) for row in rows} == {type.name: type.value for type in Type}
    assert {Type[row["name"]] for row in rows if row["counted"] == "yes"} == COUNTED_TYPES
    of_stream = {Type[row["name"]] for row in rows if row["stream"] == "id"}
    assert of_stream == {type for type in Type if type >= Type.OPEN and type is not Type.VOID}


def test_codes_and_modes_are_those_of_the_specification() -> None:
    text = section(11)
    assert {row["name"]: int(row["code"]) for row in table(text)} == {code.name.lower(): code.value for code in Code}
    for mode in Mode:
        assert f"{mode.value} *{mode.name.lower()}*" in text
