"""Fixtures of the end-to-end tests, and the logs of every program in the report of a test that failed."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.programs import Programs, free_port, programs_in
from tests.e2e.sshd import Sshd
from tests.e2e.traffic import echo, serving, swap

Address = tuple[str, int]


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts programs that are stopped after the test."""
    with programs_in(tmp_path) as started:
        yield started


@pytest.fixture
def sshd(programs: Programs) -> Sshd:
    """A real sshd of this machine on a free port."""
    port = free_port()
    server = Sshd(programs.directory, programs.start, port)
    server.program.wait_listening(("127.0.0.1", port))
    return server


@pytest.fixture
def echo_service() -> Iterator[Address]:
    """A local service that sends back what comes."""
    with serving(echo) as address:
        yield address


@pytest.fixture
def swap_service() -> Iterator[Address]:
    """A local service for `traffic.exchange`."""
    with serving(swap) as address:
        yield address


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    started = getattr(item, "funcargs", {}).get("programs")
    if report.failed and isinstance(started, Programs):
        report.sections += [(f"log of {name}", text) for name, text in started.logs()]
    return report
