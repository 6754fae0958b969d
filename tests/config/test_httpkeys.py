"""`keys` and limits: every form, and what cannot serve as a key."""

import hashlib
import time
from pathlib import Path

import pytest

from hushgate.config.httpkeys import key_hash
from hushgate.config.load import examine
from hushgate.config.model import HttpKey, Quota
from tests.config.test_http import HEAD, TOKEN, examined, http, service

LOCAL = 'bind_addr = "127.0.0.1:1"\n'
KEY, OTHER = "f" * 64, "e" * 64


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def keys(tmp_path: Path, lines: str) -> tuple[HttpKey, ...]:
    found = http(tmp_path, LOCAL + lines)
    assert found is not None
    return found.keys


def test_keys_and_hashes(tmp_path: Path) -> None:
    assert key_hash(f" {KEY}\n") == "sha256:" + digest(KEY).hex()
    one = HttpKey(digest(KEY).hex()[:8], digest(KEY))
    assert keys(tmp_path, f'keys = ["{KEY}"]') == keys(tmp_path, f'keys = ["{key_hash(KEY)}"]') == (one,)


def test_tables(tmp_path: Path) -> None:
    (tmp_path / "file.key").write_text(f"{key_hash('a' * 64)}\n{'b' * 64}\n")
    (tmp_path / "file.key").chmod(0o600)
    lines = f"""
        per_minute = 60
        max_body = "1MiB"
        [[server.services.ollama.keys]]
        label = "editor"
        hash = ["{key_hash(KEY)}", "{key_hash(OTHER)}"]
        concurrent = 2
        queue = 8
        streams = 4
        [[server.services.ollama.keys]]
        label = "owner"
        key_file = "file.key"
        per_minute = 600
        admin = true
    """
    editor, owner = Quota(60, 2, 8, 4, 1024 * 1024), Quota(per_minute=600, body=1024 * 1024)
    assert keys(tmp_path, lines) == (
        HttpKey("editor", digest(KEY), quota=editor),
        HttpKey("editor", digest(OTHER), quota=editor),
        HttpKey("owner", digest("a" * 64), True, owner),
        HttpKey("owner", digest("b" * 64), True, owner),
    )


def test_both_forms_in_one_list(tmp_path: Path) -> None:
    lines = f'keys = ["{KEY}", {{ label = "editor", key = "{OTHER}" }}]'
    assert [key.label for key in keys(tmp_path, lines)] == [digest(KEY).hex()[:8], "editor"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (f'keys = "{KEY}"', "keys: must be a list of texts, or tables [[server.services.ollama.keys]]"),
        ("keys = []", "keys: is empty; `hushgate token key` makes a key, and without keys everybody may ask"),
        (
            'keys = ["sha256:abc"]',
            "keys: is not sha256: and 64 hexadecimal digits; `hushgate token key` makes both",
        ),
        (
            f'keys = [{{ label = "a", hash = "{KEY}" }}]',
            "keys[1].hash: is not sha256: and 64 hexadecimal digits; `hushgate token key` makes both",
        ),
        (f'keys = ["{KEY}", "{key_hash(KEY)}"]', "keys: the key of df0790f2 stands there twice; remove one of the two"),
        (f'keys = [{{ key = "{KEY}" }}]', 'keys[1]: label is missing; write for example label = "editor"'),
        (
            'keys = [{ label = "a" }]',
            "keys[1]: has neither key, hash nor key_file; `hushgate token key` makes a key",
        ),
        (
            f'keys = [{{ label = "a b", key = "{KEY}" }}]',
            "keys[1].label: must be up to 64 letters, digits and . _ @ -, since it stands in the log",
        ),
        (f'keys = [{{ label = "a", key = "{KEY}", hsh = "" }}]', "keys[1].hsh: unknown key; did you mean hash?"),
        (
            f'keys = [{{ label = "a", key = "{KEY}" }}, {{ label = "a", key = "{OTHER}" }}]',
            "keys[2].label: a stands there twice; several keys of one label are a list in its key or hash",
        ),
        (f'keys = ["{TOKEN}"]', "keys: hold what is also a token or an access key; make another one"),
        (f'queue = 3\nkeys = ["{KEY}"]', "queue: is for requests beyond concurrent; add concurrent, or remove it"),
        ('allowed_origins = ["app.example"]', "allowed_origins: app.example is no origin as browsers write it; write"),
    ],
)
def test_what_cannot_be(tmp_path: Path, lines: str, problem: str) -> None:
    _, problems = examined(tmp_path, HEAD + service('type = "http"\n' + LOCAL + lines))
    assert problems[0].startswith(f"server.services.ollama.{problem}")


