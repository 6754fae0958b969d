"""A test that hangs fails, and so does one that hangs on its way out; the run goes on, and ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIMITS = """
from tests import conftest
conftest.AGAIN, conftest.TEARDOWN, conftest.END = 0.5, 1.0, 1.0
"""
HANGING = """
import asyncio, os, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor
import pytest

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
started = []

def start():
    started.append(subprocess.Popen(SLEEPER))
    return started[-1]

@pytest.fixture
def leaving():
    yield
    with start() as process:
        process.wait()

def test_a_process():
    with start():
        raise ValueError

def test_a_process_of_a_teardown(leaving):
    raise ValueError

def test_a_pool():
    with ThreadPoolExecutor() as pool:
        pool.submit(os.read, os.pipe()[0], 1).result()

def test_a_loop():
    async def work():
        await asyncio.to_thread(os.read, os.pipe()[0], 1)
    asyncio.run(work())

def test_the_next():
    for process in started:
        process.kill()
        process.wait()
"""


@pytest.mark.timeout(60)
def test_a_hang_on_the_way_out_ends(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(LIMITS)
    (tmp_path / "test_hanging.py").write_text(HANGING)
    pytest_here = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q", "-rfE"]
    done = subprocess.run(
        [*pytest_here, "--rootdir", tmp_path, "-c", os.devnull, "--timeout", "1", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert " 4 failed, 1 passed, 1 error in " in done.stdout.replace("=", " ").replace("\n", " "), done.stdout
    assert done.returncode == 1
    assert "Timeout (0:00:01)!" in done.stderr, "the threads that are left were ended"
