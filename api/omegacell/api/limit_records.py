"""Quotas and caps as the client takes and gives them: frozen values beside those of `records`.

In a limit, `UNLIMITED` (-1) stands for none; amounts are base units.
"""

from dataclasses import dataclass

from omegacell.api.records import At, Resources
from omegacell.core.units import UNLIMITED, Band

NO_LIMIT = Resources(cpu_milli=UNLIMITED, memory_bytes=UNLIMITED, disk_bytes=UNLIMITED)
"""What a quota says of a dimension that it does not limit, in all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What an owner's jobs may ask for in a band, and what they ask for.

    Attributes:
        owner, band: whose jobs, which of them.
        is_set: whether there is a quota; without one the row shows what is used.
        limit: -1 where there is none.
        used: by all jobs that are neither at rest nor asked to stop.
    """

    owner: str
    band: Band
    is_set: bool
    limit: Resources
    used: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaList:
    """Quotas as of one revision."""

    at: At
    quotas: tuple[Quota, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapAmounts:
    """CPU and memory of placed and running tasks, and the number of jobs that have any."""

    cpu_milli: int = UNLIMITED
    memory_bytes: int = UNLIMITED
    jobs: int = UNLIMITED


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """What the jobs of a scheduler may hold, and what they hold.

    Attributes:
        scheduler: the name that jobs give.
        is_set: whether there is a cap; without one the row shows what is held.
        limit: -1 where there is none.
        used: what its jobs hold.
        is_known: whether an instance of it ever ran, or a job names it.
    """

    scheduler: str
    is_set: bool
    limit: CapAmounts
    used: CapAmounts
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CapList:
    """Caps as of one revision."""

    at: At
    caps: tuple[Cap, ...]
