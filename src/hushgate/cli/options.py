"""Arguments and options that several commands share."""

from pathlib import Path

import click

file_argument = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))

log_level_option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least severe event to log.",
)
