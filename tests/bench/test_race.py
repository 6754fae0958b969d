"""The race: what it says of the machine."""

from bench.race import interpreter, processor


def test_what_differs_between_machines_is_told() -> None:
    assert processor()
    assert 5 < interpreter() < 5000
