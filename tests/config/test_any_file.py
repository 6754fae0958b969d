"""Whatever stands in a file: reading it ends in a configuration or in problems, and never in a traceback."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hushgate.config.load import examine

KEYS = """server client access services ssh
access_key access_keys access_verifier key key_file key_command transport websocket tls tcp noise limits
certificate cert key names unknown
bind_addr remote_addr local_addr token tokens token_file default_token verifier verifiers type nodelay visitor_alias
insecure trusted_root hostname grace visitor_wait drain streams replay connections pkcs12 proxy keepalive_secs
heartbeat_interval retry_interval""".split()
TEXTS = """wss://h/ ws://[::1 tcp://h:x tls://é:1 h:1 :::1 [::]:1 127.0.0.1:22 :1 . / ${A} ${NONE} hgv1. hgv1.AAAA 1s
1MiB websocket tls tcp noise udp your-domain.com wss://[::1]:70000/ wss://h:443:443/ 1:2 [:1 ]:1 wss://[h]/""".split()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, which every example writes anew."""
    return tmp_path_factory.mktemp("any") / "any.toml"


keys = st.sampled_from(KEYS) | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=3)
scalars = (
    st.sampled_from(TEXTS)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
    | st.booleans()
    | st.integers(-2, 2**63)
    | st.floats()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=30,
)
services = st.dictionaries(st.sampled_from(["ssh", "a.b", ""]), st.dictionaries(keys, values, max_size=6), max_size=2)
sections = st.builds(
    lambda table, named: {**table, "services": named}, st.dictionaries(keys, values, max_size=8), services
)
documents = st.fixed_dictionaries(
    {}, optional={"server": sections, "client": sections, "access": sections, "unknown": values}
)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value) if isinstance(value, float) else quoted(value) if isinstance(value, str) else json.dumps(value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_never_a_traceback(path: Path, document: dict[str, object]) -> None:
    text = "".join(f"{quoted(key)} = {toml(value)}\n" for key, value in document.items())
    path.write_text(text, encoding="utf-8")
    loaded, problems = examine(path, {"A": "a" * 30}, platform="linux")
    assert problems or loaded.server or loaded.client or loaded.access
    assert all(line.startswith(f"{path}: ") and line.isprintable() for line in problems)


@given(st.binary(max_size=60))
def test_nor_for_bytes(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    assert examine(path, {})[1]
