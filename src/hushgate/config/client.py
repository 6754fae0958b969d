"""`[client]`: table to ClientConfig."""

from pathlib import Path

from hushgate.config import values
from hushgate.config.model import Address, ClientConfig, ClientService, Remote, Scheme, Secret
from hushgate.config.secrets import Tokens
from hushgate.config.shared import (
    existing_file,
    ignored_seconds,
    is_placeholder,
    read_services,
    read_timing,
    read_type,
)
from hushgate.config.table import Table
from hushgate.config.transport import Transport, read_transport

_NOWHERE = Address("", 0)
_UNKNOWN = Secret("")


def read_client(section: Table, tokens: Tokens, base: Path, platform: str) -> ClientConfig:
    """What the section means; worth something only when the report has no problem. `platform` is sys.platform."""
    transport = read_transport(section, "client")
    remote = _remote(section, transport)
    fallback = tokens.default(section)
    ignored_seconds(section, "heartbeat_timeout", "retry_interval")
    config = ClientConfig(
        remote=remote,
        services={
            name: _service(name, table, tokens, fallback, transport, platform)
            for name, table in read_services(section).items()
        },
        trusted_root=_trusted_root(section, transport, base),
        hostname=transport.hostname,
        timing=read_timing(section),
        tcp=transport.tcp,
    )
    section.done()
    return config


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
        section.problem("remote_addr", f"{remote.host} is the article's example; write your own domain")
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


def _service(
    name: str, table: Table, tokens: Tokens, fallback: Secret | None, transport: Transport, platform: str
) -> ClientService:
    read_type(table)
    token = tokens.one_of(table, fallback)
    local = table.required("local_addr", values.target, _NOWHERE, '"127.0.0.1:22"')
    ignored_seconds(table, "retry_interval")
    service = ClientService(
        name=name,
        token=token or _UNKNOWN,
        local=local,
        nodelay=table.value("nodelay", values.boolean, transport.tcp.nodelay),
        visitor_alias=_visitor_alias(table, local, platform),
    )
    table.done()
    return service


def _visitor_alias(table: Table, local: Address, platform: str) -> bool:
    """Sources in 127/8 need Linux and a local service on IPv4 loopback; sshd there is what they are for."""
    linux = platform.startswith("linux")
    possible = values.is_loopback(local.host) and ":" not in local.host
    wanted = table.value("visitor_alias", values.boolean, linux and possible and local.port == 22)
    if wanted and local.host and not possible:
        table.problem(
            "visitor_alias", 'works for a local_addr of 127.0.0.0/8 only; remove it, or write "127.0.0.1:PORT"'
        )
    elif wanted and not linux:
        table.warn("visitor_alias", "works on Linux only and is ignored here")
        return False
    return wanted


def _trusted_root(section: Table, transport: Transport, base: Path) -> Path | None:
    own = section.value("trusted_root", values.text, None)
    if own is not None and transport.trusted_root is not None and own != transport.trusted_root:
        section.problem("trusted_root", "differs from transport.tls.trusted_root; keep one of the two")
    written = own if own is not None else transport.trusted_root
    if written is None:
        return None
    return existing_file(section, "trusted_root" if own is not None else "transport.tls.trusted_root", written, base)
