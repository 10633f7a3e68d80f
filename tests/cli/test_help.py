"""The help of `omega` teaches, and costs nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from omegacell.api.errors import ExitCode
from tests.cli.conftest import Omega
from tests.cli.tree import ALL, commands

HEAVY = {"grpc", "numpy", "pydantic", "rich", "yaml", "psutil", "google.protobuf", "asyncio", "sqlite3"}
COMMANDS_MD = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
EXPECTED = """
up down demo run logs explain history conflicts version
job list|job status|job plan|job dispatch|job trigger|job stop|job revert|job schema
machine list|machine status|machine cordon|machine uncordon|machine drain|machine lost|machine taint
scheduler list|scheduler run|scheduler caps list|scheduler caps set|scheduler caps remove
quota list|quota show|quota set|quota remove
cell status
store verify|store stat|store void|store backup|store restore|store migrate
bench commit|bench fold|bench schedule|bench throughput|bench latency|bench idle|bench packing
lab golden|lab run|lab faults|lab jobs
"""


def test_commands_are_these() -> None:
    """The commands are a promise: one that goes or comes is a decision."""
    first, *groups = EXPECTED.strip().splitlines()
    expected: set[tuple[str, ...]] = {(word,) for word in first.split()}
    expected |= {tuple(each.split()) for line in groups for each in line.split("|")}
    assert set(ALL) == expected


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_teaches_with_an_example(path: tuple[str, ...], omega: Omega) -> None:
    """Every command says what it does, explains every option, and shows how it is typed."""
    said = omega(*path, "--help")
    assert said.code == ExitCode.OK
    assert re.search(rf"^  Examples?:\n    (.*\| )?omega {' '.join(path)}", said.out, re.MULTILINE), said.out
    command = dict(commands())[path]
    silent = [each.name for each in command.params if not getattr(each, "help", None)]
    assert silent == []
    summary = command.help.strip().splitlines()[0]
    assert summary.endswith(".")


def test_help_names_what_an_option_takes(omega: Omega) -> None:
    """An option that takes a value says which by a name, not by a type of Python's."""
    said = [line for path in ALL for line in omega(*path, "--help").out.splitlines() if line.startswith("  -")]
    assert [line for line in said if re.match(r"  -\S*(, --\S+)? <", line)] == []


def test_help_imports_nothing_heavy() -> None:
    """`omega --help` has a budget of 200 ms: what is heavy loads inside of commands."""
    code = (
        "import sys\nfrom omegacell.api.cli.entry import run\nrun(['--help'])\n"
        f"sys.stderr.write(' '.join(sorted({HEAVY!r} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert done.stderr == ""


def test_reference_lists_every_command_and_exit_code() -> None:
    """docs/reference/commands.md names every command and every exit code, with its number."""
    text = COMMANDS_MD.read_text()
    missing = [" ".join(path) for path in ALL if f"`omega {' '.join(path)}" not in text]
    assert missing == []
    listed = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    assert listed == [(str(int(code)), code.name) for code in ExitCode]


def test_group_without_a_command_shows_its_help(omega: Omega) -> None:
    """A group alone is a question: the answer is its help, and the exit code says that nothing was done."""
    said = omega("store")
    assert said.code == ExitCode.USAGE
    assert said.out == ""
    assert "verify" in said.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there(shell: str) -> None:
    """Each shell gets a script that asks `omega` for completions."""
    done = subprocess.run(
        [sys.executable, "-m", "omegacell.api.cli", "--show-completion", shell],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "_OMEGA_COMPLETE" in done.stdout
