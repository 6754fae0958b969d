"""From the rules of the configuration to what holds requests to them."""

from hushgate.config.model import HttpRules, OllamaRules
from hushgate.edge.mcp import McpProfile
from hushgate.edge.ollama import OllamaProfile
from hushgate.edge.profile import NO_RULES, Profile


def profile_of(rules: HttpRules | None) -> Profile:
    """One for each service: an McpProfile learns from the answers that pass."""
    if rules is None:
        return NO_RULES
    if isinstance(rules, OllamaRules):
        return OllamaProfile(rules)
    return McpProfile(rules.allow, rules.deny, rules.read_only)
