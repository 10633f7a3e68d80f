"""Random quotas and caps for histories: tight ones, of few owners and schedulers, gone again now and then."""

import random
from dataclasses import replace

from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.units import MAX_TOTAL, RESOURCE_COUNT, Band


def draw_quota(rng: random.Random) -> SetQuota:
    """Limit an owner."""
    amounts = tuple(rng.choice((-1, rng.randint(0, 20))) for _ in range(RESOURCE_COUNT))
    owner = rng.choice(("ada", "ada", "bob"))
    return SetQuota(owner=owner, band=rng.choice((Band.BATCH, Band.PRODUCTION)), amounts=amounts)


def draw_caps(rng: random.Random) -> SetCaps:
    """Limit a scheduler."""
    cpu, memory = (rng.choice((-1, rng.randint(0, 8))) for _ in range(2))
    jobs = rng.choice((-1, -1, 0, 1, 2))
    return SetCaps(scheduler=rng.choice(("batch", "batch", "service")), amounts=(cpu, memory, jobs))


def draw_broken_limit(rng: random.Random) -> SetQuota | SetCaps:
    """Write a limit that no proposer of this version writes."""
    quota, caps = draw_quota(rng), draw_caps(rng)
    return rng.choice(
        (
            replace(quota, band=Band.BEST_EFFORT),
            replace(quota, amounts=(1, -2, 1)),
            replace(quota, owner="No/Name"),
            replace(caps, amounts=(1, 1)),
            replace(caps, amounts=(1, MAX_TOTAL + 1, 1)),
        )
    )
