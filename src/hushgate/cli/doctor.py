"""`hushgate doctor mcp|ollama URL`: names the first thing that is wrong on the way to a service."""

import os
from pathlib import Path

import click

from hushgate.cli.config_clients import parse_url


@click.group("doctor")
def command() -> None:
    """Find out why a service cannot be used.

    The key is read from HUSHGATE_KEY, never from the command line. Exit code 0 when nothing is wrong, 3 for the key, 4
    when the service cannot be reached or is offline, else 1.
    """


_json = click.option("--json", "as_json", is_flag=True, help="One JSON object in place of lines.")
_roots = click.option(
    "--trusted-root",
    type=click.Path(exists=True, path_type=Path),
    help="PEM file in place of the system's authorities.",
)


@command.command("mcp")
@click.argument("url", metavar="URL")
@click.option("--origin", default="", metavar="ORIGIN", help="A page of this origin is to use the service.")
@_roots
@_json
def mcp(url: str, origin: str, trusted_root: Path | None, as_json: bool) -> int:
    """Look at an MCP server from outside.

    \b
    Example:
      hushgate doctor mcp https://mcp.example.org/mcp
    """
    from hushgate.doctor import mcp as doctor
    from hushgate.doctor.fetch import Place
    from hushgate.doctor.report import Report

    report = Report()
    doctor.examine(Place(parse_url(url), os.environ.get("HUSHGATE_KEY", ""), trusted_root), report, origin)
    click.echo(report.to_json() if as_json else report.plain(), nl=False)
    return report.code


@command.command("ollama")
@click.argument("url", metavar="URL")
@click.option("--model", default="", metavar="NAME", help="Ask this model for a few words, to see them arrive.")
@_roots
@_json
def ollama(url: str, model: str, trusted_root: Path | None, as_json: bool) -> int:
    """Look at an Ollama from outside.

    \b
    Example:
      hushgate doctor ollama https://ollama.example.org
    """
    from hushgate.doctor import ollama as doctor
    from hushgate.doctor.fetch import Place
    from hushgate.doctor.report import Report

    report = Report()
    doctor.examine(Place(parse_url(url), os.environ.get("HUSHGATE_KEY", ""), trusted_root), report, model)
    click.echo(report.to_json() if as_json else report.plain(), nl=False)
    return report.code
