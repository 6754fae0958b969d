"""Times by the clock, on a machine that may be busy with other things."""

from collections.abc import Callable

TRIES = 4


def in_time(attempt: Callable[[], float], within: float) -> None:
    """Raises AssertionError when `attempt`, which tells the seconds it took, took longer than `within` every time:
    a busy machine makes one late now and then, what is slow by itself is so always."""
    taken: list[float] = []
    while not taken or (taken[-1] > within and len(taken) < TRIES):
        taken.append(attempt())
    assert taken[-1] <= within, f"took {', '.join(f'{seconds:.3f}' for seconds in taken)} s instead of {within:.3f}"
