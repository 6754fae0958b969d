"""`hushgate config ssh`: the lines of ssh_config(5) with which `ssh HOST` goes through the tunnel, or past it."""

import re
import shlex
from pathlib import Path
from typing import Final

import click

from hushgate.cli.options import access_file_option

_ALIVE: Final = "    ServerAliveInterval 10\n    ServerAliveCountMax 3\n"
"""A connection that is dead at the other end is given up after half a minute; streams outlive shorter losses."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]+")


def block(host: str, service: str, file: Path | None, lan: tuple[str, int] | None) -> str:
    """The text. ssh takes the first value that it finds for each keyword, so the way past the tunnel stands first."""
    command = ["hushgate", "connect", service, "--stdio", *(["--file", str(file)] if file else [])]
    # ssh expands %-sequences in a ProxyCommand.
    proxy = shlex.join(command).replace("%", "%%")
    near = ""
    if lan:
        address, port = lan
        # One of ssh's own programs, so it is there; and it hears whether an SSH server answers, not just anybody.
        probe = f"ssh-keyscan -T 1 -p {port} {address} >/dev/null 2>&1"
        near = (
            f'Match originalhost {host} exec "{probe}"\n'
            f"    HostName {address}\n    Port {port}\n    ProxyCommand none\n    HostKeyAlias {host}\n\n"
        )
    return f"{near}Host {host}\n    ProxyCommand {proxy}\n    HostKeyAlias {host}\n{_ALIVE}"


def parse_lan(written: str) -> tuple[str, int]:
    """ADDR[:PORT]; an IPv6 address with a port stands in brackets. Raises BadParameter."""
    if found := re.fullmatch(r"\[(.+)\]:(\d+)", written):
        host, port = found[1], int(found[2])
    elif written.count(":") == 1:
        host, _, digits = written.partition(":")
        port = int(digits) if digits.isdecimal() else 0
    else:
        host, port = written, 22
    if not 0 < port < 65536 or not (_NAME.fullmatch(host) or (":" in host and _IPV6.fullmatch(host))):
        raise click.BadParameter(f"{written!r} is not ADDR or ADDR:PORT", param_hint="--lan")
    return host, port


@click.command("ssh")
@click.option("--host", default="home", show_default=True, help="What you will call it: ssh HOST.")
@click.option("--service", default="ssh", show_default=True, help="The service in the file with [access].")
@click.option("--lan", metavar="ADDR[:PORT]", help="Where sshd is reached without the tunnel, when it answers there.")
@access_file_option
def command(host: str, service: str, lan: str | None, file: Path | None) -> int:
    """Print the lines for ~/.ssh/config.

    With --lan, ssh first looks for at most a second whether an SSH server answers at that address, and then goes there
    directly. Both ways know the host's key under the name HOST.

    \b
    Example:
      hushgate config ssh --host home --lan 192.168.1.10 >> ~/.ssh/config
    """
    if not _NAME.fullmatch(host):
        raise click.BadParameter(f"{host!r} is not a name", param_hint="--host")
    click.echo(block(host, service, file.absolute() if file else None, parse_lan(lan) if lan else None), nl=False)
    return 0
