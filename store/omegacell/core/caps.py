"""Caps: how much of a cell one scheduler's jobs may hold at once, and how much they do (Omega, section 3.4).

A cap is absolute: CPU and memory of placed and running tasks, and the number of jobs that have any. It is judged when
claims commit. `CapUse` says how many more tasks a job may get, after some tentative claims; a scheduler's loop asks it
before, the judge after, and there is no second spelling of it anywhere.

Rules: amounts and usage are Python integers, because totals outgrow 64 bits; usage is kept only where there is a cap,
by the two who begin and end attempts. A cell without caps pays nothing for them.
"""

from dataclasses import dataclass

from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.jobtable import JobTable
from omegacell.core.units import CAP_COUNT, MAX_TASKS_PER_JOB, UNLIMITED

_CPU, _MEMORY, _JOBS = range(CAP_COUNT)


@dataclass(slots=True, kw_only=True)
class Cap:
    """What one scheduler's jobs may hold together, and what they hold.

    Attributes:
        amounts: the limits in the order of `CAP_NAMES`, `UNLIMITED` for none.
        usage: CPU and memory of placed and running tasks, and the number of jobs that have any.
        changed_at: revision of the last change of either.
        changed_before: what ``changed_at`` was before the entry in which it was last written.
    """

    amounts: tuple[int, ...]
    usage: list[int]
    changed_at: int = 0
    changed_before: int = 0

    def touch(self, *, revision: int, floor: int) -> None:
        """Mark as changed at ``revision``; see `MachineTable.touch`. Mutates."""
        if self.changed_at <= floor:
            self.changed_before = self.changed_at
        self.changed_at = revision

    def effective_changed_at(self, *, floor: int) -> int:
        """Return when it last changed, not counting its author's own changes in this entry."""
        return self.changed_before if self.changed_at > floor else self.changed_at


class CapTable:
    """Caps by the name of the scheduler."""

    def __init__(self) -> None:
        """Begin with none."""
        self.rows: dict[str, Cap] = {}

    def charge(self, spec: JobSpec, task_count: int, *, job_count: int) -> Cap | None:
        """Count so many tasks and jobs more as held, or less when negative; return the cap if that changed it. Mutates.

        The caller marks it as changed.
        """
        cap = self.rows.get(spec.scheduler)
        if cap is None:
            return None
        cap.usage[_CPU] += spec.charged[_CPU] * task_count
        cap.usage[_MEMORY] += spec.charged[_MEMORY] * task_count
        cap.usage[_JOBS] += job_count
        return cap if job_count or spec.charged[_CPU] or spec.charged[_MEMORY] else None

    def copy(self) -> "CapTable":
        """Return an equal, independent table."""
        other = CapTable()
        for name, cap in self.rows.items():
            other.rows[name] = Cap(
                amounts=cap.amounts,
                usage=list(cap.usage),
                changed_at=cap.changed_at,
                changed_before=cap.changed_before,
            )
        return other


