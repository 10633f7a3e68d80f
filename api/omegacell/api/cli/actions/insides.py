"""What is inside allocs, for `omega job ...`: tables and sentences."""

from collections.abc import Sequence

from omegacell.api.cli.output import Table, size
from omegacell.api.client import Client
from omegacell.api.records import Resources, Task
from omegacell.core.jobs import Kind


def contents(tasks: Sequence[Task]) -> Table:
    """Return the allocs of a set that are on machines: what is inside, and what is left."""
    rows = [
        (
            str(task.index),
            task.last.machine if task.last is not None else "-",
            _amounts(task.contents.free),
            " ".join(inside.name for inside in task.contents.tasks) or "-",
        )
        for task in tasks
        if task.contents is not None
    ]
    columns = ("ALLOC", "MACHINE", "FREE INSIDE", "TASKS INSIDE")
    return Table(columns=columns, rows=rows, right=frozenset({"ALLOC"}), empty="no alloc is on a machine")


def _amounts(free: Resources) -> str:
    return f"{free.cpu_milli / 1000:g} cpu, {size(free.memory_bytes)}, {size(free.disk_bytes)} disk"


def find_guests(client: Client, name: str) -> list[str]:
    """Return the names of the jobs that run inside an alloc set and are not over; none when the job is no set."""
    job = client.job(name, limit=1).job
    if job.spec.kind is not Kind.ALLOC:
        return []
    return [each.name for each in client.jobs().jobs if each.spec.alloc == job.name and not each.state.is_ended]


def word_guests(guests: Sequence[str]) -> str:
    """Say what stopping an alloc set does to the jobs inside."""
    jobs = f"{len(guests)} {'job runs' if len(guests) == 1 else 'jobs run'} inside: {', '.join(guests)}"
    return f"{jobs}; their tasks are evicted, and wait for another alloc set of this name"
