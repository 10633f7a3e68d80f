"""The documents say what the code says, and lead to one another."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import typer.main
from typer.core import TyperCommand, TyperGroup, TyperOption

from omegacell.api.cli import entry
from omegacell.core.outcomes import Reason
from tests.tidy.tree import REPOSITORY, tracked_files

Command = TyperGroup | TyperCommand

DOCS = REPOSITORY / "docs"
RECORD_HEADINGS = ["Context", "Choice", "Alternatives", "Guard"]


def documents() -> list[Path]:
    """List the README and every page of the docs."""
    return [REPOSITORY / path for path in tracked_files() if path.endswith(".md") and not path.startswith("tests/")]


def links(page: Path) -> Iterator[tuple[str, Path]]:
    """Give the links of a page that lead to files of this tree, as written and as resolved."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"[a-z]+:|#", target):
            yield target, (page.parent / target.split("#")[0]).resolve()


def command_paths(command: Command, path: str = "omega") -> Iterator[tuple[str, Command]]:
    """Walk the command tree; give every command that is not hidden, by what a user types."""
    if isinstance(command, TyperGroup):
        context = typer.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert isinstance(inner, TyperGroup | TyperCommand), f"{path} lists {name} but has no such command"
            if not inner.hidden:
                yield from command_paths(inner, f"{path} {name}")
    else:
        yield path, command


def commands() -> dict[str, Command]:
    """Give every command of `omega`."""
    top = typer.main.get_command(entry.app)
    assert isinstance(top, TyperGroup)
    return dict(command_paths(top))


def options(command: Command) -> Iterator[TyperOption]:
    """Give the options that a user may know of."""
    return (each for each in command.params if isinstance(each, TyperOption) and not each.hidden)


def headed_sections(text: str) -> dict[str, str]:
    """Cut a page at its headings; a heading's backticks are dropped."""
    parts = re.split(r"^#{1,6} +(.+)$", text, flags=re.MULTILINE)
    return {title.replace("`", "").strip(): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def test_readme_is_short_and_starts_with_something_to_run() -> None:
    """A reader can run something before line 25, and is through after 120."""
    lines = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    fences = [number for number, line in enumerate(lines, start=1) if re.match(r"```(sh|bash|console)$", line)]
    assert len(lines) <= 120
    assert fences
    assert fences[0] + 1 < 25


@pytest.mark.parametrize("page", documents(), ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there."""
    assert [written for written, target in links(page) if not target.exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    """A page that nothing leads to is not documentation; a link to a folder leads to its pages."""
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            targets = [target for _, target in links(page) if target.exists()]
            waiting += [each for target in targets for each in (target.glob("*.md") if target.is_dir() else [target])]
    assert sorted(page.relative_to(REPOSITORY).as_posix() for page in set(documents()) - reached) in ([], ["README.md"])


def test_every_command_is_documented() -> None:
    """Each command has a section in the reference that names its options, and no section is of a command that went."""
    sections = headed_sections((DOCS / "reference" / "commands.md").read_text(encoding="utf-8"))
    described = {title.split(" [")[0]: body for title, body in sections.items() if title.startswith("omega ")}
    there = commands()
    assert sorted(set(there) - set(described)) == []
    groups = {path.rsplit(" ", 1)[0] for path in there}
    assert sorted(set(described) - set(there) - groups) == []
    unnamed = [
        f"{path} {max(option.opts, key=len)}"
        for path, command in there.items()
        for option in options(command)
        if max(option.opts, key=len) not in described[path]
    ]
    assert unnamed == []


def test_every_command_says_what_it_does() -> None:
    """`omega --help` has a line for each command, and each option has its own."""
    silent = [path for path, command in commands().items() if not command.help]
    silent += [
        f"{path} {option.opts[0]}"
        for path, command in commands().items()
        for option in options(command)
        if not option.help
    ]
    assert silent == []


def test_refusals_are_documented_in_their_order_of_precedence() -> None:
    """The reference lists the reasons of the enum, all of them, in the enum's order."""
    text = (DOCS / "reference" / "refusals.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(?:\| *|#+ +|- +)`([A-Z][A-Z_]+)`", text, flags=re.MULTILINE)
    assert listed == [reason.name for reason in Reason if reason.name != "NONE"]


def test_decision_records_have_their_parts() -> None:
    """A record says in what situation what was chosen, instead of what, and which test guards it."""
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    numbers = [record.name[:4] for record in records]
    assert numbers == sorted(set(numbers))
    assert records
    incomplete = [
        record.name
        for record in records
        if [title for title in headed_sections(record.read_text(encoding="utf-8")) if title in RECORD_HEADINGS]
        != RECORD_HEADINGS
    ]
    assert incomplete == []


def test_changelog_knows_the_version() -> None:
    """What is being built stands on top of the changelog, released or not."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    headings = re.findall(r"^## (.+)$", (DOCS / "changelog.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings[0].startswith(f"{version} ")
