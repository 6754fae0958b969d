"""Signals, files that are read again, and the life of a program between them."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hushgate.config.load import load
from hushgate.config.model import ClientConfig, Loaded
from hushgate.errors import SystemFault
from hushgate.log import logger
from hushgate.ops.program import Reload, Stop, serve
from hushgate.ops.program import run as run_program
from tests.aio import run
from tests.logs import capture_logs
from tests.tunnel import until

TEXT = """[client]
remote_addr = "ws://127.0.0.1:8443/"
[client.services.ssh]
token = "a token that is long enough"
local_addr = "127.0.0.1:{port}"
"""


def offer(path: Path, port: object, before: str = "") -> None:
    path.write_text(before + TEXT.format(port=port))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "client.toml"
    path.touch(0o600)
    offer(path, 22)
    return path


def test_the_exit_code_is_that_of_main() -> None:
    async def main() -> int:
        await asyncio.sleep(0)
        return 7

    assert run_program(main) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops_and_the_second_hurries(number: signal.Signals) -> None:
    async def main() -> None:
        stop, hurried = Stop(), asyncio.Event()
        stop.again(hurried.set)
        os.kill(os.getpid(), number)
        await stop.signalled
        assert not hurried.is_set()
        os.kill(os.getpid(), number)
        await hurried.wait()

    run(main())


def test_a_changed_file_is_applied_when_it_is_seen_and_at_once_on_sighup(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hushgate.ops.watch._EVERY", 0.02)
    applied: list[Loaded] = []

    async def main() -> None:
        reload = Reload(load(file, os.environ), applied.append)
        reload.start()
        offer(file, 23)
        await until(lambda: len(applied) == 1, "the change")
        os.kill(os.getpid(), signal.SIGHUP)
        offer(file, 24)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(applied) == 2, "the second change")
        await reload.stop()

    run(main())
    assert [loaded.client.services["ssh"].local.port for loaded in applied if loaded.client] == [23, 24]


def test_a_file_that_means_the_same_is_not_applied(file: Path) -> None:
    applied: list[Loaded] = []

    async def main() -> None:
        reload = Reload(load(file, os.environ), applied.append)
        offer(file, 22, "# a comment\n")
        reload.now()

    run(main())
    assert applied == []


def test_a_broken_file_is_told_and_not_applied(file: Path) -> None:
    applied: list[Loaded] = []

    async def main() -> None:
        reload = Reload(load(file, os.environ), applied.append)
        offer(file, "'nonsense")
        reload.now()

    with capture_logs() as lines:
        run(main())
    assert applied == []
    assert [line["event"] for line in lines] == ["the changed configuration is not used"]


def test_a_file_that_this_machine_cannot_follow_is_told_and_may_be_put_right(file: Path) -> None:
    applied: list[Loaded] = []

    def apply(loaded: Loaded) -> None:
        if not applied:
            applied.append(loaded)
            raise SystemFault("ca.pem cannot be read")
        applied.append(loaded)

    async def main() -> None:
        reload = Reload(load(file, os.environ), apply)
        offer(file, 23)
        reload.now()
        reload.now()

    with capture_logs() as lines:
        run(main())
    assert len(applied) == 2
    assert [str(line["problem"]) for line in lines] == ["ca.pem cannot be read"]


class Recorded:
    """A program that writes down what is asked of it. `begin` is called when it starts, `end` when it drains."""

    def __init__(
        self, begin: Callable[[], object], end: Callable[["Recorded"], None] = lambda _: None, seconds: float = 60.0
    ) -> None:
        self.calls: list[str] = []
        self.ports: list[int] = []
        self.quiet = asyncio.Event()
        self._begin = begin
        self._end = end
        self._seconds = seconds

    async def start(self) -> None:
        self.calls.append("start")
        self._begin()

    def reload(self, config: ClientConfig) -> None:
        self.ports.append(config.services["ssh"].local.port)
        terminate()

    def drain(self) -> float:
        self.calls.append("drain")
        asyncio.get_running_loop().call_soon(self._end, self)
        return self._seconds

    async def stop(self) -> None:
        self.calls.append("stop")


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def served(file: Path, program: Recorded) -> int:
    return serve(load(file, os.environ), lambda loaded: loaded.client, lambda _: program, logger("toy"))


@pytest.mark.parametrize(
    ("end", "seconds"),
    [(lambda program: program.quiet.set(), 60.0), (lambda _: terminate(), 60.0), (lambda _: None, 0.01)],
    ids=["the last stream ended", "a second signal", "time is over"],
)
def test_a_program_drains_until(file: Path, end: Callable[[Recorded], None], seconds: float) -> None:
    program = Recorded(terminate, end, seconds)
    with capture_logs() as lines:
        assert served(file, program) == 0
    assert program.calls == ["start", "drain", "stop"]
    assert [(line["component"], line["event"]) for line in lines] == [("toy", "stopped")]


def test_a_signal_ends_a_program_that_has_not_started(file: Path) -> None:
    class Slow(Recorded):
        async def start(self) -> None:
            await super().start()
            await asyncio.Event().wait()

    program = Slow(lambda: asyncio.get_running_loop().call_soon(terminate))
    assert served(file, program) == 0
    assert program.calls == ["start", "stop"]


def test_what_cannot_start_is_stopped_and_told(file: Path) -> None:
    def fail() -> None:
        raise SystemFault("the port is taken")

    program = Recorded(fail)
    with capture_logs() as lines, pytest.raises(SystemFault):
        served(file, program)
    assert (program.calls, lines) == (["start", "stop"], [])


def test_a_program_gets_its_section_of_a_changed_file(file: Path) -> None:
    def change() -> None:
        offer(file, 24)
        os.kill(os.getpid(), signal.SIGHUP)

    program = Recorded(lambda: asyncio.get_running_loop().call_soon(change), lambda program: program.quiet.set())
    assert served(file, program) == 0
    assert program.ports == [24]