class CapUse:
    """What caps leave after some tentative claims; caps and jobs are only read. Valid until the cell changes."""

    def __init__(self, caps: CapTable, jobs: JobTable) -> None:
        """Begin with no tentative claims. Cost: O(1)."""
        self._caps = caps
        self._jobs = jobs
        self._taken: dict[str, list[int]] = {}
        self._holding: dict[int, None] = {}

    def room(self, job_row: int, spec: JobSpec | None = None) -> int:
        """Return how many more tasks of a job its scheduler's cap takes; `MAX_TASKS_PER_JOB` when nothing limits it.

        ``spec`` is what its tasks ask for, when that is to be something else than they do.
        """
        spec = spec or self._jobs.spec_of(job_row)
        cap = self._caps.rows.get(spec.scheduler)
        if cap is None:
            return MAX_TASKS_PER_JOB
        room = MAX_TASKS_PER_JOB
        for dimension, (left, amount) in enumerate(self._left_and_asked(cap, job_row, spec)):
            if amount and dimension == _JOBS:
                room = room if left > 0 else 0
            elif amount:
                room = min(room, max(0, left // amount))
        return room

    def find_lack(self, job_row: int, task_count: int = 1) -> tuple[int, int]:
        """Return what a cap lacks for more tasks of a job: the first dimension, and how much; -1, 0 for nothing."""
        spec = self._jobs.spec_of(job_row)
        cap = self._caps.rows.get(spec.scheduler)
        if cap is not None:
            for dimension, (left, amount) in enumerate(self._left_and_asked(cap, job_row, spec)):
                asked = amount if dimension == _JOBS else amount * task_count
                if asked > left and amount:
                    return dimension, asked - left
        return -1, 0

    def take(self, job_row: int, task_count: int) -> None:
        """Count so many tentative claims of a job. Mutates."""
        if not task_count:
            return
        spec = self._jobs.spec_of(job_row)
        if spec.scheduler not in self._caps.rows:
            return
        taken = self._taken.setdefault(spec.scheduler, [0] * CAP_COUNT)
        taken[_CPU] += spec.charged[_CPU] * task_count
        taken[_MEMORY] += spec.charged[_MEMORY] * task_count
        if not self._is_holding(job_row):
            taken[_JOBS] += 1
            self._holding[job_row] = None

    def fork(self) -> "CapUse":
        """Return an independent one with the same tentative claims."""
        other = CapUse(self._caps, self._jobs)
        other._taken = {name: list(taken) for name, taken in self._taken.items()}
        other._holding = dict(self._holding)
        return other

    def find_needed(self, job_row: int, task_count: int) -> tuple[int, ...]:
        """Return the limits of a cap that is there, raised as far as so many more tasks of a job need."""
        spec = self._jobs.spec_of(job_row)
        cap = self._caps.rows[spec.scheduler]
        needed = []
        for dimension, (left, amount) in enumerate(self._left_and_asked(cap, job_row, spec)):
            asked = amount if dimension == _JOBS else amount * task_count
            needed.append(cap.amounts[dimension] + max(0, asked - left) if amount else cap.amounts[dimension])
        return tuple(needed)

    def find_left(self, job_row: int) -> tuple[int | None, ...]:
        """Return what is left for more tasks of a job, in the order of `CAP_NAMES`; None where nothing limits it."""
        spec = self._jobs.spec_of(job_row)
        cap = self._caps.rows.get(spec.scheduler)
        if cap is None:
            return (None,) * CAP_COUNT
        pairs = self._left_and_asked(cap, job_row, spec)
        return tuple(left if amount else None for left, amount in pairs)

    def _left_and_asked(self, cap: Cap, job_row: int, spec: JobSpec) -> list[tuple[int, int]]:
        """Return for each dimension what is left of a cap, and what one more task of a job asks of it."""
        taken = self._taken.get(spec.scheduler, (0,) * CAP_COUNT)
        asked = (spec.charged[_CPU], spec.charged[_MEMORY], 0 if self._is_holding(job_row) else 1)
        return [
            (limit - used - more, 0 if limit == UNLIMITED else amount)
            for limit, used, more, amount in zip(cap.amounts, cap.usage, taken, asked, strict=True)
        ]

    def _is_holding(self, job_row: int) -> bool:
        return job_row in self._holding or holds_any(self._jobs, job_row)


def holds_any(jobs: JobTable, row: int) -> bool:
    """Tell whether a job has a task that is placed or running."""
    counts = jobs.counts[row]
    return bool(counts[TaskState.PLACED] or counts[TaskState.RUNNING])


def find_held(jobs: JobTable, scheduler: str) -> list[int]:
    """Return what the jobs of a scheduler hold, in the order of `CAP_NAMES`. Cost: O(jobs)."""
    held = [0] * CAP_COUNT
    for row, spec in enumerate(jobs.specs):
        if spec is not None and spec.scheduler == scheduler and holds_any(jobs, row):
            count = int(jobs.counts[row, TaskState.PLACED] + jobs.counts[row, TaskState.RUNNING])
            held[_CPU] += spec.charged[_CPU] * count
            held[_MEMORY] += spec.charged[_MEMORY] * count
            held[_JOBS] += 1
    return held
