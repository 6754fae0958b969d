"""`hushgate connect SERVICE --stdio`: one stream to one service on standard input and output, then the end."""

import asyncio
import signal
import sys
from typing import Final

from hushgate.access.keys import derive, derive_e2e
from hushgate.access.stdio import Stdio
from hushgate.config.model import AccessConfig
from hushgate.errors import AuthError, LocalProtocolError, UnreachableError, UserError
from hushgate.link.sealing import open_stream
from hushgate.log import logger
from hushgate.ops.program import run as run_program
from hushgate.protocol.frames import Code, Open
from hushgate.protocol.keys import Role
from hushgate.protocol.stream import ByteStream, Stream
from hushgate.tasks import run_until
from hushgate.uplink.uplink import Uplink

_log = logger("connect")
_SIGNALS: Final = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""ssh sends its ProxyCommand SIGHUP when it has no more use for it."""
_OWED_POLL: Final = 0.005


class Connection:
    """The session of one stream (uplink.uplink.Holder)."""

    def __init__(self, config: AccessConfig, service: str) -> None:
        self._config = config
        self._service = service
        self._end: asyncio.Future[tuple[Code, str] | None] = asyncio.get_running_loop().create_future()
        self._delivered = asyncio.Event()
        self._e2e_key = derive_e2e(config.services[service])
        self._uplink = Uplink(Role.ACCESS, config, [derive(config.services[service])], self, _log)

    def linked(self) -> None:
        pass

    def spent(self) -> None:
        pass

    def incoming(self, stream: Stream) -> None:
        stream.reset(Code.DENIED, "a laptop serves nothing")

    async def run(self) -> int:
        """0: the connection ended in order, or a signal ended it. Raises UserError."""
        loop = asyncio.get_running_loop()
        if sys.platform != "win32":
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._stopped)
        try:
            if await run_until(self._end, self._uplink.start_now()):
                Stdio(self._open(), self._over).start()
            end = await self._end
            if end and end[0] is Code.DONE:
                self._look()
                await self._delivered.wait()
        finally:
            await self._uplink.stop()
        if end and end[0] is not Code.DONE:
            raise explained(self._service, *end)
        return 0

    def _open(self) -> ByteStream:
        try:
            return open_stream(self._uplink, Open(self._service), self._e2e_key)
        except LocalProtocolError:
            raise UnreachableError(f"{self._service}: the server has ended the session at once") from None

    def _over(self, code: Code, text: str) -> None:
        if not self._end.done():
            self._end.set_result((code, text))

    def _stopped(self) -> None:
        self._delivered.set()
        if not self._end.done():
            self._end.set_result(None)

    def _look(self) -> None:
        """What was read and sent last must reach the server, also when a link is lost just now."""
        if self._uplink.owed and not self._uplink.lost:
            asyncio.get_running_loop().call_later(_OWED_POLL, self._look)
        else:
            self._delivered.set()


def explained(service: str, code: Code, text: str) -> UserError:
    """Why the stream was reset, in a sentence, with the exit code of docs/exit-codes.md."""
    detail = f" ({text})" if text else ""
    if code is Code.AWAY:
        return UnreachableError(f"{service}: {text or 'home is away'}")
    if code in (Code.REFUSED, Code.UNREACHABLE):
        return UnreachableError(f"{service}: home is there, but its service does not answer{detail}")
    if code is Code.UNKNOWN:
        return UnreachableError(f"{service}: home does not offer it; compare the names in both files")
    if code in (Code.SHUTDOWN, Code.REPLACED, Code.LIMIT):
        return UnreachableError(f"{service}: the other end let go: {code.name.lower()}{detail}")
    if code in (Code.DENIED, Code.WITHDRAWN):
        return AuthError(f"{service}: {text or 'the access key does not hold, or not any more'}")
    return UserError(f"{service}: the connection was reset: {code.name.lower()}{detail}")


def run(config: AccessConfig, service: str) -> int:
    """Carries one connection to `service`; the exit code. Raises UserError."""

    async def main() -> int:
        return await Connection(config, service).run()

    return run_program(main)
