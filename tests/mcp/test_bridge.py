"""Sessions and programs, with real programs. The names of issues are supergateway's, whose faults these were."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from hushgate.config.model import Secret, Stdio
from hushgate.edge.mcp import McpProfile
from hushgate.mcp import bridge
from tests.aio import run
from tests.mcp.scene import JSON, Browser, Said, request, running, scene, stdio, whole
from tests.tunnel import until


def pid_of(said: Said) -> int:
    return int(said.last["result"]["pid"])


def test_a_session_has_a_program_of_its_own() -> None:
    async def main() -> None:
        async with scene() as stage:
            one, other = stage.browser(), stage.browser()
            first, second = await one.initialize(), await other.initialize()
            assert first.headers["content-type"] == JSON
            assert one.session != other.session
            assert pid_of(first) != pid_of(second)
            assert pid_of(await one.call("who")) == pid_of(first)
            assert pid_of(await other.call("who")) == pid_of(second)

    run(main())


def test_a_second_client_does_not_disturb_the_first() -> None:
    """#112, #116: one program for everybody, and the second connection ended the process."""

    async def main() -> None:
        async with scene() as stage:
            first = await stage.begun()
            for _ in range(3):
                again = await stage.begun()
                assert (await again.call("echo", a=1)).last["result"] == {"a": 1}
                again.leave()
            assert (await first.call("echo", a=2)).last["result"] == {"a": 2}

    run(main())


def test_a_client_that_reconnects_goes_on_in_its_session() -> None:
    """#126: a reconnect crashed it."""

    async def main() -> None:
        async with scene() as stage:
            first = await stage.begun()
            pid = pid_of(await first.call("who"))
            first.leave()
            second = stage.browser()
            second.session = first.session
            assert pid_of(await second.call("who")) == pid

    run(main())


def test_an_unknown_session_is_not_found() -> None:
    """#123: 400, after which a client never begins again."""

    async def main() -> None:
        async with scene() as stage:
            stranger = stage.browser()
            stranger.session = "0" * 32
            for said in (await stranger.call("echo", 7), await whole(stranger.ask("GET"))):
                assert said.status == 404
                assert "initialize" in said.last["error"]["message"]
            assert (await whole(stranger.ask("DELETE"))).status == 404
            stranger.session = ""
            assert (await stranger.call("echo", 7)).status == 400

    run(main())


def test_a_second_listener_is_refused_and_nobody_is_hurt() -> None:
    """#138: the second GET threw, and took the process with it."""

    async def main() -> None:
        async with scene() as stage:
            caller, first, second = await stage.begun(), stage.browser(), stage.browser()
            first.session = second.session = caller.session
            listening = first.ask("GET")
            await until(lambda: listening.status == 200, "the listener")
            assert (await whole(second.ask("GET"))).status == 409
            await caller.call("changed")
            await until(lambda: listening.messages, "what belongs to no call")
            assert listening.messages[0]["method"] == "notifications/tools/list_changed"
            first.leave()
            third = stage.browser()
            third.session = caller.session
            await until(lambda: not stage.bridge.listening(caller.session), "the first listener to leave")
            again = third.ask("GET")
            await until(lambda: again.status == 200, "another listener")

    run(main())


def test_deleting_a_session_ends_its_program_and_no_other() -> None:
    async def main() -> None:
        async with scene() as stage:
            one, other = await stage.begun(), await stage.begun()
            pids = [pid_of(await browser.call("who")) for browser in (one, other)]
            assert (await whole(one.ask("DELETE"))).status == 200
            assert (await one.call("who")).status == 404
            await until(lambda: running(pids) == pids[1:], "the program to end")
            assert pid_of(await other.call("who")) == pids[1]

    run(main())


def test_a_crash_is_told_to_who_waits_and_ends_that_session_only() -> None:
    """#165, #212: the bridge ended with its program."""

    async def main() -> None:
        async with scene() as stage:
            one, other, also = await stage.begun(), await stage.begun(), stage.browser()
            also.session = one.session
            waiting = also.post(request("silence", "waits"))
            await until(lambda: waiting.status, "the stream")
            said = await one.call("crash", 9)
            for told, number in ((said, 9), (await whole(waiting), "waits")):
                assert told.last["id"] == number
                assert told.last["error"]["message"] == "the program of this service has ended (exit status 3)"
            assert (await one.call("who")).status == 404
            assert (await other.call("echo", a=1)).last["result"] == {"a": 1}
            assert stage.lines("warning", "exit status 3")

    run(main())


