"""`hushgate client FILE --probe`: connects once, prints each step, and says what the server thinks of every service."""

import os
import socket
from pathlib import Path
from shutil import which

from hushgate.client.app import derive
from hushgate.config.model import ClientConfig, Loaded, Stdio
from hushgate.errors import AuthError, UnreachableError
from hushgate.ops.program import run as run_program
from hushgate.protocol.hello import Status
from hushgate.uplink.connect import Clock, connect
from hushgate.uplink.uplink import tls_context

_WORDS = {
    Status.OK: "ok",
    Status.UNKNOWN: "unknown: the server's file has no service of this name",
    Status.MISMATCH: "mismatch: the server has another token for it",
    Status.REFUSED: "refused: another home holds it",
}


def run(loaded: Loaded) -> int:
    """0 when every service was proved. Raises UserError, whose exit code says which step failed."""
    assert loaded.client is not None
    config = loaded.client
    return run_program(lambda: _probe(config))


async def _probe(config: ClientConfig) -> int:
    remote = config.remote
    _resolve(remote.host, remote.port)
    keys = derive(config)
    connected = await connect(config, tls_context(config), keys, os.urandom(16), Clock(), None, probe=True)
    await connected.leave()
    print(f"ok    {remote} knows us; the tunnel stands")
    failed = [name for name, status in connected.welcome.services.items() if status is not Status.OK]
    for name, status in connected.welcome.services.items():
        print(f"{'ok   ' if status is Status.OK else 'FAIL '} service {name}: {_WORDS[status]}")
    for service in config.services.values():
        if service.stdio is None:
            _look_there(service.name, *service.local)
        else:
            _look_for(service.name, service.stdio)
    if failed:
        raise AuthError(f"not proved: {', '.join(failed)}")
    return 0


def _resolve(host: str, port: int) -> None:
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise UnreachableError(f"{host} cannot be resolved ({reason}); check remote_addr") from None
    print(f"ok    {host} is {', '.join(sorted(addresses))}")


def _look_there(name: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        print(f"note  local service {name} at {host}:{port} does not answer ({(error.strerror or str(error)).lower()})")
    else:
        print(f"ok    local service {name} at {host}:{port} answers")


def _look_for(name: str, stdio: Stdio) -> None:
    """Whether there is such a program, found as mcp.child finds it; it is not started."""
    program = stdio.command[0]
    if which(str((stdio.cwd or Path()) / program) if "/" in program else program) is None:
        print(f"note  local service {name}: there is no program {program}")
    else:
        print(f"ok    local service {name} is the program {program}")
