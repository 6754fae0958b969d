"""`profile`: its keys, what they belong to, and that nobody opens Ollama to everybody by accident."""

from pathlib import Path

import pytest

from hushgate.config.model import Http, McpRules, OllamaRules
from tests.config.test_http import HEAD, examined, http, service

PROFILE = 'type = "http"\nprofile = "ollama"\n'
LOCAL = 'bind_addr = "127.0.0.1:1"\n'


def test_rules(tmp_path: Path) -> None:
    assert http(tmp_path, LOCAL + 'profile = "ollama"') == Http(rules=OllamaRules())
    lines = """
        profile = "ollama"
        profile_mode = "read-only"
        models = ["llama3.*", "qwen3:8b"]
        allow_cloud = true
        max_context = 8192
        max_tokens = 4096
        max_keep_alive = "10m"
    """
    rules = OllamaRules("read-only", ("llama3.*", "qwen3:8b"), True, 8192, 4096, 600.0)
    assert http(tmp_path, LOCAL + lines) == Http(rules=rules)


def test_rules_for_tools(tmp_path: Path) -> None:
    assert http(tmp_path, LOCAL + 'profile = "mcp"') == Http(rules=McpRules())
    lines = 'profile = "mcp"\ntools_allow = ["read_*", "list"]\ntools_deny = ["*secret*"]\nread_only = true'
    assert http(tmp_path, LOCAL + lines) == Http(rules=McpRules(("read_*", "list"), ("*secret*",), True))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('profile = "openai"', 'profile: must be "ollama" or "mcp"'),
        (
            'profile = "mcp"\ntools_allow = []',
            'tools_allow: names no tool; write for example ["read_*"], or remove it',
        ),
        ('profile = "ollama"\nread_only = true', 'read_only: belongs to profile = "mcp"; add it, or remove this'),
        ('profile = "mcp"\nmax_tokens = 5', 'max_tokens: belongs to profile = "ollama"; add it, or remove this'),
        ('profile = "ollama"\nprofile_mode = "full"', 'profile_mode: must be "inference" or "read-only"'),
        (
            'profile = "ollama"\nmodels = []',
            'models: names no model; write for example ["llama3.*"], or remove it',
        ),
        (
            'profile = "ollama"\nmodels = ["a b"]',
            'models: a b is no name of a model; write for example "llama3.2:1b" or "llama3.*"',
        ),
        ('profile = "ollama"\nmax_tokens = 0', "max_tokens: must be at least 1"),
        ("max_tokens = 5", 'max_tokens: belongs to profile = "ollama"; add it, or remove this'),
    ],
)
def test_values_that_are_none(tmp_path: Path, lines: str, problem: str) -> None:
    _, problems = examined(tmp_path, HEAD + service('type = "http"\n' + LOCAL + lines))
    assert problems == [f"server.services.ollama.{problem}"]


def test_a_profile_is_for_http(tmp_path: Path) -> None:
    _, problems = examined(tmp_path, HEAD + service(LOCAL + 'profile = "ollama"'))
    assert problems == ['server.services.ollama.profile: is for services of HTTP; add type = "http"']


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (PROFILE + 'bind_addr = "0.0.0.0:8080"', "bind_addr"),
        (PROFILE + 'bind_addr = "[::]:8080"', "bind_addr"),
        ('bind_addr = "0.0.0.0:11434"', "bind_addr"),
        ('type = "http"\nbind_addr = "203.0.113.9:11434"', "bind_addr"),
        (PROFILE + 'hostname = "ollama.example.org"', "hostname"),
        (PROFILE + 'path = "/ollama"', "path"),
    ],
)
def test_ollama_for_everybody_has_to_be_asked_for(tmp_path: Path, lines: str, key: str) -> None:
    _, [problem] = examined(tmp_path, HEAD + service(lines))
    assert problem.startswith(f"server.services.ollama.{key}: lets everybody use Ollama")
    assert ("bind it to 127.0.0.1" if key == "bind_addr" else f"remove {key} and come by") in problem
    _, problems = examined(tmp_path, HEAD + service(lines + "\npublic = true"))
    assert problems == []


@pytest.mark.parametrize("lines", [PROFILE + 'bind_addr = "127.0.0.1:11434"', 'bind_addr = "0.0.0.0:8080"'])
def test_what_is_for_this_machine_or_no_ollama_is_not(tmp_path: Path, lines: str) -> None:
    _, problems = examined(tmp_path, HEAD + service(lines))
    assert problems == []
