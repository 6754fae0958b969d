"""Visitors by hand: one request to see whether a tunnel stands, and a crowd that stays connected and says nothing."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.programs import BenchError

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_BODY = b"\r\n\r\nok\n"
_PATIENCE = 5.0  # seconds for one answer


def answers(port: int) -> bool:
    """Whether a request to the port of 127.0.0.1 gets the target's answer."""
    try:
        _visit(port).close()
    except OSError:
        return False
    return True


@contextmanager
def idle_visitors(port: int, count: int) -> Iterator[None]:
    """Keep `count` visitors connected, each after one request that was answered. Raises BenchError when one is not."""
    with ExitStack() as crowd:
        for number in range(count):
            try:
                crowd.enter_context(_visit(port))
            except OSError as error:
                raise BenchError(f"visitor {number + 1} of {count} was not served: {error}") from error
        yield


def round_trips(*ports: int, count: int) -> list[list[float]]:
    """Seconds of `count` requests to each port, on a connection for each, in turns: a busy moment touches all."""
    times: list[list[float]] = [[] for _ in ports]
    with ExitStack() as stack:
        visitors = [stack.enter_context(_visit(port)) for port in ports]
        for _ in range(count):
            for visitor, found in zip(visitors, times, strict=True):
                began = time.perf_counter()
                _ask(visitor)
                found.append(time.perf_counter() - began)
    return times


def first_byte(port: int) -> float:
    """Seconds from the start of a new connection to the first byte of a large answer."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as visitor:
        visitor.sendall(REQUEST.replace(b" / ", b" /large "))
        if not visitor.recv(1):
            raise BenchError("the connection ended before the answer")
        return time.perf_counter() - began


def _visit(port: int) -> socket.socket:
    visitor = socket.create_connection(("127.0.0.1", port), _PATIENCE)
    try:
        _ask(visitor)
    except OSError:
        visitor.close()
        raise
    return visitor


def _ask(visitor: socket.socket) -> None:
    visitor.sendall(REQUEST)
    answer = b""
    while not answer.endswith(_BODY):
        if not (data := visitor.recv(4096)):
            raise ConnectionError("the connection ended before the answer")
        answer += data
