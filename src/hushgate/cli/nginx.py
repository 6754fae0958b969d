"""`hushgate nginx FILE`: the blocks that nginx needs for HTTP services."""

import os
from pathlib import Path

import click

from hushgate.cli.options import file_argument


def run(file: Path) -> int:
    from hushgate.config.load import load
    from hushgate.errors import ConfigError
    from hushgate.server.nginxconf import nginx_blocks

    server = load(file, os.environ).server
    if server is None:
        raise ConfigError([f"{file}: has no [server], and nginx stands in front of a server"])
    text = nginx_blocks(server)
    if not text:
        raise ConfigError([f'{file}: no service has type = "http" and a hostname or path; nginx needs no more blocks'])
    click.echo(text, nl=False)
    return 0


@click.command("nginx")
@file_argument
def command(file: Path) -> int:
    """Print what nginx needs for HTTP services.

    Those with a `hostname` or `path`: the nginx.conf that README.md shows passes the tunnel alone. Each block says
    where it belongs; $connection_upgrade is that file's.

    \b
    Example:
      hushgate nginx server.toml
    """
    return run(file)
