"""Rules about where other tasks are: how many more tasks of a job each machine takes because of them.

A `Crowd` counts, for one job on one overlay, the tasks that its hard rules are about: its own by machine and by the
domains of its spreads, and those of the jobs it must be near to or apart from (or that must be apart from it). It is
asked machine by machine for one more task, or for all machines at once for the most that one of them takes alone.
Active tasks count, those that are stopping too: they are still there. Of a job that is being updated, the tasks of
the old one count with those of the new one; of one that was replaced at once, they do not.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.columns import find_ranks, is_distinct
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Reason
from omegacell.core.units import MAX_TASKS_PER_JOB

Counts = NDArray[np.int64]
Rows = NDArray[np.int64]
Claims = Mapping[str, Sequence[NDArray[np.integer]]]
"""Tentative claims: the machine rows that each job's name has taken."""

_A_LOOK: Final = 512
"""Machines in which all domains are looked for before all are."""

_NONE, _NEIGHBOUR, _FULL, _SPREAD = (
    int(Reason.NONE),
    int(Reason.NEIGHBOUR),
    int(Reason.TOO_MANY_ON_MACHINE),
    int(Reason.SPREAD_SKEWED),
)


class Domains:
    """Tasks of the job by the values of one attribute; of a spread, or of a job near to or apart from itself.

    Attributes:
        codes: value of each machine, int32, 0 for none.
        counts: tasks by code, int64; those on machines without a value are not counted.
        is_eligible: by code, whether a machine of the value may take the job, bool; of a spread.
        max_skew: of a spread, else 0.
    """

    def __init__(
        self, codes: NDArray[np.int32], rows: NDArray[np.integer], *, max_skew: int, is_apart: bool = False
    ) -> None:
        """Count tasks by domain. Without ``max_skew`` they are one a domain (apart), or all in domains that have one.

        ``rows`` are the machines of the job's tasks. Cost: O(tasks), and finding the highest code.
        """
        self.codes = codes
        self.counts = np.bincount(codes.take(rows), minlength=int(codes.max(initial=0)) + 1)
        self.counts[0] = 0
        self.max_skew = max_skew
        self._is_apart = is_apart
        self.is_eligible = np.zeros(len(self.counts), np.bool_)
        self._levels: dict[int, int] = {}
        self._least = MAX_TASKS_PER_JOB

    def set_eligible(self, may_take: NDArray[np.bool_]) -> None:
        """Say which machines may take the job: only their domains count for the domain with the fewest."""
        for looked in (_A_LOOK, len(may_take)):  # the first machines often show every domain already
            codes = self.codes[:looked] * may_take[:looked]
            self.is_eligible = np.bincount(codes, minlength=len(self.counts)) > 0
            if self.is_eligible[1:].all():
                break
        self.is_eligible[0] = False
        numbers = np.bincount(self.counts[self.is_eligible])
        self._levels = {level: int(numbers[level]) for level in np.flatnonzero(numbers).tolist()}
        self._least = min(self._levels, default=MAX_TASKS_PER_JOB)

    def limits(self) -> Counts:
        """Return by code how many more tasks it takes, if no other domain gets any. Cost: O(domains)."""
        if self.max_skew:
            limits = self._least + self.max_skew - self.counts
            if self._levels.get(self._least) == 1:  # a domain that alone has the fewest: measured against the next
                second = min((level for level in self._levels if level > self._least), default=MAX_TASKS_PER_JOB)
                alone = self.is_eligible & (self.counts == self._least)
                limits[alone] = second + self.max_skew - self._least
        elif self._is_apart:
            limits = 1 - self.counts
        else:
            limits = np.where((self.counts > 0) | (not self.counts.any()), np.int64(MAX_TASKS_PER_JOB), np.int64(0))
        bounded: Counts = np.maximum(limits, 0)
        bounded[0] = MAX_TASKS_PER_JOB if self._is_apart else 0
        return bounded

    def takes(self, row: int) -> bool:
        """Tell whether one more task may go to a machine; as ``limits``, without looking at every domain.

        One of the domains with the fewest always may: the skew is at least one.
        """
        code = int(self.codes[row])
        if not code:
            return self._is_apart
        count = int(self.counts[code])
        if self.max_skew:
            return count + 1 - self.max_skew <= self._least
        if self._is_apart:
            return count == 0
        return count > 0 or not self.counts.any()

    def takes_all(self, rows: NDArray[np.integer]) -> bool:
        """Tell whether tasks may go to machines in order, one each, all of them; ``takes`` of each is the slow way.

        Of machines that may take the job at all: of others it may say no. Cost: O(rows log(rows)).
        """
        codes = self.codes.take(rows)
        if not codes.all():
            # a machine without a value is of no domain: to stay apart it is free, to spread or be near it is refused
            return self._is_apart and (not codes.any() or self.takes_all(rows[codes != 0]))
        if self.max_skew:
            return self._takes_spread(codes)
        if self._is_apart:
            return is_distinct(codes) and not self.counts.take(codes).any()
        if self.counts.any():
            return bool(self.counts.take(codes).all())
        return bool((codes == codes[0]).all())

    def _takes_spread(self, codes: NDArray[np.int32]) -> bool:
        """Tell whether claims on domains of machines that may take the job keep the skew, each after those before it.

        The fewest grow when a level is complete: when the last eligible domain that was below it reaches it. A level
        is complete with a certain claim, or never; and a claim keeps the skew when the fewest before it are enough.
        """
        if not self.is_eligible.take(codes).all():
            return False
        levels = self.counts.take(codes) + find_ranks(codes) + 1
        order = np.argsort(levels, kind="stable")
        firsts = np.searchsorted(levels.take(order), np.arange(self._least + 1, int(levels.max()) + 1))
        lasts = np.append(firsts[1:], len(levels))
        complete_at: list[int] = []  # by level above the least: the claim that completed it
        missing = self._levels.get(self._least, 0)
        for step, (first, last) in enumerate(zip(firsts.tolist(), lasts.tolist(), strict=True)):
            if last - first < missing:
                break
            complete_at.append(int(order[first + missing - 1]))
            missing += self._levels.get(self._least + 1 + step, 0)
        least = self._least + np.searchsorted(np.array(complete_at, np.int64), np.arange(len(codes), dtype=np.int64))
        keeps: NDArray[np.bool_] = levels - self.max_skew <= least
        return bool(keeps.all())

    def add(self, row: int) -> None:
        """Count one more task on a machine. Mutates."""
        code = int(self.codes[row])
        if not code:
            return
        count = int(self.counts[code])
        self.counts[code] = count + 1
        if self.is_eligible[code]:
            self._levels[count + 1] = self._levels.get(count + 1, 0) + 1
            self._levels[count] -= 1
            if not self._levels[count]:
                del self._levels[count]
                if count == self._least:
                    self._least = count + 1


