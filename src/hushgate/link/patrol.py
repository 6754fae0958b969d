"""Looks about once a second whether a local socket broke without a word.

A reset calls nobody when the socket is not watched (endpoint.py), because nobody may take its bytes now, or because all
of them have come; nor, where uvloop watches, when it comes together with bytes, since libuv tells of an error once and
watches no more. The stream would then stay for as long as nothing is written to the socket: that of a visitor who
half-closed and died, or who died while the link was away. No event loop offers to watch for errors alone, so we ask.
"""

import asyncio
from typing import Protocol

from hushgate.protocol.limits import PATROL_EVERY


class Post(Protocol):
    """What a patrol comes by."""

    def look(self) -> None:
        """Acts if the socket broke. May leave the patrol."""


class Patrol:
    """The round of one owner of sockets. It costs nothing where bytes move."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._posts: set[Post] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._posts)

    def join(self, post: Post) -> None:
        self._posts.add(post)
        if self._timer is None:
            self._timer = self._loop.call_later(PATROL_EVERY, self._round)

    def leave(self, post: Post) -> None:
        self._posts.discard(post)

    def _round(self) -> None:
        for post in tuple(self._posts):
            post.look()
        self._timer = self._loop.call_later(PATROL_EVERY, self._round) if self._posts else None
