"""Old nginx workers, seen in a /proc of our own."""

from pathlib import Path

import pytest

from hushgate.server.neighbours import Neighbours, OldWorkers
from tests.aio import run
from tests.tunnel import until

OLD = b"nginx: worker process is shutting down\0"


def process(proc: Path, pid: int, title: bytes) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "cmdline").write_bytes(title)


def test_an_old_worker_is_noticed_once(tmp_path: Path) -> None:
    process(tmp_path, 1, b"/sbin/init\0")
    process(tmp_path, 7, b"nginx: worker process\0")
    workers = OldWorkers(tmp_path)
    assert not workers.appeared()
    process(tmp_path, 7, OLD)
    process(tmp_path, 8, b"nginx: worker process\0")
    assert [workers.appeared(), workers.appeared()] == [True, False]
    process(tmp_path, 8, OLD)
    assert workers.appeared()


def test_a_process_that_ends_meanwhile_and_a_missing_proc_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "9").mkdir()
    assert not OldWorkers(tmp_path).appeared()
    assert not OldWorkers(tmp_path / "none").appeared()


def test_the_watch_tells_of_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.server.neighbours._EVERY", 0.01)
    monkeypatch.setattr("hushgate.server.neighbours.OldWorkers", lambda: OldWorkers(tmp_path))
    told: list[bool] = []

    async def main() -> None:
        neighbours = Neighbours(lambda: told.append(True))
        neighbours.start()
        process(tmp_path, 7, OLD)
        await until(lambda: told, "the reload")
        await neighbours.stop()

    run(main())
