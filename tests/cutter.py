"""A TCP relay inside the loop of a test, which can cut what it relays: by RST, by FIN, or by silence."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from typing import Literal

from hushgate.link.endpoint import reset_on_close

How = Literal["rst", "fin", "stall"]


class _Pair:
    """A connection from the client and the one that leads on."""

    def __init__(self, *writers: StreamWriter) -> None:
        self.writers = writers
        self.stalled = False

    def end(self, how: How) -> None:
        self.stalled = self.stalled or how == "stall"
        for writer in self.writers if how != "stall" else ():
            if how == "rst" and not writer.transport.is_closing():
                reset_on_close(writer.get_extra_info("socket"))
            writer.transport.abort()


class Cutter:
    """Relays 127.0.0.1:`port` to 127.0.0.1:`target`. `after` holds byte counts: each time so many were relayed, all
    connections are cut, by RST and FIN in turn."""

    def __init__(self) -> None:
        self.target = 0
        self.accepted = 0
        self.cuts = 0
        self.refusing = False
        self.after: list[int] = []
        self.said = b""
        """The first 64 KiB that the newest client said: what an eavesdropper could send again."""
        self._relayed = 0
        self._pairs: set[_Pair] = set()
        self._handlers = 0
        self._stopped = asyncio.Event()
        self._server: asyncio.Server

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def open(self) -> int:
        """Connections that stand and are not stalled."""
        return sum(not pair.stalled for pair in self._pairs)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)

    async def stop(self) -> None:
        self._server.close()
        self._stopped.set()
        while self._handlers:
            for pair in self._pairs:
                pair.end("rst")
            await asyncio.sleep(0.001)

    def cut(self, how: How = "rst") -> int:
        """Cuts the connections that stand and returns how many; new ones are relayed."""
        standing = [pair for pair in self._pairs if not pair.stalled]
        for pair in standing:
            pair.end(how)
        self.cuts += bool(standing)
        return len(standing)

    async def _accepted(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._handlers += 1
        try:
            await self._join(reader, writer)
        except OSError:
            writer.transport.abort()
        finally:
            self._handlers -= 1

    async def _join(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self.refusing:
            reset_on_close(writer.get_extra_info("socket"))
            writer.transport.abort()
            return
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", self.target)
        pair = _Pair(writer, onward)
        self._pairs.add(pair)
        self.accepted += 1
        self.said = b""
        await asyncio.gather(self._pump(pair, reader, onward), self._pump(pair, onward_reader, writer))
        self._pairs.discard(pair)
        for end in (writer, onward):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _pump(self, pair: _Pair, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if pair.stalled:
                    await self._stopped.wait()
                if writer is pair.writers[1] and len(self.said) < 65_536:
                    self.said += data
                writer.write(data)
                self._count(len(data))
                await writer.drain()
            if not pair.stalled and not writer.transport.is_closing():
                writer.write_eof()

    def _count(self, size: int) -> None:
        self._relayed += size
        if self.after and self._relayed >= self.after[0]:
            self._relayed = 0
            self.after.pop(0)
            self.cut("fin" if self.cuts % 2 else "rst")
