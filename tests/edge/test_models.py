"""One form for the names of models."""

import pytest

from hushgate.edge.models import is_cloud, is_listed, normal_name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("tiny", "tiny:latest"),
        ("TINY:Latest", "tiny:latest"),
        ("library/tiny", "tiny:latest"),
        ("registry.ollama.ai/library/tiny:latest", "tiny:latest"),
        ("tiny:local", "tiny:latest"),
        ("tiny:7b:local", "tiny:7b"),
        ("https://registry.ollama.ai/library/tiny", None),
        ("llama3.2:1b", "llama3.2:1b"),
        ("hf.co/Owner/Model-GGUF:Q4_K_M", "hf.co/owner/model-gguf:q4_k_m"),
        ("host:5000/a/b", "host:5000/a/b:latest"),
        ("", None),
        (" tiny", None),
        ("tiny ", None),
        ("tiny\n", None),
        ("a//b", None),
        ("../etc", None),
        ("ti\u0131ny", None),
        ("-x", None),
        ("x:", None),
        ("a" * 600, "a" * 600 + ":latest"),
        ("a" * 601, None),
    ],
)
def test_names(written: str, name: str | None) -> None:
    assert normal_name(written) == name


@pytest.mark.parametrize(
    ("written", "cloud"),
    [
        ("gpt-oss:120b-cloud", True),
        ("gpt-oss:cloud", True),
        ("GPT-OSS:120B-CLOUD", True),
        ("gpt-oss:120b:cloud", True),
        ("gpt-oss:120b:cloud:local", True),
        ("gpt-oss:120b-cloud:latest", True),
        ("qwen3-cloud", True),
        ("registry.ollama.ai/library/qwen3:480b-cloud", True),
        ("cloud", False),
        ("cloudy:7b", False),
        ("my-cloud-model:7b", False),
        ("x:cloudy", False),
    ],
)
def test_cloud_names(written: str, cloud: bool) -> None:
    name = normal_name(written)
    assert name is not None and is_cloud(name) is cloud


@pytest.mark.parametrize(
    ("written", "patterns", "listed"),
    [
        ("llama3.2:1b", ("llama3.*",), True),
        ("LLAMA3.2:1b", ("llama3.*",), True),
        ("tiny", ("tiny",), True),
        ("tiny:other", ("tiny",), False),
        ("tiny:other", ("tiny:*",), True),
        ("tiny2", ("tiny",), False),
        ("tiny", (), False),
        ("tiny", ("big", "TINY"), True),
    ],
)
def test_lists(written: str, patterns: tuple[str, ...], listed: bool) -> None:
    assert is_listed(normal_name(written) or "", patterns) is listed
