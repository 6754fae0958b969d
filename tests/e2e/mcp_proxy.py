"""mcp-proxy of PyPI, from where tests/e2e/mcp_proxy/install put it (as .ci/run does)."""

import sys
from pathlib import Path

from tests.e2e.programs import installed

HERE = Path(__file__).parent / "mcp_proxy"


def command_in(folder: Path) -> Path:
    """Writes `mcp-proxy` there; it does not see the packages of the tests, which have another `mcp`."""
    packages = installed(HERE, "requirements.txt", tag=str(sys.implementation.cache_tag)) / "python"
    script = folder / "mcp-proxy"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{packages}" exec "{sys.executable}" -S -m mcp_proxy "$@"\n')
    script.chmod(0o755)
    return script
