"""`omega bench throughput`: placements a second of a whole cell, from the first submit to the last durable outcome.

Real processes: the API, the schedulers, one process that plays the machines. The clock starts before the first submit
leaves this process and stops when the cell, read at the head of its log, has placed every task.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omegacell.api.bench.host import bench_folder, describe_host, report
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format
from omegacell.api.client import Client
from omegacell.api.records import Submission
from omegacell.api.up.ephemeral import CellShape, EphemeralCell

POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputOptions:
    """What is placed; the names are those of the command."""

    jobs: int
    tasks: int
    singles: int
    machines: int
    schedulers: int
    scheduler: str
    timeout_s: float
    folder: Path | None


def run(options: ThroughputOptions, form: Format) -> None:
    """Measure, and print the figures."""
    shape = CellShape(
        schedulers=f"{options.scheduler}={options.schedulers}",
        simulated=options.machines,
        has_agent=False,
        name="bench",
    )
    with bench_folder(options.folder) as folder:
        figures: dict[str, float | int | str] = {
            "machines": options.machines,
            "scheduler": options.scheduler,
            "schedulers": options.schedulers,
        }
        with EphemeralCell(folder, shape) as cell:
            many = make_jobs("many", options.jobs, options.tasks, scheduler=options.scheduler)
            seconds = place_all(cell.client, many, timeout_s=options.timeout_s)
            count = options.jobs * options.tasks
            figures |= {
                "jobs": options.jobs,
                "tasks_per_job": options.tasks,
                "seconds": seconds,
                "placements_per_second": count / seconds,
                "jobs_per_second": options.jobs / seconds,
            }
        if options.singles:
            with EphemeralCell(folder / "singles", shape) as cell:
                ones = make_jobs("one", options.singles, 1, scheduler=options.scheduler)
                seconds = place_all(cell.client, ones, timeout_s=options.timeout_s)
                figures |= {
                    "one_task_jobs": options.singles,
                    "one_task_seconds": seconds,
                    "one_task_jobs_per_second": options.singles / seconds,
                }
        report("throughput", figures, describe_host(folder), form)


def place_all(client: Client, jobs: Iterable[Submission], *, timeout_s: float) -> float:
    """Submit jobs and wait until all their tasks are placed; return the seconds that took."""
    submissions = list(jobs)
    wanted = sum(each.spec.count for each in submissions)
    before = placed_count(client)
    start = time.perf_counter()
    for submitted in client.submit_many(submissions):
        if submitted.is_refused:
            raise CommandError(f"job {submitted.name} was refused: {submitted.message}")
    while (placed := placed_count(client) - before) < wanted:
        seconds = time.perf_counter() - start
        if seconds > timeout_s:
            raise CommandError(f"only {placed} of {wanted} tasks were placed within {timeout_s:g} s")
        time.sleep(POLL_S)
    return time.perf_counter() - start


def placed_count(client: Client) -> int:
    """Return how many placements the cell's log holds."""
    return sum(row.placements for row in client.schedulers().schedulers)


def make_jobs(prefix: str, jobs: int, tasks: int, *, scheduler: str) -> Iterator[Submission]:
    """Yield batch jobs of small tasks that go on for ever on simulated machines."""
    from omegacell.api.spec import parse_jobs

    text = (
        f"name: x\nkind: batch\nscheduler: {scheduler}\ncount: {tasks}\nresources: {{cpu: 1m, memory: 1Mi}}\n"
        "task:\n  simulated: {duration: forever}\n"
    )
    (pattern,) = parse_jobs("bench", text.encode())
    from dataclasses import replace

    for number in range(jobs):
        yield replace(pattern, spec=replace(pattern.spec, name=f"{prefix}-{number}"))
