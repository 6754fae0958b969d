"""One attempt to get a link: dial, prove, be welcomed (docs/protocol.md §5). Explains failures in words a user can
act on."""

import asyncio
import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hushgate.config.model import UplinkConfig
from hushgate.errors import AuthError, PipeError, ProtocolError, UnreachableError
from hushgate.log import logger
from hushgate.protocol.frames import Code, Type
from hushgate.protocol.hello import Dialler, Resume, Welcome
from hushgate.protocol.keys import Keys
from hushgate.protocol.limits import HANDSHAKE_WAIT
from hushgate.protocol.take import take_frame
from hushgate.protocol.upgrade import clock_offset
from hushgate.transports.base import Pipe
from hushgate.transports.closing import close_all
from hushgate.uplink.dial import Decoyed, dial
from hushgate.uplink.words import SECRET

_log = logger("connect")


@dataclass(slots=True)
class Clock:
    """How far the server's clock is ahead of ours, as far as we had to learn it; for proofs only."""

    offset_ms: int = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms


@dataclass(frozen=True, slots=True)
class Connected:
    """A pipe behind WELCOME; nobody reads it yet."""

    pipe: Pipe
    dialler: Dialler
    welcome: Welcome

    async def leave(self) -> None:
        """Closes the pipe (transports.closing)."""
        await close_all([self.pipe])


async def connect(
    config: UplinkConfig[Any],
    context: ssl.SSLContext | None,
    keys: Sequence[Keys],
    instance: bytes,
    clock: Clock,
    resume: Resume | None,
    *,
    probe: bool = False,
) -> Connected:
    """A `probe` changes nothing at the server, which closes its pipe.

    Raises UnreachableError, or AuthError when something answers that does not know our tokens.
    """
    for last in (False, True):
        dialler = Dialler(
            keys, config.remote.host, instance, clock.now_ms(), os.urandom, resume, hosts=config.hosts, probe=probe
        )
        try:
            pipe = await dial(config, context, dialler.upgrade)
        except Decoyed as decoyed:
            offset = clock_offset(decoyed.date, clock.now_ms())
            if offset is None or last:
                raise AuthError(_explain(decoyed, clock, SECRET[keys[0].role])) from None
            clock.offset_ms += offset
            _log.warning(
                "this machine's clock differs from the server's; corrected for logins",
                seconds=round(clock.offset_ms / 1000),
            )
        except PipeError as error:
            raise UnreachableError(f"cannot reach {config.remote}: {error}") from None
        else:
            return await _login(config, pipe, dialler)
    raise AssertionError("the second attempt returns or raises")


async def _login(config: UplinkConfig[Any], pipe: Pipe, dialler: Dialler) -> Connected:
    try:
        async with asyncio.timeout(HANDSHAKE_WAIT):
            pipe.write([dialler.challenge(await _frame(pipe, Type.CHALLENGE))])
            welcome = dialler.welcome(await _frame(pipe, Type.WELCOME))
    except BaseException as error:
        pipe.abort("the handshake failed")
        if isinstance(error, ProtocolError):
            raise AuthError(f"{config.remote}: {error.reason}") from None
        if isinstance(error, PipeError | TimeoutError):
            raise UnreachableError(f"{config.remote} went away during the handshake: {error or 'no answer'}") from None
        raise
    return Connected(pipe, dialler, welcome)


def _explain(decoyed: Decoyed, clock: Clock, secret: str) -> str:
    offset = clock_offset(decoyed.date, clock.now_ms())
    clocks = f"this machine's clock is {round(offset / 1000)} s off" if offset else "the clocks agree"
    return (
        f"{decoyed}: no {secret} of ours is known there (compare it with the server's file), or the path or host in "
        f"remote_addr leads elsewhere, or the server was just started ({clocks})"
    )


async def _frame(pipe: Pipe, type: Type) -> bytes:
    """The payload of the next frame, which must be of `type`; what follows stays unread."""
    reader = _OneFrame()
    pipe.switch(reader)
    found, payload = await reader.frame
    if found != type:
        raise ProtocolError(Code.PROTOCOL, f"frame 0x{found:02x} instead of {type.name}")
    return payload


class _OneFrame:
    def __init__(self) -> None:
        self.frame: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def received(self, view: memoryview) -> int:
        if self.frame.done():
            return 0
        try:
            found = take_frame(view)
        except ProtocolError as error:
            self.frame.set_exception(error)
            return len(view)
        if found is None:
            return 0
        type, _, _, payload, size = found
        self.frame.set_result((type, bytes(payload)))
        return size

    def writable(self) -> None:
        pass

    def ended(self, error: str | None) -> None:
        if not self.frame.done():
            self.frame.set_exception(PipeError(error or "the server closed the connection"))
