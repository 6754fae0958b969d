"""A file that nobody can hold in mind has more than one responsibility."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINES_MAX = 400
PROGRAMS = [path for folder in ("src", "tests", "bench", "demo") for path in (ROOT / folder).rglob("*.py")]
FILES = sorted([*PROGRAMS, *(path for path in (ROOT / "scripts").iterdir() if path.is_file())])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_is_long(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LINES_MAX, f"{lines} lines; split it by responsibility"
