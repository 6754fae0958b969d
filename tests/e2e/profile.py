"""Sizes of the long runs: HUSHGATE_LONG=1 is the full one of the specification, otherwise CI's. HUSHGATE_BRIEF=1 is a
quarter of that, for what has passed in CI's size already and runs once more on another Python, loop or TLS stack."""

import os
from typing import TypeVar

T = TypeVar("T")

LONG = os.environ.get("HUSHGATE_LONG", "") not in ("", "0")
QUARTER = 4 if os.environ.get("HUSHGATE_BRIEF", "") not in ("", "0") else 1


def sized(ci: T, long: T) -> T:
    """`long` when the long profile was asked for."""
    return long if LONG else ci
