"""Translates quotas and caps between the core and the persistent format."""

from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.store.codec_jobs import BANDS
from omegacell.store.proto import log_v1_pb2 as pb


def write_set_quota(message: pb.Command, command: SetQuota) -> None:
    """Fill an empty message."""
    quota = message.set_quota
    quota.SetInParent()
    quota.owner = command.owner
    quota.band = BANDS.to_wire(command.band)
    quota.amounts.extend(command.amounts)


def read_set_quota(message: pb.Command) -> SetQuota:
    """Return the command in a message.

    Raises:
        MalformedError: The band is none that this version knows.
    """
    quota = message.set_quota
    return SetQuota(owner=quota.owner, band=BANDS.from_wire(quota.band), amounts=tuple(quota.amounts))


def write_set_caps(message: pb.Command, command: SetCaps) -> None:
    """Fill an empty message."""
    caps = message.set_caps
    caps.SetInParent()
    caps.scheduler = command.scheduler
    caps.amounts.extend(command.amounts)


def read_set_caps(message: pb.Command) -> SetCaps:
    """Return the command in a message."""
    caps = message.set_caps
    return SetCaps(scheduler=caps.scheduler, amounts=tuple(caps.amounts))
