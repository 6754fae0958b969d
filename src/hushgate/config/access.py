"""`[access]`: table to AccessConfig."""

import shlex
from pathlib import Path

from hushgate.config import values
from hushgate.config.model import AccessConfig, AccessService
from hushgate.config.secrets import Tokens
from hushgate.config.shared import no_overlap, read_e2e_key, read_services, read_type
from hushgate.config.table import Table
from hushgate.config.uplink import read_uplink


def read_access(section: Table, tokens: Tokens, base: Path) -> AccessConfig:
    """What the section means; worth something only when the report has no problem."""
    uplink = read_uplink(section, base)
    tables = read_services(section)
    services = {name: _service(name, table, tokens, uplink.transport.tcp.nodelay) for name, table in tables.items()}
    no_overlap([], {name: service.bind for name, service in services.items()}, tables)
    config = AccessConfig(
        remote=uplink.remote,
        services=services,
        trusted_root=uplink.trusted_root,
        hostname=uplink.transport.hostname,
        timing=uplink.timing,
        limits=uplink.limits,
        tcp=uplink.transport.tcp,
    )
    section.done()
    return config


def _service(name: str, table: Table, tokens: Tokens, nodelay: bool) -> AccessService:
    http = read_type(table) == "http"
    key = tokens.one_of(table, "key")
    command = table.value("key_command", _command, None)
    written = table.ask("key", "key_file", "key_command")
    if not written:
        table.report.problem(table.where, 'has no key; write key = "…", the access_key of the service at the server')
    elif "key_command" in written and len(written) > 1:
        table.problem("key_command", f"stands beside {written[0]}; keep one of the two")
    bind = table.value("bind_addr", values.address, None)
    if "bind_addr" not in table:
        table.report.hint(table.where, f"has no bind_addr: `hushgate connect {name}` reaches it")
    elif bind is not None and not values.is_loopback(bind.host):
        table.warn("bind_addr", f"{bind} lets other machines in with your key; 127.0.0.1:{bind.port} is for this one")
    service = AccessService(
        name=name,
        key=key,
        key_command=command,
        bind=bind,
        nodelay=table.value("nodelay", values.boolean, nodelay),
        e2e_key=read_e2e_key(table, tokens, key, http=http),
    )
    table.done()
    return service


def _command(value: object) -> tuple[str, ...]:
    """A program and its arguments, as a list or as one text that is split as a shell would."""
    try:
        words = shlex.split(value) if isinstance(value, str) else values.texts(value)
    except ValueError as error:
        raise ValueError(f"is not a command: {error}") from None
    if not words:
        raise ValueError('is empty; write for example ["pass", "show", "hushgate/ssh"]')
    return tuple(words)
