"""`hushgate connect [SERVICE]`: one connection on standard input and output, or local ports for a while."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hushgate.cli.options import access_file_option, log_levels
from hushgate.errors import ConfigError

if TYPE_CHECKING:
    from hushgate.config.model import AccessConfig, AccessService, Address


def run(service: str | None, stdio: bool, ports: Sequence[str], file: Path | None, log_level: str | None) -> int:
    from hushgate.cli.run import prepare

    if stdio and (ports or service is None):
        raise click.UsageError("--stdio carries one service: hushgate connect SERVICE --stdio")
    path = file or default_file(os.environ)
    config = prepare(path, "access", log_level or ("error" if stdio else "info")).access
    assert config is not None
    if stdio:
        from hushgate.access import connect

        assert service is not None
        return connect.run(_only(config, {_known(config, service, path).name: None}), service)
    from hushgate.access import app

    return app.run_ports(_only(config, _wanted(config, service, ports, path)))


def default_file(environ: Mapping[str, str], machine: Path = Path("/etc/hushgate/access.toml")) -> Path:
    """$HUSHGATE_ACCESS, the user's file if there is one, or the machine's. Raises ConfigError when there is none."""
    if named := environ.get("HUSHGATE_ACCESS"):
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    own = Path(home) / "hushgate" / "access.toml"
    for path in (own, machine):
        if path.exists():
            return path
    raise ConfigError([f"there is neither {own} nor {machine}; write one with [access], or name yours with --file"])


def parse_port(written: str, service: str | None) -> "tuple[Address, str | None]":
    """What -L asks for: [ADDR:]PORT[:SERVICE], where an IPv6 address stands in brackets. Raises UsageError."""
    from hushgate.config.values import address

    head, _, last = written.rpartition(":")
    named = last if head and not last.isdecimal() else None
    if not named and head.isdecimal():
        head, named = "", last  # a service whose name is a number
    where = head if named and head else written if not named else written.partition(":")[0]
    try:
        return address(where if ":" in where else f"127.0.0.1:{where}"), named or service
    except ValueError as error:
        raise click.UsageError(f"-L {written}: [ADDR:]PORT[:SERVICE] is expected; {where!r} {error}") from None


def _wanted(
    config: "AccessConfig", service: str | None, ports: Sequence[str], path: Path
) -> "dict[str, Address | None]":
    wanted: dict[str, Address | None] = {}
    for written in ports:
        bind, name = parse_port(written, service)
        if name is None:
            raise click.UsageError(f"-L {written}: for which service? write -L {written}:SERVICE")
        if name in wanted:
            raise click.UsageError(f"-L {written}: {name} has a port already")
        wanted[_known(config, name, path).name] = bind
    if service is not None and service not in wanted:
        wanted[service] = _known(config, service, path).bind
        if wanted[service] is None:
            raise click.UsageError(f"{service} has no bind_addr in {path}: add -L PORT, or --stdio")
    if not wanted:
        raise click.UsageError("name a service: hushgate connect SERVICE")
    return wanted


def _known(config: "AccessConfig", name: str, path: Path) -> "AccessService":
    if name not in config.services:
        names = ", ".join(config.services) or "none"
        raise ConfigError([f"{path}: access.services: there is no service {name}; it has {names}"])
    return config.services[name]


def _only(config: "AccessConfig", wanted: "Mapping[str, Address | None]") -> "AccessConfig":
    """The same with these services alone, on these ports."""
    return replace(config, services={name: replace(config.services[name], bind=bind) for name, bind in wanted.items()})


@click.command("connect")
@click.argument("service", required=False)
@click.option("--stdio", is_flag=True, help="Carry one connection on standard input and output (ProxyCommand).")
@click.option(
    "-L", "ports", metavar="[ADDR:]PORT[:SERVICE]", multiple=True, help="Listen here for SERVICE; may be repeated."
)
@access_file_option
@log_levels(None, "The least severe event to log; error with --stdio, else info.")
def command(service: str | None, stdio: bool, ports: tuple[str, ...], file: Path | None, log_level: str | None) -> int:
    """Reach a service from this laptop, now.

    With --stdio for ssh's ProxyCommand; otherwise on local ports until Ctrl-C: the service's `bind_addr`, or what -L
    says. FILE is $HUSHGATE_ACCESS, else ~/.config/hushgate/access.toml, else /etc/hushgate/access.toml.

    \b
    Examples:
      ssh -o ProxyCommand='hushgate connect ssh --stdio' you@home
      hushgate connect ssh -L 2222 -L 11434:ollama
    """
    return run(service, stdio, ports, file, log_level)
