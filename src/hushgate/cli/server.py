"""`hushgate server FILE`: the program on the VPS."""

from pathlib import Path

import click

from hushgate.cli.options import file_argument, log_level_option


def run(file: Path, log_level: str) -> int:
    from hushgate.cli.run import prepare

    loaded = prepare(file, "server", log_level)
    from hushgate.server import app

    return app.run(loaded)


@click.command("server")
@file_argument
@log_level_option
def command(file: Path, log_level: str) -> int:
    """Run the server: on the VPS, where visitors arrive.

    Runs until SIGTERM or Ctrl-C; running streams then get the time that `drain` gives them. Services that change in
    FILE take effect within two seconds, without touching the others.

    \b
    Examples:
      hushgate server /etc/hushgate/server.toml
      hushgate server server.toml --log-level debug
    """
    return run(file, log_level)
