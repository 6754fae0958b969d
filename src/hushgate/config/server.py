"""`[server]`: table to ServerConfig."""

from hashlib import sha256
from pathlib import Path

from hushgate.config import values
from hushgate.config.http import look_at_keys, no_two_alike, read_http
from hushgate.config.limits import read_server_limits
from hushgate.config.model import Address, Certificate, Secret, ServerConfig, ServerService
from hushgate.config.profile import asks_nobody, refuse_strangers
from hushgate.config.secrets import Tokens, missing_token, verifiers
from hushgate.config.shared import (
    existing_file,
    ignored_seconds,
    is_ip,
    is_placeholder,
    no_overlap,
    read_services,
    read_timing,
    read_type,
)
from hushgate.config.table import Table
from hushgate.config.transport import Transport, read_transport

_NOWHERE = Address("", 0)


def read_server(section: Table, tokens: Tokens, base: Path) -> ServerConfig:
    """What the section means; worth something only when the report has no problem."""
    bind = section.required("bind_addr", values.address, _NOWHERE, '"127.0.0.1:8443"')
    transport = read_transport(section, "server")
    tls = _tls(section, transport)
    if not tls and bind.host and not values.is_loopback(bind.host):
        section.hint("bind_addr", "links arrive here without TLS; set tls = true, or bind to 127.0.0.1 behind nginx")
    fallback = tokens.default(section)
    ignored_seconds(section, "heartbeat_interval")
    tables = read_services(section)
    services = {name: _service(name, table, tokens, fallback, transport) for name, table in tables.items()}
    taken = {name: service.bind for name, service in services.items()}
    no_overlap([("server.bind_addr", bind)], taken, tables)
    _keys_apart(services, tables)
    no_two_alike(services, tables)
    certified = tls or any(service.tls for service in services.values())
    config = ServerConfig(
        bind=bind,
        services=services,
        names=_names(section),
        certificate=_certificate(section, transport, base, wanted=certified),
        plain=certified and not tls,
        timing=read_timing(section),
        limits=read_server_limits(section),
        tcp=transport.tcp,
    )
    section.done()
    return config


def _service(name: str, table: Table, tokens: Tokens, fallback: Secret | None, transport: Transport) -> ServerService:
    http = read_http(table, read_type(table), tokens)
    problems = len(table.report.problems)
    secrets = tokens.all_of(table)
    verifying = verifiers(table, "verifier", "hushgate token verifier SERVICE")
    if fallback and not table.ask("token", "tokens", "token_file", "verifier", "verifiers"):
        secrets = (fallback,)
    if not secrets and not verifying and len(table.report.problems) == problems:
        missing_token(table)
    problems = len(table.report.problems)
    access_keys = tokens.all_of(table, "access_key")
    access_verifiers = verifiers(table, "access_verifier", "hushgate token verifier SERVICE --access")
    for_laptops = access_keys or access_verifiers or len(table.report.problems) > problems
    bind = table.value("bind_addr", values.address, None)
    if "bind_addr" not in table:
        if not for_laptops and (http is None or not http.on_door):
            table.report.warn(table.where, "has neither bind_addr nor access_key, so nobody can reach it")
    elif bind is not None and values.is_loopback(bind.host):
        wider = (
            "an access_key lets a laptop in" if asks_nobody(bind, http) else f'"0.0.0.0:{bind.port}" lets everybody in'
        )
        table.hint("bind_addr", f"{bind} is reachable on the VPS only; {wider}")
    nodelay = table.value("nodelay", values.boolean, transport.tcp.nodelay)
    tls = table.value("tls", values.boolean, False)
    if tls and bind is None:
        table.problem("tls", "is for the service's own port; add bind_addr, or remove it")
    refused = refuse_strangers(table, bind, http, keyed=http is not None and "keys" in table)
    look_at_keys(table, bind, http, tls=tls, refused=refused)
    table.done()
    return ServerService(name, secrets, verifying, bind, nodelay, access_keys, access_verifiers, tls, http)


def _keys_apart(services: dict[str, ServerService], tables: dict[str, Table]) -> None:
    """No access key is also a token, since whoever has it could play home; and no key of an HTTP service, which
    travels, is either of them."""
    tokens = {secret for service in services.values() for secret in service.tokens}
    proved = tokens | {secret for service in services.values() for secret in service.access_keys}
    digests = {sha256(secret.reveal().encode()).digest() for secret in proved}
    for name, service in services.items():
        if tokens & set(service.access_keys):
            tables[name].problem("access_key", "is also a token, so a laptop could play home; make another one")
        if service.http and not digests.isdisjoint(key.digest for key in service.http.keys):
            tables[name].problem("keys", "hold what is also a token or an access key; make another one")


def _tls(section: Table, transport: Transport) -> bool:
    """Whether links arrive in TLS of our own: `[server] tls` decides; without it rathole's transport table does."""
    stated = section.value("tls", values.boolean, None)
    implied = transport.type == "tls" or transport.websocket_tls is True
    if stated is True and transport.websocket_tls is False:
        section.hint("transport.websocket.tls", "has no effect: server.tls decides")
    if stated is False and implied:
        section.problem("tls", "is false, but the transport table asks for TLS; remove one of the two")
    return implied if stated is None else stated


def _certificate(section: Table, transport: Transport, base: Path, *, wanted: bool) -> Certificate | None:
    table = section.table("certificate")
    if table is None:
        if wanted and "certificate" not in section and not transport.pkcs12:
            example = 'certificate = { cert = "fullchain.pem", key = "privkey.pem" }'
            section.report.problem(section.where, f"TLS needs a certificate; write {example}")
        return None
    files = {}
    for key in ("cert", "key"):
        written = table.required(key, values.text, "", f'"{key}.pem"')
        files[key] = existing_file(table, key, written, base) if written else base
    table.done()
    if not wanted:
        section.warn("certificate", "is not used: set tls = true, or leave TLS to what stands in front")
        return None
    return Certificate(files["cert"], files["key"])


def _names(section: Table) -> tuple[str, ...]:
    names = []
    for written in section.value("names", values.texts, []):
        name = written.strip().lower()
        if is_placeholder(name):
            section.problem("names", f"{name} is an example; write your own domain")
        elif any(c.isspace() or c in "/@?#" for c in name) or (":" in name and not is_ip(name)):
            section.problem("names", "are host names alone, without scheme, port or path")
        else:
            names.append(name)
    return tuple(dict.fromkeys(names))
