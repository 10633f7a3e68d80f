"""One cell of real processes, used as a person would: through the `omega` command."""

import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from omegacell.api.cli.actions.jobs import EXAMPLE
from omegacell.api.errors import ExitCode
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.store.engines import open_store
from omegacell.store.log import Append
from tests.e2e.looking import await_seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FILLS_ALL = "preemption-load"
"""An example that leaves no room for any other; docs/preemption.md runs it on a cell of its own."""
FOUND = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.yaml"))
EXAMPLES = [path for path in FOUND if path.stem != FILLS_ALL]
HELLO = "name: {name}\ncount: {count}\nresources: {{cpu: 20m, memory: 16Mi}}\ntask:\n  exec: {{script: '{script}'}}\n"


@pytest.fixture(scope="module")
def cell(place: Path) -> Iterator[EphemeralCell]:
    """Give a cell with this machine and ten simulated ones, one of them with devices."""
    options = ("--simulated-device", "1:gpu=4,model=a100")
    shape = CellShape(schedulers="batch=1,service=1,system=1", simulated=10, name="e2e", options=options)
    with EphemeralCell(place, shape) as running:
        yield running


@pytest.fixture
def job(tmp_path: Path) -> str:
    """Give the path of a job file to be written."""
    return str(tmp_path / "job.yaml")


def write(path: str, name: str, *, script: str = "echo hi", count: int = 1) -> str:
    Path(path).write_text(HELLO.format(name=name, count=count, script=script))
    return path


def test_run_waits_and_logs_show(cell: EphemeralCell, job: str) -> None:
    """A job is run, waited for, looked at, and its output read, on both streams."""
    write(job, "first", script="echo out $OMEGA_TASK_INDEX; echo err >&2", count=3)
    done = cell.command("run", job)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "succeeded" in done.stdout
    assert cell.command("logs", "first/2").stdout == "out 2\n"
    assert cell.command("logs", "first/2", "--stderr").stdout == "err\n"
    assert cell.command("logs", "first/1", "--attempt", "1", "-f").stdout == "out 1\n"
    detail = cell.ask("job", "status", "first")
    assert [task["last"]["exit_code"] for task in detail["tasks"]] == [0, 0, 0]


def test_failed_job_is_told(cell: EphemeralCell, job: str) -> None:
    """A job that fails makes `omega run` fail, with the task and its exit code."""
    done = cell.command("run", write(job, "broken", script="exit 7"))
    assert done.returncode == ExitCode.FAILED
    assert "omega: broken failed: 1 of 1 tasks; task 0 on " in done.stderr
    assert "ended with 7" in done.stderr


def test_logs_of_a_task_that_could_not_be_started(cell: EphemeralCell, job: str) -> None:
    """Instead of output that never was, the reason is shown, without ids that mean nothing to a user."""
    Path(job).write_text("name: unstartable\ntask:\n  exec: {command: /no/such/program}\n")
    assert cell.command("run", job).returncode == ExitCode.FAILED
    done = cell.command("logs", "unstartable")
    assert (done.returncode, done.stdout) == (ExitCode.NOT_FOUND, "")
    assert "there is no output of unstartable/0, attempt 1, on machine " in done.stderr
    assert "it could not be started: " in done.stderr
    assert "/no/such/program" in done.stderr


def test_trouble_is_shown_first(cell: EphemeralCell, job: str) -> None:
    """When not all tasks are shown, the failed one is, wherever it stands."""
    assert cell.command("run", write(job, "partly", script="test $OMEGA_TASK_INDEX != 2", count=4)).returncode == 1
    assert [task["index"] for task in cell.ask("job", "status", "partly", "--tasks", "1")["tasks"]] == [2]


def test_replaced_job_keeps_its_end(cell: EphemeralCell, job: str) -> None:
    """A job that had succeeded has still done so when another took its name, and its output is there under its id."""
    assert cell.command("run", write(job, "twice", script="echo one")).returncode == ExitCode.OK
    old = cell.ask("job", "status", "twice")["job"]["job_id"]
    assert cell.command("run", "--replace", write(job, "twice", script="echo two")).returncode == ExitCode.OK
    assert cell.ask("job", "status", f"#{old}")["job"]["state"] == "succeeded"
    assert [cell.command("logs", name).stdout for name in (f"#{old}/0", "twice/0")] == ["one\n", "two\n"]


