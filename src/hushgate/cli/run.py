"""What every long-running command does first: read the file, set up the log, name the process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TextIO

from hushgate.config.load import load
from hushgate.config.model import Loaded
from hushgate.errors import ConfigError

Section = Literal["server", "client", "access"]
SECTIONS: tuple[Section, ...] = ("server", "client", "access")


def held(loaded: Loaded) -> list[Section]:
    """The sections that the file has, at least one."""
    return [section for section in SECTIONS if getattr(loaded, section) is not None]


def prepare(path: Path, section: Section, log_level: str) -> Loaded:
    """The file, which must hold `section`; its warnings are in the log. Raises ConfigError."""
    from hushgate.log import configure, logger

    loaded = load(path, os.environ)
    if getattr(loaded, section) is None:
        other = held(loaded)[0]
        raise ConfigError([f"{path}: {section}: there is no such section, but [{other}]; run: hushgate {other} {path}"])
    journal = writes_to_journal(sys.stderr, os.environ)
    configure(log_level, sys.stderr, journal=journal, colours=not journal and wants_colours(sys.stderr, os.environ))
    log = logger("config")
    for warning in loaded.warnings:
        log.warning(warning)
    name_process()
    return loaded


def writes_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the one systemd connected to the journal: JOURNAL_STREAM is its `device:inode`."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def wants_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Colours are for terminals, and NO_COLOR (no-color.org) turns them off there."""
    return stream.isatty() and not environ.get("NO_COLOR")


def name_process(comm: Path = Path("/proc/self/comm")) -> None:
    """Names the process `hushgate`, so that `ss -tlnp | grep hushgate` finds it; only Linux has the file."""
    try:
        comm.write_text("hushgate")
    except OSError:
        return
