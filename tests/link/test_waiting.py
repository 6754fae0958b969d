"""Who may wait, in which order they go on, and who loses a place."""

from hushgate.link.waiting import WaitingRoom


def test_visitors_go_on_in_the_order_they_came() -> None:
    room = WaitingRoom[str]()
    assert all(room.enter(name, name, 10.0) for name in "abc")
    assert [room.leave(), room.leave(), room.leave(), room.leave()] == ["a", "b", "c", None]


def test_places_are_limited_in_all_and_for_each_address() -> None:
    room = WaitingRoom[int](places=4, per_address=2)
    assert [room.enter(n, "one", 10.0) for n in range(3)] == [True, True, False]
    assert [room.enter(n, "two", 10.0) for n in range(3)] == [True, True, False]
    assert not room.enter(9, "three", 10.0)
    room.leave()
    assert room.enter(9, "one", 10.0), "whoever leaves makes room for the same address"


def test_those_whose_time_is_over_are_removed() -> None:
    room = WaitingRoom[str]()
    for name, until in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        room.enter(name, "one", until)
    assert room.next_at == 1.0
    assert room.overdue(2.0) == ["a", "b"]
    assert (room.next_at, len(room)) == (3.0, 1)
    assert room.overdue(9.0) == ["c"]
    assert room.next_at is None


def test_those_who_left_by_themselves_make_room() -> None:
    room = WaitingRoom[str](places=3, per_address=2)
    for name, address in (("a", "one"), ("b", "one"), ("c", "two")):
        room.enter(name, address, 10.0)
    assert room.evict(lambda name: name in "ac") == ["a", "c"]
    assert room.enter("d", "one", 10.0)
    assert not room.enter("e", "one", 10.0)
    assert [room.leave(), room.leave()] == ["b", "d"]
