"""What a session may hold, as the file says it: the limits of its mux, and of the bytes unread in this process."""

import os
import random
import time

from hushgate.config.model import SessionLimits
from hushgate.protocol.credit import Buffered, Growth
from hushgate.protocol.limits import BUFFERED_MAX
from hushgate.protocol.mux import Mux, Owner

_SHARE = 8
"""The unread bytes may take this part of the machine's memory."""


def unread(limits: SessionLimits) -> Buffered:
    """For all sessions of this process."""
    return Buffered(unread_max(limits))


def unread_max(limits: SessionLimits) -> int:
    """Bytes. Without a limit of the user's: BUFFERED_MAX, or less on a small machine."""
    return min(BUFFERED_MAX, _memory() // _SHARE) if limits.unread is None else limits.unread


def limited_mux(owner: Owner, limits: SessionLimits, buffered: Buffered, *, dialler: bool) -> Mux:
    """A new session's mux; `buffered` is the process's."""
    return Mux(
        owner,
        dialler=dialler,
        now=time.monotonic(),
        random=random.random,
        buffered=buffered,
        growth=Growth(budget=limits.growth, largest=limits.window),
        replay_limit=limits.replay,
        streams_max=limits.streams,
    )


def _memory() -> int:
    """Of the machine, in bytes; more than enough where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _SHARE * BUFFERED_MAX
