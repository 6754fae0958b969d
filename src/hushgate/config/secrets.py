"""Tokens and verifiers of a file: where they come from, what is trimmed, what is refused, what is warned about."""

import base64
import binascii
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hushgate.config import values
from hushgate.config.model import Secret
from hushgate.config.table import Report, Table
from hushgate.protocol.limits import WEAK_TOKEN

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLACEHOLDER: Final = re.compile(
    r"generate-a-strong-random-token-here|another-strong-random-token|yet-another-strong-token|same-token-as-server-.*"
    r"|the (first|second|third) token|the laptop's key"
)
"""What the article and README.md write where a token belongs."""
_VERIFIER_BYTES: Final = 64
_EMPTY: Final = "is empty; `hushgate token new` makes a token"


def refusal(token: str) -> str | None:
    """Why a trimmed token cannot serve, or None."""
    if not token:
        return _EMPTY
    if _PLACEHOLDER.fullmatch(token):
        return "is a placeholder, which everybody knows; `hushgate token new` makes a token"
    try:
        token.encode()
    except UnicodeEncodeError:  # from an environment variable that is not UTF-8
        return "is not UTF-8 text; `hushgate token new` makes a token"
    return None


class Tokens:
    """Reads the tokens of one file. `files` are the token files that were read."""

    def __init__(self, report: Report, environ: Mapping[str, str], base: Path, *, posix: bool) -> None:
        self.files: list[Path] = []
        self._report = report
        self._environ = environ
        self._base = base
        self._posix = posix
        self._literal = False
        self._weak: set[Secret] = set()

    def all_of(self, table: Table, key: str = "token") -> tuple[Secret, ...]:
        """KEY, KEYs and the lines of KEY_file, each once."""
        one = table.value(key, _text, None)
        found = [(key, one)] if one is not None else []
        found += [(f"{key}s", raw) for raw in table.value(f"{key}s", values.texts, [])]
        secrets = [self.secret(table, name, raw) for name, raw in found] + self.from_file(table, f"{key}_file")
        return tuple(dict.fromkeys(secret for secret in secrets if secret is not None))

    def one_of(self, table: Table, key: str = "token") -> Secret | None:
        """KEY or the line of KEY_file; ambiguity is a problem, and absence the caller's business."""
        if key in table and f"{key}_file" in table:
            table.problem(f"{key}_file", f"stands beside {key}; keep one of the two")
        raw = table.value(key, _text, None)
        from_file = self.from_file(table, f"{key}_file")
        if len(from_file) > 1:
            table.problem(f"{key}_file", f"holds several; one {key} is proved, keep that one")
        if raw is not None:
            return self.secret(table, key, raw)
        return from_file[0] if from_file else None

    def default(self, table: Table) -> Secret | None:
        """`default_token`, for services that name none. A refused one counts as there: its problem is reported once."""
        raw = table.value("default_token", _text, None)
        if raw is None:
            return Secret("") if "default_token" in table else None
        return self.secret(table, "default_token", raw) or Secret("")

    def expanded(self, table: Table, key: str) -> Secret | None:
        """Any text, which may name variables of the environment and need not be a token; a secret to be safe."""
        raw = table.value(key, values.text, None)
        return None if raw is None else self._expanded(table, key, raw)

    def done(self, path: Path, mode: int) -> None:
        """Warns about a file with tokens in it that others may read; `mode` is its st_mode."""
        if self._literal and self._posix and mode & stat.S_IROTH:
            self._report.warn("", f"every user of this machine may read its tokens; run: chmod o-r {path}")

    def secret(self, table: Table, key: str, raw: str, *, strict: bool = False) -> Secret | None:
        """The token that stands in KEY as `raw`; `strict`: a weak one is refused, not only warned about."""
        found = self._expanded(table, key, raw)
        if found is None:
            return None
        self._literal = self._literal or not _VARIABLE.search(raw)
        return self._checked(table, key, found.reveal(), trimmed_silently=False, strict=strict)

    def _expanded(self, table: Table, key: str, raw: str) -> Secret | None:
        missing = [name for name in _VARIABLE.findall(raw) if name not in self._environ]
        if missing:
            table.problem(key, f"the environment variable {missing[0]} is not set")
            return None
        return Secret(_VARIABLE.sub(lambda match: self._environ[match[1]], raw))

    def _checked(self, table: Table, key: str, raw: str, *, trimmed_silently: bool, strict: bool) -> Secret | None:
        token = raw.strip()
        if reason := refusal(token):
            table.problem(key, reason)
            return None
        if token != raw and not trimmed_silently:
            table.warn(key, "white space around the token was ignored; remove it")
        secret = Secret(token)
        if len(token) < WEAK_TOKEN and secret not in self._weak:
            self._weak.add(secret)
            tell = table.problem if strict else table.warn
            tell(key, f"shorter than {WEAK_TOKEN} characters, so it may be guessed; `hushgate token new` makes a token")
        return secret

    def from_file(self, table: Table, key: str, *, strict: bool = False) -> list[Secret]:
        """The lines of the file that KEY names; `strict` as in `secret`."""
        named = table.value(key, values.text, None)
        if named is None:
            return []
        path = self._base / named
        self.files.append(path)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            mode = path.stat().st_mode
        except OSError as error:
            table.problem(key, f"{path} cannot be read: {error.strerror}")
            return []
        except UnicodeDecodeError:
            table.problem(key, f"{path} is not UTF-8 text")
            return []
        if self._posix and mode & stat.S_IROTH:
            table.warn(key, f"every user of this machine may read {path}; run: chmod o-r {path}")
        raw = [line for line in lines if line.strip()]
        if not raw:
            table.problem(key, f"{path} holds no token; `hushgate token new` makes one")
        secrets = (self._checked(table, key, line, trimmed_silently=True, strict=strict) for line in raw)
        return [secret for secret in secrets if secret is not None]


def _text(value: object) -> str:
    if isinstance(value, str) and not value.strip():
        raise ValueError(_EMPTY)
    return values.text(value)


def missing_token(table: Table) -> None:
    table.report.problem(
        table.where, 'has no token; write token = "…" (`hushgate token new` makes one) or default_token'
    )


def verifiers(table: Table, key: str, command: str) -> tuple[str, ...]:
    """KEY and KEYs, verifiers whose form is checked (docs/protocol.md §3.1); `command` makes one."""
    one = table.value(key, values.text, None)
    found = [(key, one)] if one is not None else []
    found += [(f"{key}s", item) for item in table.value(f"{key}s", values.texts, [])]
    good = []
    for name, raw in found:
        if _is_verifier(raw.strip()):
            good.append(raw.strip())
        else:
            table.problem(name, f"is no verifier; `{command}` makes one")
    return tuple(dict.fromkeys(good))


def _is_verifier(written: str) -> bool:
    mark, _, body = written.partition(".")
    try:
        decoded = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return mark == "hgv1" and len(decoded) == _VERIFIER_BYTES
