"""Bytes that can be checked: local services at home and visitors, with a digest of everything in both directions."""

import contextlib
import hashlib
import math
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.e2e.programs import Address

_BLOCK = random.Random(20261122).randbytes(256 * 1024)
_HEAD = struct.Struct(">QQ")


def feed(seed: int, size: int) -> Iterator[bytes]:
    """`size` bytes that differ at every position of the stream: a lost, doubled or swapped piece changes the digest."""
    turn = seed * 7919 % len(_BLOCK)
    while size:
        piece = (_BLOCK[turn:] + _BLOCK[:turn])[:size]
        yield piece
        size -= len(piece)
        turn = (turn + 104_729) % len(_BLOCK)


def digest_of(seed: int, size: int) -> bytes:
    digest = hashlib.sha256()
    for piece in feed(seed, size):
        digest.update(piece)
    return digest.digest()


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[Address]:
    """A local service: `handle` runs in a thread for every connection. Yields its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    held: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        try:
            handle(connection)
        except (OSError, AssertionError):
            # A visitor who left; who cares counts the bytes at his own end.
            pass
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        # shutdown, for close does not wake a thread in accept().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        for connection in held:
            connection.close()


def echo(connection: socket.socket) -> None:
    """Sends back what comes and passes the half-close on."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(65536):
        connection.sendall(data)


def swap(connection: socket.socket) -> None:
    """Reads (seed, size), sends that feed, meanwhile reads to the end, then sends the SHA-256 of what it read."""
    seed, size = _HEAD.unpack(receive(connection, _HEAD.size))
    read = hashlib.sha256()

    def drain() -> None:
        # A broken connection breaks the sender too, which tells it.
        with contextlib.suppress(OSError):
            while data := connection.recv(262_144):
                read.update(data)

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    for piece in feed(seed + 1, size):
        connection.sendall(piece)
    reader.join()
    connection.sendall(read.digest())
    connection.shutdown(socket.SHUT_WR)


def exchange(
    address: Address, size: int, seed: int = 1, timeout: float = 120.0, begun: Callable[[], object] | None = None
) -> None:
    """Sends `size` bytes to a `swap` service and reads as many, both at once. Raises AssertionError on a wrong byte.

    `begun` is called when the first byte came, before this side has sent its own.
    """
    with socket.create_connection(address, 10.0) as visitor:
        visitor.settimeout(timeout)
        visitor.sendall(_HEAD.pack(seed, size))
        visitor.recv(1, socket.MSG_PEEK)
        if begun is not None:
            begun()
        failed: list[OSError] = []

        def send() -> None:
            try:
                for piece in feed(seed, size):
                    visitor.sendall(piece)
                visitor.shutdown(socket.SHUT_WR)
            except OSError as error:
                failed.append(error)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        digest, got = hashlib.sha256(), 0
        tail = b""
        while data := visitor.recv(262_144):
            got += len(data)
            data = tail + data
            tail = data[-32:]
            digest.update(data[:-32])
        sender.join()
    assert not failed, f"stream {seed}: sending broke with {failed[0]!r}"
    assert got == size + 32, f"stream {seed}: {got} bytes came instead of {size + 32}"
    assert digest.digest() == digest_of(seed + 1, size), f"stream {seed}: the bytes towards the visitor differ"
    assert tail == digest_of(seed, size), f"stream {seed}: the bytes towards home differ"


def exchange_many(
    address: Address, count: int, size: int, timeout: float = 120.0, begun: Callable[[], None] | None = None
) -> None:
    """`count` exchanges at once, each of its own bytes; every failure is told. `begun` when all have begun."""
    failures: list[str] = []
    together = threading.Barrier(count, begun)

    def one(seed: int) -> None:
        try:
            exchange(address, size, seed, timeout, lambda: together.wait(timeout))
        except (AssertionError, OSError, threading.BrokenBarrierError) as error:
            together.abort()
            failures.append(f"stream {seed}: {error!r}")

    threads = [threading.Thread(target=one, args=(3 * number,), daemon=True) for number in range(1, count + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, "\n".join(failures[:5])


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes; AssertionError when the connection ends before."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, f"the connection ended after {len(data)} of {size} bytes"
        data += piece
    return bytes(data)


def round_trips(address: Address, count: int, every: float, timeout: float = 30.0) -> list[float]:
    """Seconds that each of `count` one-byte echoes took, one sent `every` seconds."""
    taken = []
    with socket.create_connection(address, 10.0) as visitor:
        visitor.settimeout(timeout)
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, start + number * every - time.monotonic()))
            sent = time.monotonic()
            visitor.sendall(b"k")
            receive(visitor, 1)
            taken.append(time.monotonic() - sent)
    return taken


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def sink(connection: socket.socket) -> None:
    """Reads and forgets."""
    while connection.recv(262_144):
        pass


def source(connection: socket.socket) -> None:
    """Sends as much as is taken."""
    while True:
        connection.sendall(_BLOCK)


LINE_RATE = 1_250_000
"""10 Mbit/s, in bytes a second."""
LINE_ROUND_TRIPS = (0.020, 0.040)
"""Seconds: a line of 20 ms, there and back or each way."""
KEYSTROKE_MORE = 0.060
"""Beyond the line's round trip, what 99 of 100 keystrokes may take during a bulk transfer over such a line."""
BULK = {"home": sink, "visitor": source}
"""Which way the bulk goes, and the service at home for it."""


def keystrokes_pass_bulk(
    echo_address: Address, bulk_address: Address, towards: str, count: int, round_trip: float
) -> None:
    """Raises AssertionError when more than one keystroke in a hundred takes over KEYSTROKE_MORE longer during a bulk
    transfer than without: than the line's round trip, or what this machine makes of it just now, if that is more.

    A busy machine makes some late now and then, a queue on the way does so every time: three times, that is.
    """
    seen = []
    for _ in range(3):
        quiet = max(round_trip, percentile(round_trips(echo_address, 60, every=0.05)[6:], 0.99))
        busy = percentile(round_trips_under_load(echo_address, bulk_address, towards, count), 0.99)
        if busy <= quiet + KEYSTROKE_MORE:
            return
        seen.append(f"{busy * 1000:.0f} ms instead of {quiet * 1000:.0f}")
    raise AssertionError(f"keystrokes wait behind bulk: {', '.join(seen)}")


def round_trips_under_load(echo_address: Address, bulk_address: Address, towards: str, count: int) -> list[float]:
    """As `round_trips` with one byte every 50 ms, while another visitor of the service BULK[`towards`] moves as much
    as goes.

    The first 0.3 s, in which the line's rate is searched, are left out.
    """
    move = source if towards == "home" else sink
    round_trips(echo_address, 1, every=0)  # Home may still be on its way.
    with socket.create_connection(bulk_address, 10.0) as bulk:

        def work() -> None:
            with contextlib.suppress(OSError):
                move(bulk)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        taken = round_trips(echo_address, 6 + count, every=0.05)
        assert worker.is_alive(), "the bulk went on until the end"
        bulk.shutdown(socket.SHUT_RDWR)
        worker.join()
    return taken[6:]
