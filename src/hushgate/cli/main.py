"""The command line: the table of commands, and the one place where errors become sentences and exit codes.

Importing this module must stay cheap (`hushgate token new` runs in scripts): commands import what they need in `run`.
"""

import difflib
import errno
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from hushgate import __version__
from hushgate.cli import access, check, client, completion, config, connect, doctor, file, nginx, server, token
from hushgate.errors import SystemFault, UserError

HELP = """\
Reach services at home from everywhere, through a small server of your own.

The server runs on the machine with a public address, the client at home; one WebSocket between them carries every
service, and whoever holds no token sees an ordinary web site. A laptop comes to the same door with access keys.

\b
On the VPS      hushgate server server.toml
At home         hushgate client client.toml
On a laptop     hushgate access access.toml   (or ssh over hushgate connect)
Each of them    hushgate FILE                 (runs what the file holds)

\b
First steps:
  hushgate token new                      a token for both files
  hushgate check server.toml client.toml  every mistake at once
  hushgate client client.toml --probe     connect once, show each step
  hushgate doctor mcp URL                 what keeps a service from being used
"""

EPILOG = """\
\b
Exit codes:
  0  done
  1  something else went wrong
  2  the configuration or the command line is wrong
  3  authentication: the server let us in for no service
  4  the server cannot be reached, or home is offline
  5  this machine: port in use, certificate unreadable, disk full
"""

COMMANDS: tuple[click.Command, ...] = (
    server.command,
    client.command,
    access.command,
    connect.command,
    check.command,
    config.command,
    doctor.command,
    nginx.command,
    token.command,
    completion.command,
    file.command,
)


class Commands(click.Group):
    """A group whose first argument may also be a configuration file."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        first = args[0]
        if first in self.commands or first.startswith("-"):
            return super().resolve_command(ctx, args)
        if Path(first).suffix or "/" in first or Path(first).is_file():
            return file.command.name, file.command, args
        shown = [name for name, command in self.commands.items() if not command.hidden]
        near = difflib.get_close_matches(first, shown, n=1)
        tail = f"Did you mean {near[0]}?" if near else "See hushgate --help."
        raise click.UsageError(f"{first!r} is neither a command nor a file. {tail}", ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]


cli = Commands(
    name="hushgate",
    help=HELP,
    epilog=EPILOG,
    commands={str(command.name): command for command in COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"hushgate {__version__}{' (compiled)' if _compiled() else ''}")
        ctx.exit()


def _compiled() -> bool:
    """Whether the data path was compiled when this was built (docs/why/compiled.md)."""
    found = find_spec("hushgate.protocol.outbox")
    return found is not None and not str(found.origin).endswith(".py")


cli.params.append(
    click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Show the version and exit.",
    )
)


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code; prints a UserError as its sentence, lets a bug be a traceback."""
    try:
        code: Any = cli.main(args=args, prog_name="hushgate", standalone_mode=False)
    except UserError as error:
        click.echo(error, err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        click.echo("the output cannot be written: the disk it goes to is full; make room there", err=True)
        return SystemFault.exit_code
    return code if isinstance(code, int) else 0
