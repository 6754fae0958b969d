"""JSON that everybody reads alike: one object, every key once, and what is asked for in one case only.

Go's decoder, which Ollama uses, takes a key in any case (by Unicode's simple folding, so U+017F is an `s`), lets the
last of two win, ignores what follows the object, and repairs text that is not UTF-8. A judge that reads such a body in
another way can be led around, so all of it is refused.

So is what holds too many values: reading takes some nanoseconds for a byte, but up to a microsecond and 150 bytes of
memory for a value, and a value may be as small as two bytes; 32 MiB of those would hold everybody up for seconds. They
are counted first, in passes that go through bytes at once; an image in base64 is one value, however long.
"""

import json
from math import isfinite
from typing import Any, Final, NoReturn

Object = dict[str, Any]
VALUES_MAX: Final = 200_000
"""Values and keys in one body. The largest that people send are tokens of a conversation as numbers, one each."""
DIGITS_MAX: Final = 40
"""Characters of an integer: enough for 128 bits."""
_MARKS: Final = b'",:[{'
_UNMARKED: Final = bytes(byte for byte in range(256) if byte not in _MARKS)


def strict_object(body: bytes) -> Object:
    """The object that `body` holds. Raises ValueError as `strict_value`."""
    value = strict_value(body)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def strict_value(body: bytes) -> Any:
    """What `body` holds. Raises ValueError with the reason, which quotes nothing of the body."""
    if holds_more(body, VALUES_MAX):
        raise ValueError(f"holds more than {VALUES_MAX} values")
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


def holds_more(body: bytes, most: int) -> bool:
    """Whether JSON holds more than about `most` values and keys (an empty list may count twice), without reading it. In
    what is no JSON nothing escapes the count before the first mistake, and nobody reads further."""
    if len(body) <= most:
        return False
    # In front of each but the first stands one of , : [ { outside of strings. Escapes stand in strings only; the two
    # taken out here are the ones that matter for where a string ends.
    marks = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _UNMARKED)
    if len(marks) <= most:
        return False
    return marks.count(b'"') > 2 * most or len(b"".join(marks.split(b'"')[::2])) > most


def write_object(value: Object) -> bytes:
    """The bytes that are forwarded in place of those that were read."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def field(value: Object, name: str) -> Any:
    """What `name` (lower case) holds, or None. Raises ValueError when it stands there in another case."""
    # Folding makes no key shorter.
    if any(len(key) <= len(name) and key != name and key.casefold() == name for key in value):
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
    # Reading and writing one takes time with the square of its length.
    return int(text) if len(text) <= DIGITS_MAX else _constant(text)


def _constant(_: str) -> NoReturn:
    raise ValueError("holds a number that JSON does not know, or that is too large")
