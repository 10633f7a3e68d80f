"""How few machines could possibly do: a linear programme that no placement can beat.

Machines are put into classes: equal capacity, and equal in what every job may use. Jobs that ask for the same are one,
but for those with a `max_per_machine`. The programme decides how many tasks of each job lie on machines of each class,
in fractions, so that in each class

- of each resource no more is used than the machines of the class have together,
- neither is it when each request counts as its image under a dual feasible function, which for whole tasks holds too:
  two tasks of more than half a machine do not share one (Fekete and Schepers, 2001, function u^(k), k = 1 to 4),
- a job has no more tasks than each machine takes when it is empty, `max_per_machine` included, times the machines.

All tasks are placed but for the picky ones that may stay pending. It leaves out that tasks are whole, that resources of
one machine are of no use on another, spreads, and the order of jobs: what it says can be too low, never too high. The
number of machines is the smallest for which the programme, on the first machines of an order, has a solution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.errors import UsageError
from omegacell.core.jobs import JobSpec
from omegacell.core.units import JobId
from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.view import Tentative
from omegacell.simulator.machines import Machine
from omegacell.simulator.packing.packing import PICKY_PENDING, make_cell
from omegacell.simulator.packing.workload import Problem

DUAL_STEPS: Final = (1, 2, 3, 4)
"""Which of the functions u^(k) are used."""

MISSING: Final = "the bound needs scipy, which is not installed: pip install 'omegacell[packing]'"


def check_scipy() -> None:
    """Raise when the bound cannot be computed here.

    Raises:
        UsageError: scipy is not installed.
    """
    try:
        import scipy.optimize  # noqa: F401
    except ImportError as error:
        raise UsageError(MISSING) from error


def dual(step: int, amount: NDArray[np.int64], capacity: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what requests count under u^(step), as shares of machines: integers decide, so nothing is rounded wrong.

    A set of requests that fit into one machine sums up to 1 at most, as their shares do.

    >>> dual(1, np.array([4, 5, 6]), np.array([10, 10, 10])).tolist()
    [0.0, 0.5, 1.0]
    """
    parts, rest = np.divmod((step + 1) * amount, np.maximum(capacity, 1))
    return np.where(rest == 0, parts / (step + 1), parts / step)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Programme:
    """The programme but for the number of machines of each class.

    Attributes:
        capacity: what each machine of the cell has, ``(machines, resources)``.
        demand: what all jobs ask for that may not stay pending, ``(resources,)``.
        classes: the class of each machine of the cell, ``(machines,)``.
        counts: tasks of each merged job, ``(jobs,)``.
        room: tasks of each job that an empty machine of each class takes, ``(jobs, classes)``.
        loads: what one task counts, ``(rows, jobs, classes)``: 1 is a whole machine; a row for each resource and
            function.
        is_picky: which merged jobs may stay pending, ``(jobs,)``.
        spare: how many tasks may.
    """

    capacity: NDArray[np.int64]
    demand: NDArray[np.int64]
    classes: NDArray[np.int64]
    counts: NDArray[np.int64]
    room: NDArray[np.int64]
    loads: NDArray[np.float64]
    is_picky: NDArray[np.bool_]
    spare: int

    def fits(self, machines: NDArray[np.int64]) -> bool:
        """Tell whether the programme has a solution on these machines, by their places in the cell or its clones."""
        sizes = np.bincount(self.classes[machines % len(self.classes)], minlength=self.room.shape[1])
        return _is_feasible(self, sizes)


def make_programme(problem: Problem, picky: frozenset[str]) -> Programme:
    """Ask the real `fits` what each job may use of each machine, and merge what is equal.

    Raises:
        UsageError: scipy is not installed.
    """
    check_scipy()
    jobs = [_alone(job) for job in problem.jobs]
    cell, ids = make_cell(problem.machines, jobs)
    room = _room_of(cell, ids, jobs)
    kept, classes = _class_machines(problem.machines, room)
    amounts = np.array([job.resources for job in jobs], np.int64)
    is_picky = np.array([job.name in picky for job in jobs])
    # jobs that are kept apart have a limit each: together they may have more on a machine
    apart = [number if job.placement.max_per_machine else -1 for number, job in enumerate(jobs)]
    keys = np.column_stack([amounts, room[:, kept], is_picky, apart])
    _, first, of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    counts = np.zeros(len(first), np.int64)
    np.add.at(counts, of.reshape(-1), [job.count for job in jobs])
    capacity = np.array([machine.capacity for machine in problem.machines], np.int64)
    must = amounts * np.array([job.count for job in jobs])[:, None] * ~is_picky[:, None]
    return Programme(
        capacity=capacity,
        demand=must.sum(axis=0),
        classes=classes,
        counts=counts,
        room=room[np.ix_(first, kept)],
        loads=_loads_of(amounts[first], capacity[kept]),
        is_picky=is_picky[first],
        spare=int(PICKY_PENDING * problem.task_count),
    )


