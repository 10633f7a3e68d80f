"""Ways in which a wish comes true by waiting: tasks end, jobs end, machines come back. Rows of `relaxing.RELAXATIONS`.

What a row assumes is really applied, to a fork, so that ports, counts and whatever else a task holds is given back by
the code that gives it back in the cell.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.jobs import Kind as JobKind
from omegacell.core.jobs import TaskState
from omegacell.core.units import JobId
from omegacell.schedulers.forking import find_stopping
from omegacell.schedulers.wishes import Kind, Step, Wish

MAX_FORKS: Final = 32
"""Jobs whose end is tried on a fork, the most promising first."""
FORKS_IN_PAIRS: Final = 4
"""The same, where something else was given up before."""


def stopping_ends(wish: Wish) -> Iterator[Wish]:
    """Wait for the tasks that have been asked to end already."""
    ending = find_stopping(wish.cell)
    if len(ending):
        fork = wish.fork()
        fork.end_tasks(ending)
        yield wish.on(fork.cell, Step(kind=Kind.STOPPING_ENDS, before=len(ending), loss=len(ending)))


def job_ends(wish: Wish) -> Iterator[Wish]:
    """Wait for another job to end: batch jobs first, then the least important, then the smallest."""
    jobs = wish.cell.jobs
    for row in _rank_holders(wish)[: FORKS_IN_PAIRS if wish.row_count else MAX_FORKS]:
        fork = wish.fork()
        job = JobId(int(jobs.id[row]))
        fork.end_job(job)
        active = int(jobs.counts[row, TaskState.PLACED] + jobs.counts[row, TaskState.RUNNING])
        step = Step(kind=Kind.JOB_ENDS, name=jobs.spec_of(row).name, before=active, loss=active, job=job)
        yield wish.on(fork.cell, step)


def _rank_holders(wish: Wish) -> list[int]:
    """Return rows of jobs that hold something where the wish may fit without it, the most likely first.

    A job comes first when what it gives back on one machine is all that is missing there. Cost: O(tasks log(tasks)).
    """
    tasks, jobs, machines = wish.cell.tasks, wish.cell.jobs, wish.cell.machines
    active = np.flatnonzero(tasks.machine >= 0)
    keys = tasks.job[active].astype(np.int64) * machines.count + tasks.machine[active]
    pairs, counts = np.unique(keys, return_counts=True)
    holders, rows = pairs // max(1, machines.count), pairs % max(1, machines.count)
    is_other = jobs.id[holders] != wish.job
    holders, rows, counts = holders[is_other], rows[is_other], counts[is_other]
    after = wish.overlay.free[rows] + counts[:, None] * jobs.shape[holders]
    asked = np.array(wish.spec.charged, np.int64)
    has_amounts = ((after >= asked) | (asked == 0)).all(axis=1) if wish.count == 1 else np.ones(len(rows), np.bool_)
    is_open = wish.room(replace(wish.spec, resources=(0,) * len(asked)))[rows] > 0
    holds_port = _holds_port(wish, holders, rows)
    is_likely = has_amounts & (is_open | holds_port)
    likely = dict.fromkeys(holders[is_likely].tolist())
    rest = dict.fromkeys(holders[has_amounts & ~is_likely].tolist())
    return sorted(likely, key=lambda row: _importance(wish, row)) + sorted(
        (row for row in rest if row not in likely), key=lambda row: _importance(wish, row)
    )


def _holds_port(wish: Wish, holders: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which (job, machine) pairs hold a port that the wish names."""
    numbers = [port.number for port in wish.spec.ports if port.number]
    found = np.zeros(len(rows), np.bool_)
    if not numbers:
        return found
    tasks, ports = wish.cell.tasks, wish.cell.machines.ports
    for place, (holder, row) in enumerate(zip(holders.tolist(), rows.tolist(), strict=True)):
        used = [ports[row].get(number) for number in numbers]
        found[place] = any(task is not None and int(tasks.job[task]) == holder for task in used)
    return found


def _importance(wish: Wish, row: int) -> tuple[bool, int, int, int, int]:
    jobs = wish.cell.jobs
    spec = jobs.spec_of(row)
    active = int(jobs.counts[row, TaskState.PLACED] + jobs.counts[row, TaskState.RUNNING])
    return spec.kind is JobKind.SERVICE, int(spec.band), spec.priority, active, int(jobs.id[row])


def machine_returns(wish: Wish) -> Iterator[Wish]:
    """Wait for machines that are down, joining or silent: as few of them as it takes."""
    fork = wish.fork()
    away = fork.bring_back()
    if not len(away):
        return
    whole = wish.on(fork.cell)
    room = np.minimum(whole.room(), wish.pending)
    missing = wish.count - int(np.minimum(wish.room(), wish.pending).sum())
    order = away[np.argsort(-room[away], kind="stable")]
    enough = int(np.searchsorted(np.cumsum(room[order]), missing)) + 1
    if enough <= len(order):
        name = wish.cell.machines.names[int(order[0])]
        yield wish.on(fork.cell, Step(kind=Kind.MACHINE_RETURNS, name=name, before=enough, loss=enough))
