"""A port of this machine that answers nobody."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def deaf() -> Iterator[tuple[str, int]]:
    """An address whose backlog is full: connections to it are neither accepted nor refused."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()