def find_bound(programme: Programme, order: Sequence[int]) -> int | None:
    """Return how many of the first machines of an order are needed at least; None when all of them are too few.

    The search begins where the machines have enough of each resource in sum: fewer never do. Cost: some ten programmes.
    """
    machines = np.array(order, np.int64)
    has = np.cumsum(programme.capacity[machines % len(programme.classes)], axis=0)
    enough = (has >= programme.demand).all(axis=1)
    if not enough.any():
        return None
    low, high, step = int(enough.argmax()), int(enough.argmax()) + 1, 1
    while not programme.fits(machines[:high]):
        if high == len(machines):
            return None
        low, high, step = high, min(len(machines), high + step), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        if programme.fits(machines[:middle]):
            high = middle
        else:
            low = middle
    return high


def _alone(job: JobSpec) -> JobSpec:
    """Leave out the rules that the programme does not know: where other tasks are, but for `max_per_machine`."""
    rules = replace(job.placement, spreads=(), neighbours=(), affinities=())
    return replace(job, placement=rules)


def _room_of(cell: Cell, ids: Sequence[JobId], jobs: Sequence[JobSpec]) -> NDArray[np.int64]:
    view, nothing = Tentative(cell).view(), np.empty(0, np.int32)
    return np.array(
        [
            view.room(TaskGroup(number=0, job=job, spec=spec, indices=nothing, attempts=nothing))
            for job, spec in zip(ids, jobs, strict=True)
        ]
    )


def _class_machines(machines: Sequence[Machine], room: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return one machine of each class, and the class of each machine."""
    capacity = np.array([machine.capacity for machine in machines], np.int64)
    keys = np.column_stack([capacity, room.T])
    _, first, of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first, of.reshape(-1).astype(np.int64)


def _loads_of(amounts: NDArray[np.int64], capacity: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = []
    for resource in range(amounts.shape[1]):
        amount, has = amounts[:, resource, None], capacity[None, :, resource]
        rows.append(amount / np.maximum(has, 1))
        rows.extend(dual(step, amount, has) for step in DUAL_STEPS)
    return np.array(rows)


def _is_feasible(programme: Programme, sizes: NDArray[np.int64]) -> bool:
    """Solve the programme for so many machines of each class, with a variable for each job and class that go together.

    Raises:
        UsageError: the solver gave no answer.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    limit = np.minimum(programme.room * sizes, programme.counts[:, None])
    if ((limit.sum(axis=1) < programme.counts) & ~programme.is_picky).any():
        return False
    jobs, classes = np.nonzero(limit)
    pending = np.flatnonzero(programme.is_picky)
    width = len(jobs) + len(pending)
    places = np.arange(len(jobs))
    uppers, rows, columns = [], [], []
    values: list[NDArray[np.float64]] = []
    row_count = 0
    for load in programme.loads:
        own = load[jobs, classes]
        used = np.flatnonzero(own)
        rows.append(row_count + classes[used])
        columns.append(places[used])
        values.append(own[used])
        uppers.append(sizes.astype(np.float64))
        row_count += len(sizes)
    rows.append(np.full(len(pending), row_count))
    columns.append(len(jobs) + np.arange(len(pending)))
    values.append(np.ones(len(pending)))
    uppers.append(np.array([float(programme.spare)]))
    above = csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(row_count + 1, width)
    )
    all_placed = csr_array(
        (np.ones(width), (np.concatenate([jobs, pending]), np.arange(width))), shape=(len(programme.counts), width)
    )
    most = np.concatenate([limit[jobs, classes], programme.counts[pending]]).astype(np.float64)
    answer: Any = linprog(
        np.zeros(width),
        A_ub=above,
        b_ub=np.concatenate(uppers),
        A_eq=all_placed,
        b_eq=programme.counts.astype(np.float64),
        bounds=np.column_stack([np.zeros(width), most]),
        method="highs",
    )
    if answer.status not in (0, 2):
        raise UsageError(f"the solver of the bound gave no answer: {answer.message}")
    return bool(answer.status == 0)
