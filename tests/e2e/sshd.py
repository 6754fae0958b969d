"""A real OpenSSH server with its own configuration, host key and user key, and the client's options to reach it."""

import getpass
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.e2e.programs import Program, need, run

Start = Callable[[str, Sequence[str | Path]], Program]


class Sshd:
    """One server on 127.0.0.1 (or `address`) and one user key that it accepts.

    `start` is what starts a program: `Programs.start`, or `Host.start` for one in a namespace.
    """

    def __init__(
        self, directory: Path, start: Start, port: int, address: str = "127.0.0.1", name: str = "sshd"
    ) -> None:
        self.directory = directory / name
        self.directory.mkdir()
        self.port = port
        self.proxy = ""
        """What every client is to reach it through (ProxyCommand), when not a port."""
        self.user = getpass.getuser()
        self.key = self.directory / "user_key"
        host_key = self.directory / "host_key"
        for key in (self.key, host_key):
            run([need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key])
        (self.directory / "authorized_keys").write_bytes(self.key.with_suffix(".pub").read_bytes())
        # sshd leaves its privileges in this directory; Debian makes it at boot.
        Path("/run/sshd").mkdir(exist_ok=True) if self.user == "root" else None
        configuration = self.directory / "sshd_config"
        configuration.write_text(
            f"""\
ListenAddress {address}:{port}
HostKey {host_key}
PidFile {self.directory}/pid
AuthorizedKeysFile {self.directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding yes
GatewayPorts no
MaxStartups 100
MaxSessions 64
Subsystem sftp internal-sftp
LogLevel VERBOSE
"""
        )
        self.program = start(name, [need("sshd"), "-D", "-e", "-f", configuration])

    def options(self) -> list[str]:
        """What every client (ssh, scp, sftp) is given, but for the port."""
        proxy = ["-o", f"ProxyCommand={self.proxy}"] if self.proxy else []
        return [
            *proxy,
            "-F",
            "none",
            "-i",
            str(self.key),
            *("-o", "BatchMode=yes"),
            *("-o", "IdentitiesOnly=yes"),
            *("-o", "StrictHostKeyChecking=no"),
            *("-o", f"UserKnownHostsFile={self.directory}/known_hosts"),
            *("-o", "LogLevel=ERROR"),
            *("-o", "ConnectTimeout=20"),
        ]

    def target(self, host: str = "127.0.0.1") -> str:
        return f"{self.user}@{host}"

    def ssh(self, port: int, *command: str | Path, options: Sequence[str] = ()) -> list[str]:
        """The command line of `ssh -p PORT … user@127.0.0.1 COMMAND`."""
        return [need("ssh"), *self.options(), "-p", str(port), *options, self.target(), *map(str, command)]

    def shell(self, port: int) -> str:
        """`ssh -p PORT …` as rsync and git want it: one string without the host."""
        return shlex.join([need("ssh"), *self.options(), "-p", str(port)])

    def run(
        self,
        port: int,
        *command: str | Path,
        options: Sequence[str] = (),
        stdin: bytes | None = None,
        timeout: float = 60.0,
        code: int | None = 0,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command over ssh to `port` of 127.0.0.1."""
        argv = self.ssh(port, *command, options=options)
        return run(argv, stdin=stdin, timeout=timeout, code=code, environ=environ)
