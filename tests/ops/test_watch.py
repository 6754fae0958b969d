"""Files that change: in place, by rename, by appearing and by going."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hushgate.ops.watch import Watch
from tests.aio import run
from tests.tunnel import until


def replace(path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(path.read_text())
    fresh.rename(path)


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [replace, touch, Path.unlink, lambda path: path.write_text("more")])
def test_a_change_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]) -> None:
    monkeypatch.setattr("hushgate.ops.watch._EVERY", 0.01)
    path, told = tmp_path / "file", []
    path.write_text("text")

    async def main() -> None:
        watch = Watch(lambda: [path], lambda: told.append(path))
        watch.start()
        change(path)
        await until(lambda: told, "the change")
        await asyncio.sleep(0.05)
        await watch.stop()

    run(main())
    assert told == [path]


def test_a_file_that_appears_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.ops.watch._EVERY", 0.01)
    told: list[bool] = []

    async def main() -> None:
        watch = Watch(lambda: [tmp_path / "later"], lambda: told.append(True))
        watch.start()
        (tmp_path / "later").touch()
        await until(lambda: told, "the change")
        await watch.stop()

    run(main())
