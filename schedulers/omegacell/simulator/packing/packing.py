"""Placing a whole workload from scratch with one policy, on a real cell, claim by claim through the real `fits`.

Jobs are taken by priority, then by age, each once; all tasks of a job are decided on at once, as the loop does. A claim
counts when the cell's own overlay takes it, and a policy that claims what does not fit is a bug that stops the run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.commands import SubmitJob
from omegacell.core.errors import InvariantError
from omegacell.core.jobs import JobSpec
from omegacell.core.units import JobId
from omegacell.schedulers.interface import Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.lots import Lot
from omegacell.schedulers.memorycell import ManualClock, MemoryLog, Operator
from omegacell.schedulers.shares import owner_of
from omegacell.schedulers.view import CellView, Tentative
from omegacell.simulator.machines import DRIVER, Machine

Make = Callable[[], Scheduler]

PICKY_PENDING: Final = 0.002
"""Of all tasks, so many may stay pending if they are picky (Borg, section 5.1)."""

HANDFUL: Final = 0.02
"""A job is picky when its constraints leave it at most this share of the machines of the whole cell."""


def make_cell(machines: Sequence[Machine], jobs: Sequence[JobSpec]) -> tuple[Cell, list[JobId]]:
    """Make a cell of these machines, all up, in which these jobs wait; return it with the jobs' ids.

    Raises:
        InvariantError: a machine or a job was refused.
    """
    operator = Operator(MemoryLog(), ManualClock())
    for machine in machines:
        operator.add_machine(machine.name, capacity=machine.capacity, drivers=(DRIVER,), attributes=machine.attributes)
    ids = [JobId(operator.must(SubmitJob(spec=job, submitted_at_us=0)).value) for job in jobs]
    return operator.cell, ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What became of a packing.

    Attributes:
        placed: tasks that were placed.
        pending: picky tasks that were not.
        failed: the job that ended it, because too many of its tasks found no room; empty when all is well.
    """

    placed: int
    pending: int
    failed: str

    @property
    def is_complete(self) -> bool:
        """Whether everything that has to be placed was."""
        return not self.failed


def pack(cell: Cell, ids: Sequence[JobId], make: Make, *, picky: frozenset[str], seed: int) -> Packed:
    """Place all jobs in their order; stop at the first that leaves more pending than it may. The cell is not changed.

    Args:
        cell: machines and jobs.
        ids: the jobs in the order in which they are decided on.
        make: makes the policy.
        picky: names of jobs whose tasks may stay pending, `PICKY_PENDING` of all tasks together.
        seed: the policy's random numbers follow from it.

    Raises:
        InvariantError: the policy claimed what does not fit.
    """
    policy, rng, tentative = make(), np.random.default_rng(seed), Tentative(cell)
    specs = [cell.jobs.spec_of(_row_of(cell, job)) for job in ids]
    spare = int(PICKY_PENDING * sum(spec.count for spec in specs))
    placed = pending = 0
    for job, spec in zip(ids, specs, strict=True):
        view = tentative.view()
        rows = decide(policy, spec, job, view=view, rng=rng)
        if not tentative.overlay.fits_in_order(spec, rows).all():
            raise InvariantError(f"{type(policy).__name__} claims for {spec.name} what does not fit")
        tentative.take(spec, rows)
        placed += len(rows)
        missing = spec.count - len(rows)
        if missing:
            pending += missing
            if spec.name not in picky or pending > spare:
                return Packed(placed=placed, pending=pending, failed=spec.name)
    return Packed(placed=placed, pending=pending, failed="")


class Team:
    """Several instances of a policy that share jobs by name and have lots of their own, as one policy.

    Each decision counts as a revision. In a live cell more pass, so lots change hands the more often.
    """

    def __init__(self, make: Make, count: int) -> None:
        """Make the instances."""
        self._instances = {f"packing-{number}": make() for number in range(count)}
        self._decisions = 0

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Let the instance decide that has the job."""
        [group] = pending
        names = tuple(self._instances)
        name = owner_of(group.spec.name, names)
        cell.lot = Lot.at(self._decisions, instance=name, instances=names)
        self._decisions += 1
        return self._instances[name].place(pending, cell, ctx)


def decide(
    policy: Scheduler, spec: JobSpec, job: JobId, *, view: CellView, rng: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Ask a policy for the machines of all tasks of a job."""
    indices = np.arange(spec.count, dtype=np.int32)
    group = TaskGroup(number=0, job=job, spec=spec, indices=indices, attempts=np.zeros(spec.count, np.int32))
    context = Context(rng=rng, now_us=0, clock=lambda: 0, deadline_us=0)
    return policy.place([group], view, context).machines


def find_picky(machines: Sequence[Machine], jobs: Sequence[JobSpec]) -> frozenset[str]:
    """Return the names of the jobs that only a handful of the machines take, however empty they are."""
    cell, ids = make_cell(machines, jobs)
    view = Tentative(cell).view()
    limit = HANDFUL * len(machines)
    names = []
    for job, spec in zip(ids, jobs, strict=True):
        nothing = np.empty(0, np.int32)
        group = TaskGroup(number=0, job=job, spec=spec, indices=nothing, attempts=nothing)
        if 0 < int(np.count_nonzero(view.room(group))) <= limit:
            names.append(spec.name)
    return frozenset(names)


def _row_of(cell: Cell, job: JobId) -> int:
    row = cell.jobs.row_of(job)
    assert row is not None, f"job {job} was submitted and is not in the cell"
    return row
