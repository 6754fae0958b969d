"""The round of a patrol: everybody is looked at, some leave meanwhile, others come later."""

import asyncio
from collections.abc import Callable

import pytest

from hushgate.link.patrol import Patrol
from tests.aio import run
from tests.tunnel import until


class Post:
    def __init__(self, act: Callable[["Post"], None] = lambda post: None) -> None:
        self.looks = 0
        self._act = act

    def look(self) -> None:
        self.looks += 1
        self._act(self)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.link.patrol.PATROL_EVERY", 0.01)


def test_everybody_is_looked_at_again_and_again_until_he_leaves() -> None:
    async def main() -> None:
        patrol = Patrol()
        posts = [Post(), Post(patrol.leave), Post()]
        for post in posts:
            patrol.join(post)
        await until(lambda: posts[0].looks >= 3, "three rounds")
        assert (posts[1].looks, posts[2].looks, len(patrol)) == (1, posts[0].looks, 2)

    run(main())


def test_who_comes_after_everybody_left_is_looked_at() -> None:
    async def main() -> None:
        patrol = Patrol()
        first, second = Post(), Post()
        patrol.join(first)
        patrol.leave(first)
        await asyncio.sleep(0.03)
        patrol.join(second)
        await until(lambda: second.looks, "the look")
        assert first.looks == 0

    run(main())
