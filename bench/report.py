"""Turns the samples of a race into the table that is printed, and into JSON.

A ratio is this build's figure divided by rathole's *of the same round*, so that a busy minute of the machine touches
both; its range is that of the rounds. A round in which either of the two failed has no ratio.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

PRODUCT, RIVAL, DIRECT = "hushgate", "rathole", "direct"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `goals` are for the ratio, `limit` is the most and `floor` the least for this
    build's own figure."""

    key: str
    title: str
    better: Literal["more", "less"]
    digits: int = 0
    goals: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    floor: float | None = None


ROWS = (
    Row("up", "Gbit/s up, one stream", "more", 2, {"ws": 1.6, "wss": 1.6}),
    Row("down", "Gbit/s down, one stream", "more", 2, {"ws": 1.6, "wss": 1.6}),
    Row("keepalive64", "requests/s, 64 keep-alive", "more", 0, {"ws": 1.0, "wss": 1.0}),
    Row("keepalive1", "requests/s, 1 connection", "more"),
    Row("connections", "new connections/s", "more", 0, {"ws": 1.0, "wss": 3.0}),
    Row("start", "ms from connect --stdio to a byte", "less", 0, limit=250),
    Row("gateway64", "requests/s, HTTP service, 64", "more", 0, floor=8000),
    Row("gateway-added", "ms added to a tcp service's median", "less", 3, limit=0.2),
    Row("gateway-first", "ms to the first byte, over direct", "less", 2, limit=5),
    Row("gateway-streams", "MB/s, HTTP service, 64 streams", "more"),
    Row("cpu-up", "CPU s per GB up, both ends", "less", 2),
    Row("cpu-down", "CPU s per GB down, both ends", "less", 2),
    Row("server-idle", "server MB, idle", "less", 1, limit=40),
    Row("server-visitors", "server MB more, 1,000 visitors", "less", 1, limit=25),
    Row("client-idle", "client MB, idle", "less", 1),
    Row("client-visitors", "client MB more, 1,000 visitors", "less", 1),
)


@dataclass(slots=True)
class Results:
    """`samples[row][contestant]` has one figure a round, None where the load failed; `failures` say why."""

    facts: dict[str, str]
    rounds: int
    samples: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, round_: int, contestant: str, figures: Mapping[str, float]) -> None:
        """Note what a load yielded in the round (from 0)."""
        for row, figure in figures.items():
            rounds = self.samples.setdefault(row, {}).setdefault(contestant, [None] * self.rounds)
            rounds[round_] = figure

    def of(self, row: str, contestant: str) -> list[float | None]:
        """The figures of every round."""
        return self.samples.get(row, {}).get(contestant, [None] * self.rounds)


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest, median and largest of the rounds that have a figure."""

    low: float
    middle: float
    high: float

    @classmethod
    def over(cls, figures: Sequence[float | None]) -> "Range | None":
        """None when no round has one."""
        present = [figure for figure in figures if figure is not None]
        return cls(min(present), median(present), max(present)) if present else None

    def text(self, digits: int) -> str:
        """`low / middle / high`."""
        return " / ".join(f"{figure:,.{digits}f}" for figure in (self.low, self.middle, self.high))


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float | None]:
    """Round by round; None where either is missing or the divisor is not above zero."""
    return [
        mine / other if mine is not None and other is not None and other > 0 else None
        for mine, other in zip(ours, theirs, strict=True)
    ]


def verdict(row: Row, scheme: str, own: Range | None, ratio: Range | None) -> str:
    """The goal and whether the median reaches it; empty without a goal."""
    if row.limit is not None:
        return f"≤ {row.limit:g}: {_reached(own.middle <= row.limit if own else None)}"
    if row.floor is not None:
        return f"≥ {row.floor:g}: {_reached(own.middle >= row.floor if own else None)}"
    if (goal := row.goals.get(scheme)) is not None:
        return f"≥ {goal:g} x: {_reached(ratio.middle >= goal if ratio else None)}"
    return ""


def render(results: Results) -> str:
    """The facts, one table for each transport that ran, and what failed."""
    lines = [f"{name}: {fact}" for name, fact in results.facts.items()]
    ran = {contestant for row in results.samples.values() for contestant in row}
    for scheme in ("ws", "wss"):
        if {f"{PRODUCT}-{scheme}", f"{RIVAL}-{scheme}"} & ran:
            lines += ["", f"over {scheme}, min / median / max of {results.rounds} rounds", *_table(results, scheme)]
    if results.failures:
        lines += ["", "failed:", *(f"  {failure}" for failure in results.failures)]
    return "\n".join(lines)


def to_json(results: Results) -> str:
    """Everything that was measured, for a script."""
    return json.dumps(
        {
            "facts": results.facts,
            "rounds": results.rounds,
            "samples": results.samples,
            "failures": results.failures,
        },
        indent=2,
    )


def _table(results: Results, scheme: str) -> list[str]:
    table = [("", DIRECT, RIVAL, PRODUCT, "ratio", "better", "goal")]
    for row in ROWS:
        if row.key not in results.samples:
            continue
        ours, theirs = results.of(row.key, f"{PRODUCT}-{scheme}"), results.of(row.key, f"{RIVAL}-{scheme}")
        own, rival, direct = Range.over(ours), Range.over(theirs), Range.over(results.of(row.key, DIRECT))
        ratio = Range.over(ratios(ours, theirs))
        table.append(
            (
                row.title,
                f"{direct.middle:,.{row.digits}f}" if direct else "",
                rival.text(row.digits) if rival else "-",
                own.text(row.digits) if own else "-",
                ratio.text(2) if ratio else "-",
                row.better,
                verdict(row, scheme, own, ratio),
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]


def _reached(yes: bool | None) -> str:
    return "not measured" if yes is None else "reached" if yes else "missed"
