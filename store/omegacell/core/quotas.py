"""Quotas: how much an owner's jobs may ask for in a priority band, and how much they do (Borg, section 2.5).

A quota is admission control, not scheduling: it is judged when a job is submitted, and nothing that was admitted is
ever stopped for it. A job counts with all the tasks that it wants, placed or not, from its submission until it is at
rest or asked to stop; a system job with one for each machine that matches. The lowest band has no quota: it takes what
is left over.

Rules: amounts and usage are Python integers, because totals outgrow 64 bits; usage is kept only where there is a quota,
by the few who call `QuotaTable.charge`. A cell without quotas pays nothing for them.
"""

from dataclasses import dataclass
from typing import Final

from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.jobtable import JobTable
from omegacell.core.units import RESOURCE_COUNT, UNLIMITED, Band

_SYSTEM: Final = int(Kind.SYSTEM)

QuotaKey = tuple[str, int]
"""Owner, and value of a `Band`."""


@dataclass(slots=True, kw_only=True)
class Quota:
    """What the jobs of one owner may ask for together in one band, and what they ask for.

    Attributes:
        amounts: the limits, ``(resources,)`` base units, `UNLIMITED` for none.
        usage: what jobs ask for, ``(resources,)`` base units.
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

    def find_excess(self, more: list[int]) -> tuple[int, int] | None:
        """Return the first dimension that ``more`` would take above its limit, and by how much; None when it fits.

        What asks for no more than it has is never in excess, not even of a quota that was lowered below its usage.
        """
        for dimension, (limit, used, added) in enumerate(zip(self.amounts, self.usage, more, strict=True)):
            if limit != UNLIMITED and added > 0 and used + added > limit:
                return dimension, used + added - limit
        return None


class QuotaTable:
    """Quotas by owner and band."""

    def __init__(self) -> None:
        """Begin with none."""
        self.rows: dict[QuotaKey, Quota] = {}

    def find(self, owner: str, band: int) -> Quota | None:
        """Return a quota, or None where there is no limit."""
        return self.rows.get((owner, int(band)))

    def charge(self, spec: JobSpec, task_count: int, *, revision: int, floor: int) -> None:
        """Count so many tasks of a job more, or less when negative. Mutates. Cost: O(resources)."""
        quota = self.find(spec.owner, spec.band)
        if quota is None or not task_count or not any(spec.charged):
            return
        for dimension, amount in enumerate(spec.charged):
            quota.usage[dimension] += amount * task_count
        quota.touch(revision=revision, floor=floor)

    def copy(self) -> "QuotaTable":
        """Return an equal, independent table."""
        other = QuotaTable()
        for key, quota in self.rows.items():
            other.rows[key] = Quota(
                amounts=quota.amounts,
                usage=list(quota.usage),
                changed_at=quota.changed_at,
                changed_before=quota.changed_before,
            )
        return other


def count_share(jobs: JobTable, row: int) -> int:
    """Return with how many tasks a job counts: all that it wants, none once it is at rest or asked to stop.

    Of a system job the held ones do not count: their machines do not match. A template counts with none: its children
    do.
    """
    if jobs.template[row] or jobs.stopping[row] or not jobs.is_active(row):
        return 0
    held = int(jobs.counts[row, TaskState.HELD]) if jobs.kind[row] == _SYSTEM else 0
    return int(jobs.count_wanted[row]) - held


def amounts_of(spec: JobSpec, task_count: int) -> list[int]:
    """Return what so many tasks of a job ask for, ``(resources,)``."""
    return [amount * task_count for amount in spec.charged]


def find_usage(jobs: JobTable) -> dict[QuotaKey, list[int]]:
    """Return what the jobs of every owner and band ask for, the lowest band too. Cost: O(jobs)."""
    usage: dict[QuotaKey, list[int]] = {}
    for row, spec in enumerate(jobs.specs):
        share = 0 if spec is None else count_share(jobs, row)
        if spec is not None and share:
            sums = usage.setdefault((spec.owner, int(spec.band)), [0] * RESOURCE_COUNT)
            for dimension, amount in enumerate(spec.charged):
                sums[dimension] += amount * share
    return usage


def is_limited(band: int) -> bool:
    """Tell whether a band can have quotas; the lowest never has.

    >>> is_limited(Band.BATCH), is_limited(Band.BEST_EFFORT)
    (True, False)
    """
    return band > Band.BEST_EFFORT
