"""Claude Code itself, set up by what docs/mcp-clients.md says and `hushgate config` prints.

The version is the last that runs on Node. Those since are programs of 175 MB: HUSHGATE_CLAUDE names a folder with one,
which is then run instead.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e import node
from tests.e2e.fake_llm import calling
from tests.e2e.hushgate import ROOT
from tests.e2e.mcp_public import KEY, WRONG, Public
from tests.e2e.programs import programs_in

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

URL = "https://mcp.your-domain.com/mcp"
PAGE = (ROOT / "docs" / "mcp-clients.md").read_text()
FOR_ME, FOR_A_PROJECT, LIST = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
OTHER = os.environ.get("HUSHGATE_CLAUDE", "")
ALONE = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_TELEMETRY",
)
APPROVED = '"enableAllProjectMcpServers": true'
"""What a user of newer versions would be asked."""
assert APPROVED in PAGE
STATES = [(KEY, "Connected"), (WRONG, "Failed to connect")]
AWAY = 2.0
"""Seconds after which home is started again."""


class User(NamedTuple):
    """Somebody with a home and a project of their own."""

    public: Public
    home: Path
    project: Path

    def run(self, line: str, key: str = KEY, url: str = "") -> str:
        """What a line of the page prints in their shell, for this URL; it succeeds."""
        environ = {
            "PATH": ":".join((OTHER, str(Path(sys.executable).parent), node.path())).lstrip(":"),
            "HOME": str(self.home),
            "HUSHGATE_KEY": key,
            **dict.fromkeys(ALONE, "1"),
            **self.public.trust,
        }
        line = line.replace(URL, url or self.public.url)
        done = subprocess.run(
            ["sh", "-euc", line], env=environ, cwd=self.project, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return done.stdout.decode()

    def state(self, key: str = KEY, url: str = "") -> str:
        """What Claude Code says of the server, after it has asked it; newer versions add a reason."""
        listed = self.run(LIST, key)
        found = re.search(rf"^home: {re.escape(url or self.public.url)} \(HTTP\) - \S+ ([\w ]+)", listed, re.MULTILINE)
        assert found, listed
        state = found[1].strip()
        assert re.search(rf"^  Status: \S+ {state}$", self.run("claude mcp get home", key), re.MULTILINE)
        return state


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Public]:
    with programs_in(tmp_path_factory.mktemp("claude")) as programs:
        yield Public(programs).start()


@pytest.fixture
def user(public: Public, tmp_path: Path) -> User:
    user = User(public, tmp_path / "home", tmp_path / "project")
    user.home.mkdir()
    user.project.mkdir()
    return user


@pytest.mark.parametrize(("key", "state"), STATES, ids=["good", "wrong"])
def test_the_command_that_is_printed(user: User, key: str, state: str) -> None:
    since = len(user.public.tunnel.server.log())
    user.run(FOR_ME, key)
    assert user.state() == state, "the key is kept"
    assert key in (user.home / ".claude.json").read_text()
    assert list(user.project.iterdir()) == []
    log = user.public.tunnel.server.log()[since:]
    assert ("status=401" in log) is (key == WRONG)
    assert key not in log


@pytest.mark.parametrize(("key", "state"), STATES, ids=["good", "wrong"])
def test_the_file_of_a_project_that_is_printed(user: User, key: str, state: str) -> None:
    settings = user.home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(f"{{{APPROVED}}}")
    user.run(FOR_A_PROJECT)
    assert KEY not in (user.project / ".mcp.json").read_text()
    assert user.state(key) == state


def test_the_laptops_own_port_needs_no_key(user: User) -> None:
    local = user.public.local
    user.run(FOR_ME.replace('mcp)"', 'mcp --no-key)"'), url=local)
    assert user.state(key="", url=local) == "Connected"


def test_home_that_comes_while_claude_code_starts(user: User) -> None:
    """Its servers are asked once, at the start: one that does not answer then is away for the whole session."""
    user.run(FOR_ME)
    home = user.public.tunnel.client
    user.public.lose_home()
    coming = threading.Timer(AWAY, home.start)
    coming.start()
    assert user.state() == "Connected"
    coming.join()


def test_a_whole_session_in_the_middle_of_which_home_goes_away(user: User) -> None:
    """Four calls of a tool, one after the other; home is killed before the second."""
    home, coming = user.public.tunnel.client, threading.Event()

    def before(call: int) -> None:
        if call == 2:
            user.public.lose_home("kill")
            threading.Timer(AWAY, start).start()

    def start() -> None:
        home.start()
        coming.set()

    user.run(FOR_ME)
    with calling("mcp__home__add", {"a": 2, "b": 40}, 4, before) as model:
        asks = f"ENABLE_TOOL_SEARCH=false ANTHROPIC_BASE_URL={model} ANTHROPIC_API_KEY=none"
        said = user.run(f"{asks} claude -p 'add the numbers' --allowedTools mcp__home__add")
    assert coming.is_set()
    assert json.loads(said) == ['{"result":42}'] * 4
