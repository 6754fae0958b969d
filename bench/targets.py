"""What stands at home and is reached by every contestant: a tiny nginx response and an iperf3 server."""

from dataclasses import dataclass
from pathlib import Path

from bench.programs import BenchError, Program, find, free_port, listening

_NGINX = """\
worker_processes 1;
master_process off;
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /large {{ alias {directory}/large; }}
        location / {{ return 200 "ok\\n"; }}
    }}
}}
"""


LARGE = 1_000_000
"""Bytes of the answer to `/large`."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a visitor of one contestant finds the two targets, on 127.0.0.1. `web`: the first of them as an HTTP
    service, which only we have."""

    http: int
    iperf: int
    web: int = 0


class Home:
    """The two targets while they run."""

    def __init__(self, directory: Path):
        """Start both. Raises BenchError when a program is missing or does not start."""
        iperf3 = find("iperf3", "apt-get install iperf3")
        nginx = find("nginx", "apt-get install nginx", Path("/usr/sbin/nginx"))
        self.ports = Ports(free_port(), free_port())
        self._directory = directory
        self._iperf3 = [iperf3, "-s", "-B", "127.0.0.1", "-p", str(self.ports.iperf)]
        (directory / "large").write_bytes(bytes(LARGE))
        conf = directory / "nginx.conf"
        conf.write_text(_NGINX.format(directory=directory, port=self.ports.http))
        command = [nginx, "-p", str(directory), "-c", str(conf), "-e", "stderr"]
        self._programs = {"nginx": self._start("nginx", command, self.ports.http)}
        self._programs["iperf3"] = self._start("iperf3", self._iperf3, self.ports.iperf)

    def recover(self) -> None:
        """After a load that failed: an iperf3 server that was left in the middle of a test would refuse the next."""
        self._programs["iperf3"].stop()
        self._programs["iperf3"] = self._start("iperf3", self._iperf3, self.ports.iperf)

    def stop(self) -> None:
        """End both."""
        for program in self._programs.values():
            program.stop()

    def _start(self, name: str, argv: list[str], port: int) -> Program:
        program = Program(name, argv, self._directory)
        try:
            program.wait_until(lambda: listening(port))
        except BenchError:
            program.stop()
            raise
        return program
