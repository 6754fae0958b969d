"""Arguments and options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

file_argument = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))

access_file_option = click.option(
    "--file", metavar="FILE", type=click.Path(path_type=Path), help="The file with [access]."
)


def log_levels(default: str | None, help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    levels = click.Choice(["debug", "info", "warning", "error"])
    return click.option("--log-level", type=levels, default=default, show_default=default is not None, help=help)


log_level_option = log_levels("info", "The least severe event to log.")
