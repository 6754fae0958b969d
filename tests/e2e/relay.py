"""A TCP relay in user space that makes a network worse: rate, delay, cuts by FIN or RST, stalls without FIN.

Each direction of a connection is two threads, one reads and one writes, with a queue of (when due, bytes) between
them. A shaped reader computes when its bytes would have left a line of `rate` bytes a second, adds `delay`, and reads
on only while that line's own queue is short: what does not fit waits in socket buffers, as behind a slow router.
Cuts fall after a number of bytes, not after a time, so that a run can be repeated.
"""

import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, Self

from tests.e2e.programs import Address

How = Literal["fin", "rst", "stall"]

_TURN_MS = 50
"""How long a thread may sleep before it looks whether its connection was cut."""
_QUEUE = 64 * 1024


class Relay:
    """Listens on 127.0.0.1 and relays to `target`.

    `rate`: bytes a second in each direction, None for as fast as it goes; `delay`: seconds one way.
    """

    def __init__(self, target: Address, *, rate: float | None = None, delay: float = 0.0) -> None:
        self.target = target
        self.rate = rate
        self.delay = delay
        self.accepted = 0
        self.cut_count = 0
        self._cuts: Iterator[int] = iter(())
        self._next_cut: int | None = None
        self._relayed = 0
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []
        self._closed = False
        self._refusing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TURN_MS / 1000)
        self.address: Address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def open(self) -> int:
        """Connections that stand."""
        with self._lock:
            return sum(not connection.ended for connection in self._connections)

    def cut(self, how: How = "rst") -> int:
        """Cuts the connections that stand and returns how many; they are gone on return. New ones are relayed."""
        with self._lock:
            standing = [connection for connection in self._connections if not connection.ended]
        for connection in standing:
            connection.end(how)
        if how != "stall":
            for connection in standing:
                connection.join()
        self.cut_count += bool(standing)
        return len(standing)

    def cut_after(self, amounts: Iterator[int]) -> None:
        """From now on, cuts all connections whenever so many bytes were relayed in both directions together.

        By turns with RST and with FIN.
        """
        with self._lock:
            self._cuts, self._relayed = amounts, 0
            self._next_cut = next(amounts, None)

    def refuse(self, refusing: bool = True) -> None:
        """New connections are reset at once, until `refuse(False)`."""
        self._refusing = refusing

    def close(self) -> None:
        self._closed = True
        self._thread.join()
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.end("rst")
            connection.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def relayed(self, count: int) -> None:
        """Counts bytes, and cuts when their time has come. Called by the connections."""
        with self._lock:
            self._relayed += count
            if self._next_cut is None or self._relayed < self._next_cut:
                return
            self._relayed = 0
            self._next_cut = next(self._cuts, None)
            self.cut_count += 1
            how: How = "rst" if self.cut_count % 2 else "fin"
            standing = [connection for connection in self._connections if not connection.ended]
        for connection in standing:
            connection.end(how)

    def _accept(self) -> None:
        while not self._closed:
            try:
                visitor, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self._refusing:
                _reset(visitor)
                continue
            try:
                onward = socket.create_connection(self.target, 5.0)
            except OSError:
                _reset(visitor)
                continue
            with self._lock:
                self.accepted += 1
                self._connections = [connection for connection in self._connections if not connection.gone]
                self._connections.append(_Connection(self, visitor, onward))


class _Connection:
    """A pair of sockets and the four threads between them; whoever leaves last closes the sockets."""

    def __init__(self, relay: Relay, one: socket.socket, other: socket.socket) -> None:
        self._relay = relay
        self._sockets = (one, other)
        self.ended = False
        self._stalled = False
        for end in self._sockets:
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        for source, sink in ((one, other), (other, one)):
            line = _Line()
            self._threads.append(threading.Thread(target=self._work, args=(self._read, source, line), daemon=True))
            self._threads.append(threading.Thread(target=self._work, args=(self._write, sink, line), daemon=True))
        self._left = len(self._threads)
        for thread in self._threads:
            thread.start()

    @property
    def gone(self) -> bool:
        return self._left == 0

    def end(self, how: How) -> None:
        with self._lock:
            if how == "stall":
                self._stalled = True
                return
            if self.ended:
                return
            self.ended = True
            for end in self._sockets:
                if how == "rst":
                    _linger_zero(end)
                try:
                    end.shutdown(socket.SHUT_RD if how == "rst" else socket.SHUT_RDWR)
                except OSError:
                    continue

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _work(self, work: Callable[[socket.socket, "_Line"], None], end: socket.socket, line: "_Line") -> None:
        try:
            work(end, line)
        except OSError:
            self.end("rst")
        with self._lock:
            self._left -= 1
            if self._left:
                return
            self.ended = True
            for socket_ in self._sockets:
                socket_.close()

    def _read(self, source: socket.socket, line: "_Line") -> None:
        rate, delay = self._relay.rate, self._relay.delay
        size = 2048 if rate else 256 * 1024
        free = 0.0
        while not self.ended:
            if self._stalled or (not rate and line.size > 1024 * 1024):
                time.sleep(_TURN_MS / 1000 if self._stalled else 0.001)
                continue
            try:
                data = source.recv(size)
            except BlockingIOError:
                _poll(source, select.POLLIN)
                continue
            now = time.monotonic()
            if rate:
                free = max(now, free) + len(data) / rate
            line.put(max(now, free) + delay, data)
            if not data:
                return
            if rate and free - now > _QUEUE / rate:
                time.sleep(free - now - _QUEUE / rate)

    def _write(self, sink: socket.socket, line: "_Line") -> None:
        while not self.ended:
            item = line.get()
            if item is None or self._stalled:
                continue
            due, data = item
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            view = memoryview(data)
            while view and not self.ended:
                try:
                    view = view[sink.send(view) :]
                except BlockingIOError:
                    _poll(sink, select.POLLOUT)
            self._relay.relayed(len(data))


class _Line:
    """Bytes on their way in one direction."""

    def __init__(self) -> None:
        self.size = 0
        self._items: deque[tuple[float, bytes]] = deque()
        self._some = threading.Condition()

    def put(self, due: float, data: bytes) -> None:
        with self._some:
            self.size += len(data)
            self._items.append((due, data))
            self._some.notify()

    def get(self) -> tuple[float, bytes] | None:
        """The oldest bytes, or None after a short time without any."""
        with self._some:
            if not self._items:
                self._some.wait(_TURN_MS / 1000)
            if not self._items:
                return None
            item = self._items.popleft()
            self.size -= len(item[1])
            return item


def _poll(end: socket.socket, event: int) -> None:
    poller = select.poll()
    poller.register(end, event)
    poller.poll(_TURN_MS)


def _linger_zero(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _reset(end: socket.socket) -> None:
    _linger_zero(end)
    end.close()
