"""`hushgate client FILE [--probe]`: the program at home."""

from pathlib import Path

import click

from hushgate.cli.options import file_argument, log_level_option


def run(file: Path, log_level: str, probe: bool) -> int:
    from hushgate.cli.run import prepare

    loaded = prepare(file, "client", log_level)
    if probe:
        from hushgate.client import probe as once

        return once.run(loaded)
    from hushgate.client import app

    return app.run(loaded)


@click.command("client")
@file_argument
@click.option("--probe", is_flag=True, help="Connect once, print each step, and exit.")
@log_level_option
def command(file: Path, log_level: str, probe: bool) -> int:
    """Run the client: at home, where the services are.

    Connects to `remote_addr`, reconnects for ever, and carries the services that FILE names; streams go on when the
    connection is lost and comes back.

    \b
    Examples:
      hushgate client /etc/hushgate/client.toml
      hushgate client client.toml --probe
    """
    return run(file, log_level, probe)
