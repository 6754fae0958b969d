"""The line between home and the VPS, which can be cut."""

import contextlib
import select
import socket
import struct
import threading
import time

from demo.screen import Failed


class Network:
    """The line between home and the VPS: relays TCP, and can be cut as a bad line cuts."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._standing: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Resets both ends of what stands, once something does. Raises Failed when nothing does for half a minute."""
        deadline = time.monotonic() + 30
        while not self._standing:
            if time.monotonic() > deadline:
                raise Failed("home did not connect again")
            time.sleep(0.02)
        standing, self._standing = self._standing, []
        for end in standing:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD)

    def _accept(self) -> None:
        while True:
            home = self._listener.accept()[0]
            try:
                vps = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                home.close()
                continue
            self.connections += 1
            self._standing = [home, vps]
            threading.Thread(target=self._relay, args=(home, vps), daemon=True).start()

    def _relay(self, home: socket.socket, vps: socket.socket) -> None:
        other = {home: vps, vps: home}
        with home, vps, contextlib.suppress(OSError):
            while True:
                for end in select.select([home, vps], [], [])[0]:
                    data = end.recv(1 << 18)
                    if not data:
                        return
                    other[end].sendall(data)