@pytest.mark.parametrize("command", [("/nowhere/npx",), (str(Path(__file__)),)], ids=["missing", "not a program"])
def test_a_program_that_cannot_be_started(command: tuple[str, ...]) -> None:
    async def main() -> None:
        async with scene(Stdio(command)) as stage:
            said = await stage.browser().initialize()
            assert said.last["id"] == 0
            assert "cannot be started at home" in said.last["error"]["message"]
            assert command[0] not in said.body.decode()
            (line,) = stage.lines("warning", "cannot be started")
            assert line["program"] == command[0]
            assert not stage.bridge.sessions

    run(main())


def test_a_program_that_ends_at_once() -> None:
    async def main() -> None:
        async with scene(Stdio(("false",))) as stage:
            said = await stage.browser().initialize()
            assert said.last["error"]["message"] == "the program of this service has ended (exit status 1)"

    run(main())


def test_idle_sessions_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "TICK", 0.02)

    async def main() -> None:
        async with scene() as stage:
            idle, listener, busy = await stage.begun(), await stage.begun(), await stage.begun()
            pids = [pid_of(await browser.call("who")) for browser in (idle, listener, busy)]
            listening, waiting = listener.ask("GET"), busy.post(request("silence"))
            await until(lambda: listening.status and waiting.status, "the streams")
            stage.bridge.stdio = stdio(idle=0.1)
            await until(lambda: running(pids) == pids[1:], "the idle program to end")
            await until(lambda: listening.body.count(b":\n\n") > 1, "comments that keep the stream alive")
            assert not waiting.done
            assert (await idle.call("who")).status == 404

    run(main())


def test_a_new_session_takes_the_place_of_an_idle_one() -> None:
    async def main() -> None:
        async with scene(stdio(sessions=2)) as stage:
            old, busy = await stage.begun(), await stage.begun()
            waiting = busy.post(request("silence"))
            await until(lambda: waiting.status, "the stream")
            new = await stage.begun()
            assert (await old.call("who")).status == 404
            listening = new.ask("GET")
            await until(lambda: listening.status, "the stream")
            refused = await stage.browser().initialize()
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert stage.lines("all are in use")

    run(main())


def test_nothing_is_left_of_a_stubborn_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.mcp.child._CLOSED_FOR", 0.1)
    monkeypatch.setattr("hushgate.mcp.child._TERMINATED_FOR", 0.1)

    async def main() -> None:
        async with scene(stdio("stubborn", "family")) as stage:
            browser = await stage.begun()
            pid = pid_of(await browser.call("who"))
            await until(lambda: stage.lines("program said", "family"), "the child's child")
            pids = [pid, int(stage.lines("program said", "family")[0]["line"].split()[1])]
            assert running(pids) == pids
        await until(lambda: not running(pids), "the family to end")

    run(main())


def test_a_program_that_ends_takes_its_family_along() -> None:
    async def main() -> None:
        async with scene(stdio("family")) as stage:
            browser = await stage.begun()
            await until(lambda: stage.lines("program said", "family"), "the child's child")
            family = int(stage.lines("program said", "family")[0]["line"].split()[1])
            await browser.call("crash")
            await until(lambda: not running([family]), "the family to end")

    run(main())


