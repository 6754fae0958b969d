"""What `[client]` and `[access]` have in common: how the server is reached."""

from dataclasses import dataclass
from pathlib import Path

from hushgate.config import values
from hushgate.config.limits import read_session_limits
from hushgate.config.model import Address, Remote, Scheme, SessionLimits, Timing
from hushgate.config.shared import existing_file, is_placeholder, read_timing
from hushgate.config.table import Table
from hushgate.config.transport import Transport, read_transport


@dataclass(frozen=True, slots=True)
class Uplink:
    """The keys of the section itself; its services are the caller's."""

    remote: Remote
    transport: Transport
    trusted_root: Path | None
    timing: Timing
    limits: SessionLimits


def read_uplink(section: Table, base: Path) -> Uplink:
    """What the section says of the server; worth something only when the report has no problem."""
    transport = read_transport(section, "client")
    return Uplink(
        _remote(section, transport),
        transport,
        _trusted_root(section, transport, base),
        read_timing(section),
        read_session_limits(section),
    )


def _remote(section: Table, transport: Transport) -> Remote:
    bare: Scheme = "tcp"
    if transport.type == "tls":
        bare = "tls"
    elif transport.type == "websocket":
        bare = "wss" if transport.websocket_tls else "ws"
    insecure = section.value("insecure", values.boolean, False)
    unknown = Remote(bare, "", 0)
    remote = section.required(
        "remote_addr", lambda value: values.remote(value, bare), unknown, '"wss://tunnel.example.org/"'
    )
    if remote is unknown:
        return remote
    if is_placeholder(remote.host):
        section.problem("remote_addr", f"{remote.host} is an example; write your own domain")
    elif not remote.tls and not insecure and not values.is_loopback(remote.host):
        better = (
            f"wss://{Address(remote.host, remote.port)}/" if remote.port not in (80, 443) else f"wss://{remote.host}/"
        )
        section.problem(
            "remote_addr",
            f'{remote.scheme}:// to another machine is not encrypted; write "{better}" '
            "(or insecure = true, if everybody on the way may read along)",
        )
    _agrees(section, remote, transport)
    return remote


def _agrees(section: Table, remote: Remote, transport: Transport) -> None:
    """The scheme of a URL and the transport table must not contradict each other."""
    spoken = "websocket" if remote.websocket else remote.scheme
    if transport.type is not None and transport.type != spoken:
        section.problem(
            "transport.type", f'is "{transport.type}", but remote_addr says {remote.scheme}://; write "{spoken}"'
        )
    elif remote.scheme == "ws" and transport.websocket_tls:
        section.problem("remote_addr", "says ws://, but transport.websocket.tls is true; write wss://")
    elif remote.scheme == "wss" and transport.websocket_tls is False:
        section.hint("transport.websocket.tls", "has no effect: remote_addr says wss://")


def _trusted_root(section: Table, transport: Transport, base: Path) -> Path | None:
    own = section.value("trusted_root", values.text, None)
    if own is not None and transport.trusted_root is not None and own != transport.trusted_root:
        section.problem("trusted_root", "differs from transport.tls.trusted_root; keep one of the two")
    written = own if own is not None else transport.trusted_root
    if written is None:
        return None
    return existing_file(section, "trusted_root" if own is not None else "transport.tls.trusted_root", written, base)
