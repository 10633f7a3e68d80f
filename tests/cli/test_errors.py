"""Bad input gets one clear error and an exit code, never a traceback, and changes nothing."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from omegacell.api.cli import exits
from omegacell.api.cli.actions import versions
from omegacell.api.contexts import Context, read_contexts, write_context
from omegacell.api.errors import ExitCode
from omegacell.api.up.defaults import take_default
from omegacell.api.up.folder import StateFolder, StateLock
from tests.cli.conftest import Omega, Said

JOB = "name: {name}\ncount: {count}\ntask:\n  exec: {{command: /bin/true}}\n"

# arguments, exit code, words of the error
LINES = [
    (("nope",), ExitCode.USAGE, "No such command 'nope'"),
    (("job", "list", "--nope"), ExitCode.USAGE, "--nope"),
    (("job", "status"), ExitCode.USAGE, "Missing argument"),
    (("job", "list", "-o", "xml"), ExitCode.USAGE, "-o"),
    (("bench", "fold", "--claims", "0"), ExitCode.USAGE, "--claims"),
    (("job", "list"), ExitCode.UNREACHABLE, "omega up"),
    (("job", "list", "--cell", "elsewhere"), ExitCode.UNREACHABLE, "elsewhere"),
    (("cell", "status"), ExitCode.UNREACHABLE, "omega up"),
    (("machine", "cordon"), ExitCode.USAGE, "Missing argument"),
    (("machine", "drain", "m", "--deadline", "soon"), ExitCode.USAGE, "--deadline 'soon': expected a time"),
    (("machine", "drain", "m", "--timeout", "-1"), ExitCode.USAGE, "--timeout"),
    (("machine", "uncordon", "m"), ExitCode.UNREACHABLE, "omega up"),
    (("logs", "web/x"), ExitCode.USAGE, "expected JOB/INDEX"),
    (("logs", "/1"), ExitCode.USAGE, "expected JOB/INDEX"),
    (("run", "no-such-file.yaml"), ExitCode.USAGE, "no-such-file.yaml"),
    (("up", "--schedulers", "batch=0"), ExitCode.USAGE, "NAME=COUNT"),
    (("up", "--schedulers", "batch=1,batch=2"), ExitCode.USAGE, "twice"),
    (("up", "--schedulers", "batch=1,bogus=1"), ExitCode.USAGE, "'bogus': no such name is installed"),
    (("up", "--listen", "localhost"), ExitCode.USAGE, "HOST:PORT"),
    (("up", "--listen", "localhost:99999"), ExitCode.USAGE, "HOST:PORT"),
    (("up", "--ports", "20000"), ExitCode.USAGE, "FIRST-LAST"),
    (("up", "--ports", "20999-20000"), ExitCode.USAGE, "FIRST-LAST"),
    (("up", "--cell", "../x"), ExitCode.USAGE, "../x"),
    (("down",), ExitCode.NOT_FOUND, "no cell"),
    (("store", "verify", "nowhere"), ExitCode.NOT_FOUND, "nowhere"),
    (("store", "stat", "mongo://x"), ExitCode.USAGE, "no such engine"),
    (("store", "backup", "memory://", "copy.db"), ExitCode.USAGE, "only a store in a file"),
    (
        ("quota", "set", "ada", "--band", "silly", "--cpu", "1"),
        ExitCode.USAGE,
        "'--band': 'silly' is not one of 'batch', ",
    ),
    (("quota", "set", "ada", "--cpu", "1"), ExitCode.USAGE, "Choose from: batch, production, monitoring (try"),
    (("up", "--cell", "x", "--state", "/proc/x"), ExitCode.USAGE, "/proc/x: cannot be made"),
    (("quota", "set", "ada", "--band", "batch"), ExitCode.USAGE, "give --cpu, --memory or --disk"),
    (("quota", "set", "ada", "--band", "batch", "--cpu=-1"), ExitCode.USAGE, "none for no limit"),
    (("quota", "set", "ada", "--band", "batch", "--memory", "1Xi"), ExitCode.USAGE, "--memory '1Xi'"),
    (("quota", "set", "ada", "--band", "batch", "--disk", "2000Pi"), ExitCode.USAGE, "at most"),
    (("scheduler", "caps", "set", "batch"), ExitCode.USAGE, "give --cpu, --memory or --jobs"),
    (("scheduler", "caps", "set", "batch", "--jobs", "1.5"), ExitCode.USAGE, "expected a whole number of jobs"),
    (("conflicts", "--store", "nowhere"), ExitCode.NOT_FOUND, "nowhere"),
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line[0]))
def test_command_lines(
    line: tuple[tuple[str, ...], ExitCode, str], omega: Omega, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong command line gets one error line with what is wrong, and its exit code."""
    arguments, code, words = line
    monkeypatch.chdir(tmp_path)
    check_refused(omega(*arguments), code, words)