class Crowd:
    """Where the tasks are that a job's hard rules are about; grows with `add`."""

    def __init__(self, cell: Cell, spec: JobSpec, claims: Claims, may_take: NDArray[np.bool_]) -> None:
        """Count. ``may_take`` tells which machines take such tasks at all. Cost: O(machines + tasks of these jobs)."""
        self._cell = cell
        self._claims = claims
        self._rules = spec.placement
        index = cell.machines.index
        rows = self._find(spec.name)
        self._held = np.bincount(rows, minlength=cell.machines.count)
        self._closed: NDArray[np.bool_] | None = None
        self._domains: list[Domains] = []
        self._spreads: list[Domains] = []
        for spread in self._rules.spreads:
            if spread.max_skew:
                domains = Domains(index.codes(spread.attribute), rows, max_skew=spread.max_skew)
                domains.set_eligible(may_take)
                self._spreads.append(domains)
        for each in self._rules.neighbours:
            if each.weight:
                continue
            codes = index.codes(each.attribute)
            if each.job == spec.name:
                self._domains.append(Domains(codes, rows, max_skew=0, is_apart=each.is_apart))
            else:
                self._close(codes, self._find(each.job), is_apart=each.is_apart)
        for name, attribute in cell.jobs.find_repelling(spec.name):
            self._close(index.codes(attribute), self._find(name), is_apart=True)

    @property
    def spreads(self) -> tuple[Domains, ...]:
        """The hard spreads; not to be changed by the caller."""
        return tuple(self._spreads)

    def limits(self, rows: NDArray[np.integer] | None = None) -> Counts:
        """Return how many more tasks each machine takes, if no other gets any: ``(rows,)`` int64."""
        count = len(self._held) if rows is None else len(rows)
        limits = np.full(count, MAX_TASKS_PER_JOB, np.int64)
        if self._rules.max_per_machine:
            left = self._rules.max_per_machine - (self._held if rows is None else self._held.take(rows))
            np.minimum(np.maximum(left, 0), MAX_TASKS_PER_JOB, out=limits)
        for domains in (*self._domains, *self._spreads):
            codes = domains.codes if rows is None else domains.codes.take(rows)
            np.minimum(limits, domains.limits().take(codes), out=limits)
        if self._closed is not None:
            limits *= ~(self._closed if rows is None else self._closed.take(rows))
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
        if self._closed is not None:
            reasons[self._closed[rows]] = _NEIGHBOUR
        return reasons

    def reason(self, row: int) -> int:
        """Return what ``reasons`` says of one machine. Cost: O(rules)."""
        if self._closed is not None and self._closed[row]:
            return _NEIGHBOUR
        for domains in self._domains:
            if not domains.takes(row):
                return _NEIGHBOUR
        if self._rules.max_per_machine and self._held[row] >= self._rules.max_per_machine:
            return _FULL
        for domains in self._spreads:
            if not domains.takes(row):
                return _SPREAD
        return _NONE

    def takes_all(self, rows: NDArray[np.integer], room: Counts) -> bool:
        """Tell whether claims of one task each, in order, all keep these rules and fit: what `find_crowded` asks first.

        ``room`` is what each claim's machine takes without these rules. Cost: O(rows log(rows)).
        """
        if not len(rows):
            return True
        if self._closed is not None and self._closed.take(rows).any():
            return False
        ranks = find_ranks(rows)
        if (ranks >= room).any():
            return False
        most = self._rules.max_per_machine
        if most and (self._held.take(rows) + ranks >= most).any():
            return False
        return all(domains.takes_all(rows) for domains in (*self._domains, *self._spreads))

    def add(self, row: int) -> None:
        """Count one more task of the job on a machine. Mutates."""
        self._held[row] += 1
        for domains in (*self._domains, *self._spreads):
            domains.add(row)

    def _find(self, name: str) -> Rows:
        """Return the machine of each task of a job, tentative claims counted in; a row may stand several times."""
        rows = self._cell.machines_of(name)
        claims = self._claims.get(name)
        return np.concatenate([rows, *claims]).astype(np.int64) if claims else rows

    def _close(self, codes: NDArray[np.int32], rows: Rows, *, is_apart: bool) -> None:
        """Close the machines of domains that have tasks (apart), or those of all others (near)."""
        has = np.zeros(int(codes.max(initial=0)) + 1, np.bool_)
        has[codes.take(rows)] = True
        has[0] = False
        closed = has.take(codes) if is_apart else ~has.take(codes)
        self._closed = closed if self._closed is None else self._closed | closed


def find_crowded(crowd: Crowd, rows: NDArray[np.integer], room: Counts) -> NDArray[np.uint8]:
    """Judge claims of one task each in order: the reason of these rules, LIMIT where the machine has no room, or NONE.

    ``room`` is what each claim's machine takes without these rules. Uses the crowd up: mutates.
    """
    reasons = np.zeros(len(rows), np.uint8)
    if crowd.takes_all(rows, room):
        return reasons
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
