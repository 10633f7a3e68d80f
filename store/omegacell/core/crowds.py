"""Rules about where other tasks are: how many more tasks of a job each machine takes because of them.

A `Crowd` counts, for one job on one overlay, the tasks that its hard rules are about: its own by machine and by the
domains of its spreads, and those of the jobs it must be near to or apart from (or that must be apart from it). It is
asked machine by machine for one more task, or for all machines at once for the most that one of them takes alone.
Active tasks count, those that are stopping too: they are still there. Of a job that is being replaced, the tasks of
the old one do not count.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Reason
from omegacell.core.units import MAX_TASKS_PER_JOB

Counts = NDArray[np.int64]
Claims = Mapping[str, Sequence[NDArray[np.integer]]]
"""Tentative claims: the machine rows that each job's name has taken."""

_NONE, _NEIGHBOUR, _FULL, _SPREAD = (
    int(Reason.NONE),
    int(Reason.NEIGHBOUR),
    int(Reason.TOO_MANY_ON_MACHINE),
    int(Reason.SPREAD_SKEWED),
)


class _Domains:
    """Tasks of the job by the values of one attribute; of a spread, or of a job near to or apart from itself.

    Attributes:
        codes: value of each machine, int32, 0 for none.
        counts: tasks by code, int64; those on machines without a value are not counted.
    """

    def __init__(self, codes: NDArray[np.int32], held: Counts, *, max_skew: int, is_apart: bool = False) -> None:
        """Count tasks by domain. Without ``max_skew`` they are one a domain (apart), or all in domains that have one.

        ``held`` is how many tasks of the job each machine has. Cost: O(machines).
        """
        self.codes = codes
        self.counts = np.zeros(int(codes.max(initial=0)) + 1, np.int64)
        np.add.at(self.counts, codes, held)
        self.counts[0] = 0
        self._max_skew = max_skew
        self._is_apart = is_apart
        self._is_eligible = np.zeros(len(self.counts), np.bool_)
        self._levels: dict[int, int] = {}
        self._least = MAX_TASKS_PER_JOB

    def set_eligible(self, may_take: NDArray[np.bool_]) -> None:
        """Say which machines may take the job: only their domains count for the domain with the fewest."""
        self._is_eligible[self.codes[may_take]] = True
        self._is_eligible[0] = False
        levels, numbers = np.unique(self.counts[self._is_eligible], return_counts=True)
        self._levels = dict(zip(levels.tolist(), numbers.tolist(), strict=True))
        self._least = min(self._levels, default=MAX_TASKS_PER_JOB)

    def limits(self) -> Counts:
        """Return by code how many more tasks it takes, if no other domain gets any. Cost: O(domains)."""
        if self._max_skew:
            least = np.full(len(self.counts), self._least, np.int64)
            is_least = self._is_eligible & (self.counts == self._least)
            if int(is_least.sum()) == 1:
                least[is_least] = self._second()
            limits = least + self._max_skew - self.counts
        elif self._is_apart:
            limits = 1 - self.counts
        else:
            limits = np.where((self.counts > 0) | (not self.counts.any()), np.int64(MAX_TASKS_PER_JOB), np.int64(0))
        bounded: Counts = np.maximum(limits, 0)
        bounded[0] = MAX_TASKS_PER_JOB if self._is_apart else 0
        return bounded

    def takes(self, row: int) -> bool:
        """Tell whether one more task may go to a machine; as ``limits``, without looking at every domain."""
        code = int(self.codes[row])
        if not code:
            return self._is_apart
        count = int(self.counts[code])
        if self._max_skew:
            is_only = count == self._least and self._levels[count] == 1 and bool(self._is_eligible[code])
            return count + 1 - self._max_skew <= (self._second() if is_only else self._least)
        if self._is_apart:
            return count == 0
        return count > 0 or not self.counts.any()

    def add(self, row: int) -> None:
        """Count one more task on a machine. Mutates."""
        code = int(self.codes[row])
        if not code:
            return
        count = int(self.counts[code])
        self.counts[code] = count + 1
        if self._is_eligible[code]:
            self._levels[count] -= 1
            self._levels[count + 1] = self._levels.get(count + 1, 0) + 1
            if count == self._least and not self._levels[count]:
                self._least = count + 1

    def _second(self) -> int:
        """Return the fewest tasks above the fewest, of eligible domains; no bound when there are none."""
        above = [level for level, number in self._levels.items() if number and level > self._least]
        return min(above, default=MAX_TASKS_PER_JOB)