def test_tasks_that_are_stopping_are_told_apart(cell: EphemeralCell, job: str) -> None:
    """After scaling down, tasks that take their time to end do not count as running, nor as done."""
    text = "kind: service\n" + HELLO.format(name="slow", count=4, script='trap "" TERM; while :; do sleep 1; done')
    Path(job).write_text(text + "grace: 20s\n")
    assert cell.command("run", job).returncode == ExitCode.OK
    Path(job).write_text(text.replace("count: 4", "count: 1") + "grace: 20s\n")
    done = cell.command("run", job)
    assert (done.returncode, done.stdout.splitlines()[-1].split()) == (0, ["slow", "running", "1", "1", "0", "0", "0"])
    assert "slow: 3 more tasks are stopping" in done.stderr
    heading, row = (line.split() for line in cell.command("job", "list").stdout.splitlines()[:2])
    shown = dict(zip(heading, row, strict=True))
    assert [shown[name] for name in ("TASKS", "RUNNING", "STOPPING", "DONE")] == ["1", "1", "3", "0"]


def test_signal_is_told_from_exit_code(cell: EphemeralCell, job: str) -> None:
    """A task killed by a signal shows the signal."""
    assert cell.command("run", write(job, "killed", script="kill -KILL $$")).returncode == ExitCode.FAILED
    (task,) = cell.ask("job", "status", "killed")["tasks"]
    assert (task["last"]["signal"], task["last"]["exit_code"]) == (9, -1)
    assert "SIGKILL" in cell.command("job", "status", "killed").stdout


def test_same_job_again(cell: EphemeralCell, job: str) -> None:
    """The same job changes nothing, another count scales, another spec needs --replace."""
    assert cell.command("run", "-d", write(job, "again", script="sleep 60")).returncode == ExitCode.OK
    (first,) = json.loads(cell.command("run", "-d", job, "-o", "json").stdout)["submitted"]
    assert first["change"] == "unchanged"
    (second,) = json.loads(
        cell.command("run", "-d", write(job, "again", script="sleep 60", count=2), "-o", "json").stdout
    )["submitted"]
    assert second["change"] == "scaled"
    refused = cell.command("run", "-d", write(job, "again", script="sleep 61"))
    assert refused.returncode == ExitCode.REFUSED
    assert "again" in refused.stderr
    (third,) = json.loads(cell.command("run", "-d", "--replace", job, "-o", "json").stdout)["submitted"]
    assert third["change"] == "replaced"
    stopped = cell.command("job", "stop", "again")
    assert (stopped.returncode, stopped.stdout.split()[-1]) == (ExitCode.OK, "stopped")


def test_pending_says_why(cell: EphemeralCell, job: str) -> None:
    """A job that fits nowhere stays pending with one dominant reason, and machines counted for every reason."""
    Path(job).write_text("name: huge\nresources: {cpu: 1000}\ntask:\n  exec: {command: /bin/true}\n")
    done = cell.command("run", job, "--timeout", "3")
    assert done.returncode == ExitCode.FAILED
    assert "omega job stop huge" in done.stderr
    pending = cell.ask("job", "status", "huge")["pending"]
    assert pending["task_count"] == 1
    assert sum(lack["machine_count"] for lack in pending["lacks"]) == 11
    assert {lack["reason"].lower() for lack in pending["lacks"]} == {"resources", "driver_missing"}
    assert "1 pending: " in cell.command("job", "status", "huge").stdout
    assert cell.command("job", "stop", "huge").returncode == ExitCode.OK


