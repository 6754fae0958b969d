"""Bodies that Go would read in another way than we do are refused."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hushgate.edge.strict_json import DIGITS_MAX, VALUES_MAX, field, holds_more, strict_object, write_object

MIB = 1024 * 1024
TEXT = st.text(st.sampled_from('a",:[{\\\\\nü'), max_size=6)
JSON = st.recursive(
    st.none() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"null",
        b'{"model":"a"} {"model":"b"}',
        b'{"model":"a"}x',
        b'{"model":"a","model":"b"}',
        b'{"a":{"x":1,"x":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        '{"model":"a"}'.encode("utf-16"),
        '\ufeff{"model":"a"}'.encode(),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{'model':'a'}",
        b'{"model":"a",}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_refused(body: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        strict_object(body)
    assert "model" not in str(caught.value)


@pytest.mark.parametrize("key", ["Model", "MODEL", "mod\u00ebl"])
def test_another_case_of_a_judged_key(key: str) -> None:
    value = strict_object(json.dumps({key: "x"}).encode())
    if key.isascii():
        with pytest.raises(ValueError):
            field(value, "model")
        with pytest.raises(ValueError):
            field({"model": "a", **value}, "model")
    else:
        assert field(value, "model") is None


@pytest.mark.parametrize(("key", "name"), [("option\u017f", "options"), ("\u212aeep_alive", "keep_alive")])
def test_what_unicode_folds_to_a_judged_key(key: str, name: str) -> None:
    with pytest.raises(ValueError):
        field({key: 1}, name)


def test_what_is_written_again_means_the_same() -> None:
    text = '{"model":"t","n":1.5,"big":123456789012345678901,"s":"\\ud800 \u00fc","deep":{"A":1,"a":2},"l":[true,null]}'
    value = strict_object(text.encode())
    assert strict_object(write_object(value)) == value


def test_a_number_beyond_all_numbers() -> None:
    with pytest.raises(ValueError):
        write_object(strict_object(b'{"a":1e999}'))


def count(value: Any) -> int:
    """The values and keys in `value`, itself included."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(count, value.values()))
    return 1 + sum(map(count, value)) if isinstance(value, list) else 1


@given(JSON, st.booleans())
def test_values_are_counted_whatever_stands_in_strings(value: Any, ascii_only: bool) -> None:
    body, values = json.dumps(value, ensure_ascii=ascii_only).encode(), count(value)
    assert not holds_more(body, 2 * values)
    assert holds_more(body, values - 2) or values < 2


@given(JSON, st.binary(max_size=6).filter(lambda rest: b'"' not in rest), st.integers(0, 40))
def test_what_stands_behind_a_mistake_hides_nothing_before_it(value: Any, rest: bytes, most: int) -> None:
    body = json.dumps([value, None]).encode()
    assert not holds_more(body, most) or holds_more(body + b" x" + rest, most)


@pytest.mark.parametrize("value", [b"1", b"1e9", b"[]", b"{}", b'""', b"[" * 900 + b"]" * 900, b'{"a":1}'])
def test_many_small_values_are_refused_before_they_are_read(value: bytes) -> None:
    """A reader would need more than a second for some, and twenty times the body's memory."""
    body = b'{"a":[' + (value + b",") * (8 * MIB // (len(value) + 1)) + b"1]}"
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"more than {VALUES_MAX} values"):
            strict_object(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(body)


@pytest.mark.parametrize("text", ["iVBORw0KGgo/+A==", '{"a": [1, 2]}, ', "\\", 'a\n"b",', "ü,"])
def test_long_texts_and_pictures_are_one_value(text: str) -> None:
    value = {"model": "t", "prompt": text * (2 * MIB // len(text)), "images": ["QUJD" * MIB, "QUJD" * MIB]}
    assert strict_object(json.dumps(value).encode()) == value


def test_a_whole_conversation_as_numbers_is_read() -> None:
    value = {"context": list(range(VALUES_MAX - 10))}
    assert strict_object(json.dumps(value).encode()) == value


def test_numbers_have_an_end() -> None:
    for length, good in ((DIGITS_MAX, True), (DIGITS_MAX + 1, False)):
        body = b'{"a":' + b"9" * length + b"}"
        if good:
            assert strict_object(body) == {"a": 10**length - 1}
        else:
            with pytest.raises(ValueError, match="too large"):
                strict_object(body)
