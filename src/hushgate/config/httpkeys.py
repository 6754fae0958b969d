"""`keys` of an HTTP service, and how much may be asked with each.

A key is 256 bits of randomness, so its SHA-256 is all that a file needs to hold. Weak ones are refused: unlike a token
a key travels, nothing slows a guesser down, and a hash of it is quickly searched.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from hushgate.config import values
from hushgate.config.model import HttpKey, Quota
from hushgate.config.secrets import Tokens
from hushgate.config.table import Table

_PREFIX: Final = "sha256:"
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SHORT: Final = 8
"""Hexadecimal digits of the hash that stand for a key without a label: enough to tell keys apart."""


def key_hash(key: str) -> str:
    """The form in which a key stands in a file; white space around it is not part of it."""
    return _PREFIX + hashlib.sha256(key.strip().encode()).hexdigest()


def read_quota(table: Table, default: Quota) -> Quota:
    """The limits that a table sets; what it does not name is as in `default`."""
    quota = Quota(
        per_minute=table.value("per_minute", values.count(1), default.per_minute),
        concurrent=table.value("concurrent", values.count(1), default.concurrent),
        queue=table.value("queue", values.count(0), default.queue),
        streams=table.value("streams", values.count(0), default.streams),
        body=table.value("max_body", values.size(0), default.body),
    )
    if "queue" in table and quota.queue and quota.concurrent is None:
        table.problem("queue", "is for requests beyond concurrent; add concurrent, or remove it")
    return quota


def read_keys(table: Table, tokens: Tokens, quota: Quota) -> tuple[HttpKey, ...]:
    """The texts and tables of `keys`; `quota` holds for keys that have none of their own."""
    keys: dict[bytes, HttpKey] = {}
    labels: set[str] = set()
    problems = len(table.report.problems)
    items = table.items("keys")
    if "keys" in table and not items and len(table.report.problems) == problems:
        table.problem("keys", "is empty; `hushgate token key` makes a key, and without keys everybody may ask")
    for item in items:
        found = _one(table, item, tokens, quota) if isinstance(item, str) else _labelled(item, tokens, quota, labels)
        for key in found:
            if key.digest in keys:
                table.problem("keys", f"the key of {key.label} stands there twice; remove one of the two")
            keys[key.digest] = key
    return tuple(keys.values())


def _one(table: Table, written: str, tokens: Tokens, quota: Quota) -> Iterator[HttpKey]:
    digest = _digest(table, "keys", written, tokens)
    if digest is not None:
        yield HttpKey(digest.hex()[:_SHORT], digest, quota=quota)


def _labelled(table: Table, tokens: Tokens, quota: Quota, labels: set[str]) -> Iterator[HttpKey]:
    label = table.required("label", check_label, "", '"editor"')
    if label in labels:
        table.problem("label", f"{label} stands there twice; several keys of one label are a list in its key or hash")
    labels.add(label)
    quota, admin = read_quota(table, quota), table.value("admin", values.boolean, False)
    digests = [_digest(table, name, text, tokens) for name in ("key", "hash") for text in table.value(name, _texts, [])]
    digests += [_of(table, "key_file", secret.reveal()) for secret in tokens.from_file(table, "key_file", strict=True)]
    if not table.ask("key", "hash", "key_file"):
        table.report.problem(table.where, "has neither key, hash nor key_file; `hushgate token key` makes a key")
    table.done()
    yield from (HttpKey(label, digest, admin, quota) for digest in digests if digest is not None)


def _digest(table: Table, name: str, written: str, tokens: Tokens) -> bytes | None:
    """What is kept of a key, or of its hash, as it stands in `name`."""
    if name == "hash" or written.startswith(_PREFIX):
        return _of(table, name, written if written.startswith(_PREFIX) else "")
    secret = tokens.secret(table, name, written, strict=True)
    return None if secret is None else _of(table, name, secret.reveal())


def _of(table: Table, name: str, text: str) -> bytes | None:
    if text and not text.startswith(_PREFIX):
        return hashlib.sha256(text.encode()).digest()
    try:
        digest = bytes.fromhex(text.removeprefix(_PREFIX).strip())
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        table.problem(name, f"is not {_PREFIX} and 64 hexadecimal digits; `hushgate token key` makes both")
        return None
    return digest


def _texts(value: object) -> list[str]:
    return values.texts(value) if isinstance(value, list) else [values.text(value)]


def check_label(value: object) -> str:
    """A label that may stand in a file and in the log. Raises ValueError."""
    label = values.text(value)
    if not _LABEL.fullmatch(label):
        raise ValueError("must be up to 64 letters, digits and . _ @ -, since it stands in the log")
    return label
