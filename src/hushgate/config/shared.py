"""What the sections and their services have in common."""

import ipaddress
from pathlib import Path
from typing import Final

from hushgate.config import values
from hushgate.config.model import Address, Secret, Timing
from hushgate.config.secrets import Tokens
from hushgate.config.table import Table
from hushgate.protocol.limits import SERVICE_NAME_MAX

PLACEHOLDER_HOST: Final = "your-domain.com"
SERVICE_NAME_RULE: Final = f"a service name has 1 to {SERVICE_NAME_MAX} printable bytes"


def is_placeholder(host: str) -> bool:
    return host == PLACEHOLDER_HOST or host.endswith("." + PLACEHOLDER_HOST)


def read_timing(section: Table) -> Timing:
    default = Timing()
    return Timing(
        grace=section.value("grace", values.duration, default.grace),
        visitor_wait=section.value("visitor_wait", values.duration, default.visitor_wait),
        drain=section.value("drain", values.duration, default.drain),
    )


def is_service_name(name: str) -> bool:
    """Whether a service may be called so."""
    return 1 <= len(name.encode()) <= SERVICE_NAME_MAX and name.isprintable()


def read_services(section: Table) -> dict[str, Table]:
    """The service tables by name; a section without any must say so with an empty `services` table."""
    if "services" not in section:
        section.report.problem(section.where, f"has no services; add [{section.where}.services.NAME]")
        return {}
    problems = len(section.report.problems)
    tables = section.tables("services")
    for name in tables:
        if not is_service_name(name):
            section.problem("services", SERVICE_NAME_RULE)
    if not tables and len(section.report.problems) == problems:
        section.hint("services", "is empty: nothing is carried until a service is added")
    return tables


def read_type(service: Table) -> str:
    """`type`: "tcp" or "http"."""
    kind = service.value("type", values.text, "tcp")
    if kind == "udp":
        service.problem("type", 'this version does not carry UDP; remove the service or write type = "tcp"')
    elif kind not in ("tcp", "http"):
        service.problem("type", 'must be "tcp" or "http"')
    return kind


def read_e2e_key(service: Table, tokens: Tokens, proved: Secret | None, *, http: bool) -> Secret | None:
    """`e2e_key`: for services whose requests the server does not have to understand. `proved` is what the server
    checks, and has in its own file."""
    key = tokens.one_of(service, "e2e_key")
    if key is not None and http:
        service.problem("e2e_key", 'hides what an "http" service needs the server to read; remove one of the two')
    elif key is not None and key == proved:
        service.problem("e2e_key", "is what the server knows as well, so it could read along; make another one")
    return key


def ignored_seconds(table: Table, *keys: str) -> None:
    """Keys of rathole's own liveness and retry rules, which ours replace."""
    for key in keys:
        if table.value(key, values.count(0), None) is not None:
            table.hint(
                key, "is accepted for rathole's sake and has no effect: pings and retries follow docs/protocol.md"
            )


def existing_file(table: Table, key: str, written: str, base: Path) -> Path:
    """The path of a file that the configuration names; that there is none is a problem.

    A file that we may not see is left to whoever opens it, for then it is this machine that is wrong.
    """
    path = base / written
    try:
        if not path.exists():
            table.problem(key, f"there is no file {path}")
        elif path.is_dir():
            table.problem(key, f"{path} is a directory")
    except OSError:
        pass
    return path


def no_overlap(taken: list[tuple[str, Address]], binds: dict[str, Address | None], tables: dict[str, Table]) -> None:
    """No two listeners on one address: the later one could not be opened. `taken`: key and address of others."""
    taken = list(taken)
    for name, bind in binds.items():
        if bind is None or bind.port == 0:
            continue
        for other, address in taken:
            if address.port == bind.port and _same_host(address.host, bind.host):
                tables[name].problem("bind_addr", f"{bind} is taken by {other}; choose another port")
                break
        taken.append((f"{tables[name].where}.bind_addr", bind))


def _same_host(one: str, other: str) -> bool:
    first, second = (("127.0.0.1" if host.lower() == "localhost" else host.lower()) for host in (one, other))
    if not (is_ip(first) and is_ip(second)):
        return first == second
    a, b = ipaddress.ip_address(first), ipaddress.ip_address(second)
    return a == b or (a.version == b.version and (a.is_unspecified or b.is_unspecified))


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