def test_a_limit_of_the_service_that_is_wrong_is_told_once(tmp_path: Path) -> None:
    lines = f'queue = 3\nkeys = [{{ label = "a", key = "{KEY}" }}, {{ label = "b", key = "{OTHER}" }}]'
    _, [problem] = examined(tmp_path, HEAD + service('type = "http"\n' + LOCAL + lines))
    assert "queue: is for requests beyond concurrent" in problem


def test_a_weak_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    _, problems = examined(tmp_path, HEAD + service('type = "http"\n' + LOCAL + 'keys = ["hunter2"]'))
    assert "keys: shorter than 22 characters, so it may be guessed" in problems[0] and "hunter2" not in problems[0]


@pytest.mark.parametrize(
    "lines", ["keys = []", 'profile = "ollama"', 'keys = ["sha256:abc"]\nprofile = "mcp"', 'keys = ["hunter2"]']
)
def test_what_is_refused_is_not_hinted_at_as_well(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "server.toml"
    path.write_text(HEAD + service(f'type = "http"\nhostname = "a.example.org"\n{lines}'))
    loaded, problems = examine(path, {}, platform="linux")
    assert len(problems) == 1 and not loaded.hints


def test_keys_are_for_http(tmp_path: Path) -> None:
    _, problems = examined(tmp_path, HEAD + service(LOCAL + f'keys = ["{KEY}"]'))
    assert problems == ['server.services.ollama.keys: is for services of HTTP; add type = "http", or remove it']


def test_only_a_file_with_a_key_in_it_must_not_be_read_by_all(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    for written, warned in ((key_hash(KEY), False), (KEY, True)):
        path.write_text(HEAD + service('type = "http"\n' + LOCAL + f'keys = ["{written}"]').replace(TOKEN, "${T}"))
        path.chmod(0o644)
        assert bool(examine(path, {"T": TOKEN}, platform="linux")[0].warnings) == warned


@pytest.mark.parametrize(
    ("lines", "warnings", "hints"),
    [
        (f'bind_addr = "0.0.0.0:8080"\nkeys = ["{KEY}"]', ["keys: travel unencrypted to bind_addr"], []),
        ('bind_addr = "0.0.0.0:8080"', [], ["type: everybody may ask"]),
        ('hostname = "mcp.example.org"', [], ["type: everybody may ask"]),
        (f'hostname = "mcp.example.org"\nkeys = ["{KEY}"]', [], []),
        ('bind_addr = "0.0.0.0:8080"\npublic = true', [], []),
    ],
)
def test_what_is_said_of_keys(tmp_path: Path, lines: str, warnings: list[str], hints: list[str]) -> None:
    path = tmp_path / "server.toml"
    path.write_text(HEAD + service('type = "http"\n' + lines))
    path.chmod(0o600)
    loaded, problems = examine(path, {}, platform="linux")
    assert not problems
    for told, expected in ((loaded.warnings, warnings), (loaded.hints, hints)):
        assert [line for line in told if any(word in line for word in expected)] == list(told)
        assert len(told) == len(expected)


def test_keys_make_ollama_presentable(tmp_path: Path) -> None:
    lines = f'type = "http"\nprofile = "ollama"\nhostname = "ollama.example.org"\nkeys = ["{KEY}"]'
    assert examined(tmp_path, HEAD + service(lines))[1] == []


def test_ten_thousand_keys_load_quickly(tmp_path: Path) -> None:
    """Every change of the file reads all of them again, in the loop that carries the streams."""
    hashes = ",\n".join(f'"{key_hash(str(number))}"' for number in range(10_000))
    path = tmp_path / "server.toml"
    path.write_text(HEAD + service('type = "http"\n' + LOCAL + f"keys = [{hashes}]"))
    began = time.process_time()
    loaded, problems = examine(path, {}, platform="linux")
    took = time.process_time() - began
    assert not problems and loaded.server is not None and took < 3.0
    found = loaded.server.services["ollama"].http
    assert found is not None and len(found.keys) == 10_000
