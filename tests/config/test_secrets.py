"""Tokens: sources, trimming, placeholders, weakness, and who may read the file."""

import base64
from pathlib import Path

import pytest

from hushgate.config.load import examine
from hushgate.config.model import Loaded, Secret

from .conftest import Read

GOOD = "0123456789abcdef" * 4
OTHER = "f" * 64


def server(keys: str, section: str = "") -> str:
    service = f'[server.services.ssh]\nbind_addr = "0.0.0.0:2222"\n{keys}\n'
    return f'[server]\nbind_addr = "127.0.0.1:8443"\n{section}\n{service}'


def client(keys: str, section: str = "") -> str:
    local = '[client.services.ssh]\nlocal_addr = "127.0.0.1:22"'
    return f'[client]\nremote_addr = "wss://h.example/"\n{section}\n{local}\n{keys}\n'


def tokens(loaded: Loaded) -> list[str]:
    assert loaded.server is not None
    return [secret.reveal() for secret in loaded.server.services["ssh"].tokens]


def test_several_tokens_each_once(read: Read) -> None:
    loaded, problems = read(server(f'token = "{GOOD}"\ntokens = ["{OTHER}", "{GOOD}"]'))
    assert not problems
    assert tokens(loaded) == [GOOD, OTHER]


@pytest.mark.parametrize(
    "placeholder",
    [
        "generate-a-strong-random-token-here",
        "another-strong-random-token",
        "yet-another-strong-token",
        "same-token-as-server-ssh",
        "same-token-as-server-anything",
        "  another-strong-random-token ",
        "the second token",
        "the laptop's key",
    ],
)
def test_placeholders_are_refused(read: Read, placeholder: str) -> None:
    for text in (server(f'token = "{placeholder}"'), client(f'token = "{placeholder}"')):
        _, [problem] = read(text)
        assert "services.ssh.token: is a placeholder" in problem and "`hushgate token new`" in problem


def test_an_empty_token_is_told_with_what_makes_one(read: Read) -> None:
    for text in (server('token = ""'), client('token = " "'), client('token = "{GOOD}"', 'default_token = ""')):
        _, problems = read(text)
        assert any("token: is empty; `hushgate token new`" in problem for problem in problems)


def test_white_space_is_trimmed_with_a_warning(read: Read) -> None:
    loaded, problems = read(server(f'token = " {GOOD}\\n"'))
    assert not problems and tokens(loaded) == [GOOD]
    [warning] = loaded.warnings
    assert "server.services.ssh.token: white space" in warning and GOOD not in warning


def test_weak_tokens_are_warned_about_once(read: Read) -> None:
    text = server("", 'default_token = "short"') + '[server.services.b]\nbind_addr = "0.0.0.0:1"\ntoken = "short"\n'
    loaded, problems = read(text)
    assert not problems
    [warning] = loaded.warnings
    assert "server.default_token: shorter than 22" in warning


def test_environment(read: Read) -> None:
    loaded, problems = read(server('token = "${SSH_TOKEN}"'), SSH_TOKEN=GOOD)
    assert not problems and tokens(loaded) == [GOOD]
    _, [problem] = read(server('token = "${SSH_TOKEN}"'))
    assert problem == "server.services.ssh.token: the environment variable SSH_TOKEN is not set"
    _, [problem] = read(server('token = "${SSH_TOKEN}"'), SSH_TOKEN=" ")
    assert "token: is empty; `hushgate token new`" in problem
    _, [problem] = read(server('token = "${SSH_TOKEN}"'), SSH_TOKEN="\udcff" * 30)
    assert "token: is not UTF-8" in problem


def test_default_token_is_the_fallback_only(read: Read) -> None:
    default = f'default_token = "{OTHER}"'
    assert tokens(read(server("", default))[0]) == [OTHER]
    assert tokens(read(server(f'token = "{GOOD}"', default))[0]) == [GOOD]
    loaded, problems = read(client("", default))
    assert not problems and loaded.client is not None
    assert loaded.client.services["ssh"].token == Secret(OTHER)


