"""The limits of a file hold where bytes are kept."""

import os

import pytest

from hushgate.config.model import SessionLimits
from hushgate.link.budget import limited_mux, unread
from hushgate.protocol.frames import Open
from hushgate.protocol.limits import BUFFERED_MAX, MIB, WINDOW_INITIAL
from tests.protocol.pair import Memory, Owner


@pytest.mark.parametrize(("memory", "most"), [(512 * MIB, 64 * MIB), (64 * 1024 * MIB, BUFFERED_MAX)])
def test_the_unread_bytes_fit_the_machine(monkeypatch: pytest.MonkeyPatch, memory: int, most: int) -> None:
    numbers = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": memory // 4096}
    monkeypatch.setattr(os, "sysconf", lambda name: numbers[name], raising=False)
    assert unread(SessionLimits()).limit == most
    assert unread(SessionLimits(unread=70_000)).limit == 70_000


def test_where_the_system_does_not_tell_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert unread(SessionLimits()).limit == BUFFERED_MAX


def test_a_mux_has_the_limits_of_the_file() -> None:
    limits = SessionLimits(streams=1, replay=70_000, window=2 * WINDOW_INITIAL, growth=3 * WINDOW_INITIAL)
    buffered = unread(limits)
    mux = limited_mux(Owner(), limits, buffered, dialler=True)
    assert (mux.buffered, mux.streams_max, mux.outbox.pace.cap) == (buffered, 1, WINDOW_INITIAL)
    stream = mux.open(Open("ssh"), mux.now)
    stream.endpoint = Memory(stream)
    for _ in range(5):
        stream.taken = stream.limit
        mux.growth.consider(stream, 10.0, mux.now)
        stream.limit = stream.taken + stream.window
    assert (stream.window, mux.growth.used) == (2 * WINDOW_INITIAL, WINDOW_INITIAL)
