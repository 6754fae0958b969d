"""Three hosts that are set up as README.md says, by its own snippets and command lines.

Only what everybody has to replace is replaced: the domain, the user, the tokens and keys, the hash that `hushgate token
key` prints, and the paths of the certificate and of the notes. Ports, file names and commands are the README's, which
the hosts' own loopbacks allow. Each host has a home directory, where the commands run, and a `bin` on its PATH.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import article, certificates
from tests.e2e.hosts import ADDRESSES, Host, Hosts, three_hosts
from tests.e2e.hushgate import ENVIRON, write
from tests.e2e.nginx import Nginx
from tests.e2e.programs import Program, Programs, need
from tests.e2e.sshd import Sshd
from tests.readme import as_written

DOMAIN = "tunnel.example.org"
USER = "you@"


class Machine:
    """A host and the home directory of its user."""

    def __init__(self, host: Host, directory: Path, trusted: Path) -> None:
        self.host = host
        self.home = directory / host.name
        self.bin = self.home / "bin"
        self.bin.mkdir(parents=True)
        # The machine's own trust store holds no test authority; OpenSSL, curl and the libraries read this one instead.
        self.environ = {
            **ENVIRON,
            "HOME": str(self.home),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "SSL_CERT_FILE": str(trusted),
        }
        self.program("hushgate", f'exec "{sys.executable}" -m hushgate "$@"')

    def program(self, name: str, body: str) -> None:
        """Something else on the PATH, a script of the shell."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(self, line: str, *, code: int = 0, environ: Mapping[str, str] | None = None) -> str:
        """What the line prints, typed in the home directory."""
        done = self.host.run(self._shell(line), environ={**self.environ, **(environ or {})}, code=code)
        return done.stdout.decode()

    def start(self, name: str, line: str) -> Program:
        """The line as a program that goes on."""
        return self.host.start(name, self._shell(f"exec {line}"), self.environ)

    def _shell(self, line: str) -> list[str | Path]:
        line = line.replace(article.DOMAIN, DOMAIN)
        return [need("bash"), "-c", f"cd {self.home} && {line}"]


class Reader:
    """The VPS, home and laptop of one reader. nginx and home's sshd run; the rest is the tests' business."""

    def __init__(self, programs: Programs, hosts: Hosts, files: certificates.Files) -> None:
        self.programs = programs
        self.files = files
        machines = [Machine(host, programs.directory, files.root) for host in (hosts.vps, hosts.home, hosts.laptop)]
        self.vps, self.home, self.laptop = vps, home, _ = machines
        first, second, third = vps.run(as_written("hushgate token new 3")).split()
        self.replaced = {
            "the first token": first,
            "the second token": second,
            "the third token": third,
            "the laptop's key": vps.run(as_written("hushgate token new")).strip(),
            "/etc/letsencrypt/live/your-domain.com/fullchain.pem": str(files.chain),
            "/etc/letsencrypt/live/your-domain.com/privkey.pem": str(files.key),
            article.DOMAIN: DOMAIN,
            "/home/you/notes": str(home.home / "notes"),
        }
        self.sshd = Sshd(programs.directory, home.host.start, 22)
        home.host.wait_listening(("127.0.0.1", 22), self.sshd.program)
        self._prepare_ssh()

    def write(self, machine: Machine, name: str, text: str) -> Path:
        """A file of the machine with everything replaced; `name` is relative to the home directory."""
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        path = machine.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(path, text)

    def typed(self, line: str) -> str:
        """A line of the README for this user."""
        return line.replace(USER, f"{self.sshd.user}@")

    def start_nginx(self) -> Nginx:
        conf = article.nginx_conf(DOMAIN, self.files.chain, self.files.key)
        nginx = Nginx(self.programs.directory, self.vps.host.start, conf)
        self.laptop.host.wait_listening((ADDRESSES["vps"], 443), nginx.program)
        return nginx

    def start_server(self) -> Program:
        return self.vps.start("server", as_written("hushgate server server.toml"))

    def start_client(self) -> Program:
        client = self.home.start("client", as_written("hushgate client client.toml"))
        client.wait_log("client: connected ")
        return client

    def _prepare_ssh(self) -> None:
        """The laptop's user has a key that home knows. ssh takes its directory from the list of users, not HOME."""
        directory = self.laptop.home / ".ssh"
        directory.mkdir()
        known = f"UserKnownHostsFile {directory}/known_hosts\nStrictHostKeyChecking accept-new\n"
        (directory / "config").write_text(f"IdentityFile {self.sshd.key}\nIdentitiesOnly yes\nBatchMode yes\n{known}\n")
        self.laptop.program("ssh", f'exec {need("ssh")} -F {directory}/config "$@"')


@contextmanager
def reading(programs: Programs) -> Iterator[Reader]:
    files = certificates.make(programs.directory / "letsencrypt", DOMAIN)
    with three_hosts(programs, DOMAIN) as hosts:
        yield Reader(programs, hosts, files)


def with_nginx_blocks(conf: str, blocks: str) -> str:
    """The article's file with what `hushgate nginx` prints for a path, at the end of the server block it names."""
    assert "in the server block of the tunnel's own name" in blocks
    body = conf.rstrip().removesuffix("}").rstrip().removesuffix("}")
    return f"{body}\n{blocks}}}\n}}\n"
