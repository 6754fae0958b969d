"""A TCP relay inside the loop of a test, which can cut what it relays: by RST, FIN or silence, also at a given byte."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from typing import Literal

from hushgate.link.endpoint import reset_on_close

How = Literal["rst", "fin", "stall", "client"]
"""`client`: only the client hears of it."""


class _Pair:
    """A connection from the client and the one that leads on."""

    def __init__(self, *writers: StreamWriter) -> None:
        self.writers = writers
        self.stalled = False
        self.losing = False
        """What arrives is read and goes nowhere."""
        self.at: tuple[int, int] | None = None
        self.heard = [b"", b""]

    def end(self, how: How) -> None:
        self.stalled = self.stalled or how == "stall"
        self.losing = self.losing or how == "client"
        for writer in {"stall": (), "client": self.writers[:1]}.get(how, self.writers):
            if how == "rst" and not writer.transport.is_closing():
                reset_on_close(writer.get_extra_info("socket"))
            writer.transport.abort()

    def admitted(self, side: int, data: bytes, before: int) -> bytes:
        """What of `data`, which `side` said after `before` other bytes, goes on."""
        if self.losing:
            return b""
        return data[: self.at[1] - before] if self.at and self.at[0] == side else data

    def finish(self) -> None:
        """An end in order, at both sides: whatever went on before arrives."""
        self.losing = True
        for writer in self.writers:
            if not writer.transport.is_closing():
                writer.write_eof()


class Cutter:
    """Relays 127.0.0.1:`port` to 127.0.0.1:`target`. `after` holds byte counts: each time so many were relayed, all
    connections are cut, by RST and FIN in turn. `at`, a side (0: the client) and a number of bytes, is used up by the
    next connection: it ends once that side has said so much, and those who come then wait for `gate`."""

    def __init__(self) -> None:
        self.target = 0
        self.accepted = 0
        self.cuts = 0
        self.refusing = False
        self.after: list[int] = []
        self.at: tuple[int, int] | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.heard = [b"", b""]
        """The first 64 KiB that went on from each side over the newest connection."""
        self._relayed = 0
        self._pairs: set[_Pair] = set()
        self._handlers = 0
        self._stopped = asyncio.Event()
        self._server: asyncio.Server

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def said(self) -> bytes:
        """What an eavesdropper could send again for the newest client."""
        return self.heard[0]

    @property
    def open(self) -> int:
        """Connections that stand and are not stalled."""
        return sum(not (pair.stalled or pair.losing) for pair in self._pairs)

    @property
    def held(self) -> int:
        """Connections that client or server have not closed."""
        return len(self._pairs)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)

    async def stop(self) -> None:
        self._server.close()
        self._stopped.set()
        self.gate.set()
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

    def lose(self) -> None:
        """From now on the connections that stand carry nothing, and nobody is told."""
        for pair in self._pairs:
            pair.losing = True

    async def _accepted(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._handlers += 1
        try:
            await self._join(reader, writer)
        except OSError:
            writer.transport.abort()
        finally:
            self._handlers -= 1

    async def _join(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self.gate.wait()
        if self.refusing:
            reset_on_close(writer.get_extra_info("socket"))
            writer.transport.abort()
            return
        onward_reader, onward = await asyncio.open_connection("127.0.0.1", self.target)
        pair = _Pair(writer, onward)
        self._pairs.add(pair)
        self.accepted += 1
        self.heard = pair.heard
        pair.at, self.at = self.at, None
        await asyncio.gather(self._pump(pair, 0, reader, onward), self._pump(pair, 1, onward_reader, writer))
        self._pairs.discard(pair)
        for end in (writer, onward):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    async def _pump(self, pair: _Pair, side: int, reader: StreamReader, writer: StreamWriter) -> None:
        heard = 0
        try:
            while data := await reader.read(65_536):
                if pair.stalled:
                    await self._stopped.wait()
                part = pair.admitted(side, data, heard)
                heard += len(data)
                if len(pair.heard[side]) < 65_536:
                    pair.heard[side] += part
                if part and not writer.transport.is_closing():
                    writer.write(part)
                if pair.at and pair.at[0] == side and heard >= pair.at[1] and not pair.losing:
                    self.gate.clear()
                    self.cuts += 1
                    pair.finish()
                self._count(len(part))
                if not pair.losing:
                    await writer.drain()
            if not (pair.stalled or pair.losing or writer.transport.is_closing()):
                writer.write_eof()
        except OSError:
            if not (pair.stalled or pair.losing):
                pair.end("rst")

    def _count(self, size: int) -> None:
        self._relayed += size
        if self.after and self._relayed >= self.after[0]:
            self._relayed = 0
            self.after.pop(0)
            self.cut("fin" if self.cuts % 2 else "rst")
