"""Which tokens the server knows: identifier to verifier, for each role."""

from collections.abc import Iterable, Mapping

from hushgate.protocol.keys import Role, Verifier


class Keyring:
    """All verifiers of a configuration. It never changes; a reload builds another one and replaces it whole."""

    __slots__ = ("_names", "_verifiers")

    def __init__(self, services: Mapping[str, Iterable[Verifier]]) -> None:
        """`services`: every verifier of each service, of either role, current, staged or retiring.

        Raises ValueError when a verifier was made for another service, or two of them share an identifier.
        """
        self._verifiers: dict[tuple[Role, bytes], Verifier] = {}
        names: dict[Role, set[str]] = {role: set() for role in Role}
        for service, verifiers in services.items():
            for verifier in verifiers:
                known = self._verifiers.setdefault((verifier.role, verifier.identifier), verifier)
                if verifier.service != service or known != verifier:
                    raise ValueError(
                        f"service {service}: a verifier that belongs to another service or contradicts one"
                    )
                names[verifier.role].add(service)
        self._names = {role: frozenset(found) for role, found in names.items()}

    def find(self, role: Role, identifier: bytes) -> Verifier | None:
        return self._verifiers.get((role, identifier))

    def names(self, role: Role) -> frozenset[str]:
        """The services that somebody of this role can prove."""
        return self._names[role]
