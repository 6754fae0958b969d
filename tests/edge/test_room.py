"""Who gives up when the bodies of all connections do not fit."""

from dataclasses import dataclass, replace

from hushgate.edge.profile import Allow, NeedBody
from hushgate.edge.room import Room
from hushgate.edge.stage import State
from tests.edge.scene import OK, Scene, Scripted

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n"


@dataclass(eq=False)
class Keeper:
    gave_up: bool = False

    def give_up(self) -> None:
        self.gave_up = True


def test_whoever_has_added_nothing_for_the_longest_gives_up() -> None:
    room, (one, two, three) = Room(100), [Keeper() for _ in range(3)]
    for keeper in (one, two, one):
        room.add(keeper, 30)
    room.add(three, 10)
    assert not (one.gave_up or two.gave_up or three.gave_up)
    room.add(three, 30)
    assert two.gave_up and not one.gave_up
    room.leave(two)
    room.leave(one)
    room.add(three, 60)
    assert not three.gave_up
    room.add(three, 1)
    assert three.gave_up
    room.add(one, 100)
    assert not one.gave_up


def scene_in(room: Room) -> Scene:
    scene = Scene(Scripted(NeedBody(100)))
    scene.gateway.site = replace(scene.gateway.site, room=room)
    return scene


def test_a_body_that_comes_slowly_gives_way() -> None:
    room = Room(100)
    slow, quick = scene_in(room), scene_in(room)
    slow.say(HEAD + b"x" * 59)
    assert quick.say(HEAD + b"x" * 60).endswith(b"x" * 60)
    assert slow.visitor.took().startswith(b"HTTP/1.1 503 ") and slow.visitor.end == "closed"
    assert quick.answer(OK) and quick.state is State.HEAD


def test_a_request_that_waits_for_home_gives_way_and_never_comes_there() -> None:
    room = Room(100)
    waiting, quick = scene_in(room), scene_in(room)
    waiting.home.up = False
    waiting.say(HEAD + b"x" * 60)
    quick.say(HEAD + b"x" * 60)
    assert waiting.visitor.took().startswith(b"HTTP/1.1 503 ") and waiting.visitor.end == ""
    assert (waiting.home.end, waiting.home.took()) == ("dropped", b"")


def test_an_early_answer_to_what_gives_way_is_cut() -> None:
    room = Room(100)
    early, quick = scene_in(room), scene_in(room)
    early.home.full = True
    early.say(HEAD + b"x" * 60)
    early.answer(OK[:-1])
    quick.say(HEAD + b"x" * 60)
    assert early.visitor.end == "broken off" and early.visitor.took() == b""


def test_a_body_for_which_there_never_is_room() -> None:
    scene = scene_in(Room(50))
    for _ in range(2):
        assert scene.say(HEAD + b"x" * 60) == b""
        assert scene.visitor.took().startswith(b"HTTP/1.1 503 ") and scene.state is State.HEAD


def test_room_is_free_again_when_a_body_has_left() -> None:
    """Not only when it is answered, which may take a model minutes."""
    room = Room(100)
    first, second, third = (scene_in(room) for _ in range(3))
    first.home.full = True
    first.say(HEAD + b"x" * 60)
    assert first.state is State.WAIT
    first.home.full = False
    first.gateway.home_writable()
    for later in (second, third):
        assert later.say(HEAD + b"x" * 60).endswith(b"x" * 60)
    assert b"".join(scene.visitor.took() for scene in (first, second, third)) == b""


def test_a_visitor_that_leaves_takes_its_body_along() -> None:
    room = Room(100)
    gone, quick = scene_in(room), scene_in(room)
    gone.say(HEAD + b"x" * 59)
    gone.gateway.ended("reset")
    quick.say(HEAD + b"x" * 60)
    assert gone.visitor.took() == b"" and quick.answer(OK)


def test_a_body_that_nobody_judges_needs_no_room() -> None:
    scene = Scene(Scripted(Allow()))
    scene.gateway.site = replace(scene.gateway.site, room=Room(10))
    assert scene.say(HEAD + b"x" * 60).endswith(b"x" * 60)
