"""Bodies that Go would read in another way than we do are refused."""

import json

import pytest

from hushgate.edge.strict_json import field, strict_object, write_object


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
