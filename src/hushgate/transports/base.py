"""What every carrier of frames looks like from above: an ordered pipe of bytes, both ways.

A pipe has one *user* at a time, who reads: first whatever reads the request head, then the link. Bytes are pushed to
the user and never wait behind a write: a pipe goes on reading while it is full, or two ends that both write could
wait for each other for ever. Only a user that hands bytes on to somebody slower, and does not answer them itself, may
`pause` it. Nothing here blocks and nothing is awaited. Whoever writes looks at `full` first, and
comes back when `writable` is called.

The promises, which tests/transports/contract.py holds every pipe to:

- `received` shows all bytes that nobody used yet, oldest first. What it leaves is shown again together with what comes
  next. The view is valid during the call only.
- A user that leaves bytes until the buffer is full at its largest does not read: the pipe aborts.
- `ended` comes exactly once to the user of that time, never from inside `received`; nothing follows it. A user that
  takes over later is told as well, after the unread bytes.
- After `close` or `abort` the user receives nothing more, and what it writes is dropped.
- After `pause` nothing is shown until `resume`, and bytes that come wait in the kernel; the end of the peer may go
  unnoticed that long.
- `write` keeps the buffers it is given until they are sent, so they must be immutable.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol

from hushgate.protocol.frames import Buffer

Message = Sequence[Buffer]
"""Whole frames, in buffers that never change, MESSAGE_MAX bytes in all at most."""


class PipeUser(Protocol):
    """Who reads a pipe: a link, a WebSocketPipe, the reader of a request head."""

    def received(self, view: memoryview) -> int:
        """Takes bytes from the front of `view`, returns how many."""
        ...

    def writable(self) -> None:
        """`full` went from True to False."""
        ...

    def ended(self, error: str | None) -> None:
        """The pipe is over: None when the peer finished in order, otherwise why, for the log."""
        ...


class Pipe(ABC):
    """One connection. `kind` names the carriage ("tcp", "tls", "websocket", "memory"), `peer` the other end for
    logs."""

    def __init__(self, kind: str, peer: str) -> None:
        self.kind = kind
        self.peer = peer
        self._full = False
        self._user: PipeUser | None = None
        self._showing = False
        self._paused = False
        self._resumed = False
        """While bytes were being shown."""
        self._closing = False
        self._over = False
        self._error: str | None = None

    @property
    def full(self) -> bool:
        """More than WRITE_HIGH bytes were waiting to leave, and more than WRITE_LOW still are: do not write now."""
        return self._full

    @property
    @abstractmethod
    def buffered(self) -> int:
        """Bytes written and not yet taken by the kernel."""

    @abstractmethod
    def write(self, messages: Sequence[Message]) -> None:
        """Sends `messages` after everything before. Never blocks and accepts them even when full."""

    @abstractmethod
    def close(self) -> None:
        """Sends what is buffered, then ends in order; `ended` follows within CLOSE_WAIT."""

    @abstractmethod
    def abort(self, error: str) -> None:
        """Ends now, buffered bytes are lost; `ended(error)` follows."""

    def break_off(self, error: str) -> None:
        """As `abort`; where the carrier can tell, the peer sees that it was no orderly end."""
        self.abort(error)

    def pause(self) -> None:
        """Shows nothing more until `resume`. May be called again."""
        if not self._paused:
            self._paused = True
            self._hold()

    def resume(self) -> None:
        """Ends a pause. Unread bytes are shown at once, or, when this is called from inside `received`, as soon as
        that returns."""
        if self._paused:
            self._paused = False
            self._resumed = True
            if not self._showing:
                self._show()
            if not self._paused:
                self._release()

    def switch(self, user: PipeUser) -> None:
        """From now on `user` reads. Unread bytes are shown to it at once, or, when this is called from inside
        `received`, as soon as that returns."""
        self._user = user
        if not self._showing:
            self._show()
            if self._over:
                self._user.ended(self._error)

    def roomy(self) -> None:
        """Makes room for whole messages in the receive buffer. Called when the peer has proved itself."""
        return

    @abstractmethod
    def _hold(self) -> None:
        """Stops asking for bytes: a pause began."""

    @abstractmethod
    def _release(self) -> None:
        """Asks for bytes again."""

    @abstractmethod
    def _unread(self) -> memoryview:
        """Everything that the user has not used."""

    @abstractmethod
    def _used(self, size: int) -> None:
        """Drops `size` bytes from the front of what is unread."""

    def _show(self) -> None:
        self._showing = True
        try:
            while (user := self._user) is not None and not self._closing and not self._paused:
                with self._unread() as view:
                    if not view:
                        return
                    self._resumed = False
                    size = user.received(view)
                self._used(size)
                if self._user is user and not self._resumed:
                    return
        finally:
            self._showing = False

    def _end(self, error: str | None) -> None:
        if not self._over:
            self._over = self._closing = True
            self._error = error
            if self._user is not None:
                self._user.ended(error)


class _Nobody:
    def received(self, view: memoryview) -> int:
        return len(view)

    def writable(self) -> None:
        return

    def ended(self, error: str | None) -> None:
        return


NOBODY: Final = _Nobody()
"""The user of a pipe in which nobody is interested any more."""
