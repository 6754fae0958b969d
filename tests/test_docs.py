"""What the pages name exists: links, anchors, paths, commands, keys of the example files, the version."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hushgate import __version__
from hushgate.cli.main import COMMANDS, Commands, cli
from hushgate.protocol import limits
from tests.readme import ROOT, SHELL

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)")
PATH = re.compile(r"(?<![\w/.-])((?:src|tests|scripts|docs|bench|\.ci)/[\w./-]*[\w/])")


def anchor(heading: str) -> str:
    """The name that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def headings(page: Path) -> set[str]:
    return {anchor(line.lstrip("#")) for line in page.read_text().splitlines() if line.startswith("#")}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target, place in LINK.findall(page.read_text()):
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (place and place not in headings(path)):
            dead.append(f"{target}#{place}")
    assert not dead


@each_page
def test_paths_exist(page: Path) -> None:
    named = set(PATH.findall(page.read_text()))
    assert not {path for path in named if not (ROOT / path).exists()}


def test_every_page_can_be_found_from_the_readme() -> None:
    seen, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            queue += [(page.parent / target).resolve() for target, _ in LINK.findall(page.read_text()) if target]
    assert {page for page in PAGES if page not in seen} == set()


def commands(text: str) -> Iterator[list[str]]:
    """Every `hushgate …` of a page: lines of its shell blocks, and spans of code within its sentences."""
    lines = [line for block in SHELL.findall(text) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in lines:
        for match in re.finditer(r"(?:^|\$\()(hushgate [^)]*)", line.split("#")[0].strip()):
            command = re.split(r" (?:<|>>?) ", match[1])[0]
            yield shlex.split(command.replace("[", "").replace("]", ""))[1:]


def parses(group: click.Group, arguments: list[str]) -> bool:
    """Whether click finds a command for the arguments and takes them; nothing is run."""
    with click.Context(group, info_name="hushgate", **group.context_settings) as context:
        if arguments[0].startswith("-"):
            return arguments[0] in {name for option in group.get_params(context) for name in option.opts}
        _, command, rest = group.resolve_command(context, arguments)
        if isinstance(command, click.Group):
            return parses(command, rest) if rest else True
        assert command is not None
        rest = ["bash" if argument == "SHELL" else argument for argument in rest]
        # A sentence may name a command alone.
        with command.make_context("hushgate", rest, resilient_parsing=not rest):
            return True


@each_page
def test_commands_are_known(page: Path) -> None:
    for arguments in commands(page.read_text()):
        if arguments[0] != "FILE":
            assert parses(cli, arguments), arguments


def test_the_readme_shows_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    shown = {arguments[0] for arguments in commands(text)}
    assert shown >= {command.name for command in COMMANDS if command.name != "run"}


def test_an_unknown_command_would_be_noticed() -> None:
    assert isinstance(cli, Commands)
    for line in ("hushgate serve", "hushgate server a.toml --prob", "hushgate token make"):
        with pytest.raises(click.UsageError):
            parses(cli, next(commands(f"`{line}`")))


def test_the_changelog_knows_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)
    coming = re.search(r"^## \[Unreleased\]\n+This will be (\d+\.\d+\.\d+)\b", text, re.MULTILINE)
    assert __version__ in ([coming[1]] if coming else []) + released[:1]


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("README.md", f"wait up to {limits.GRACE:.0f} s (`grace`)"),
        ("README.md", f"wait up to {limits.VISITOR_WAIT:.0f} s (`visitor_wait`)"),
        ("README.md", f"go on for {limits.DRAIN:.0f} s (`drain`)"),
        ("docs/security.md", f"{limits.DOOR_CONNECTIONS} and {limits.DOOR_CONNECTIONS_ADDRESS} (`[server.limits]`)"),
        ("docs/security.md", f"| {limits.REQUEST_LINE_MAX // 1024} KiB, {limits.REQUEST_HEAD_MAX // 1024} KiB |"),
        ("docs/security.md", f"| {limits.DOOR_SILENT:.0f} s; {limits.DOOR_KEEPALIVE:.0f} s between requests |"),
        ("docs/security.md", f"to a complete login | {limits.HANDSHAKE_WAIT:.0f} s |"),
        ("docs/security.md", f"fewer than {limits.WEAK_TOKEN} characters"),
        ("docs/security.md", f"repeated within {limits.PROOF_SKEW:.0f} seconds"),
        ("docs/why/proofs.md", f"{limits.PROOF_SKEW:.0f} seconds"),
        ("docs/why/resume.md", f"({limits.REPLAY_LIMIT // limits.MIB} MiB a session)"),
        (
            "docs/why/backpressure.md",
            f"from {limits.WINDOW_INITIAL // 1024} KiB to {limits.WINDOW_MAX // limits.MIB} MiB",
        ),
        ("docs/why/backpressure.md", f"within {limits.GROWTH_BUDGET // limits.MIB} MiB for each session"),
        ("docs/why/pacing.md", f"and {limits.CAP_SLACK * 1000:.0f} ms for the receiver's delayed ACK"),
    ],
)
def test_numbers_are_those_of_the_code(page: str, sentence: str) -> None:
    assert sentence in " ".join((ROOT / page).read_text().split())
