"""The process's memory: what the C library keeps for the next request, and what it gives back.

glibc keeps a freed block for the next one of its size. That is right for what is carried, which needs the same blocks
again a moment later. It is wrong for a crowd that came and left: its blocks lie scattered between those that stay, so
they are neither given back nor all found again, and every crowd adds to the one before. Other C libraries are left
alone.
"""

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final

_KEEP_FREED: Final = 16 * 1024 * 1024
"""Bytes at the end of the heap that glibc does not give back: as much as one session keeps for replay. By default it is
128 KiB, and every other megabyte carried pays page faults for memory that was given back a moment before."""
_ON_HEAP: Final = 1024 * 1024
"""Larger blocks than this are mapped and unmapped each time. glibc's 128 KiB are less than an endpoint reads at once,
and do not adjust themselves once the other threshold is set."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_CROWD: Final = 64
"""Fewer leave less than 3 MB behind, with TLS."""
_SETTLE: Final = 2.0
"""Seconds until what a crowd held is free, transports included. Also the least time between two searches of the heap,
which take 13 ms after 9,000 strangers with TLS."""


def keep_freed_memory() -> None:
    """Once, at the start of a program that carries much."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_FREED)
        libc.mallopt(_M_MMAP_THRESHOLD, _ON_HEAP)


def give_back_memory() -> None:
    """Returns every whole page that is free to the system."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(ctypes.c_size_t(0))


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None


class Tide:
    """Calls `ebb` once, `settle` seconds after most of a crowd has gone."""

    def __init__(self, ebb: Callable[[], None] = give_back_memory, settle: float = _SETTLE) -> None:
        self._ebb = ebb
        self._settle = settle
        self._present = self._high = 0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def changed(self, present: int) -> None:
        """So many are there now."""
        self._present = present
        self._high = max(self._high, present)
        if self._timer is None and self._low():
            self._timer = asyncio.get_running_loop().call_later(self._settle, self._settled)

    def _low(self) -> bool:
        return self._high >= _CROWD and self._present <= self._high // 4

    def _settled(self) -> None:
        self._timer = None
        if self._low():
            self._high = self._present
            self._ebb()
