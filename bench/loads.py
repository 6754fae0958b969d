"""The loads: what is done to a contestant that runs, and the figures it yields.

Every load is a public program's (iperf3, wrk) or a crowd of plain sockets, one process, so that the contestant's two
ends share the machine with the same opponent in every case. Directions are the visitor's: *up* is from the visitor to
the service at home.
"""

import json
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from bench.contestants import Running
from bench.programs import BenchError, find
from bench.visitors import REQUEST, first_byte, idle_visitors, round_trips

IDLE_VISITORS = 1000

Figures = Mapping[str, float]
"""By the name of a row in `bench.report`."""

_SETTLE = 1.0  # seconds until memory is read, so that what a start or a crowd left behind has been freed
_OVERTIME = 20.0  # seconds a load may take beyond what it was told
_STARTS = 9
_VISITS = 200
_MAY_FAIL = 0.01  # of a load's requests; beyond it the figure means nothing


_BUSY = "the server is busy running a test"
_BUSY_TRIES = 25
T = TypeVar("T")


class ServerBusy(BenchError):
    """iperf3's server serves one test at a time, and has not seen the end of the one before."""


@dataclass(frozen=True, slots=True)
class Load:
    """`run(contestant, seconds)` yields the figures; `fresh` ones get a contestant that has carried nothing yet."""

    name: str
    run: Callable[[Running, int], Figures]
    fresh: bool = False
    tunnels_only: bool = False


def _throughput(direction: str) -> Callable[[Running, int], Figures]:
    def run(contestant: Running, seconds: int) -> Figures:
        argv = [find("iperf3", "apt-get install iperf3"), "-c", "127.0.0.1", "-p", str(contestant.ports.iperf)]
        argv += ["-t", f"{seconds}", "-J"] + (["-R"] if direction == "down" else [])
        gbit, gigabytes, used = when_idle(lambda: _measured(argv, contestant, seconds))
        return {direction: gbit, f"cpu-{direction}": used / gigabytes} if contestant.server else {direction: gbit}

    return run


def _requests(name: str, connections: int, *options: str) -> Callable[[Running, int], Figures]:
    def run(contestant: Running, seconds: int) -> Figures:
        argv = [find("wrk", "apt-get install wrk"), "-t", "1", "-c", str(connections), "-d", f"{seconds}s"]
        output = _output([*argv, *options, f"http://127.0.0.1:{contestant.ports.http}/"], seconds)
        return {name: parse_wrk(output)}

    return run


def _measured(argv: list[str], contestant: Running, seconds: int) -> tuple[float, float, float]:
    before = contestant.cpu_seconds()
    output = _output(argv, seconds)
    used = contestant.cpu_seconds() - before
    return *parse_iperf3(output), used


def when_idle(measure: Callable[[], T], wait: float = 0.2) -> T:
    """What `measure` returns once iperf3's server has seen the end of the test before. Raises BenchError."""
    for _ in range(_BUSY_TRIES):
        try:
            return measure()
        except ServerBusy:
            time.sleep(wait)
    return measure()


def parse_iperf3(output: str) -> tuple[float, float]:
    """Gbit/s and GB (10⁹ bytes) at the receiver. Raises BenchError when the test did not come to its end, ServerBusy
    when it did not begin for that reason."""
    try:
        answer = json.loads(output)
        if error := answer.get("error"):
            raise (ServerBusy if _BUSY in error else BenchError)(f"iperf3: {error}")
        received = answer["end"]["sum_received"]
        gbit, gigabytes = received["bits_per_second"] / 1e9, received["bytes"] / 1e9
    except (ValueError, LookupError):
        raise BenchError(f"iperf3 printed no result: {output.strip()[-200:]!r}") from None
    if not gigabytes:
        raise BenchError("iperf3: not one byte arrived")
    return gbit, gigabytes


