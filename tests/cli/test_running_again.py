"""Submitting the same job again: one that was stopped runs again, one that ended by itself does not."""

from pathlib import Path

import numpy as np
import pytest

from omegacell.api.client import Client
from omegacell.api.server.job_states import is_stopped
from omegacell.api.server.submit_words import word_change
from omegacell.core.commands import StopJob, SubmitJob
from omegacell.core.jobs import Kind
from omegacell.core.machine_commands import ReportKind
from tests.cli.conftest import Omega, ask
from tests.schedulers.test_updates import Service, spec_of


@pytest.mark.parametrize("kind", ["batch", "service"])
def test_a_stopped_job_runs_again(client: Client, omega: Omega, tmp_path: Path, kind: str) -> None:
    """As a new job, whatever its kind; the plan says so before, and nothing of the kind of one that goes on."""
    (tmp_path / "job.yaml").write_text(f"name: web\nkind: {kind}\ntask: {{exec: {{command: /bin/true}}}}\n")
    file = str(tmp_path / "job.yaml")
    assert omega("run", "--detach", file).code == 0
    assert "web: unchanged" in omega("job", "plan", file).out
    assert omega("job", "stop", "web").code == 0
    planned = omega("job", "plan", file)
    assert (planned.code, planned.out.splitlines()[0]) == (1, "web: would be run again; tasks: 1 pending")
    said = omega("run", "--detach", file)
    assert (said.code, said.err) == (0, "web: replaced (id 2): it was stopped, and runs again\n")
    assert ask(omega, "job", "status", "web")["job"]["state"] == "pending"
    assert omega("run", "--detach", file).err == "web: unchanged (id 2)\n"


def test_another_count_of_a_stopped_job_runs_it_again(client: Client, omega: Omega, tmp_path: Path) -> None:
    """What differs touches no task, so it is the same job."""
    (tmp_path / "1.yaml").write_text("name: web\ntask: {exec: {command: /bin/true}}\n")
    (tmp_path / "2.yaml").write_text("name: web\ncount: 2\ntask: {exec: {command: /bin/true}}\n")
    assert omega("run", "--detach", str(tmp_path / "1.yaml")).code == 0
    assert omega("job", "stop", "web").code == 0
    assert omega("run", "--detach", str(tmp_path / "2.yaml")).err.startswith("web: replaced (id 2): ")


@pytest.mark.parametrize(("failed", "expected"), [(4, False), (1, True)])
def test_what_ended_by_itself_was_not_stopped(failed: int, expected: bool) -> None:
    """A job that failed as a whole stays a failed one when it is stopped later; one that was cut short does not."""
    spec = spec_of(kind=Kind.BATCH, max_restarts=0)
    world = Service(spec)
    row = world.current()
    assert not is_stopped(world.cell, row)
    world.report(np.arange(failed), (ReportKind.EXITED,))
    world.test.operator.must(StopJob(job=world.first))
    world.obey()
    assert is_stopped(world.cell, row) is expected
    outcome = world.test.operator.must(SubmitJob(spec=spec, submitted_at_us=0))
    assert word_change(world.cell, row, outcome, is_again=False) == "it has failed; --replace runs it again"
