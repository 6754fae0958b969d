"""What becomes of each LOGIN, whoever it comes from."""

from typing import cast

from hushgate.protocol.frames import Open
from hushgate.protocol.hello import Attach, Login, Status
from hushgate.protocol.limits import REPLAY_DETACHED_LIMIT
from hushgate.server.laptops import Laptops
from hushgate.server.table import Decision
from tests.server.test_registry import IDS, Fenced, House, in_loop


def test_a_session_is_resumed_with_a_higher_epoch_only_and_its_older_link_fenced() -> None:
    def test(house: House) -> None:
        _, session = house.login()
        assert session is not None
        link = cast(Fenced, session.link)
        assert house.login(session=session, epoch=1)[0] is Attach.STALE
        assert not link.fenced
        assert house.login(session=session, epoch=3) == (Attach.RESUMED, session)
        assert link.fenced
        assert house.login(session=session, epoch=2)[0] is Attach.STALE
        house.table.remove(session, 1000.0)
        assert house.login(session=session, epoch=4)[0] is Attach.UNKNOWN

    in_loop(test)


def test_services_that_are_not_proved_again_are_lost_and_none_proved_is_denied() -> None:
    def test(house: House) -> None:
        _, session = house.login(b"A", None, 1, 1000.0, "ssh", "ollama")
        assert session is not None
        assert house.login(b"A", session, 2, 1000.0, "ssh") == (Attach.RESUMED, session)
        assert set(session.services) == {"ssh"}
        assert house.login(b"A", session, 3, 1000.0, "ollama")[0] is Attach.DENIED

    in_loop(test)


def test_a_probe_changes_nothing() -> None:
    """Neither for a home that is up, nor for one that was lost, nor for one that has not heard of its session; and it
    is no change of owner that would count."""

    def test(house: House) -> None:
        _, session = house.login()
        assert session is not None
        stream = session.mux.open(Open("ssh"), 1000.0)
        assert house.probe() == Decision(Attach.PROBED, None)
        house.table.detach(session, 1001.0)
        session.taken_up = False
        assert [house.probe(instance) for instance in (b"A", b"P", b"Q", b"R", b"S")] == [
            Decision(Attach.PROBED, None)
        ] * 5
        assert (list(house.table.sessions), house.registry.find("ssh")) == ([session], session)
        assert session.mux.streams == {stream.id: stream}
        assert house.login(session=session, epoch=2) == (Attach.RESUMED, session)

    in_loop(test)


def test_a_probe_hears_what_a_login_would() -> None:
    def test(house: House) -> None:
        for instance in (b"A", b"B", b"C", b"D"):
            house.login(instance)
        assert house.probe() == Decision(Attach.PROBED, None, frozenset({"ssh"}))
        nothing = Login(1, None, 1, 0, 65536, b"P" * 16, {"ssh": Status.MISMATCH}, probe=True)
        assert house.table.login(nothing, house.registry, {}, 1000.0) == Decision(Attach.DENIED, None)

    in_loop(test)


def test_nobody_resumes_a_session_of_the_other_role() -> None:
    def test(house: House) -> None:
        _, session = house.login()
        assert session is not None
        asked = Login(1, session.id, 2, 0, 65536, b"A" * 16, {"ssh": Status.OK})
        laptops = Laptops(lambda _: None, lambda _: None)
        assert house.table.login(asked, laptops, IDS, 1000.0) == Decision(Attach.DENIED, None)
        assert not cast(Fenced, session.link).fenced

    in_loop(test)


def test_without_a_proved_service_there_is_no_session() -> None:
    def test(house: House) -> None:
        asked = Login(1, None, 1, 0, 65536, b"A" * 16, {"ssh": Status.MISMATCH})
        assert house.table.login(asked, house.registry, {}, 1000.0) == Decision(Attach.DENIED, None)
        assert not house.table.sessions

    in_loop(test)


def test_a_detached_session_ends_with_its_grace_or_its_last_service() -> None:
    def test(house: House) -> None:
        _, session = house.login()
        assert session is not None
        house.table.detach(session, 1010.0)
        assert house.table.expire(1069.9) == []
        assert [reason for _, reason in house.table.expire(1070.0)] == [
            "the grace is over: the client did not come back in time"
        ]
        _, other = house.login()
        assert other is not None
        house.table.detach(other, 1010.0)
        house.registry.release(other, ["ssh"], 1011.0)
        assert [reason for _, reason in house.table.expire(1012.0)] == ["it has lost all its services"]

    in_loop(test)


def test_a_session_that_its_client_never_took_up_is_no_route_and_goes_when_the_client_begins_another() -> None:
    def test(house: House) -> None:
        _, served = house.login(b"B")
        _, lost = house.login(b"A")
        _, elsewhere = house.login(b"A", None, 1, 1000.0, "ollama")
        assert served is not None and lost is not None and elsewhere is not None
        lost.taken_up = elsewhere.taken_up = False
        link = cast(Fenced, lost.link)
        assert house.registry.find("ssh") is served
        house.table.remove(served, 1000.0)
        assert house.registry.find("ssh") is lost and not lost.up
        assert house.registry.away("ssh", 1070.0) == 0.0, "it may be taken up any moment"
        attach, session = house.login(b"A", now=1001.0)
        assert (attach, house.registry.find("ssh"), link.fenced, lost.link) == (Attach.NEW, session, True, None)
        assert list(house.table.sessions) == [elsewhere, session]
        assert house.login(b"A", now=1002.0)[1] is not session
        assert session in house.table.sessions, "one that was taken up stays beside it"

    in_loop(test)


def test_detached_sessions_that_together_keep_too_much_for_replay_end_the_oldest_first() -> None:
    def test(house: House) -> None:
        sessions = []
        for number, name in enumerate(("ssh", "ollama")):
            _, session = house.login(bytes([65 + number]), None, 1, 1000.0, name)
            assert session is not None
            session.mux.outbox.replay.kept = REPLAY_DETACHED_LIMIT // 2 + 1
            sessions.append(session)
        house.table.detach(sessions[1], 1001.0)
        assert house.table.expire(1002.0) == []
        house.table.detach(sessions[0], 1002.0)
        assert house.table.expire(1003.0) == [(sessions[1], "detached sessions keep too much")]
        assert list(house.table.sessions) == [sessions[0]]
        assert house.table.expire(1004.0) == []

    in_loop(test)
