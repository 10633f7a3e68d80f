"""What users ask of quotas and caps: list them with what is used, set them, take them away."""

import time
from collections.abc import Sequence
from typing import Final, cast

from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.host import CellHost
from omegacell.api.server.refusals import find_refusal
from omegacell.api.server.views import view_at
from omegacell.core.caps import find_held
from omegacell.core.cell import Cell
from omegacell.core.errors import UsageError
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.quotas import QuotaKey, find_usage, is_limited
from omegacell.core.units import BAND_COUNT, CAP_COUNT, RESOURCE_COUNT, UNLIMITED, Band
from omegacell.store.proposer import Proposal

MOST: Final = (1 << 63) - 1
"""A sum over many tasks may be more than the wire holds."""


class LimitCalls:
    """The calls about quotas and caps.

    Args:
        host: The cell.
    """

    def __init__(self, host: CellHost) -> None:
        self._host = host

    async def quotas(self, request: pb.ListQuotasRequest) -> pb.ListQuotasResponse:
        """Return quotas with what is used, and what is used without a quota."""
        if not request.stale:
            await self._host.refresh()
        cell = self._host.cell
        usage = find_usage(cell.jobs)
        keys = sorted({*cell.quotas.rows, *usage}, key=lambda key: (key[0], -key[1]))
        chosen = [key for key in keys if not request.owner or key[0] == request.owner]
        return pb.ListQuotasResponse(at=view_at(cell), quotas=[view_quota(cell, key, usage) for key in chosen])

    async def set_quota(self, request: pb.SetQuotaRequest) -> pb.SetQuotaResponse:
        """Set or change a quota, or take it away."""
        if not Band.BEST_EFFORT <= request.band <= Band.MONITORING:
            raise UsageError(f"band {request.band} is none; expected {', '.join(map(str, range(BAND_COUNT)))}")
        if not is_limited(request.band):
            raise UsageError(
                "band best_effort has no quotas, it takes what is left over; expected batch, production or monitoring"
            )
        await self._host.refresh()
        key = (request.owner, int(request.band))
        known = self._host.cell.quotas.rows.get(key)
        amounts = known.amounts if known is not None else (UNLIMITED,) * RESOURCE_COUNT
        asked = [
            (request.HasField("cpu_milli"), request.cpu_milli),
            (request.HasField("memory_bytes"), request.memory_bytes),
            (request.HasField("disk_bytes"), request.disk_bytes),
        ]
        command = SetQuota(owner=request.owner, band=Band(request.band), amounts=_merge(amounts, asked))
        outcome = await self._host.propose(Proposal(commands=(command,), decided_to_us=time.time_ns() // 1_000))
        refusal = find_refusal(outcome, f"the quota of {request.owner!r} was not set")
        if refusal is not None:
            raise refusal
        cell = self._host.cell
        return pb.SetQuotaResponse(at=view_at(cell), quota=view_quota(cell, key, find_usage(cell.jobs)))

    async def caps(self, request: pb.ListCapsRequest) -> pb.ListCapsResponse:
        """Return caps with what is held, and what schedulers without one hold."""
        if not request.stale:
            await self._host.refresh()
        cell = self._host.cell
        names = sorted({*cell.caps.rows, *find_schedulers(cell)})
        return pb.ListCapsResponse(at=view_at(cell), caps=[view_cap(cell, name) for name in names])

    async def set_caps(self, request: pb.SetCapsRequest) -> pb.SetCapsResponse:
        """Set or change a scheduler's cap, or take it away."""
        await self._host.refresh()
        known = self._host.cell.caps.rows.get(request.scheduler)
        amounts = known.amounts if known is not None else (UNLIMITED,) * CAP_COUNT
        asked = [
            (request.HasField("cpu_milli"), request.cpu_milli),
            (request.HasField("memory_bytes"), request.memory_bytes),
            (request.HasField("jobs"), request.jobs),
        ]
        command = SetCaps(scheduler=request.scheduler, amounts=_merge(amounts, asked))
        outcome = await self._host.propose(Proposal(commands=(command,), decided_to_us=time.time_ns() // 1_000))
        refusal = find_refusal(outcome, f"the cap of scheduler {request.scheduler!r} was not set")
        if refusal is not None:
            raise refusal
        cell = self._host.cell
        return pb.SetCapsResponse(at=view_at(cell), cap=view_cap(cell, request.scheduler))


def view_quota(cell: Cell, key: QuotaKey, usage: dict[QuotaKey, list[int]]) -> pb.Quota:
    """Return a quota, or without one what is used; ``usage`` is that of all jobs."""
    quota = cell.quotas.rows.get(key)
    owner, band = key
    return pb.Quota(
        owner=owner,
        band=cast("pb.Band", band),
        is_set=quota is not None,
        limit=_view_amounts((UNLIMITED,) * RESOURCE_COUNT if quota is None else quota.amounts),
        used=_view_amounts(usage.get(key, [0] * RESOURCE_COUNT)),
    )


def view_cap(cell: Cell, scheduler: str) -> pb.Cap:
    """Return the cap of a scheduler, or without one what its jobs hold. Cost: O(jobs)."""
    cap = cell.caps.rows.get(scheduler)
    used = find_held(cell.jobs, scheduler) if cap is None else cap.usage
    return pb.Cap(
        scheduler=scheduler,
        is_set=cap is not None,
        limit=_view_cap_amounts((UNLIMITED,) * CAP_COUNT if cap is None else cap.amounts),
        used=_view_cap_amounts(used),
        is_known=scheduler in find_schedulers(cell),
    )


def find_schedulers(cell: Cell) -> set[str]:
    """Return the schedulers of which an instance ever ran, or that a job names. Cost: O(jobs)."""
    names = {author.scheduler for author in cell.authors.rows if author.scheduler}
    return names | {spec.scheduler for spec in cell.jobs.specs if spec is not None}


def _merge(known: Sequence[int], asked: Sequence[tuple[bool, int]]) -> tuple[int, ...]:
    return tuple(amount if is_given else was for was, (is_given, amount) in zip(known, asked, strict=True))


def _view_amounts(amounts: Sequence[int]) -> pb.Resources:
    cpu_milli, memory_bytes, disk_bytes = (min(amount, MOST) for amount in amounts)
    return pb.Resources(cpu_milli=cpu_milli, memory_bytes=memory_bytes, disk_bytes=disk_bytes)


def _view_cap_amounts(amounts: Sequence[int]) -> pb.CapAmounts:
    cpu_milli, memory_bytes, jobs = (min(amount, MOST) for amount in amounts)
    return pb.CapAmounts(cpu_milli=cpu_milli, memory_bytes=memory_bytes, jobs=jobs)
