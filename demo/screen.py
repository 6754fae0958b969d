"""What the demo prints, in colours where they are wanted."""

import os
import sys

_COLOURS = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if _COLOURS else text


def title(text: str) -> None:
    print("\n" + paint(text, "1"), flush=True)


def good(text: str) -> None:
    print(f"  {paint('✓', '32')} {text}", flush=True)


class Failed(Exception):
    """The demo cannot go on; the message says why."""
