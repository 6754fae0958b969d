"""Reading a TOML table key by key while every problem is collected.

A table remembers the keys it was asked for: what is left when reading is done is unknown, and the nearest asked one is
the suggestion. A value that cannot be read becomes a problem and its default, so that reading goes on and finds the
rest.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from hushgate.config.values import kind

T = TypeVar("T")
D = TypeVar("D")


class Report:
    """What was found in one file; every line is `file: section.key: reason`, without the key when the file is meant."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.hints: list[str] = []

    def problem(self, where: str, reason: str) -> None:
        self.problems.append(self._line(where, reason))

    def warn(self, where: str, reason: str) -> None:
        self.warnings.append(self._line(where, reason))

    def hint(self, where: str, reason: str) -> None:
        self.hints.append(self._line(where, reason))

    def _line(self, where: str, reason: str) -> str:
        line = ": ".join(part for part in (self.file, where, reason) if part)
        # What the file holds may end up here, and then on a terminal.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class Table:
    """One table of the file; `where` is its dotted name, empty for the file itself."""

    def __init__(self, values: dict[str, object], where: str, report: Report) -> None:
        self.where = where
        self.report = report
        self._values = values
        self._asked: set[str] = set()
        self._elsewhere: set[str] = set()

    def value(self, key: str, parse: Callable[[object], T], default: D) -> T | D:
        """What `parse` makes of the key; `default` when it is absent or `parse` refuses it."""
        self._asked.add(key)
        if key not in self._values:
            return default
        try:
            return parse(self._values[key])
        except ValueError as error:
            self.report.problem(self.name(key), str(error))
            return default

    def required(self, key: str, parse: Callable[[object], T], default: T, example: str) -> T:
        """As `value`; its absence is a problem too."""
        if key not in self:
            self.report.problem(self.where, f"{key} is missing; write for example {key} = {example}")
        return self.value(key, parse, default)

    def table(self, key: str) -> "Table | None":
        self._asked.add(key)
        found = self._values.get(key)
        if found is None:
            return None
        if not isinstance(found, dict):
            self.report.problem(self.name(key), f"must be a table, [{self.name(key)}], not {kind(found)}")
            return None
        return Table(found, self.name(key), self.report)

    def tables(self, key: str) -> "dict[str, Table]":
        """A table of tables, by name."""
        parent = self.table(key)
        if parent is None:
            return {}
        found = {name: parent.table(name) for name in parent}
        return {name: table for name, table in found.items() if table is not None}

    def items(self, key: str) -> "list[str | Table]":
        """A list of texts and tables; a table's name ends in its place in the list, counted from 1."""
        self._asked.add(key)
        found = self._values.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, str | dict) for item in found):
            self.report.problem(self.name(key), f"must be a list of texts, or tables [[{self.name(key)}]]")
            return []
        return [
            Table(item, f"{self.name(key)}[{place}]", self.report) if isinstance(item, dict) else str(item)
            for place, item in enumerate(found, 1)
        ]

    def ask(self, *keys: str) -> list[str]:
        """Marks keys as known without reading them; returns those that are there."""
        self._asked.update(keys)
        return [key for key in keys if key in self._values]

    def elsewhere(self, keys: Iterable[str], reason: str) -> None:
        """Makes each of the keys a problem of its own, unless it is asked for: it is known, but not here."""
        for key in keys:
            if key in self._values and key not in self._asked:
                self._elsewhere.add(key)
                self.problem(key, reason)

    def done(self) -> None:
        """Makes every key that was never asked for a problem."""
        for key in self._values:
            if key not in self._asked | self._elsewhere:
                near = difflib.get_close_matches(key, sorted(self._asked), n=1, cutoff=0.6)
                tail = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(sorted(self._asked))}"
                self.report.problem(self.name(key), f"unknown key{tail}")

    def problem(self, key: str, reason: str) -> None:
        """Reports `key`, which may be a dotted path of bare keys below this table; so do `warn` and `hint`."""
        self.report.problem(f"{self.where}.{key}", reason)

    def warn(self, key: str, reason: str) -> None:
        self.report.warn(f"{self.where}.{key}", reason)

    def hint(self, key: str, reason: str) -> None:
        self.report.hint(f"{self.where}.{key}", reason)

    def name(self, key: str) -> str:
        """The dotted name of a key of this table, as TOML would write it."""
        bare = (
            key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
        )
        return f"{self.where}.{bare}" if self.where else bare

    def __iter__(self) -> Iterator[str]:
        """The keys that are there, whether they are known or not."""
        return iter(self._values)

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._values
