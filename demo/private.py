"""Files with secrets."""

from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner reads, at once."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
