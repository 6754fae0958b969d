"""Programs of npm, from where tests/e2e/node/install put them (as .ci/run does)."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from tests.e2e.programs import installed, run

HERE = Path(__file__).parent / "node"
ENTRIES = {
    "conformance": "conformance/dist/index.js",
    "inspector": "inspector/clients/launcher/build/index.js",
    "server-everything": "server-everything/dist/index.js",
    "server-filesystem": "server-filesystem/dist/index.js",
}
Checks = dict[tuple[str, str], list[str]]


@cache
def place() -> Path:
    """Where they are. Not to have them is a failure, not a skip."""
    return installed(HERE, "requirements.txt", "package-lock.json")


def path() -> str:
    """PATH with Node, npx and every program of the lock file, by its own name."""
    return f"{place()}/node_modules/.bin:{place()}/bin:/usr/bin:/bin"


def node(name: str, *arguments: str | Path) -> list[str | Path]:
    """The command line of one of the programs, on a Node of its own."""
    return script(place() / "node_modules" / "@modelcontextprotocol" / ENTRIES[name], *arguments)


def script(path: Path, *arguments: str | Path) -> list[str | Path]:
    """The command line of a script, on the same Node."""
    return [place() / "bin" / "node", path, *arguments]


def inspect(*target: str | Path, method: str, tool: str = "", **arguments: str) -> Any:
    """What the MCP inspector prints for a call of this server: a URL, or a command."""
    call = ["--tool-name", tool, *(f"--tool-arg={name}={value}" for name, value in arguments.items())] if tool else []
    output = run(node("inspector", "--cli", *target, "--method", method, *call), environ={"NO_COLOR": "1"}).stdout
    return json.loads(output)


def conformance(url: str, directory: Path, *selected: str) -> Checks:
    """(scenario, check) to the statuses that the official suite gives the server; `selected` are its options."""
    run(node("conformance", "server", "--url", url, "-o", directory, *selected), timeout=100, code=None)
    found: Checks = defaultdict(list)
    for file in sorted(directory.glob("*/checks.json")):
        scenario = file.parent.name.split("-20")[0]
        for check in json.loads(file.read_text()):
            if check["status"] != "INFO":
                found[scenario, check["id"]].append(check["status"])
    return found
