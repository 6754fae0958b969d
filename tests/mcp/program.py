"""A program on standard input and output that misbehaves on demand: the method of a request says how.

    python -m tests.mcp.program [modern] [stubborn] [family]

`modern`: it answers server/discover; `stubborn`: it ignores the end of its input and SIGTERM; `family`: it has a child.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(number: Any, method: str, params: dict[str, Any]) -> None:
    meta = params.get("_meta", {})
    match method:
        case "initialize":
            say(id=number, result={"protocolVersion": params.get("protocolVersion"), "pid": os.getpid()})
        case "server/discover" if "modern" in sys.argv:
            say(id=number, result={"supportedVersions": ["2026-07-28"]})
        case "echo":
            say(id=number, result=params)
        case "tools/list":
            hints = {"look": True, "write": False}
            tools = [{"name": name, "annotations": {"readOnlyHint": reads}} for name, reads in hints.items()]
            say(id=number, result={"tools": tools})
        case "who":
            say(id=number, result={"pid": os.getpid(), "env": sorted(os.environ), "cwd": os.getcwd()})
        case "steps":
            for step in (1, 2):
                token = {"progressToken": meta["progressToken"], "progress": step}
                say(method="notifications/progress", params=token)
            say(id=number, result={"asked": meta})
        case "ask":
            say(id="question", method="sampling/createMessage", params={})
            said = json.loads(sys.stdin.readline())
            say(id=number, result={"said": said.get("result"), "error": said.get("error")})
        case "subscriptions/listen":
            told = {"_meta": {"io.modelcontextprotocol/subscriptionId": number}}
            say(method="notifications/tools/list_changed", params=told)
            say(id=number, result=told)
        case "changed":
            say(method="notifications/tools/list_changed", params={})
            say(id=number, result={})
        case "noise":
            print("Server listening!", flush=True)
            print("x" * 3000, file=sys.stderr, flush=True)
            print("on stderr", file=sys.stderr, flush=True)
            say(id=number, result={})
        case "large":
            say(id=number, result={"text": "x" * params["size"]})
        case "deaf":
            say(id=number, result={})
            time.sleep(600)
        case "crash":
            os._exit(3)
        case "silence":
            pass
        case _:
            say(id=number, error={"code": -32601, "message": "method not found"})


def main() -> None:
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "family" in sys.argv:
        family = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(f"family {family.pid}", file=sys.stderr, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "method" in message and "id" in message:
            answer(message["id"], message["method"], message.get("params", {}))
        elif message.get("method") == "notifications/cancelled":
            print("cancelled", json.dumps(message["params"]), file=sys.stderr, flush=True)
    while "stubborn" in sys.argv:
        time.sleep(1)


if __name__ == "__main__":
    main()
