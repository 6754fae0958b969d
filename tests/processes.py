"""Processes that a test holds by hand."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T", str, bytes)


@contextmanager
def killed_at_the_end(process: "subprocess.Popen[T]") -> "Iterator[subprocess.Popen[T]]":
    """Leaving a Popen waits for its process, even if that never ends: this one is killed before, whatever happened."""
    with process:
        try:
            yield process
        finally:
            process.kill()
