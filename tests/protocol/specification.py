"""Reads docs/protocol.md, so that tests can hold the code against it."""

import re
from pathlib import Path

_PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


def section(number: int) -> str:
    """The text of the chapter with this number."""
    found = re.search(rf"^## {number} .*?(?=^## |\Z)", _PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found.group()


def table(text: str) -> list[dict[str, str]]:
    """The rows of all tables in `text`, by the names of their columns."""
    rows: list[dict[str, str]] = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *body = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()]
        rows += [dict(zip(head, row, strict=True)) for row in body]
    return rows


def numbers(text: str) -> list[float]:
    """The numbers of a cell."""
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]
