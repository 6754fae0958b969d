"""JSON that everybody reads alike: one object, every key once, and what is asked for in one case only.

Go's decoder, which Ollama uses, takes a key in any case (by Unicode's simple folding, so U+017F is an `s`), lets the
last of two win, ignores what follows the object, and repairs text that is not UTF-8. A judge that reads such a body in
another way can be led around, so all of it is refused.
"""

import json
from math import isfinite
from typing import Any, NoReturn

Object = dict[str, Any]


def strict_object(body: bytes) -> Object:
    """The object that `body` holds. Raises ValueError as `strict_value`."""
    value = strict_value(body)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def strict_value(body: bytes) -> Any:
    """What `body` holds. Raises ValueError with the reason, which quotes nothing of the body."""
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_once, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("is not one JSON value") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def write_object(value: Object) -> bytes:
    """The bytes that are forwarded in place of those that were read."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def field(value: Object, name: str) -> Any:
    """What `name` (lower case) holds, or None. Raises ValueError when it stands there in another case."""
    if any(key != name and key.casefold() == name for key in value):
        raise ValueError(f"writes the key {name} in another case")
    return value.get(name)


def _once(pairs: list[tuple[str, Any]]) -> Object:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("holds a key twice")
    return value


def _float(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _constant(text)


def _int(text: str) -> int:
    # Python refuses to read integers of thousands of digits, in words of its own.
    return int(text) if len(text) <= 400 else _constant(text)


def _constant(_: str) -> NoReturn:
    raise ValueError("holds a number that JSON does not know, or that is too large")
