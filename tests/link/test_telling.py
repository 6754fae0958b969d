"""A laptop's log tells what its visitors cannot hear."""

from dataclasses import replace

import pytest

from hushgate.log import Seldom, logger
from tests.aio import run
from tests.laptops import laptop
from tests.tunnel import QUICK, ending, leave, tunnel


def test_why_a_visitor_was_turned_away_is_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.telling._seldom", Seldom(logger("access")))

    async def main() -> None:
        async with tunnel(replace(QUICK, visitor_wait=0.1), up=False) as made, laptop(made) as one:
            reader, writer = await one.visit()
            assert await ending(reader) == "reset"
            await leave(writer)
            assert made.lines("stream reset", "echo", "away", "home is away and did not come back in time")

    run(main())
