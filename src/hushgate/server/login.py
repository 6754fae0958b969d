"""From an admitted pipe to a link: CHALLENGE, LOGIN, WELCOME (docs/protocol.md §5).

Until LOGIN has proved a service nothing of the server has changed, so a replayed upgrade holds a pipe for ten seconds
and nothing else.
"""

import asyncio
from collections.abc import Callable

from hushgate.errors import ProtocolError
from hushgate.log import logger
from hushgate.protocol.frames import Code, Type
from hushgate.protocol.hello import Acceptor, Login
from hushgate.protocol.limits import HANDSHAKE_WAIT
from hushgate.protocol.take import take_frame
from hushgate.transports.base import Pipe

_log = logger("login")


class Handshake:
    """Reads the pipe until LOGIN is complete (transports.base.PipeUser). `judge` answers it: writes WELCOME and, when
    the link stands, makes another user read the pipe."""

    def __init__(
        self,
        pipe: Pipe,
        acceptor: Acceptor,
        understand: Callable[[memoryview], Login | None],
        judge: Callable[[Login], None],
        done: Callable[["Handshake"], None],
    ) -> None:
        self.pipe = pipe
        self._acceptor = acceptor
        self._understand = understand
        self._judge = judge
        self._done = done
        self._over = False
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_WAIT, self._on_timeout)

    def start(self) -> None:
        self.pipe.write([[self._acceptor.challenge()]])
        self.pipe.switch(self)

    def received(self, view: memoryview) -> int:
        used = 0
        try:
            while not self._over and used < len(view):
                if view[used] != Type.LOGIN:
                    raise ProtocolError(Code.PROTOCOL, "another frame than LOGIN")
                found = take_frame(view[used:])
                if found is None:
                    break
                _, _, _, payload, size = found
                used += size
                login = self._understand(payload)
                if login:
                    self._finish()
                    self._judge(login)
        except ProtocolError as error:
            _log.warning("handshake refused", peer=self.pipe.peer, reason=error.reason)
            self._finish()
            self.pipe.close()
            return len(view)
        return used

    def writable(self) -> None:
        pass

    def ended(self, error: str | None) -> None:
        self._finish()

    def _on_timeout(self) -> None:
        _log.warning("handshake timed out", peer=self.pipe.peer, seconds=HANDSHAKE_WAIT)
        self._finish()
        self.pipe.abort("no LOGIN in time")

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._done(self)
