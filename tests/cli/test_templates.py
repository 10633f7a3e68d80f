"""What `omega` prints of templates and their runs, over a real API server."""

from pathlib import Path

from omegacell.api.client import Client
from omegacell.api.errors import ExitCode
from tests.cli.conftest import Omega, ask

NIGHTLY = (
    "name: nightly\nschedule: {cron: '0 3 * * *', time_zone: Europe/Berlin, overlap: skip}\ntask: {simulated: {}}\n"
)
ENCODE = "name: encode\nparameters: {required: [input]}\ntask: {exec: {script: echo}}\n"


def test_a_template_and_its_runs_are_told_apart(client: Client, omega: Omega, tmp_path: Path) -> None:
    """The list groups runs below their template; the status of each names the other; nobody waits for a template."""
    (tmp_path / "jobs.yaml").write_text(f"{NIGHTLY}---\n{ENCODE}")
    said = omega("run", str(tmp_path / "jobs.yaml"))
    assert (said.code, "nightly: runs next at " in said.err) == (ExitCode.OK, True), said
    assert "encode: runs with `omega job dispatch encode`" in said.err
    omega("job", "trigger", "nightly", "--name", "by-hand", "--detach")
    made = ask(omega, "job", "dispatch", "encode", "-p", "input=a", "--name", "first", "--detach")["dispatched"]
    assert (made["name"], made["job_id"], made["existed"]) == ("first", 4, False)
    lines = [line.split() for line in omega("job", "list").out.splitlines()]
    assert [words[1:4] for words in lines[1:]] == [
        ["encode", "template", "ready"],
        ["first", "batch", "pending"],
        ["nightly", "cron", "scheduled"],
        ["by-hand", "batch", "pending"],
    ]
    status = omega("job", "status", "nightly").out
    assert "schedule   0 3 * * * (Europe/Berlin)" in status
    assert "runs       1 made, 1 going on; 0 instants skipped, 0 missed" in status
    assert "by-hand  by hand  pending" in status
    assert "run of     encode (#2)" in omega("job", "status", "first").out


def test_what_is_typed_wrongly_says_how(client: Client, omega: Omega, tmp_path: Path) -> None:
    """One line each, and the exit code of bad usage."""
    (tmp_path / "jobs.yaml").write_text(ENCODE)
    omega("run", str(tmp_path / "jobs.yaml"), "--detach")
    for arguments, expected in (
        (("-p", "input"), "-p 'input': expected NAME=VALUE"),
        (("-p", "input=a", "-p", "input=b"), "-p input: given twice"),
        (("-p", "input=a", "--payload", str(tmp_path / "none")), "No such file or directory"),
        (("-p", "inptu=a"), "knows no parameter 'inptu'"),
    ):
        said = omega("job", "dispatch", "encode", *arguments)
        assert (said.code, said.err.count("\n"), expected in said.err) == (ExitCode.USAGE, 1, True), said
