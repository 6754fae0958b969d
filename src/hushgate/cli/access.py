"""`hushgate access FILE`: the program on a laptop."""

from pathlib import Path

import click

from hushgate.cli.options import file_argument, log_level_option


def run(file: Path, log_level: str) -> int:
    from hushgate.cli.run import prepare

    loaded = prepare(file, "access", log_level)
    from hushgate.access import app

    return app.run(loaded)


@click.command("access")
@file_argument
@log_level_option
def command(file: Path, log_level: str) -> int:
    """Run the local ports: on a laptop, where services are used.

    Each service of FILE with a `bind_addr` gets a local port that leads to it, over one connection to the server.
    Reconnects for ever; connections through the ports go on meanwhile, and new ones wait.

    \b
    Example:
      hushgate access access.toml
      ssh -p 2222 you@localhost
    """
    return run(file, log_level)
