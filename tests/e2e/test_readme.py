"""README.md from its first line to its laptops: the two scripts, the installation, the set-up in five minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.hushgate import ROOT
from tests.e2e.programs import Programs, need, run
from tests.e2e.readme import reading
from tests.readme import as_written, put, snippets

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def test_the_set_up_behind_nginx(programs: Programs) -> None:
    with reading(programs) as reader:
        reader.start_nginx()
        vps, home, laptop = reader.vps, reader.home, reader.laptop
        parts = snippets()
        # As the comment says: "with bind_addr = "0.0.0.0:2222"".
        reader.write(vps, "server.toml", parts.server.replace("127.0.0.1:2222", "0.0.0.0:2222"))
        reader.write(home, "client.toml", parts.client)
        checked = vps.run(as_written("hushgate check server.toml")) + home.run(as_written("hushgate check client.toml"))
        assert checked.count(": good: ") == 2 and "warning" not in checked
        reader.start_server().wait_log("public port service=mcp")
        probed = home.run(as_written("hushgate client client.toml --probe"))
        assert "FAIL" not in probed and probed.count("ok    service ") == 3
        reader.start_client()
        line = reader.typed(as_written("ssh -p 2222 you@your-domain.com"))
        assert laptop.run(f"{line} echo at home") == "at home\n"


def test_the_set_up_without_nginx(programs: Programs) -> None:
    with reading(programs) as reader:
        parts = snippets()
        reader.write(reader.vps, "server.toml", put(parts.own_tls, parts.server))
        reader.write(reader.home, "client.toml", parts.client)
        assert "good: server on 0.0.0.0:443 with TLS" in reader.vps.run("hushgate check server.toml")
        reader.start_server().wait_log("public port service=mcp")
        reader.start_client()
        assert reader.vps.run("head -c 8 </dev/tcp/127.0.0.1/2222") == "SSH-2.0-"


def test_the_shell_completes() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    line = as_written('eval "$(hushgate completion bash)"')
    done = run(["bash", "-c", f"{line}; complete -p hushgate"], environ={"PATH": path})
    assert done.stdout.decode().endswith(" hushgate\n")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (as_written("pipx install ."), {"PIPX_HOME": "home", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man"}),
        (as_written("uv tool install ."), {"UV_TOOL_DIR": "home", "UV_TOOL_BIN_DIR": "bin"}),
    ],
    ids=["pipx", "uv"],
)
def test_the_installation(command: str, place: dict[str, str], tmp_path: Path) -> None:
    """Of what a clone has, built by the tools themselves, which ask PyPI for the newest versions."""
    checkout = tmp_path / "hushgate"
    run(["git", "-c", f"safe.directory={ROOT}/.git", "clone", "--quiet", ROOT, checkout])
    environ = {name: str(tmp_path / folder) for name, folder in place.items()}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "UV_PYTHON": sys.executable}
    run(["bash", "-c", command], cwd=checkout, environ={**environ, "PIPX_DEFAULT_PYTHON": sys.executable}, timeout=120)
    installed = run([tmp_path / "bin" / "hushgate", "token", "new", "3"], environ={"PYTHONPATH": ""})
    assert len(installed.stdout.split()) == 3
    assert run(["git", "status", "--porcelain"], cwd=checkout).stdout == b""


def test_the_demo(tmp_path: Path) -> None:
    """With an environment of its own, on a pipe and on a terminal; nothing is left of it."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environ = {"HUSHGATE_VENV": str(tmp_path / "venv"), "TMPDIR": str(temporary), "NO_COLOR": ""}
    command = as_written("scripts/demo")
    told = run(["bash", "-c", command], cwd=ROOT, environ=environ, timeout=120).stdout.decode()
    said = [line for line in told.splitlines() if "→" in line or "ok     " in line]
    for sign in (
        "→ SSH-2.0-",
        "/api/tags → ",
        "/api/pull → 403 Forbidden: POST /api/pull is not allowed",
        "ok     era: ",
    ):
        assert any(sign in line for line in said), f"{sign}: {told}"
    assert told.count("the WebSocket is cut") == 2 and "it went on: 64 MiB" in told
    assert "all of them on one WebSocket" in told
    assert "\x1b" not in told
    terminal = subprocess.run(
        [need("script"), "-qec", command, "/dev/null"],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"\x1b[32m\xe2\x9c\x93\x1b[0m" in terminal.stdout
    assert list(temporary.iterdir()) == []