def parse_wrk(output: str) -> float:
    """Requests a second, from what wrk printed. Raises BenchError when more than one in a hundred failed."""
    done = re.search(r"(\d+) requests in", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if not done or not rate:
        raise BenchError(f"wrk printed no rate: {output.strip()!r}")
    failed = 0
    if errors := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output):
        failed = sum(map(int, errors.groups()))
    if refused := re.search(r"Non-2xx or 3xx responses: (\d+)", output):
        failed += int(refused[1])
    if failed > int(done[1]) * _MAY_FAIL or done[1] == "0":
        raise BenchError(f"wrk: {done[1]} requests were answered and {failed} failed")
    return float(rate[1])


def _memory(contestant: Running, _seconds: int) -> Figures:
    assert contestant.server and contestant.client
    time.sleep(_SETTLE)
    server, client = contestant.server.resident(), contestant.client.resident()
    with idle_visitors(contestant.ports.http, IDLE_VISITORS):
        time.sleep(_SETTLE)
        server_full, client_full = contestant.server.resident(), contestant.client.resident()
    return {
        "server-idle": server / 1e6,
        "server-visitors": (server_full - server) / 1e6,
        "client-idle": client / 1e6,
        "client-visitors": (client_full - client) / 1e6,
    }


def _start(contestant: Running, _seconds: int) -> Figures:
    """Milliseconds from the start of a laptop's process to the service's first byte on its standard output."""
    if not contestant.laptop:
        return {}
    return {"start": median(_start_once(contestant.laptop) for _ in range(_STARTS)) * 1000}


def _start_once(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as laptop:
        try:
            assert laptop.stdin and laptop.stdout
            laptop.stdin.write(REQUEST)
            heard, _, _ = select.select([laptop.stdout], [], [], _OVERTIME)
            first = laptop.stdout.read(1) if heard else b""
            took = time.perf_counter() - began
            laptop.stdin.close()
            laptop.wait(_OVERTIME)
        except subprocess.TimeoutExpired:
            raise BenchError("the laptop's side did not end with its input") from None
        finally:
            laptop.kill()
    if not first:
        raise BenchError("the laptop's side sent no byte")
    return took


def _gateway(contestant: Running, seconds: int) -> Figures:
    """An HTTP service against a tcp service of the same target, and against no tunnel at all."""
    ports = contestant.ports
    if not ports.web:
        return {}
    wrk = [find("wrk", "apt-get install wrk"), "-t", "1", "-c", "64", "-d", f"{seconds}s"]
    rate = parse_wrk(_output([*wrk, f"http://127.0.0.1:{ports.web}/"], seconds))
    streams = parse_transfer(_output([*wrk, f"http://127.0.0.1:{ports.web}/large"], seconds))
    plain, web = round_trips(ports.http, ports.web, count=_VISITS * 10)
    first = [(first_byte(contestant.home), first_byte(ports.web)) for _ in range(_VISITS)]
    return {
        "gateway64": rate,
        "gateway-streams": streams,
        "gateway-added": (median(web) - median(plain)) * 1000,
        "gateway-first": (median(ours for _, ours in first) - median(direct for direct, _ in first)) * 1000,
    }


def parse_transfer(output: str) -> float:
    """MB (10⁶ bytes) a second, from what wrk printed. Raises BenchError as `parse_wrk` does."""
    parse_wrk(output)
    found = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", output)
    if not found:
        raise BenchError(f"wrk printed no transfer: {output.strip()!r}")
    scale: int = 1024 ** ("KMG".index(found[2]) + 1 if found[2] else 0)
    return float(found[1]) * scale / 1e6


def _output(argv: list[str], seconds: int) -> str:
    try:
        result = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + _OVERTIME)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{argv[0]} did not end within {seconds + _OVERTIME:.0f} seconds") from None
    if result.returncode and not result.stdout:
        raise BenchError(f"{argv[0]} failed: {result.stderr.strip() or f'exit code {result.returncode}'}")
    return result.stdout


LOADS = (
    Load("up", _throughput("up")),
    Load("down", _throughput("down")),
    Load("keepalive64", _requests("keepalive64", 64)),
    Load("keepalive1", _requests("keepalive1", 1)),
    Load("connections", _requests("connections", 64, "-H", "Connection: close")),
    Load("start", _start),
    Load("gateway", _gateway),
    Load("memory", _memory, fresh=True, tunnels_only=True),
)