def test_a_refused_default_token_is_one_problem(read: Read) -> None:
    _, problems = read(server("", 'default_token = "another-strong-random-token"'))
    assert len(problems) == 1


def test_no_token_at_all(read: Read) -> None:
    for text, where in ((server(""), "server"), (client(""), "client")):
        _, [problem] = read(text)
        assert (
            problem.startswith(f"{where}.services.ssh: has no token; write token") and "hushgate token new" in problem
        )


def test_token_file(read: Read, tmp_path: Path) -> None:
    secret = tmp_path / "ssh.token"
    secret.write_text(f"{GOOD}\n{OTHER}\n")
    secret.chmod(0o600)
    loaded, problems = read(server('token_file = "ssh.token"'))
    assert not problems and not loaded.warnings
    assert tokens(loaded) == [GOOD, OTHER]
    assert loaded.files == (tmp_path / "hushgate.toml", secret)
    _, [problem] = read(client('token_file = "ssh.token"'))
    assert "holds several; one token is proved" in problem
    secret.write_text(GOOD + "\r\n")
    secret.chmod(0o604)
    loaded, problems = read(client('token_file = "ssh.token"'))
    assert not problems and loaded.client is not None
    assert loaded.client.services["ssh"].token.reveal() == GOOD
    assert "chmod o-r" in loaded.warnings[0]


def test_token_file_that_cannot_serve(read: Read, tmp_path: Path) -> None:
    _, [problem] = read(server('token_file = "none"'))
    assert "token_file" in problem and "cannot be read: No such file" in problem
    (tmp_path / "empty").write_text("\n")
    assert any("holds no token" in problem for problem in read(server('token_file = "empty"'))[1])
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert any("not UTF-8" in problem for problem in read(server('token_file = "binary"'))[1])


def test_a_client_proves_one_token(read: Read) -> None:
    _, problems = read(client(f'token = "{GOOD}"\ntoken_file = "x"'))
    assert any("token_file: stands beside token" in problem for problem in problems)
    _, problems = read(client(f'tokens = ["{GOOD}"]'))
    assert any("tokens: unknown key; did you mean token" in problem for problem in problems)


def test_verifiers(read: Read) -> None:
    good = "hgv1." + base64.urlsafe_b64encode(bytes(range(64))).decode().rstrip("=")
    loaded, problems = read(server(f'verifier = "{good}"\nverifiers = ["{good}"]'))
    assert not problems and loaded.server is not None
    assert loaded.server.services["ssh"].verifiers == (good,)
    assert tokens(loaded) == []
    for bad in ("hgv1.abc", "hgv2" + good[4:], GOOD, good + "!!!!", "ä"):
        _, [problem] = read(server(f'verifier = "{bad}"'))
        assert "server.services.ssh.verifier: is no verifier" in problem


def test_a_file_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text(server(f'token = "{GOOD}"'))
    path.chmod(0o644)
    loaded, _ = examine(path, {}, platform="linux")
    assert loaded.warnings == (f"{path}: every user of this machine may read its tokens; run: chmod o-r {path}",)
    assert not examine(path, {}, platform="win32")[0].warnings
    path.chmod(0o640)
    assert not examine(path, {}, platform="linux")[0].warnings
    path.write_text(server('token = "${T}"'))
    path.chmod(0o644)
    assert not examine(path, {"T": GOOD}, platform="linux")[0].warnings


def test_no_message_holds_a_token(read: Read) -> None:
    loaded, problems = read(
        server(f'token = "tooshort1 "\ntokens = "{GOOD}"\nverifier = "{OTHER}"') + client("token = 5")
    )
    told = " ".join([*problems, *loaded.warnings, *loaded.hints])
    assert problems and not any(secret in told for secret in ("tooshort1", GOOD, OTHER))
