"""Opens pipes over TCP, and hands connected sockets to a transport."""

import asyncio
import ipaddress
import socket
import ssl

from hushgate.errors import PipeError
from hushgate.protocol.limits import CLOSE_WAIT, HANDSHAKE_WAIT
from hushgate.transports.loop import fast_sockets
from hushgate.transports.stream import SocketPipe, describe

_EYEBALLS = 0.25
"""RFC 8305 §5: the next address is tried after this many seconds."""


async def connect(host: str, port: int, wait: float = HANDSHAKE_WAIT) -> SocketPipe:
    """A TCP connection to `host`, made within `wait` seconds. Raises PipeError."""
    address = join_address(host, port)
    try:
        return await open_pipe(SocketPipe("tcp", address), host, port, wait=wait)
    except OSError as error:
        raise PipeError(f"{address}: {describe(error)}") from error


async def accept(sock: socket.socket, peer: str | None = None) -> SocketPipe:
    """The pipe over an accepted socket, which belongs to it from now on. Raises PipeError."""
    try:
        return await adopt_socket(SocketPipe("tcp", peer or peer_address(sock)), sock)
    except OSError as error:
        raise PipeError(f"{peer or 'a new connection'}: {describe(error)}") from error


async def open_pipe(
    pipe: SocketPipe,
    host: str,
    port: int,
    *,
    wait: float,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
) -> SocketPipe:
    """Connects `pipe`; with `tls` also shakes hands with `name`. Raises OSError (ssl.SSLError is one)."""
    loop = asyncio.get_running_loop()
    handshake, shutdown = (wait, CLOSE_WAIT) if tls else (None, None)
    async with asyncio.timeout(wait):
        if fast_sockets():
            import aiofastnet

            await aiofastnet.create_connection(
                loop,
                lambda: pipe,
                host,
                port,
                ssl=tls,
                server_hostname=name,
                happy_eyeballs_delay=None if _is_address(host) else _EYEBALLS,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )
        else:
            await loop.create_connection(
                lambda: pipe,
                host,
                port,
                ssl=tls,
                server_hostname=name,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )
    return pipe


async def adopt_socket(
    pipe: SocketPipe, sock: socket.socket, *, wait: float = HANDSHAKE_WAIT, tls: ssl.SSLContext | None = None
) -> SocketPipe:
    """Puts an accepted socket under `pipe`, or closes it. Raises OSError."""
    loop = asyncio.get_running_loop()
    handshake, shutdown = (wait, CLOSE_WAIT) if tls else (None, None)
    sock.setblocking(False)
    try:
        if fast_sockets():
            import aiofastnet

            await aiofastnet.connect_accepted_socket(
                loop, lambda: pipe, sock, ssl=tls, ssl_handshake_timeout=handshake, ssl_shutdown_timeout=shutdown
            )
        else:
            await loop.connect_accepted_socket(
                lambda: pipe, sock, ssl=tls, ssl_handshake_timeout=handshake, ssl_shutdown_timeout=shutdown
            )
    except BaseException:
        sock.close()
        raise
    return pipe


def _is_address(host: str) -> bool:
    """Whether `host` is one address, with which nothing races. asyncio's race loses the socket that wins while it is
    cancelled."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def peer_address(sock: socket.socket) -> str:
    """The other end of `sock`. Raises OSError when it has gone already."""
    name = sock.getpeername()
    return join_address(name[0], name[1]) if isinstance(name, tuple) else "a local socket"


def join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