# a job file, and words of the error
FILES = [
    ("name: [", "job.yaml:2:1: not YAML"),
    ("- a\n- b\n", "expected a job"),
    ("", "no job in it"),
    (JOB.format(name="x", count=1) + "colour: red\n", "colour"),
    (JOB.format(name="x", count=0), "at least 1"),
    (JOB.format(name="x", count=10_000_000), "at most 1000000"),
    (JOB.format(name="a/b", count=1), "name: expected"),
    (JOB.format(name='"a\\nb"', count=1), "name: expected"),
    (JOB.format(name="Upper", count=1), "name: expected"),
    (JOB.format(name="x", count="many"), "count: expected a whole number"),
    ("name: x\ntask: {}\n", "exactly one of exec and simulated"),
    ("name: x\nresources: {cpu: 1 parsec}\ntask:\n  exec: {command: a}\n", "resources.cpu"),
    ("name: x\nresources: {memory: 99999999999Ti}\ntask:\n  exec: {command: a}\n", "resources.memory"),
    ("name: x\ntask:\n  exec: {command: a, script: b}\n", "exactly one of command and script"),
    (JOB.format(name="x", count=1) + "---\n" + JOB.format(name="x", count=1), "another name"),
    ("\x00\x01\x02", "job.yaml"),
    ("&a [*a, *a]\n", "job.yaml"),
]


@pytest.mark.parametrize(("text", "words"), FILES, ids=range(len(FILES)))
def test_job_files(text: str, words: str, omega: Omega, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong job file is refused before anything is sent, with file, line and field."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.yaml").write_text(text)
    check_refused(omega("run", "job.yaml"), ExitCode.USAGE, words)


def test_job_file_of_100_megabytes(omega: Omega, tmp_path: Path) -> None:
    """A job file that is too large is refused by its size, not read to its end."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    check_refused(omega("run", str(path)), ExitCode.USAGE, "large.yaml")


def test_job_in_two_files(omega: Omega, tmp_path: Path) -> None:
    """Two files may not hold jobs of one name: which of them was meant?"""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(JOB.format(name="x", count=1))
    check_refused(omega("run", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")), ExitCode.USAGE, "more than once")


def test_wrong_address(omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that nobody answers for is said to be unreachable, by its address."""
    monkeypatch.setenv("OMEGA_ADDR", "127.0.0.1:1")
    monkeypatch.setenv("OMEGA_TOKEN", "x")
    check_refused(omega("job", "list"), ExitCode.UNREACHABLE, "127.0.0.1:1")


