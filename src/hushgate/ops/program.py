"""What a long-running program does with its process: signals, the change of its file, an orderly end."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from hushgate.config.load import load
from hushgate.config.model import Loaded
from hushgate.errors import ConfigError, UserError
from hushgate.log import Log, logger
from hushgate.ops.memory import keep_freed_memory
from hushgate.ops.watch import Watch
from hushgate.tasks import run_until
from hushgate.transports.loop import new_event_loop

_log = logger("program")
_GC_OBJECTS = 20_000
C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)


class Program(Protocol[C_contra]):
    """A client or a server, as far as its process is concerned. Raises UserError when it cannot start."""

    quiet: asyncio.Event
    """Set when, after `drain`, no stream is left, or by a user who does not want to wait for that."""

    async def start(self) -> None: ...

    def reload(self, config: C_contra) -> None:
        """Goes on with another configuration. Raises UserError, and then changes nothing."""

    def drain(self) -> float:
        """Takes no new streams; the seconds that are left to those that run."""
        ...

    async def stop(self) -> None:
        """Ends whatever runs; also what `start` left half done."""


def serve(loaded: Loaded, section: Callable[[Loaded], C | None], make: Callable[[C], Program[C]], log: Log) -> int:
    """Runs what `make` makes of its `section` of the file until a signal, and then until its streams have ended, their
    time is over or a second signal comes; the exit code. Raises UserError."""
    config = section(loaded)
    assert config is not None, "the command has checked that the file has this section"

    async def main() -> int:
        program = make(config)

        def apply(new: Loaded) -> None:
            if changed := section(new):
                program.reload(changed)

        return await until_stopped(program, log, Reload(loaded, apply))

    return run(main)


async def until_stopped(program: Program[Any], log: Log, reload: "Reload | None" = None) -> int:
    """Starts the program; drains and stops it after a signal, or when it cannot start. A signal that comes before it
    has started stops it at once. The exit code. Raises UserError."""
    stop = Stop()
    try:
        if await run_until(stop.signalled, program.start()):
            if reload:
                reload.start()
            await asyncio.wait([stop.signalled])
            seconds = program.drain()
            stop.again(program.quiet.set)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await program.quiet.wait()
    finally:
        if reload:
            await reload.stop()
        await program.stop()
    log.info("stopped")
    return 0


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Runs `main` to its end on the best event loop there is; returns the exit code."""
    # What was imported stays; and streams come and go faster than the default threshold of 700 objects expects.
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS)
    keep_freed_memory()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main())


class Stop:
    """`signalled` is done after SIGTERM or SIGINT; a second signal calls what `again` was given."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.signalled: asyncio.Future[None] = loop.create_future()
        self._again: Callable[[], None] = _nothing
        for name in ("SIGTERM", "SIGINT"):
            number = getattr(signal, name)
            if sys.platform == "win32":
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._on_signal))
            else:
                loop.add_signal_handler(number, self._on_signal)

    def again(self, hurry: Callable[[], None]) -> None:
        """`hurry` is called when the user does not want to wait."""
        self._again = hurry

    def _on_signal(self) -> None:
        if self.signalled.done():
            self._again()
        else:
            self.signalled.set_result(None)


class Reload:
    """Reads the file again when it changed and on SIGHUP. A broken file is reported, and what runs stays as it is."""

    def __init__(self, loaded: Loaded, apply: Callable[[Loaded], None]) -> None:
        self._loaded = loaded
        self._apply = apply
        self._watch = Watch(lambda: self._loaded.files or (self._loaded.path,), self.now)

    def start(self) -> None:
        self._watch.start()
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.now)

    async def stop(self) -> None:
        await self._watch.stop()

    def now(self) -> None:
        try:
            loaded = load(self._loaded.path, os.environ)
        except ConfigError as error:
            for problem in error.problems:
                _log.error("the changed configuration is not used", problem=problem)
            return
        if loaded == self._loaded:
            return
        for warning in loaded.warnings:
            _log.warning(warning)
        try:
            self._apply(loaded)
        except UserError as error:
            _log.error("the changed configuration is not used", problem=error)
            return
        self._loaded = loaded


def _nothing() -> None:
    pass
