"""A real nginx with the article's file: started in the foreground, reloaded, its workers counted."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.e2e.programs import Program, need, until

Start = Callable[[str, Sequence[str | Path]], Program]


class Nginx:
    """`conf` is the whole file. Beside it nginx is told only to stay in the foreground and where its pid file is."""

    def __init__(self, directory: Path, start: Start, conf: str) -> None:
        path = directory / "nginx.conf"
        path.write_text(conf)
        extra = f"daemon off; pid {directory}/nginx.pid;"
        self.program = start("nginx", [need("nginx"), "-c", path, "-g", extra])

    def workers(self) -> list[int]:
        """Process ids of all workers, those that shut down as well."""
        return [pid for pid, _ in self._children()]

    def old_workers(self) -> list[int]:
        """Those that were told to shut down and still hold a connection."""
        return [pid for pid, title in self._children() if "shutting down" in title]

    def reload(self) -> list[int]:
        """`nginx -s reload`; returns the workers that were there before, once new ones serve."""
        before = self.workers()
        self.program.signal(signal.SIGHUP)
        fresh = set(before)
        until(lambda: bool(set(self.workers()) - fresh - set(self.old_workers())), "new nginx workers", 10.0)
        return before

    def restart(self) -> None:
        """Stops at once, connections and all, and starts again."""
        self.program.stop(5.0)
        self.program.start()

    def _children(self) -> list[tuple[int, str]]:
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                # The name of a process, in parentheses, may hold anything.
                parent = stat.read_text().rpartition(")")[2].split()[1]
                title = (stat.parent / "cmdline").read_text()
            except OSError:
                continue
            if int(parent) == self.program.pid and "worker process" in title:
                found.append((int(stat.parent.name), title))
        return found
