"""Which local sockets can be read or written: on Linux one epoll for all of them.

A socket that uvloop watches costs an object of libuv and six system calls, a large part of what a short visit costs
us at all. Here it costs one, and the loop watches a single descriptor: that of our epoll, which can be read while any
of the sockets is ready.

One round may hold an event of a socket that an earlier callback of the same round closed, and whose number already
belongs to another one. So a callback may come too often; it has to find out by itself whether there is anything.
"""

import asyncio
import select
import sys
from collections.abc import Callable
from typing import Protocol

_Callback = Callable[[], object]


class Readiness(Protocol):
    """What an endpoint asks of a loop. Callbacks come from the loop, again and again while the socket is ready."""

    def add_reader(self, fd: int, callback: _Callback) -> object:
        """Calls back while `fd` has bytes, or its end, to read."""

    def remove_reader(self, fd: int) -> object:
        """No more of that. Called once for each `add_reader`, before the socket is closed."""

    def add_writer(self, fd: int, callback: _Callback) -> object:
        """Calls back while `fd` has room."""

    def remove_writer(self, fd: int) -> object:
        """No more of that. Called once for each `add_writer`, before the socket is closed."""


def readiness(loop: asyncio.AbstractEventLoop) -> Readiness:
    """The cheapest there is for the sockets of one program, whose owner calls `release` at its end."""
    return EpollReadiness(loop) if sys.platform == "linux" else loop


def release(ready: Readiness) -> None:
    """No more sockets come; those that are still watched, because their last bytes have not left, stay."""
    if isinstance(ready, EpollReadiness):
        ready.close()


class EpollReadiness:
    """A Readiness over one descriptor of `loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, _Callback] = {}
        self._writers: dict[int, _Callback] = {}
        self._loop = loop
        self._closing = False
        loop.add_reader(self._epoll.fileno(), self._on_ready)

    def close(self) -> None:
        """Lets go of the descriptor, now or with the last socket that is watched."""
        self._closing = True
        self._perhaps_close()

    def add_reader(self, fd: int, callback: _Callback) -> None:
        self._readers[fd] = callback
        if fd in self._writers:
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._epoll.register(fd, select.EPOLLIN)

    def remove_reader(self, fd: int) -> None:
        del self._readers[fd]
        if fd in self._writers:
            self._epoll.modify(fd, select.EPOLLOUT)
        else:
            self._epoll.unregister(fd)
            if self._closing:
                self._perhaps_close()

    def add_writer(self, fd: int, callback: _Callback) -> None:
        self._writers[fd] = callback
        if fd in self._readers:
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._epoll.register(fd, select.EPOLLOUT)

    def remove_writer(self, fd: int) -> None:
        del self._writers[fd]
        if fd in self._readers:
            self._epoll.modify(fd, select.EPOLLIN)
        else:
            self._epoll.unregister(fd)
            if self._closing:
                self._perhaps_close()

    def _perhaps_close(self) -> None:
        if not (self._readers or self._writers or self._epoll.closed):
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _on_ready(self) -> None:
        # Errors and hang-ups are events of their own, for readers and writers alike.
        for fd, events in self._epoll.poll(0):
            if events != select.EPOLLOUT and (callback := self._readers.get(fd)):
                callback()
            if events != select.EPOLLIN and (callback := self._writers.get(fd)):
                callback()