@pytest.mark.parametrize(
    "arguments",
    [
        ("job", "status", "nope"),
        ("job", "stop", "nope"),
        ("logs", "nope/0"),
        ("logs", "first/99"),
        ("machine", "status", "nope"),
        ("machine", "lost", "nope"),
    ],
    ids=" ".join,
)
def test_unknown_things(cell: EphemeralCell, arguments: tuple[str, ...]) -> None:
    """What is not there is said to be not there, in one line."""
    done = cell.command(*arguments)
    assert (done.returncode, done.stdout) == (ExitCode.NOT_FOUND, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_wrong_token(cell: EphemeralCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong token is refused, and said to be the token."""
    monkeypatch.setenv("OMEGA_ADDR", cell.client.address)
    monkeypatch.setenv("OMEGA_TOKEN", "wrong" * 8)
    done = cell.command("job", "list")
    assert (done.returncode, done.stdout) == (ExitCode.UNREACHABLE, "")
    assert "token" in done.stderr


def test_second_up_on_the_same_state(cell: EphemeralCell) -> None:
    """A second `omega up` on the same state folder says that one is up, and changes nothing."""
    done = cell.command("up", "--state", str(cell.state.path))
    assert done.returncode == ExitCode.STORE
    assert f"pid {cell.pid}" in done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(cell: EphemeralCell, path: Path) -> None:
    """Every job file in docs/examples does what it says; one that lasts longer than a test is taken, and stopped."""
    lasts = ("--detach",) if "duration: 10m" in path.read_text() else ("--timeout", "60")
    done = cell.command("run", str(path), *lasts)
    assert done.returncode == ExitCode.OK, done.stderr
    names = [each["name"] for each in yaml.safe_load_all(path.read_text())]
    assert cell.command("job", "stop", *names).returncode == ExitCode.OK


def test_example_of_the_schema_runs(cell: EphemeralCell, job: str) -> None:
    """What `omega job schema --example` prints is a job that runs."""
    Path(job).write_text(EXAMPLE.replace("name: hello ", "name: example "))
    done = cell.command("run", job)
    assert done.returncode == ExitCode.OK, done.stderr


def test_books_agree(cell: EphemeralCell, tmp_path: Path) -> None:
    """The running cell and a copy of its store give the same answer about conflicts."""
    copy = tmp_path / "copy.db"
    live = cell.ask("conflicts")
    assert cell.command("store", "backup", str(cell.state.path), str(copy)).returncode == ExitCode.OK
    offline = cell.ask("conflicts", "--store", str(copy))
    names = ("author", "placements", "committed", "conflicted", "disagreed", "no_fit", "refusals")
    assert [[row[name] for name in names] for row in live["schedulers"]] == [
        [row[name] for name in names] for row in offline["schedulers"]
    ]
    assert live["refused_claims"] == offline["refused_claims"]
    assert cell.command("store", "verify", str(copy)).returncode == ExitCode.OK


def test_history_and_machines(cell: EphemeralCell) -> None:
    """The log and the machines can be read in every form."""
    machines = cell.ask("machine", "list")["machines"]
    assert sorted({machine["state"] for machine in machines}) == ["up"]
    name = machines[-1]["name"]
    assert cell.ask("machine", "status", name)["machine"]["name"] == name
    kinds = {row["kind"] for row in cell.ask("history", "-n", "1000")["transactions"]}
    assert {"genesis", "register", "submit", "place", "report"} <= kinds
    assert "SCHEDULER" in cell.command("cell", "status").stdout
    await_seen(lambda: cell.ask("scheduler", "list")["schedulers"], lambda rows: len(rows) == 3)


def test_metrics_are_served(cell: EphemeralCell) -> None:
    """Prometheus gets the cell's figures over HTTP, with the token and not without."""
    url = cell.state.read_record()["metrics"]
    token = (cell.state.path / "token").read_text().strip()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b"omega_revision" in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=10)


def test_random_bytes_in_the_log_change_nothing(cell: EphemeralCell, job: str) -> None:
    """Whatever anybody appends to a live cell's log, what is no transaction does nothing, and work goes on."""
    before = cell.client.status()
    rng = random.Random(7)
    with open_store(cell.state.store_url) as store:
        for _ in range(20):
            store.append([Append(entry=rng.randbytes(rng.randint(1, 300)), session=1, first_seq=1) for _ in range(50)])
    after = await_seen(cell.client.status, lambda status: status.at.revision >= before.at.revision + 1_000)
    assert (after.job_count, after.task_counts, after.machine_counts) == (
        before.job_count,
        before.task_counts,
        before.machine_counts,
    )
    assert cell.command("run", write(job, "after")).returncode == ExitCode.OK
