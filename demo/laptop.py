"""A laptop that reaches a service without a public port: what ssh's ProxyCommand runs."""

import shlex
import subprocess
import sys
from pathlib import Path

from demo.screen import Failed, good

_PATIENCE = 30.0


def reach_ssh(file: Path) -> None:
    """Says what the SSH server answers that `hushgate connect` leads to."""
    arguments = ["connect", "private", "--stdio", "--file", file.name]
    command = [sys.executable, "-m", "hushgate", *arguments]
    # An SSH server speaks first; the end of our input ends the connection.
    done = subprocess.run(
        command, cwd=file.parent, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
    )
    banner = done.stdout.partition(b"\n")[0].decode("ascii", "replace").strip()
    if done.returncode or not banner.startswith("SSH-"):
        raise Failed(f"the laptop reached nothing: {done.stderr.decode(errors='replace').strip()}")
    good(f"hushgate {shlex.join(arguments)} → {banner}")
