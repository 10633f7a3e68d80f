"""The commands that limit: how much an owner may ask for, and how much a scheduler may hold.

Members of the union in `commands`; what they limit is in `quotas` and `caps`.
"""

from dataclasses import dataclass

from omegacell.core.units import Band


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQuota:
    """Limit what an owner's jobs may ask for in a band, from the next submit on; nothing that runs is stopped.

    Attributes:
        owner: whose jobs.
        band: which of them; the lowest band has no quotas.
        amounts: the limits, ``(resources,)`` base units, -1 for none; all -1 takes the quota away.
    """

    owner: str
    band: Band
    amounts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCaps:
    """Limit what a scheduler's jobs may hold, from the next claim on; nothing that runs is stopped.

    Attributes:
        scheduler: the name that jobs give (``batch``); it need not run yet.
        amounts: the limits in the order of `units.CAP_NAMES`, -1 for none; all -1 takes the cap away.
    """

    scheduler: str
    amounts: tuple[int, ...]
