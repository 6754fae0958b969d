"""README.md as a reader takes it: its files, its command lines, and where in a file a snippet belongs."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
TOML = re.compile(r"^```toml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`((?:hushgate|eval) [^`\n]+)`")
_COMMENT = re.compile(r"\s+# .*")
_OTHER_WAY = re.compile(r"# (?:or|from then on): (.+)")
_HEADER = re.compile(r"^\[", re.MULTILINE)
_NAME_ALONE = 2
"""Words of a span that only names a command, such as `hushgate access`."""


class Snippets(NamedTuple):
    """The TOML of README.md, in its order."""

    server: str
    client: str
    own_tls: str
    private: str
    access: str
    program: str
    guarded: str
    guarded_access: str
    keyed: str


def snippets() -> Snippets:
    return Snippets(*TOML.findall(README))


def commands() -> list[str]:
    """What a reader types: the lines of the shell blocks and what their comments say instead, and whole commands within
    the sentences (those that say FILE are for any file, and stand in the blocks for some)."""
    written = [line for block in SHELL.findall(README) for line in block.splitlines()]
    lines = [_COMMENT.sub("", line) for line in written] + [way for line in written for way in _OTHER_WAY.findall(line)]
    spans = [span for span in _SPAN.findall(TOML.sub("", README)) if len(span.split()) > _NAME_ALONE]
    return lines + [span for span in spans if "FILE" not in span]


def put(snippet: str, text: str) -> str:
    """`text` with the snippet in its place: each table takes the place of the one of its name, or comes last."""
    tables = _tables(text)
    for name, table in _tables(snippet).items():
        tables[name] = table
    return "\n".join(tables.values())


def _tables(text: str) -> dict[str, str]:
    """Header to table, of a text that begins with one."""
    starts = [match.start() for match in _HEADER.finditer(text)]
    tables = [text[start:end].rstrip() + "\n" for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return {table.partition("]")[0]: table for table in tables}


def as_written(command: str) -> str:
    """The command, which must be one of README.md's; test_readme.py looks that each of them is asked for."""
    assert command in commands(), f"README.md does not say: {command}"
    return command
