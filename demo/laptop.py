"""A laptop and its keys: the local ports of `hushgate access`, ssh's ProxyCommand, Ollama behind its guard, MCP."""

import http.client
import json
import shlex
import subprocess
import sys
from pathlib import Path

from demo.screen import Failed, good
from demo.visitors import ask_ollama, ask_ssh

_PATIENCE = 30.0


def visit(ports: dict[str, int], file: Path) -> None:
    """Uses the services on the laptop's local `ports`, and says what each answers. `file`: the laptop's."""
    good(f"ssh     localhost:{ports['ssh']} → {ask_ssh(ports['ssh'])}")
    good(f"ollama  localhost:{ports['ollama']}/api/tags → {ask_ollama(ports['ollama'])}")
    good(f"        localhost:{ports['ollama']}/api/pull → {_refused_pull(ports['ollama'])}")
    url = f"http://localhost:{ports['mcp']}/mcp"
    good(f"mcp     hushgate doctor mcp {url}")
    for line in _hushgate(file, "doctor", "mcp", url).splitlines():
        print(f"            {line}")
    for line in _hushgate(file, "config", "claude", url, "--no-key").splitlines():
        print(f"            Claude Code would use it after:  {line}")
    # An SSH server speaks first; the end of our input ends the connection.
    arguments = ["connect", "ssh", "--stdio", "--file", file.name]
    banner = _hushgate(file, *arguments).partition("\n")[0].strip()
    good(f"ssh     hushgate {shlex.join(arguments)} → {banner}  (a ProxyCommand, no port at all)")


def _refused_pull(port: int) -> str:
    """What the guard says to somebody who wants to have a model downloaded."""
    connection = http.client.HTTPConnection("localhost", port, timeout=_PATIENCE)
    connection.request("POST", "/api/pull", json.dumps({"model": "llama3.2"}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status != 403:
        raise Failed(f"the guard of Ollama let a pull through: {answer.status} {text}")
    return f"{answer.status} {answer.reason}: {json.loads(text)['error']}"


def _hushgate(file: Path, *arguments: str) -> str:
    """What the command prints, run beside `file`."""
    done = subprocess.run(
        [sys.executable, "-m", "hushgate", *arguments],
        cwd=file.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        raise Failed(f"hushgate {shlex.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
