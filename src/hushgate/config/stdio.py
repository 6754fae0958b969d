"""`command` and what belongs to it: a service that is a program on standard input and output."""

from pathlib import Path
from typing import Final

from hushgate.config import values
from hushgate.config.model import Secret, Stdio
from hushgate.config.secrets import Tokens
from hushgate.config.table import Table
from hushgate.protocol.limits import SESSION_IDLE, SESSIONS

_KEYS: Final = ("env", "cwd", "idle", "sessions")


def read_stdio(table: Table, tokens: Tokens, base: Path) -> Stdio | None:
    """None for a service without `command`, which has none of the other keys either."""
    if "command" not in table:
        for key in table.ask(*_KEYS):
            table.problem(key, "belongs to a service with command = […]")
        return None
    return Stdio(
        command=table.value("command", _command, ("",)),
        env=_env(table, tokens),
        cwd=_cwd(table, base),
        idle=table.value("idle", values.some_time, SESSION_IDLE),
        sessions=table.value("sessions", values.count(1), SESSIONS),
    )


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ValueError('must be a list, a word for each argument: ["npx", "-y", "PACKAGE"]')
    words = values.texts(value)
    if not words:
        raise ValueError('is empty; write for example ["npx", "-y", "PACKAGE"]')
    return tuple(words)


def _env(table: Table, tokens: Tokens) -> tuple[tuple[str, Secret], ...]:
    """The values may be secrets, and may name variables of our own environment."""
    given = table.table("env")
    if given is None:
        return ()
    found = []
    for name in given:
        if not name or "=" in name or "\0" in name:
            table.problem("env", "holds a name that no environment variable can have")
        elif (value := tokens.expanded(given, name)) is not None:
            found.append((name, value))
    return tuple(found)


def _cwd(table: Table, base: Path) -> Path | None:
    written = table.value("cwd", values.text, None)
    if written is None:
        return None
    path = base / Path(written).expanduser()
    if not path.is_dir():
        table.problem("cwd", f"there is no directory {path}")
    return path
