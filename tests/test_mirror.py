"""Every source file has its test file at the same place, and every test file below a mirrored folder its source."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TESTS = ROOT / "src" / "hushgate", ROOT / "tests"
MIRRORED = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__")

# Sources without a test file of their own, each with the reason.
NO_TEST = {
    "__main__.py": "three lines; tests/cli/test_main.py runs `python -m hushgate`",
    "cli/access.py": "one of the commands that tests/cli/test_programs.py runs alike",
    "cli/client.py": "one of the commands that tests/cli/test_programs.py runs alike",
    "cli/config.py": "a group of commands, each with a test of its own",
    "cli/file.py": "one of the commands that tests/cli/test_programs.py runs alike",
    "cli/server.py": "one of the commands that tests/cli/test_programs.py runs alike",
    "cli/options.py": "declarations; tests/cli/test_main.py sees each command's help and refusals",
    "config/shared.py": "what [server] and [client] have in common; test_server.py and test_client.py read it in both",
    "config/transport.py": "one table of every section; test_server.py and test_client.py read it",
    "config/uplink.py": "what [client] and [access] have in common; test_client.py and test_access.py read it in both",
    "edge/exchange.py": "types; tests/edge/test_audit.py and test_gateway.py make every one of them",
    "edge/heads.py": "types; tests/edge/test_gateway.py and the profiles' tests make every one of them",
    "edge/profile.py": "types; tests/edge/test_gateway.py and the profiles' tests make every one of them",
    "edge/sides.py": "what tests/edge/scene.py plays; tests/edge/test_gateway.py has every failure",
    "edge/stage.py": "types; tests/edge/test_gateway.py goes through every state",
    "server/fronts.py": "tests/server/test_front.py and test_http_door.py have services that come, change and go",
    "server/pipeport.py": "tests/server/test_front.py and test_splice.py come through it, with TLS and without",
    "link/streampipe.py": "one of the pipes that tests/transports/test_contract.py holds to the contract",
    "protocol/answers.py": "types; tests/protocol/test_hello.py makes every one of them",
    "protocol/transcript.py": "formulas; tests/protocol/test_hello.py holds them to fixed vectors",
    "uplink/words.py": "sentences; tests/uplink/test_uplink.py and tests/faults/test_tokens.py look for them",
    "doctor/faults.py": "tests/doctor/test_mcp.py and test_ollama.py seed every fault",
    "mcp/child.py": "tests/mcp/test_bridge.py starts and ends real programs, well-behaved and not",
    "link/way.py": "tests/server/test_wayhome.py and tests/client/test_gate.py go both ways that it is",
    "link/routes.py": "a protocol without code; the type checker tests it",
    "transports/base.py": "the contract, which tests/transports/test_contract.py holds every pipe to",
    "transports/servername.py": "one callback of OpenSSL; tests/transports/test_tls.py looks at what it sends",
    "transports/tcp.py": "tests/transports/test_contract.py and test_stream.py dial and accept with it",
    "transports/loop.py": "the choice that scripts/test makes: the fast tests run on each loop and socket layer",
}

# Test files of more than one source, or of something else.
NO_SOURCE = {
    "cli/test_programs.py": "the commands that run a program, alike",
    "config/test_any_file.py": "whatever a file holds, across all of config",
    "config/test_documentation.py": "docs/configuration.md",
    "protocol/test_machine.py": "a state machine over the whole core",
    "transports/test_autobahn.py": "protocol/websocket.py and transports/ws.py, by cases of others",
    "server/test_audit_lines.py": "server/gatekeeper.py and edge/audit.py: golden lines of every dialect",
    "server/test_http_keys.py": "server/gatekeeper.py and turns.py on real connections",
    "server/test_http_door.py": "HTTP services on the door: stranger.py, door.py and front.py hand connections over",
    "transports/test_contract.py": "every pipe, by the contract of base.py",
}


def sources() -> set[str]:
    return {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.name != "__init__.py"}


def written() -> set[str]:
    folders = [TESTS, *(TESTS / name for name in MIRRORED)]
    return {path.relative_to(TESTS).as_posix() for folder in folders for path in folder.glob("test_*.py")}


def place_of(source: str) -> str:
    path = Path(source)
    return (path.parent / f"test_{path.name}").as_posix()


def test_every_source_has_its_test() -> None:
    missing = {source for source in sources() if place_of(source) not in written()}
    assert missing - NO_TEST.keys() == set()


def test_every_test_has_its_source() -> None:
    mirrored = {test for test in written() if "/" in test}
    assert mirrored - {place_of(source) for source in sources()} - NO_SOURCE.keys() == set()


def test_no_exception_is_stale() -> None:
    assert {source for source in NO_TEST if source not in sources() or place_of(source) in written()} == set()
    assert {test for test in NO_SOURCE if test not in written()} == set()


def test_test_folders_are_packages() -> None:
    """Two test files of one name in two folders need it."""
    folders = {path.parent for path in TESTS.rglob("test_*.py")}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()
