"""Waits between attempts: at most 250 ms first, doubling spans with full jitter, quick again after a stable link."""

from hushgate.protocol.limits import RETRY_BASE, RETRY_FIRST, RETRY_MAX, STABLE_AFTER
from hushgate.uplink.backoff import Backoff


def test_spans_double_up_to_the_most() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.next() for _ in range(9)]
    assert waits == [RETRY_FIRST, *(min(RETRY_MAX, RETRY_BASE * 2**n) for n in range(1, 9))]
    assert backoff.next(5.0) == 5.0
    assert [backoff.next() for _ in range(2000)][-1] == RETRY_MAX


def test_the_jitter_is_full() -> None:
    assert Backoff(lambda: 0.0).next() == 0.0


def test_only_a_stable_link_makes_the_next_retry_quick() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.next()
    backoff.stood(STABLE_AFTER - 1)
    assert backoff.next() > RETRY_FIRST
    backoff.stood(STABLE_AFTER)
    assert backoff.next() == RETRY_FIRST
