"""Runs the race: in every round every load is done to every contestant, one after the other, in a turning order."""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.certificate import CertificateFiles, make_certificate
from bench.contestants import SOURCE, Running, find_rathole, tunnel
from bench.loads import LOADS, Load
from bench.programs import BenchError, find, raise_descriptor_limit
from bench.report import DIRECT, PRODUCT, RIVAL, Results, render, to_json
from bench.targets import Home

CONTESTANTS = (DIRECT, *(f"{product}-{scheme}" for scheme in ("ws", "wss") for product in (RIVAL, PRODUCT)))


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int
    seconds: int
    loads: tuple[Load, ...]
    contestants: tuple[str, ...]
    json: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 when every load yielded a figure, 1 when some failed, 2 when the race could not start."""
    options = parse(argv)
    raise_descriptor_limit()
    try:
        results = race(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(to_json(results) if options.json else render(results))
    return 1 if results.failures else 0


def parse(argv: Sequence[str] | None) -> Options:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Race this build against rathole.")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--seconds", type=int, default=3, help="length of one measurement (default 3)")
    words = [load.name for load in LOADS] + list(CONTESTANTS)
    parser.add_argument("--only", default="", metavar="A,B", help=f"these loads or contestants: {', '.join(words)}")
    parser.add_argument("--json", action="store_true", help="print every sample as JSON")
    given = parser.parse_args(argv)
    only = set(filter(None, given.only.split(",")))
    if unknown := only.difference(words):
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(words)}")
    if min(given.rounds, given.seconds) < 1:
        parser.error("--rounds and --seconds must be at least 1")
    return Options(
        rounds=given.rounds,
        seconds=given.seconds,
        loads=tuple(load for load in LOADS if load.name in only or only.isdisjoint(x.name for x in LOADS)),
        contestants=tuple(name for name in CONTESTANTS if name in only or only.isdisjoint(CONTESTANTS)),
        json=given.json,
    )


def race(options: Options) -> Results:
    """All rounds. Raises BenchError when a program is missing or a target does not start."""
    find("wrk", "apt-get install wrk")
    if any(name.startswith(RIVAL) for name in options.contestants):
        find_rathole()
    results = Results(facts(options), options.rounds)
    with tempfile.TemporaryDirectory(prefix="hushgate-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        files = make_certificate(directory)
        home = Home(directory)
        stack.callback(home.stop)
        for round_ in range(options.rounds):
            _round(round_, options, results, home, files, directory)
    return results


def _round(
    round_: int, options: Options, results: Results, home: Home, files: CertificateFiles, directory: Path
) -> None:
    turn = round_ % len(options.contestants)
    order = options.contestants[turn:] + options.contestants[:turn]

    def measure(load: Load, contestant: str, running: Running) -> None:
        print(f"round {round_ + 1}/{options.rounds}: {load.name} {contestant}", file=sys.stderr, flush=True)
        try:
            results.add(round_, contestant, load.run(running, options.seconds))
        except (BenchError, OSError) as error:
            results.failures.append(f"round {round_ + 1}, {load.name}, {contestant}: {error}")
            try:
                home.recover()
            except BenchError as error:
                results.failures.append(f"round {round_ + 1}: {error}")

    def start(contestant: str, stack: ExitStack) -> Running | None:
        if contestant == DIRECT:
            return Running(home.ports)
        try:
            return stack.enter_context(tunnel(contestant, home.ports, files, directory))
        except BenchError as error:
            results.failures.append(f"round {round_ + 1}, {contestant}: {error}")
            return None

    for load in (load for load in options.loads if load.fresh):
        for contestant in order:
            with ExitStack() as stack:
                if (contestant != DIRECT or not load.tunnels_only) and (running := start(contestant, stack)):
                    measure(load, contestant, running)
    with ExitStack() as stack:
        started = [(contestant, start(contestant, stack)) for contestant in order]
        for load in (load for load in options.loads if not load.fresh):
            for contestant, running in started:
                if running:
                    measure(load, contestant, running)


def facts(options: Options) -> dict[str, str]:
    """What a reader must know to compare the figures with those of another day."""
    probe = (
        "import ssl, importlib.metadata as m, hushgate.transports.loop as l\n"
        "loop = l.new_event_loop(); kind = type(loop).__module__.partition('.')[0]; loop.close()\n"
        "print('uvloop ' + m.version('uvloop') if kind == 'uvloop' else 'asyncio')\n"
        "print('aiofastnet ' + m.version('aiofastnet') if l.fast_sockets() else 'the event loop')\n"
        "print(ssl.OPENSSL_VERSION)\n"
        "import hushgate.protocol.outbox as o; print('Python' if o.__file__.endswith('.py') else 'compiled by mypyc')\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", probe], env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True
    )
    if shown.returncode:
        raise BenchError(f"this build does not start: {shown.stderr.strip().splitlines()[-1]}")
    loop, sockets, tls, path = shown.stdout.splitlines()
    known = {
        "python": f"{platform.python_version()}, {Path(sys.executable).resolve()}, a call in {interpreter():.0f} ns",
        "data path": path,
        "event loop": loop,
        "sockets": sockets,
        "TLS library": tls,
        "machine": f"{os.cpu_count()} CPUs ({processor()}), Linux {platform.release()}",
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "congestion control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "rounds": f"{options.rounds} of {options.seconds} s for each load, interleaved, loopback",
    }
    if any(name.startswith(RIVAL) for name in options.contestants):
        version = subprocess.run([find_rathole(), "--version"], capture_output=True, text=True).stdout
        found = re.search(r"Build Version:\s+(\S+)", version)
        known["rathole"] = found[1] if found else "unknown version"
    return known


def interpreter() -> float:
    """Nanoseconds for a round of a loop with a method call: what another build of the same Python takes is another
    figure, and nothing else tells of it."""

    class Counter:
        def __init__(self) -> None:
            self.total = 0
            self.seen: dict[int, int] = {}

        def add(self, number: int) -> None:
            self.total += number
            self.seen[number] = self.total

    def rounds() -> None:
        counter = Counter()
        for number in range(1000):
            counter.add(number & 7)

    return min(timeit.repeat(rounds, number=20, repeat=20)) / 20 * 1e6


def processor() -> str:
    """The processor's name."""
    named = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return named[1] if named else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