def test_address_without_token(omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address alone is half of what is needed, and the error says which half is missing."""
    monkeypatch.setenv("OMEGA_ADDR", "127.0.0.1:1")
    check_refused(omega("job", "list"), ExitCode.USAGE, "OMEGA_TOKEN")


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:0", "far", ":7", "far:x"])
def test_address_that_is_none(address: str, omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a port that there can be is refused, and nobody is called."""
    monkeypatch.setenv("OMEGA_ADDR", address)
    monkeypatch.setenv("OMEGA_TOKEN", "x")
    check_refused(omega("job", "list"), ExitCode.USAGE, "expected HOST:PORT")


@pytest.mark.parametrize("token", ["a\nb", "\u00e4", "a\x1bb"])
def test_token_that_is_none(token: str, omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that cannot be one is not sent, and the error does not show it."""
    monkeypatch.setenv("OMEGA_ADDR", "127.0.0.1:1")
    monkeypatch.setenv("OMEGA_TOKEN", token)
    check_refused(omega("job", "list"), ExitCode.UNREACHABLE, "expected one line of ASCII")


def test_unreachable_cell_is_named_with_those_that_are_up(omega: Omega, tmp_path: Path) -> None:
    """An answer that does not come names the cell, and the others that are up here; `down` changes to one of them."""
    for name in ("gone", "here"):
        folder = StateFolder(tmp_path / name)
        folder.make()
        write_context(Context(name=name, address="127.0.0.1:1", token="x", state_folder=str(folder.path)))
    write_context(read_contexts().by_name["gone"])
    lock = StateLock(folder)
    lock.take()
    said = omega("job", "list")
    check_refused(said, ExitCode.UNREACHABLE, "cell gone: ")
    assert said.err.rstrip().endswith("(Connection refused); up here: here (--cell here)"), said.err
    assert "commands mean cell here from now on" in omega("down").err
    assert read_contexts().current == "here"
    lock.release()


def test_new_cell_says_that_it_is_the_default(tmp_path: Path, omega: Omega, capsys: pytest.CaptureFixture[str]) -> None:
    """Where another cell is up, a new one says that commands mean it from now on."""
    assert omega("version").code == ExitCode.OK
    folder = StateFolder(tmp_path / "one")
    folder.make()
    one = Context(name="one", address="127.0.0.1:1", token="x", state_folder=str(folder.path))
    two = Context(name="two", address="127.0.0.1:2", token="x", state_folder=str(tmp_path / "two"))
    take_default(one)
    take_default(two)
    take_default(one)
    assert capsys.readouterr().err == ""
    lock = StateLock(folder)
    lock.take()
    take_default(two)
    assert capsys.readouterr().err == "commands mean cell two from now on, and one with `--cell one`\n"
    assert read_contexts().current == "two"
    lock.release()


# redirections, exit code, what stands on stderr
ENDS = [
    (">&-", 0, ""),
    (">&- 2>&-", 0, ""),
    (">/dev/full", 7, "omega: there is no room left where the output goes\n"),
]


@pytest.mark.parametrize(("ends", "code", "said"), ENDS)
def test_output_that_goes_nowhere(ends: str, code: int, said: str) -> None:
    """A closed output is no error, a full one is one line."""
    command = f"{shlex.quote(sys.executable)} -m omegacell.api.cli version -o json {ends}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, said)


def test_damaged_context_file(omega: Omega, tmp_path: Path) -> None:
    """A context file that is none is named, with what to do."""
    path = tmp_path / "home" / "config" / "omegacell" / "contexts.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    check_refused(omega("job", "list"), ExitCode.USAGE, str(path))


def test_bug_is_one_line_and_a_hint(omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a bug is one line; OMEGA_DEBUG=1 shows where."""

    def fail(_form: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(versions, "show_version", fail)
    said = omega("version")
    assert (said.code, said.err) == (1, "omega: unexpected ZeroDivisionError: oh (OMEGA_DEBUG=1 shows where)\n")
    monkeypatch.setenv("OMEGA_DEBUG", "1")
    assert "Traceback" in omega("version").err


def test_message_cannot_paint_the_terminal(omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came from a file or the network reaches the terminal without control characters."""

    def fail(_form: object) -> None:
        raise exits.CommandError("a\x1b[31mb")

    monkeypatch.setattr(versions, "show_version", fail)
    assert omega("version").err == "omega: a\\x1b[31mb\n"


def test_broken_pipe_is_silent(omega: Omega) -> None:
    """Who reads half of the answer and goes gets no complaint."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "omegacell.api.cli", "version"], stdout=write_end, stderr=subprocess.PIPE, check=False
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")


def check_refused(said: Said, code: ExitCode, words: str) -> None:
    """Every error: nothing on stdout, lines that begin alike on stderr, the exit code."""
    assert said.code == code, said
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines, said
    assert [line for line in lines if not line.startswith("omega: ")] == []
    assert words in said.err, said.err
    assert "Traceback" not in said.err
