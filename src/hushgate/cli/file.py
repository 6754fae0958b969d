"""`hushgate FILE`: runs what the file holds."""

import os
from pathlib import Path

import click

from hushgate.cli import access, client, server
from hushgate.cli.options import file_argument, log_level_option


def run(file: Path, log_level: str) -> int:
    from hushgate.cli.run import held
    from hushgate.config.load import load

    sections = held(load(file, os.environ))
    if len(sections) > 1:
        from hushgate.cli.several import run_all

        return run_all(file, sections, log_level)
    if sections == ["client"]:
        return client.run(file, log_level, probe=False)
    return server.run(file, log_level) if sections == ["server"] else access.run(file, log_level)


@click.command("run")
@file_argument
@log_level_option
def command(file: Path, log_level: str) -> int:
    """Run what FILE holds; the same as `hushgate FILE`.

    A file with several of [server], [client] and [access] runs them all, each as a process of its own.
    """
    return run(file, log_level)
