"""Everything that a run yields, from either path, in one form that can be compared."""

from dataclasses import asdict
from typing import Any

import numpy as np

from omegacell.core.jobs import TaskState
from omegacell.core.outcomes import Reason
from omegacell.schedulers.entries import Standing
from omegacell.simulator.compiled.draws import save_generator
from omegacell.simulator.compiled.engine import CompiledSimulation
from omegacell.simulator.simulation import Simulation

JOB_COLUMNS = (
    "created_at",
    "changed_at",
    "changed_before",
    "first_decided_at_us",
    "ended_elapsed",
    "stopping",
    "offset",
)
MACHINE_COLUMNS = ("free", "allocated", "changed_at", "changed_before", "claimed_at", "claimed_by")
REFUSALS = {
    int(Reason.JOB_STOPPING): "stopping_refused",
    int(Reason.MACHINE_CHANGED): "changed_refused",
    int(Reason.RESOURCES): "room_refused",
    int(Reason.GANG_PARTNER): "partner_refused",
}


def describe_production(simulation: Simulation) -> dict[str, Any]:
    """Return what a finished run of the production path holds."""
    cell = simulation.lab.cell
    jobs, tasks = cell.jobs, cell.tasks
    submitted = {name: getattr(jobs, name).tolist() for name in (*JOB_COLUMNS, "submitted_at_us")}
    return {
        "records": {int(job): asdict(record) for job, record in simulation.records.items()},
        "tallies": [asdict(instance.tally) for instance in simulation.instances],
        "machines": {name: getattr(cell.machines, name).tolist() for name in MACHINE_COLUMNS},
        "jobs": submitted | {"counts": jobs.counts.tolist(), "why": [_why(each) for each in jobs.why]},
        "tasks": {
            name: getattr(tasks, name).tolist()
            for name in ("state", "stopping", "machine", "last_machine", "attempt", "placed_at_us", "ended_elapsed")
        },
        "cell": [cell.revision, cell.elapsed, cell.tick, cell.last_stamp_us],
        "executed": simulation.agenda.executed,
        "authors": [_author(each) for each in cell.authors.rows[1 : 1 + len(simulation.instances)]],
        "draws": [
            save_generator(rng).tolist()
            for instance in simulation.instances
            for rng in (instance.loop._decider._rng, instance.loop._jitter)
        ],
        "backlogs": [
            [instance.loop._backlog.count(standing) for standing in tuple(Standing)[:4]]
            for instance in simulation.instances
        ],
    }


def describe_compiled(simulation: CompiledSimulation) -> dict[str, Any]:
    """Return what a finished run of the compiled path holds."""
    world = simulation.world
    cell = world.cell[0]
    jobs = world.jobs[: int(cell.jobs)]
    tasks = world.tasks[: int(jobs["count"].sum())]
    instances = world.instances[: int(cell.queues_end)]
    counts = np.zeros((len(jobs), len(TaskState)), np.int64)
    for state, name in (
        (TaskState.PENDING, "pending"),
        (TaskState.PLACED, "placed"),
        (TaskState.SUCCEEDED, "succeeded"),
        (TaskState.STOPPED, "stopped"),
    ):
        counts[:, state] = jobs[name]
    return {
        "records": {int(job): asdict(record) for job, record in simulation.records().items()},
        "tallies": [asdict(tally) for tally in simulation.tallies()],
        "machines": {name: getattr(world, name).tolist() for name in MACHINE_COLUMNS},
        "jobs": {name: jobs[name].tolist() for name in JOB_COLUMNS}
        | {"submitted_at_us": jobs.submitted_us.tolist()}
        | {"counts": counts.tolist(), "why": [_compiled_why(row) for row in jobs]},
        "tasks": {
            "state": tasks.state.tolist(),
            "stopping": tasks.stopping.tolist(),
            "machine": np.where(tasks.state == TaskState.PLACED, tasks.machine, -1).tolist(),
            "last_machine": tasks.machine.tolist(),
            "attempt": (tasks.machine >= 0).astype(int).tolist(),
            "placed_at_us": tasks.placed_at_us.tolist(),
            "ended_elapsed": tasks.ended_elapsed.tolist(),
        },
        "cell": [int(cell[name]) for name in ("revision", "elapsed", "tick", "last_stamp_us")],
        "executed": int(cell.executed),
        "authors": [_compiled_author(row) for row in instances],
        "draws": world.draws[: 2 * len(instances)].tolist(),
        "backlogs": [[int(row[name]) for name in ("ready", "deciding", "delayed", "parked")] for row in instances],
    }


def _why(said: Any) -> list[Any] | None:
    if said is None:
        return None
    lacks = {lack.dimension: lack.machine_count for lack in said.lacks}
    numbers = [int(word) for word in said.note.replace(",", "").split() if word.isdigit()] or [-1, -1]
    return [said.task_count, lacks.get(0, 0), lacks.get(1, 0), *numbers]


def _compiled_why(row: Any) -> list[Any] | None:
    names = ("why_count", "why_cpu", "why_memory", "why_note_count", "why_note_room")
    return [int(row[name]) for name in names] if row.has_why else None


def _author(author: Any) -> dict[str, int]:
    counters = {
        name: getattr(author, name)
        for name in (
            "last_at_us", "decisions", "committed", "conflicted", "disagreed", "no_fit", "placements",
            "claims_conflicted", "claims_disagreed", "busy_us", "wait_us", "wait_count", "refused_in_a_row",
            "suspended_until",
        )
    }  # fmt: skip
    reasons = {REFUSALS.get(reason, str(reason)): count for reason, count in enumerate(author.reasons) if count}
    return counters | dict.fromkeys(REFUSALS.values(), 0) | reasons


def _compiled_author(row: Any) -> dict[str, int]:
    names = {
        "decisions": "decided", "wait_us": "waited_us", "wait_count": "waited",
    }  # fmt: skip
    same = (
        "last_at_us", "committed", "conflicted", "disagreed", "no_fit", "placements", "claims_conflicted",
        "claims_disagreed", "busy_us", "refused_in_a_row", "suspended_until", *REFUSALS.values(),
    )  # fmt: skip
    return {name: int(row[names.get(name, name)]) for name in (*same, *names)}
