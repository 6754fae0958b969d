"""`[*.transport]`: rathole's table, the same on both sides. What this version does not speak is told in a sentence."""

from dataclasses import dataclass, field
from typing import Final, Literal

from hushgate.config import values
from hushgate.config.model import Tcp
from hushgate.config.table import Table

_TYPES: Final = ("websocket", "tls", "tcp")


@dataclass(frozen=True, slots=True)
class Transport:
    """`type` None: not stated. `pkcs12`: a certificate was named in the form that we do not read."""

    type: str | None = None
    websocket_tls: bool | None = None
    tcp: Tcp = field(default_factory=Tcp)
    trusted_root: str | None = None
    hostname: str | None = None
    pkcs12: bool = False


def read_transport(section: Table, side: Literal["server", "client"]) -> Transport:
    """The `transport` table of `[server]` or `[client]`."""
    table = section.table("transport")
    if table is None:
        return Transport()
    kind = table.value("type", _type, None)
    websocket = table.table("websocket")
    websocket_tls = None
    if websocket is not None:
        websocket_tls = websocket.value("tls", values.boolean, None)
        websocket.done()
    tcp = _tcp(table, side)
    trusted_root = hostname = None
    pkcs12 = False
    tls = table.table("tls")
    if tls is not None:
        trusted_root = tls.value("trusted_root", values.text, None)
        hostname = tls.value("hostname", values.text, None)
        pkcs12 = bool(tls.ask("pkcs12", "pkcs12_password"))
        _foreign_side(tls, side, pkcs12)
        tls.done()
    noise = table.table("noise")
    if noise is not None:
        noise.ask("pattern", "local_private_key", "remote_public_key")
        noise.done()
        if kind is not None:
            table.hint("noise", f"has no effect: the type is {kind}")
    table.done()
    return Transport(kind, websocket_tls, tcp, trusted_root, hostname, pkcs12)


def _type(value: object) -> str:
    written = values.text(value)
    if written == "noise":
        raise ValueError('this version does not speak noise; write "websocket" and let nginx or tls = true encrypt')
    if written not in _TYPES:
        raise ValueError('must be "websocket", "tls" or "tcp"')
    return written


def _tcp(table: Table, side: str) -> Tcp:
    tcp = table.table("tcp")
    if tcp is None:
        return Tcp()
    default = Tcp()
    read = Tcp(
        nodelay=tcp.value("nodelay", values.boolean, default.nodelay),
        keepalive_secs=tcp.value("keepalive_secs", values.count(0, 32_767), default.keepalive_secs),
        keepalive_interval=tcp.value("keepalive_interval", values.count(0, 32_767), default.keepalive_interval),
    )
    if "proxy" in tcp:
        if side == "client":
            tcp.problem("proxy", "this version does not dial through a proxy; remove the key")
        else:
            tcp.hint("proxy", "has no effect on a server")
    tcp.done()
    return read


def _foreign_side(tls: Table, side: str, pkcs12: bool) -> None:
    if side == "client":
        if pkcs12:
            tls.hint("pkcs12", "has no effect on a client")
        return
    if pkcs12:
        tls.problem(
            "pkcs12",
            'this version reads PEM files; write certificate = { cert = "fullchain.pem", key = "privkey.pem" } '
            "in [server] and remove pkcs12 and pkcs12_password",
        )
    for key in tls.ask("trusted_root", "hostname"):
        tls.hint(key, "has no effect on a server")
