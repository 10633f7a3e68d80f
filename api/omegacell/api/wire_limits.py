"""Translates quotas and caps from the API's messages to the client's values."""

from omegacell.api import limit_records as limits
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.wire import read_at, read_resources
from omegacell.core.units import Band


def read_quota(message: pb.Quota) -> limits.Quota:
    """Return a quota."""
    return limits.Quota(
        owner=message.owner,
        band=Band(message.band),
        is_set=message.is_set,
        limit=read_resources(message.limit),
        used=read_resources(message.used),
    )


def read_quotas(message: pb.ListQuotasResponse) -> limits.QuotaList:
    """Return quotas."""
    return limits.QuotaList(at=read_at(message.at), quotas=tuple(read_quota(quota) for quota in message.quotas))


def read_cap(message: pb.Cap) -> limits.Cap:
    """Return a cap."""
    return limits.Cap(
        scheduler=message.scheduler,
        is_set=message.is_set,
        limit=_read_amounts(message.limit),
        used=_read_amounts(message.used),
        is_known=message.is_known,
    )


def read_caps(message: pb.ListCapsResponse) -> limits.CapList:
    """Return caps."""
    return limits.CapList(at=read_at(message.at), caps=tuple(read_cap(cap) for cap in message.caps))


def _read_amounts(message: pb.CapAmounts) -> limits.CapAmounts:
    return limits.CapAmounts(cpu_milli=message.cpu_milli, memory_bytes=message.memory_bytes, jobs=message.jobs)
