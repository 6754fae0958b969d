"""What `hushgate doctor` finds: one line for each step, and the exit code of the first fault."""

import json
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

State = Literal["ok", "note", "fault"]
CONFIGURATION: Final = 1
"""Something is set up wrong, here or there (docs/exit-codes.md)."""
KEY: Final = 3
UNREACHABLE: Final = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a word for programs, `text` a sentence for people."""

    check: str
    state: State
    text: str


class Fault(Exception):
    """What keeps the rest from being looked at. `code` is the exit code."""

    def __init__(self, check: str, text: str, code: int = CONFIGURATION) -> None:
        super().__init__(text)
        self.finding = Finding(check, "fault", text)
        self.code = code


@dataclass(slots=True)
class Report:
    findings: list[Finding] = field(default_factory=list)
    code: int = 0

    def ok(self, check: str, text: str) -> None:
        self.findings.append(Finding(check, "ok", text))

    def note(self, check: str, text: str) -> None:
        """Nothing that is wrong, but worth knowing."""
        self.findings.append(Finding(check, "note", text))

    def fault(self, fault: Fault) -> None:
        self.findings.append(fault.finding)
        self.code = self.code or fault.code

    def plain(self) -> str:
        """One line for each finding. What a server said is shown in printable characters only."""
        lines = (f"{finding.state:<5}  {finding.check}: {finding.text}" for finding in self.findings)
        return "".join(_printable(line) + "\n" for line in lines)

    def to_json(self) -> str:
        return json.dumps({"code": self.code, "findings": [asdict(finding) for finding in self.findings]}) + "\n"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
