"""Looks names up where nobody waits for the resolver when the program ends.

A name server that does not answer costs ten seconds, three of them half a minute, and nothing interrupts the lookup.
asyncio's executor and libuv's pool are both waited for at the end of the program; a daemon thread is not. Those who ask
for the same name share one thread.
"""

import asyncio
import contextlib
import socket
import threading
from typing import Any

_Question = tuple[str | bytes | None, int | str | bytes | None, int, int, int, int]


class Resolver:
    """`getaddrinfo` for one event loop, in place of the loop's own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked: dict[_Question, asyncio.Future[list[Any]]] = {}

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: int | str | bytes | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """As socket.getaddrinfo. Raises OSError."""
        with contextlib.suppress(socket.gaierror):
            return socket.getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        question = host, port, family, type, proto, flags
        answer = self._asked.get(question)
        if answer is None:
            answer = self._asked[question] = self._loop.create_future()
            threading.Thread(target=self._look_up, args=(question,), name=f"resolve {host!r}", daemon=True).start()
        return await asyncio.shield(answer)

    def _look_up(self, question: _Question) -> None:
        found: list[Any] | Exception
        try:
            found = socket.getaddrinfo(*question)
        except Exception as error:
            found = error
        # The loop may have been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell, question, found)

    def _tell(self, question: _Question, found: list[Any] | Exception) -> None:
        answer = self._asked.pop(question)
        if isinstance(found, Exception):
            answer.set_exception(found)
            answer.exception()  # All who asked may have gone.
        else:
            answer.set_result(found)
