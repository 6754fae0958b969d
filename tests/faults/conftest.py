"""The clocks of these tests: reconnecting and noticing a dead link takes tenths of seconds instead of tens."""

import pytest


@pytest.fixture(autouse=True)
def quick_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.uplink.backoff.STABLE_AFTER", 0.0)
    monkeypatch.setattr("hushgate.uplink.backoff.RETRY_FIRST", 0.02)
    monkeypatch.setattr("hushgate.uplink.uplink._RETRY_REFUSED", 0.3)
    monkeypatch.setattr("hushgate.protocol.liveness.PROGRESS_MIN", 0.3)
    monkeypatch.setattr("hushgate.protocol.liveness.SILENCE_MAX", 1.0)
    monkeypatch.setattr("hushgate.protocol.liveness.PING_AFTER", 0.3)
    monkeypatch.setattr("hushgate.link.link._BEAT", 0.1)
