"""Quotas and caps that stand in the way, in words: what is used of how much, and what was asked."""

from omegacell.api.limit_text import word_amount
from omegacell.core.caps import CapUse
from omegacell.core.cell import Cell
from omegacell.core.holds import count_asked
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Outcome
from omegacell.core.units import CAP_NAMES, RESOURCE_NAMES, UNLIMITED
from omegacell.schedulers.grouping import find_least


def word_quota(cell: Cell, spec: JobSpec, outcome: Outcome) -> str:
    """Say what a submit that was refused for its owner's quota asks for, what is used, and by how much it is over."""
    dimension, shortage = outcome.detail, outcome.value
    asked = spec.resources[dimension] * count_asked(cell, spec)
    quota = cell.quotas.find(spec.owner, spec.band)
    name, band = RESOURCE_NAMES[dimension], spec.band.name.lower()
    have = ""
    if quota is not None and quota.amounts[dimension] != UNLIMITED:
        limit, used = quota.amounts[dimension], quota.usage[dimension]
        have = f" ({word_amount(name, used)} of {word_amount(name, limit)} used)"
    return (
        f"it asks for {word_amount(name, asked)}, which is {word_amount(name, shortage)} more than the quota of owner"
        f" {spec.owner!r} in band {band} leaves{have}; ask for less, stop a job, use a lower band, or have it raised:"
        f" `omega quota show {spec.owner}`"
    )


def find_cap_lack(cell: Cell, row: int) -> tuple[int, int]:
    """Return what the cap of a job's scheduler lacks for tasks that wait: dimension and amount; -1, 0 for nothing."""
    return CapUse(cell.caps, cell.jobs).find_lack(row, find_least(cell, row, cell.jobs.spec_of(row)))


def word_cap(cell: Cell, row: int) -> str:
    """Say how full the cap of a job's scheduler is for tasks that wait for it; empty when it takes them now."""
    spec = cell.jobs.spec_of(row)
    cap = cell.caps.rows.get(spec.scheduler)
    dimension, shortage = find_cap_lack(cell, row)
    if cap is None or dimension < 0:
        return ""
    name = CAP_NAMES[dimension]
    limit, used = cap.amounts[dimension], cap.usage[dimension]
    gang = f"; the gang asks for {word_amount(name, shortage)} more than is left" if spec.is_gang else ""
    return (
        f"waits for the cap of scheduler {spec.scheduler!r}: {word_amount(name, used)} of {word_amount(name, limit)}"
        f" in use{gang} (`omega scheduler caps list`)"
    )