def test_the_programs_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tunnel's tokens are none of its business."""
    monkeypatch.setenv("SSH_TOKEN", "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    async def main() -> None:
        service = Stdio(stdio().command, (*stdio().env, ("API_KEY", Secret("k"))), tmp_path)
        async with scene(service) as stage:
            result = (await (await stage.begun()).call("who")).last["result"]
            assert {"PYTHONPATH", "API_KEY", "LC_ALL", "PATH"} <= set(result["env"])
            assert "SSH_TOKEN" not in result["env"]
            assert result["cwd"] == os.path.realpath(tmp_path)

    run(main())


def test_what_is_no_message_is_passed_over() -> None:
    async def main() -> None:
        async with scene() as stage:
            browser = await stage.begun()
            assert (await browser.call("noise")).last["result"] == {}
            assert stage.lines("warning", "no MCP message")
            await until(lambda: stage.lines("program said", "on stderr"), "its stderr in the log")
            assert max(len(line["line"]) for line in stage.lines("program said")) == 400

    run(main())


@pytest.mark.parametrize(("size", "good"), [(7_000_000, True), (9_000_000, False)])
def test_a_message_has_its_bounds(size: int, good: bool) -> None:
    async def main() -> None:
        async with scene() as stage:
            browser = await stage.begun()
            said = await browser.call("large", size=size)
            assert ("result" in said.last) is good
            if not good:
                assert "a line of more than" in said.last["error"]["message"]

    run(main())


def test_a_program_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hushgate.mcp.child.UNREAD_MAX", 500_000)

    async def main() -> None:
        async with scene() as stage:
            browser, other = await stage.begun(), stage.browser()
            other.session = browser.session
            await browser.call("deaf")
            said = await other.call("echo", text="x" * 1_000_000)
            assert said.last["error"]["message"].endswith("it does not read what it is sent")

    run(main())


def test_initialize_stands_alone() -> None:
    async def main() -> None:
        async with scene() as stage:
            browser = stage.browser()
            assert (await whole(browser.post([request("initialize"), request("echo", 2)]))).status == 400
            assert (await whole(browser.post({"jsonrpc": "2.0", "method": "initialize"}))).status == 400
            assert not stage.bridge.sessions

    run(main())


def test_bodies_that_are_no_messages() -> None:
    async def main() -> None:
        async with scene() as stage:
            browser = await stage.begun()
            for body in (b"{", b"[]", b"7", b'{"id":1}', b'{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}'):
                said = await whole(browser.ask("POST", body))
                assert said.status == 400
                assert said.last["error"]["code"] in (-32700, -32600)

    run(main())


def test_the_profile_is_asked_first() -> None:
    async def main() -> None:
        async with scene(profile=McpProfile(allow=("read_*",))) as stage:
            browser = await stage.begun()
            said = await browser.call("tools/call", 5, name="write_file")
            assert (said.status, said.last["id"]) == (403, 5)
            assert (await browser.call("tools/call", 6, name="read_file")).status == 200

    run(main())


def test_a_profile_learns_from_what_the_program_says() -> None:
    async def main() -> None:
        async with scene(profile=McpProfile(read_only=True)) as stage:
            browser = await stage.begun()
            assert (await browser.call("tools/call", 5, name="look")).status == 403
            await browser.call("tools/list", 6)
            assert (await browser.call("tools/call", 7, name="look")).status == 200
            assert (await browser.call("tools/call", 8, name="write")).status == 403

    run(main())


def test_sessions_are_nobodys_guess() -> None:
    async def main() -> None:
        async with scene() as stage:
            sessions = {(await stage.begun()).session for _ in range(3)}
            assert len(sessions) == 3
            assert all(len(session) == 32 for session in sessions)

    run(main())


def test_a_call_goes_on_when_its_client_lost_the_connection() -> None:
    async def main() -> None:
        async with scene() as stage:
            first: Browser = await stage.begun()
            asked = first.post(request("ask", 3))
            await until(lambda: len(asked.messages) == 1, "the question")
            place = asked.events[0]["id"]
            first.leave()
            second, third = stage.browser(), stage.browser()
            second.session = third.session = first.session
            answer = {"jsonrpc": "2.0", "id": "question", "result": {"model": "m"}}
            assert (await whole(third.post(answer))).status == 202
            said = await whole(second.ask("GET", Last_Event_ID=place))
            assert [message.get("method") for message in said.messages] == ["sampling/createMessage", None]
            assert said.last == {"jsonrpc": "2.0", "id": 3, "result": {"said": {"model": "m"}, "error": None}}

    run(main())


def test_the_programs_end_while_calls_run() -> None:
    async def main() -> None:
        async with scene() as stage:
            browser = await stage.begun()
            waiting = browser.post(request("silence", 4))
            await until(lambda: waiting.status, "the stream")
            await asyncio.wait_for(stage.bridge.stop(), 5)
            assert (await whole(waiting)).last["error"]["message"] == "the service ends"
            assert json.loads(json.dumps(waiting.last["id"])) == 4

    run(main())
