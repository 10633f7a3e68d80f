"""`omega bench latency`: from submit to running, one-task jobs one after the other on an idle cell, real processes.

Measured as a user sees it: from before the submit is sent until a watch says that the task runs. Beside it stands what
the log says of the same jobs: when the scheduler had placed the task, and when its process was started.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from omegacell.api.bench.host import bench_folder, describe_host, percentile, report
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format
from omegacell.api.client import Client
from omegacell.api.records import Job, Submission
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.jobs import TaskState

LIMIT_S: Final = 30.0
WARM_UP: Final = 3
PAUSE_S: Final = 0.05
"""Between two jobs, so that the cell is idle when the next one comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyOptions:
    """How many jobs; the names are those of the command."""

    jobs: int
    folder: Path | None


def run(options: LatencyOptions, form: Format) -> None:
    """Measure, and print the figures."""
    with bench_folder(options.folder) as folder, EphemeralCell(folder, CellShape(name="bench")) as cell:
        pattern = make_job()
        for number in range(WARM_UP):
            run_one(cell.client, pattern, f"warm-{number}")
        seen: list[float] = []
        placed: list[float] = []
        started: list[float] = []
        for number in range(options.jobs):
            seen.append(run_one(cell.client, pattern, f"job-{number}"))
            detail = cell.client.job(f"job-{number}")
            last = detail.tasks[0].last
            assert last is not None, "it ended, so it was placed"
            placed.append((last.placed_at_us - detail.job.submitted_at_us) / 1_000_000)
            started.append((last.started_at_us - detail.job.submitted_at_us) / 1_000_000)
            time.sleep(PAUSE_S)
        figures: dict[str, float | int] = {"jobs": options.jobs}
        for name, values in (("running", seen), ("placed", placed), ("started", started)):
            figures[f"submit_to_{name}_p50_ms"] = 1_000 * percentile(values, 50)
            figures[f"submit_to_{name}_p99_ms"] = 1_000 * percentile(values, 99)
            figures[f"submit_to_{name}_max_ms"] = 1_000 * max(values)
        report("latency", figures, describe_host(folder), form)


def make_job() -> Submission:
    """Return a job of one real task that ends soon."""
    from omegacell.api.spec import parse_jobs

    text = "name: x\nresources: {cpu: 10m, memory: 16Mi}\ntask:\n  exec: {command: /bin/sleep, args: ['0.2']}\n"
    (pattern,) = parse_jobs("bench", text.encode())
    return pattern


def run_one(client: Client, pattern: Submission, name: str) -> float:
    """Submit a job; return the seconds until it was seen running (or ended)."""
    start = time.perf_counter()
    client.submit(replace(pattern, spec=replace(pattern.spec, name=name)))
    client.wait_job(name, until=has_run, timeout_s=LIMIT_S)
    seconds = time.perf_counter() - start
    ended = client.wait_job(name, until=lambda job: job.state.is_ended, timeout_s=LIMIT_S)
    if ended.counts.get(TaskState.SUCCEEDED, 0) != 1:
        raise CommandError(f"job {name} ended {ended.state.name.lower()}: nothing was measured")
    return seconds


def has_run(job: Job) -> bool:
    """Whether its task runs or has ended."""
    return not job.counts.get(TaskState.PENDING, 0) and not job.counts.get(TaskState.PLACED, 0)
