"""`[client]`: table to ClientConfig."""

from pathlib import Path

from hushgate.config import values
from hushgate.config.http import AT_SERVER
from hushgate.config.model import Address, ClientConfig, ClientService, OllamaRules, Secret
from hushgate.config.profile import OLLAMA_PORT, read_profile
from hushgate.config.secrets import Tokens, missing_token
from hushgate.config.shared import ignored_seconds, read_e2e_key, read_services, read_type
from hushgate.config.stdio import read_stdio
from hushgate.config.table import Table
from hushgate.config.uplink import read_uplink
from hushgate.protocol.payloads import HOST

_NOWHERE = Address("", 0)
_UNKNOWN = Secret("")


def read_client(section: Table, tokens: Tokens, base: Path, platform: str) -> ClientConfig:
    """What the section means; worth something only when the report has no problem. `platform` is sys.platform."""
    uplink = read_uplink(section, base)
    fallback = tokens.default(section)
    ignored_seconds(section, "heartbeat_timeout", "retry_interval")
    config = ClientConfig(
        remote=uplink.remote,
        services={
            name: _service(name, table, tokens, fallback, uplink.transport.tcp.nodelay, base, platform)
            for name, table in read_services(section).items()
        },
        trusted_root=uplink.trusted_root,
        hostname=uplink.transport.hostname,
        timing=uplink.timing,
        limits=uplink.limits,
        tcp=uplink.transport.tcp,
    )
    section.done()
    return config


def _service(
    name: str, table: Table, tokens: Tokens, fallback: Secret | None, nodelay: bool, base: Path, platform: str
) -> ClientService:
    http = read_type(table) == "http"
    token = tokens.one_of(table)
    if token is None and not table.ask("token", "token_file"):
        token = fallback
        if token is None:
            missing_token(table)
    stdio = read_stdio(table, tokens, base)
    if stdio and platform == "win32":
        table.problem("command", "no program can be started on Windows; let the service listen, and write local_addr")
    if stdio is None:
        local = table.required("local_addr", values.target, _NOWHERE, '"127.0.0.1:22"')
    else:
        local = _NOWHERE
        if "local_addr" in table:
            table.problem("local_addr", "stands beside command; keep one of the two")
    ignored_seconds(table, "retry_interval")
    rules = read_profile(table, "http" if http or stdio else "tcp")
    service = ClientService(
        name=name,
        token=token or _UNKNOWN,
        local=local,
        host=_host_header(table, local, http=http),
        any_host="host_header" in table,
        gateway=(http and table.value("gateway", values.boolean, False)) or (rules is not None and stdio is None),
        rules=rules,
        nodelay=table.value("nodelay", values.boolean, nodelay),
        visitor_alias=_visitor_alias(table, local, platform),
        stdio=stdio,
        e2e_key=read_e2e_key(table, tokens, token, http=http),
    )
    if stdio is not None and service.gateway:
        table.problem("gateway", "has nothing to do for a program, whose requests are read at home anyhow; remove it")
    elif stdio is not None and isinstance(rules, OllamaRules):
        table.problem("profile", 'is "mcp" for a program, which speaks nothing else')
    _look_at_what_does_nothing(table, service)
    if rules is None and local.port == OLLAMA_PORT:
        table.hint("local_addr", 'is Ollama\'s; type = "http" and profile = "ollama" let nobody pull or delete models')
    table.elsewhere((*AT_SERVER, "bind_addr", "public", "tls"), f"stands at the server, in [server.services.{name}]")
    table.done()
    return service


def _look_at_what_does_nothing(table: Table, service: ClientService) -> None:
    if service.stdio is not None and table.value("type", values.text, "") == "tcp":
        table.hint("type", "has no effect: a program is reached over HTTP; remove it")
    if (service.stdio is not None or service.gateway) and table.value("visitor_alias", values.boolean, False):
        what = "a program has no address" if service.stdio else "the gateway at home tells visitors in X-Forwarded-For"
        table.hint("visitor_alias", f"has no effect: {what}; remove it")


def _host_header(table: Table, local: Address, *, http: bool) -> str:
    """What the service at home expects in the Host header: many accept none but their own address."""
    if not http:
        for key in table.ask("host_header", "gateway"):
            table.problem(key, 'is for services of HTTP; add type = "http", or remove it')
        return ""
    written = table.value("host_header", values.text, "local")
    if written == "local":
        return str(local) if local.host else "localhost"
    if written == "preserve":
        return ""
    if not HOST.fullmatch(written):
        table.problem("host_header", 'must be "local", "preserve", or a host with or without a port')
        return ""
    return written


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
