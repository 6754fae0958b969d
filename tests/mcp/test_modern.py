"""The program that clients of 2026-07-28 share, with real programs."""

import pytest

from hushgate.config.model import Stdio
from hushgate.mcp import bridge, modern
from tests.aio import run
from tests.mcp.scene import MODERN, VERSION, request, running, scene, stdio, whole
from tests.tunnel import until


def test_all_clients_share_one_program() -> None:
    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            one, other = stage.browser(), stage.browser()
            first, second = one.begin_modern("who", 1), other.begin_modern("who", 1)
            pids = {(await whole(said)).last["result"]["pid"] for said in (first, second)}
            assert len(pids) == 1
            assert first.headers["content-type"] == "application/json"
            assert "mcp-session-id" not in first.headers
            assert not stage.bridge.sessions
            found = await one.modern("server/discover", "d")
            assert found.last == {"jsonrpc": "2.0", "id": "d", "result": {"supportedVersions": [MODERN]}}

    run(main())


def test_progress_makes_a_stream() -> None:
    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            said = await stage.browser().modern("steps", 7, {"progressToken": "mine"})
            assert said.headers["content-type"] == "text/event-stream"
            assert [message.get("params", {}).get("progressToken") for message in said.messages] == ["mine"] * 2 + [
                None
            ]
            assert said.last["id"] == 7

    run(main())


def test_unknown_methods_are_not_found() -> None:
    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            for method in ("nothing/such", "initialize"):
                said = await stage.browser().modern(method)
                assert (said.status, said.last["error"]["code"]) == (404, -32601)

    run(main())


def test_an_older_program_sends_its_clients_back_to_initialize() -> None:
    async def main() -> None:
        async with scene() as stage:
            for _ in range(2):
                said = await stage.browser().modern("server/discover", 3)
                assert (said.status, said.last["id"], said.last["error"]["code"]) == (400, 3, -32000)
            assert len(stage.lines("program started")) == 1, "it is asked once"
            assert (await (await stage.begun()).call("echo", a=1)).last["result"] == {"a": 1}

    run(main())


def test_a_program_that_does_not_answer_is_taken_for_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modern, "ANSWER_WAIT", 0.05)

    async def main() -> None:
        async with scene(Stdio(("sleep", "60"))) as stage:
            said = await stage.browser().modern("tools/list")
            assert said.status == 400

    run(main())


@pytest.mark.parametrize("command", [("/nowhere",), ("false",)])
def test_a_program_that_ends_is_told_of(command: tuple[str, ...]) -> None:
    async def main() -> None:
        async with scene(Stdio(command)) as stage:
            said = await stage.browser().modern("tools/list", 4)
            assert said.last["id"] == 4
            assert "the program of this service" in said.last["error"]["message"]

    run(main())


def test_a_crash_is_followed_by_another_program() -> None:
    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            one, other = stage.browser(), stage.browser()
            waiting = other.begin_modern("silence", 2)
            said = await one.modern("crash", 1)
            for told in (said, await whole(waiting)):
                assert "exit status 3" in told.last["error"]["message"]
            assert (await one.modern("echo", a=1)).last["result"]["a"] == 1

    run(main())


def test_who_leaves_cancels() -> None:
    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            leaver, stayer = stage.browser(), stage.browser()
            await stayer.modern("echo")
            leaver.begin_modern("silence")
            await stayer.modern("echo")
            leaver.leave()
            await until(lambda: stage.lines("program said", "cancelled"), "the program to hear of it")

    run(main())


def test_the_headers_must_say_what_the_body_says() -> None:
    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            browser = stage.browser()
            good = request("tools/call", 1, {VERSION: MODERN}, name="a")
            head = {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/call", "Mcp_Name": "a"}
            for change in ({"Mcp_Method": "tools/list"}, {"Mcp_Name": "b"}, {"Mcp_Name": ""}, {"Mcp_Method": ""}):
                said = await whole(browser.post(good, **head | change))
                assert (said.status, said.last["error"]["code"], said.last["id"]) == (400, -32020, 1)
            other = request("tools/call", 1, {VERSION: "2027-01-01"}, name="a")
            assert (await whole(browser.post(other, **head))).last["error"]["code"] == -32020
            bare = request("tools/call", 1, None, name="a")
            assert (await whole(browser.post(bare, **head))).last["error"]["code"] == -32602
            assert not stage.lines("program started")

    run(main())


def test_one_message_at_a_time() -> None:
    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            browser = stage.browser()
            head = {"MCP_Protocol_Version": MODERN}
            assert (await whole(browser.post([request("a"), request("b", 2)], **head))).status == 400
            assert (await whole(browser.post({"jsonrpc": "2.0", "id": 1, "result": 1}, **head))).status == 400
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}
            assert (await whole(browser.post(note, **head))).status == 202

    run(main())


def test_it_ends_when_it_is_idle_and_streams_are_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "TICK", 0.02)

    async def main() -> None:
        async with scene(stdio("modern")) as stage:
            one, other = stage.browser(), stage.browser()
            pid = (await one.modern("who")).last["result"]["pid"]
            waiting = other.begin_modern("silence")
            stage.bridge.stdio = stdio("modern", idle=0.05)
            await until(lambda: waiting.body.count(b":\n\n") > 3, "comments")
            assert running([pid])
            other.leave()
            await until(lambda: not running([pid]), "the end of the program")

    run(main())
