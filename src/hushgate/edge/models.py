"""Names of Ollama's models: one form for all the ways to write one, and whether a list allows it."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9._:/-]*[a-z0-9_])?")
_NAME_MAX: Final = 600
"""Characters. Ollama takes 350 for the host and 80 for each part behind it."""
_DEFAULTS: Final = ("registry.ollama.ai/", "library/")
"""What a name begins with when nothing else is said, from the outside inwards."""


def normal_name(written: str) -> str | None:
    """`Tiny` and `registry.ollama.ai/library/tiny:latest` are both `tiny:latest`, and so is `tiny:local`, which says
    where it runs. None: no name of a model, as far as anybody writes one."""
    if len(written) > _NAME_MAX:
        return None
    name = written.lower()
    for prefix in _DEFAULTS:
        name = name.removeprefix(prefix)
    name = name.removesuffix(":local")
    if not _NAME.fullmatch(name) or "//" in name:
        return None
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def is_cloud(name: str) -> bool:
    """Whether a normal name is one that Ollama relays to ollama.com, on the owner's account: `x:cloud`, `x:7b-cloud`,
    `x:7b:cloud` (modelref.go), and `x-cloud`, to be on the safe side."""
    model, *tags = name.rpartition("/")[2].split(":")
    return model.endswith("-cloud") or any(tag == "cloud" or tag.endswith("-cloud") for tag in tags)


def is_listed(name: str, patterns: Iterable[str]) -> bool:
    """Whether a normal name fits one of the patterns (`*` and `?`); one without a tag means `:latest`."""
    names = (name, name.removesuffix(":latest"))
    return any(fnmatchcase(each, pattern.lower()) for pattern in patterns for each in names)
