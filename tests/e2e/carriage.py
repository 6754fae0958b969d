"""The four ways a link can travel, as both files say it: a URL at home, and `[…transport]` tables."""

from tests.e2e import certificates
from tests.e2e.hushgate import Tunnel

SCHEMES = ("ws", "wss", "tcp", "tls")

_TABLES = {
    "ws": 'type = "websocket"',
    "wss": 'type = "websocket"\nwebsocket = { tls = true }',
    "tcp": 'type = "tcp"',
    "tls": 'type = "tls"',
}


def carry(tunnel: Tunnel, scheme: str, port: int | None = None) -> Tunnel:
    """Before its start: the link is to travel by `scheme`, to `port` if that is not the door (a relay's)."""
    server = client = ""
    if scheme in ("wss", "tls"):
        files = certificates.make(tunnel.directory / "tls", "localhost")
        server = f'certificate = {{ cert = "{files.chain}", key = "{files.key}" }}\n'
        client = f'trusted_root = "{files.root}"\n'
    tunnel.server_settings += f"\n{server}[server.transport]\n{_TABLES[scheme]}"
    tunnel.client_settings += f"\n{client}[client.transport]\n{_TABLES[scheme]}"
    tunnel.remote = f"{scheme}://localhost:{port or tunnel.door}"
    return tunnel
