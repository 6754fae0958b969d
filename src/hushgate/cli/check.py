"""`hushgate check FILE`: everything that is wrong or odd in a file, at once."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from hushgate.config.model import Loaded


def run(files: tuple[Path, ...]) -> int:
    """2 when a file has a problem, else 0."""
    from hushgate.config.load import examine

    bad = False
    for file in files:
        loaded, problems = examine(file, os.environ)
        unread, unusable = look_at(list(named_files(loaded)))
        problems += [f"{file}: {reason}" for reason in unusable]
        for problem in problems:
            click.echo(problem)
        for warning in [*loaded.warnings, *(f"{file}: {reason}" for reason in unread)]:
            click.echo(f"warning: {warning}")
        for hint in loaded.hints:
            click.echo(f"hint: {hint}")
        if problems:
            click.echo(f"{file}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
        else:
            click.echo(f"{file}: good: {summary(loaded)}")
        bad = bad or bool(problems)
    return 2 if bad else 0


class Named(NamedTuple):
    """Files that `key` names. `load` reads them as the program will, and raises SystemFault."""

    key: str
    paths: tuple[Path, ...]
    load: Callable[[], object]


def named_files(loaded: "Loaded") -> Iterator[Named]:
    """What a program would read besides its file. OpenSSL is not loaded when there is nothing."""
    if loaded.server and (certificate := loaded.server.certificate):
        from hushgate.transports.tls import TlsServer

        cert, key = certificate.cert, certificate.key
        yield Named("server.certificate", (cert, key), lambda: TlsServer(cert, key))
    for section, config in (("client", loaded.client), ("access", loaded.access)):
        if config and (root := config.trusted_root):
            from hushgate.transports.tls import client_context

            yield Named(f"{section}.trusted_root", (root,), partial(client_context, root))


def look_at(named: list[Named]) -> tuple[list[str], list[str]]:
    """Which of them this user may not read, so that nothing can be said of them, and which cannot be used."""
    from hushgate.errors import SystemFault

    unread, unusable = [], []
    for key, paths, load in named:
        if hidden := [path for path in paths if not os.access(path, os.R_OK)]:
            unread.append(f"{key}: {hidden[0]} cannot be read by this user, so it was not looked at")
            continue
        try:
            load()
        except SystemFault as error:
            unusable.append(f"{key}: {error}")
    return unread, unusable


def summary(loaded: "Loaded") -> str:
    """What the file will do, in one line."""
    parts = []
    if loaded.server is not None:
        how = "with TLS" if loaded.server.certificate and not loaded.server.plain else "without TLS"
        parts.append(f"server on {loaded.server.bind} {how} for {_names(loaded.server.services)}")
    if loaded.client is not None:
        parts.append(f"client of {loaded.client.remote} for {_names(loaded.client.services)}")
    if loaded.access is not None:
        parts.append(f"access through {loaded.access.remote} to {_names(loaded.access.services)}")
    return "; ".join(parts)


def _names(services: object) -> str:
    return ", ".join(services) if isinstance(services, dict) and services else "no service"


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(files: tuple[Path, ...]) -> int:
    """Check configuration files; every problem at once.

    Each problem is one line: the file, the key, what is wrong and what to write instead. Warnings and hints do not make
    the check fail. Exit code 0 or 2.

    \b
    Example:
      hushgate check server.toml client.toml
    """
    return run(files)
