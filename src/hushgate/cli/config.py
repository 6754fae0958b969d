"""`hushgate config …`: prints what other programs need in their own configuration."""

import click

from hushgate.cli import config_clients, config_ssh


@click.group("config")
def command() -> None:
    """Print configuration for other programs."""


command.add_command(config_ssh.command)
for other in config_clients.COMMANDS:
    command.add_command(other)
