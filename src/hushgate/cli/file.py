"""`hushgate FILE`: runs what the file holds."""

import os
from pathlib import Path

import click

from hushgate.cli import client, server
from hushgate.cli.options import file_argument, log_level_option


def run(file: Path, log_level: str) -> int:
    from hushgate.config.load import load

    loaded = load(file, os.environ)
    if loaded.server is not None and loaded.client is not None:
        from hushgate.cli.both import run_both

        return run_both(file, log_level)
    return server.run(file, log_level) if loaded.server is not None else client.run(file, log_level, probe=False)


@click.command("run")
@file_argument
@log_level_option
def command(file: Path, log_level: str) -> int:
    """Run what FILE holds; the same as `hushgate FILE`.

    A file with [server] and [client] runs both, each as a process of its own.
    """
    return run(file, log_level)
