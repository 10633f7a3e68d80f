"""One answer, three forms; colours on a terminal only."""

import json
import os
import pty
import re
import subprocess
import sys
import termios

import pytest
import yaml

from omegacell.api.cli import output
from omegacell.api.cli.output import Format, Table
from tests.cli.conftest import Omega

TABLE = Table(
    columns=("JOB", "STATE", "TASKS"),
    rows=[("sum", "running", "300"), ("web", "failed", "3")],
    right=frozenset({"TASKS"}),
)


def test_forms_hold_the_same_facts(omega: Omega) -> None:
    """Table, JSON and YAML say the same."""
    as_json = json.loads(omega("version", "-o", "json").out)
    as_yaml = yaml.safe_load(omega("version", "-o", "yaml").out)
    as_table = omega("version").out
    assert as_json == as_yaml
    assert all(str(value) in as_table for value in as_json.values())


def test_pipe_gets_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets aligned columns, numbers to the right, without drawing, colour or trailing blanks."""
    output.show({}, Format.TABLE, TABLE)
    assert capsys.readouterr().out == "JOB  STATE    TASKS\nsum  running    300\nweb  failed       3\n"


def test_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """No rows are an answer, too."""
    output.show({}, Format.TABLE, Table(columns=("JOB",), rows=[], empty="no jobs"))
    assert capsys.readouterr().out == "no jobs\n"


@pytest.mark.parametrize(("no_color", "is_coloured"), [(None, True), ("1", False)])
def test_terminal_gets_colour_unless_told(no_color: str | None, is_coloured: bool) -> None:
    """A terminal gets colours; NO_COLOR takes them away."""
    code = "from tests.cli.test_output import *\noutput.show({}, Format.TABLE, TABLE)\n"
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    if no_color is not None:
        environment["NO_COLOR"] = no_color
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    text = os.read(ours, 65_536).decode()
    os.close(ours)
    assert "running" in text
    assert ("\x1b[32m" in text) is is_coloured


def test_narrow_terminal_cuts_no_word() -> None:
    """On 80 columns a table goes without what matters least, and then runs over: a row is one line of whole words."""
    code = (
        "from omegacell.api.cli import output\n"
        "columns = tuple(f'HEADING-{at}' for at in range(12))\n"
        "rows = [[f'running-{at}' for at in range(12)]] * 2\n"
        "table = output.Table(columns=columns, rows=rows, least=('HEADING-3', 'HEADING-11'))\n"
        "output.show({}, output.Format.TABLE, table)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    subprocess.run(
        [sys.executable, "-c", code], stdout=theirs, env={**environment, "TERM": "xterm", "NO_COLOR": "1"}, check=True
    )
    os.close(theirs)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).split() for line in os.read(ours, 65_536).decode().splitlines()]
    os.close(ours)
    kept = [at for at in range(12) if at not in (3, 11)]
    assert lines == [[f"HEADING-{at}" for at in kept], *[[f"running-{at}" for at in kept]] * 2]