class Crowd:
    """Where the tasks are that a job's hard rules are about; grows with `add`."""

    def __init__(self, cell: Cell, spec: JobSpec, claims: Claims, may_take: NDArray[np.bool_]) -> None:
        """Count. ``may_take`` tells which machines take such tasks at all. Cost: O(machines + tasks of these jobs)."""
        self._cell = cell
        self._claims = claims
        self._rules = spec.placement
        index = cell.machines.index
        self._held = self._count(spec.name)
        self._closed = np.zeros(cell.machines.count, np.bool_)
        self._domains: list[_Domains] = []
        self._spreads: list[_Domains] = []
        for spread in self._rules.spreads:
            if spread.max_skew:
                domains = _Domains(index.codes(spread.attribute), self._held, max_skew=spread.max_skew)
                domains.set_eligible(may_take)
                self._spreads.append(domains)
        for each in self._rules.neighbours:
            if each.weight:
                continue
            codes = index.codes(each.attribute)
            if each.job == spec.name:
                self._domains.append(_Domains(codes, self._held, max_skew=0, is_apart=each.is_apart))
            else:
                self._close(codes, self._count(each.job), is_apart=each.is_apart)
        for name, attribute in cell.jobs.find_repelling(spec.name):
            self._close(index.codes(attribute), self._count(name), is_apart=True)

    def limits(self, rows: NDArray[np.integer] | None = None) -> Counts:
        """Return how many more tasks each machine takes, if no other gets any: ``(rows,)`` int64."""
        at = slice(None) if rows is None else rows
        held = self._held[at]
        limits = np.where(self._closed[at], np.int64(0), np.int64(MAX_TASKS_PER_JOB))
        if self._rules.max_per_machine:
            np.minimum(limits, np.maximum(self._rules.max_per_machine - held, 0), out=limits)
        for domains in (*self._domains, *self._spreads):
            np.minimum(limits, domains.limits()[domains.codes[at]], out=limits)
        return limits

    def reasons(self, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return why machines take no more task: values of `Reason`, uint8, NONE where these rules allow one."""
        reasons = np.zeros(len(rows), np.uint8)
        for domains in reversed(self._spreads):
            reasons[domains.limits()[domains.codes[rows]] == 0] = _SPREAD
        if self._rules.max_per_machine:
            reasons[self._held[rows] >= self._rules.max_per_machine] = _FULL
        for domains in self._domains:
            reasons[domains.limits()[domains.codes[rows]] == 0] = _NEIGHBOUR
        reasons[self._closed[rows]] = _NEIGHBOUR
        return reasons

    def reason(self, row: int) -> int:
        """Return what ``reasons`` says of one machine. Cost: O(rules)."""
        if self._closed[row] or not all(domains.takes(row) for domains in self._domains):
            return _NEIGHBOUR
        if self._rules.max_per_machine and self._held[row] >= self._rules.max_per_machine:
            return _FULL
        return _NONE if all(domains.takes(row) for domains in self._spreads) else _SPREAD

    def add(self, row: int) -> None:
        """Count one more task of the job on a machine. Mutates."""
        self._held[row] += 1
        for domains in (*self._domains, *self._spreads):
            domains.add(row)

    def _count(self, name: str) -> Counts:
        """Return how many tasks of a job each machine has, tentative claims counted in."""
        count = self._cell.machines.count
        held = np.bincount(self._cell.machines_of(name), minlength=count).astype(np.int64)
        for rows in self._claims.get(name, ()):
            held += np.bincount(rows, minlength=count)
        return held

    def _close(self, codes: NDArray[np.int32], held: Counts, *, is_apart: bool) -> None:
        """Close the machines of domains that have tasks (apart), or those of all others (near)."""
        has = np.zeros(int(codes.max(initial=0)) + 1, np.bool_)
        has[codes[held > 0]] = True
        has[0] = False
        self._closed |= has[codes] if is_apart else ~has[codes]


def find_crowded(crowd: Crowd, rows: NDArray[np.integer], room: Counts) -> NDArray[np.uint8]:
    """Judge claims of one task each in order: the reason of these rules, LIMIT where the machine has no room, or NONE.

    ``room`` is what each claim's machine takes without these rules. What is granted is added to the crowd: mutates.
    """
    reasons = np.zeros(len(rows), np.uint8)
    taken: dict[int, int] = {}
    for place, (row, most) in enumerate(zip(rows.tolist(), room.tolist(), strict=True)):
        reason = crowd.reason(row)
        if reason == _NONE and taken.get(row, 0) >= most:
            reason = int(Reason.LIMIT)
        if reason == _NONE:
            taken[row] = taken.get(row, 0) + 1
            crowd.add(row)
        reasons[place] = reason
    return reasons
