"""The clocks of these tests: reconnecting takes tenths of seconds instead of tens, and so does noticing a dead link
where one dies."""

import pytest


@pytest.fixture(autouse=True)
def quick_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.uplink.backoff.STABLE_AFTER", 0.0)
    monkeypatch.setattr("hushgate.uplink.backoff.RETRY_FIRST", 0.02)
    monkeypatch.setattr("hushgate.uplink.uplink._RETRY_REFUSED", 0.3)
    monkeypatch.setattr("hushgate.link.link._BEAT", 0.1)


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests with a link that falls silent. Others must not give a link up because the machine is busy."""
    monkeypatch.setattr("hushgate.protocol.liveness.PROGRESS_MIN", 0.3)
    monkeypatch.setattr("hushgate.protocol.liveness.SILENCE_MAX", 1.0)
    monkeypatch.setattr("hushgate.protocol.liveness.PING_AFTER", 0.3)
