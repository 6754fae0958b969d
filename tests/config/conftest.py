"""Writing a configuration file and reading it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hushgate.config.load import examine
from hushgate.config.model import Loaded

Read = Callable[..., tuple[Loaded, list[str]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`read(text, **environ)`: what is in the file, and its problems without the file's name."""

    def reader(text: str, platform: str = "linux", **environ: str) -> tuple[Loaded, list[str]]:
        path = tmp_path / "hushgate.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        loaded, problems = examine(path, environ, platform=platform)
        return loaded, [problem.removeprefix(f"{path}: ") for problem in problems]

    return reader
