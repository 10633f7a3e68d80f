"""Quotas: how much an owner's jobs may ask for in a priority band, and how much they do (Borg, section 2.5).

A quota is admission control, not scheduling: it is judged when a job is submitted, and nothing that was admitted is
ever stopped for it. A job counts with all the tasks that it wants, placed or not, from its submission until it is at
rest or asked to stop; a system job with one for each machine that matches. The lowest band has no quota: it takes what
is left over.

While a job is updated its name counts, index by index, with the larger of old and new: the new job counts whole, the
old one with what it asks for beyond it, until it is at rest. In another band than its successor's it counts whole.

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

    def charge(self, key: QuotaKey, amounts: list[int], *, revision: int, floor: int) -> None:
        """Count so much more, or less where negative. Mutates. Cost: O(resources)."""
        quota = self.rows.get(key)
        if quota is None or not any(amounts):
            return
        quota.usage = [used + amount for used, amount in zip(quota.usage, amounts, strict=True)]
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


def find_share(jobs: JobTable, row: int) -> list[int]:
    """Return what a job counts for, ``(resources,)``: nothing once it is at rest or asked to stop."""
    return find_asked(jobs, row) if is_counted(jobs, row) else [0] * RESOURCE_COUNT


def is_counted(jobs: JobTable, row: int) -> bool:
    """Tell whether a job counts at all: it is neither at rest nor asked to stop."""
    return jobs.is_active(row) and not jobs.stopping[row]


def find_asked(jobs: JobTable, row: int) -> list[int]:
    """Return what a job counts for while it is neither at rest nor asked to stop, ``(resources,)``.

    Of a system job the held ones do not count: their machines do not match. A template counts with none: its children
    do.
    """
    spec, current = jobs.spec_of(row), jobs.current_of(row)
    if current != row:
        return find_beyond(spec, jobs.spec_of(current))
    if jobs.template[row]:
        return [0] * RESOURCE_COUNT
    held = int(jobs.counts[row, TaskState.HELD]) if jobs.kind[row] == _SYSTEM else 0
    return amounts_of(spec, int(jobs.count_wanted[row]) - held)


def find_beyond(old: JobSpec, new: JobSpec) -> list[int]:
    """Return what a job asks for beyond its successor, index by index, ``(resources,)``.

    >>> from dataclasses import replace
    >>> from omegacell.core.jobs import Kind
    >>> old = JobSpec(name="a", owner="o", kind=Kind.SERVICE, scheduler="s", band=Band.BATCH, priority=0, count=3,
    ...     resources=(5, 1, 0), driver="exec")
    >>> find_beyond(old, replace(old, count=2, resources=(4, 2, 0)))
    [7, 1, 0]
    """
    if old.band != new.band:
        return amounts_of(old, old.count)
    both, more = min(old.count, new.count), max(0, old.count - new.count)
    pairs = zip(old.charged, new.charged, strict=True)
    return [max(0, had - asked) * both + had * more for had, asked in pairs]


def amounts_of(spec: JobSpec, task_count: int) -> list[int]:
    """Return what so many tasks of a job ask for, ``(resources,)``."""
    return [amount * task_count for amount in spec.charged]


def find_usage(jobs: JobTable) -> dict[QuotaKey, list[int]]:
    """Return what the jobs of every owner and band ask for, the lowest band too. Cost: O(jobs)."""
    usage: dict[QuotaKey, list[int]] = {}
    for row, spec in enumerate(jobs.specs):
        share = [0] if spec is None else find_share(jobs, row)
        if spec is not None and any(share):
            sums = usage.setdefault((spec.owner, int(spec.band)), [0] * RESOURCE_COUNT)
            for dimension, amount in enumerate(share):
                sums[dimension] += amount
    return usage


def is_limited(band: int) -> bool:
    """Tell whether a band can have quotas; the lowest never has.

    >>> is_limited(Band.BATCH), is_limited(Band.BEST_EFFORT)
    (True, False)
    """
    return band > Band.BEST_EFFORT
