"""Every kind of rules has its profile."""

from hushgate.config.model import McpRules, OllamaRules
from hushgate.edge.mcp import McpProfile
from hushgate.edge.ollama import OllamaProfile
from hushgate.edge.profile import NoRules
from hushgate.edge.profiles import profile_of


def test_profiles() -> None:
    assert isinstance(profile_of(None), NoRules)
    assert profile_of(OllamaRules("read-only")) == OllamaProfile(OllamaRules("read-only"))
    assert profile_of(McpRules(("a",), ("b",), True)) == McpProfile(("a",), ("b",), True)


def test_what_one_service_learns_is_not_known_to_another() -> None:
    one, other = profile_of(McpRules(read_only=True)), profile_of(McpRules(read_only=True))
    assert isinstance(one, McpProfile) and isinstance(other, McpProfile)
    one.known["list"] = True
    assert other.known == {}
