"""What the documentation shows is what happens: its commands run, and print what stands there."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.agent.resources import make_name
from tests.docs.pages import Command, PageFile, count_unread_marks, find_difference, find_missing, find_steps
from tests.tidy.tree import REPOSITORY, tracked_files

COMMAND_LIMIT_S = 120.0


def pages_that_run() -> list[str]:
    """List the pages with commands that run."""
    pages = [path for path in tracked_files() if path == "README.md" or path.startswith("docs/")]
    return [path for path in pages if path.endswith(".md") and find_steps((REPOSITORY / path).read_text())]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that looks like a checkout to a reader; tasks of another user can pass through it."""
    path = Path(tempfile.mkdtemp(prefix="omega-docs-"))
    path.chmod(0o711)
    shutil.copytree(REPOSITORY / "docs", path / "docs")
    (path / ".venv").symlink_to(sys.prefix)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def environment(folder: Path) -> Iterator[dict[str, str]]:
    """Give an environment of its own, and stop the cell that was started in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMEGA_")}
    found = kept | {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "XDG_STATE_HOME": str(folder / ".state"),
        "NO_COLOR": "1",
        "STATE": str(folder / ".state" / "omegacell" / "local"),
    }
    yield found
    for state in (folder / ".state" / "omegacell").glob("*"):
        run_shell(f"omega down --state {state}", folder, found)


def run_shell(text: str, folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a command as a reader would, output and errors together as on a terminal.

    ``make demo`` is what the Makefile makes of it once everything is set up.
    """
    return subprocess.run(
        ["sh", "-c", "omega demo" if text == "make demo" else text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )


_MADE = re.compile(r"^([a-z0-9-]+): created \(|--name ([a-z0-9-]+)$", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", pages_that_run())
def test_a_page_does_what_it_says(page: str, folder: Path, environment: dict[str, str]) -> None:
    """Every command of a page that is marked to run exits as the page says, and prints what stands there."""
    names = {make_name(socket.gethostname()): "node-1"}
    for step in find_steps((REPOSITORY / page).read_text()):
        match step:
            case PageFile():
                (folder / step.name).write_text(step.content)
            case Command():
                done = run_shell(step.text, folder, environment)
                where = f"{page}:{step.line}: {step.text}"
                assert done.returncode == step.exit_code, f"{where}\n{done.stdout}"
                printed = done.stdout.splitlines()
                if step.is_example:
                    assert not find_missing(step.printed or (), printed), f"{where}\n{done.stdout}"
                elif step.printed is not None:
                    difference = find_difference(step.printed, printed, names)
                    assert not difference, f"{where}\n{difference}"


def test_no_two_pages_submit_jobs_of_one_name() -> None:
    """Whoever follows all pages in order on one cell meets no job of another page."""
    made: dict[str, str] = {}
    for page in pages_that_run():
        for name in [match[1] or match[2] for match in _MADE.finditer((REPOSITORY / page).read_text())]:
            assert made.setdefault(name, page) == page, f"job {name} is made on {made[name]} and on {page}"
    assert {"hello", "words"} <= made.keys()


def test_make_demo_is_omega_demo() -> None:
    """What stands in for ``make demo`` when pages are run is what the Makefile runs."""
    assert "\n\t@$(BIN)/omega demo\n" in (REPOSITORY / "Makefile").read_text()


def test_the_readme_runs() -> None:
    """The first page that anybody reads is among those that are run."""
    assert "README.md" in pages_that_run()


@pytest.mark.parametrize(
    ("expected", "actual", "is_same"),
    [
        (["JOB  TASKS", "sum    300"], ["JOB    TASKS", "sum        1"], True),
        (["sum  succeeded"], ["sum  failed"], False),
        (["a", "...", "z"], ["a", "b", "c", "z"], True),
        (["a", "...", "z"], ["a", "z"], True),
        (["a", "...", "z"], ["a", "b", "c"], False),
        (["..."], ["whatever", "it says"], True),
        (["pid 7 (...) ended"], ["pid 12 (somebody) ended"], True),
        (["on node-1"], ["on this-host"], True),
        (["one"], ["one", "two"], False),
        (["one", "two"], ["one"], False),
        (["took 14.5ms at 2026-11-23 05:41:57.123"], ["took 2s at 2027-01-01 00:00:00.000"], True),
    ],
)
def test_outputs_are_compared_by_shape(expected: list[str], actual: list[str], is_same: bool) -> None:
    """Digits and widths may differ, words may not, and only what is marked may be left out."""
    assert (find_difference(expected, actual, {"this-host": "node-1"}) == "") == is_same


def test_a_page_is_cut_into_steps() -> None:
    """Marked blocks are steps with their lines, exit codes and outputs; others are only read."""
    page = "\n".join(
        [
            "<!-- file: a.yaml -->",
            "```yaml",
            "name: a",
            "```",
            "```console",
            "$ never run",
            "```",
            "<!-- run: exit 1 -->",
            "",
            "```console",
            "$ first",
            "said",
            "$ second",
            "```",
            "<!-- run -->",
            "```sh",
            "third",
            "```",
            "",
        ]
    )
    assert find_steps(page) == [
        PageFile(line=3, name="a.yaml", content="name: a\n"),
        Command(line=11, text="first", printed=("said",)),
        Command(line=13, text="second", printed=None, exit_code=1),
        Command(line=17, text="set -e\nthird\n", printed=None),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "<!-- run: twice -->\n```sh\ntrue\n```\n",
        "<!-- run -->\n```yaml\na: 1\n```\n",
        "<!-- run -->\n```console\nx\n```\n",
    ],
)
def test_a_mark_that_means_nothing_is_an_error(page: str) -> None:
    """A mark with a slip in it must not turn into a block that never runs."""
    with pytest.raises(ValueError, match="line"):
        find_steps(page)


@pytest.mark.parametrize("page", [path for path in tracked_files() if path.endswith(".md")])
def test_no_mark_is_overlooked(page: str) -> None:
    """Every comment that looks like a mark is one."""
    assert count_unread_marks((REPOSITORY / page).read_text()) == 0
