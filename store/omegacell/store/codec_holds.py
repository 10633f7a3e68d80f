"""Translates the commands about held tasks and system jobs between the core and the persistent format."""

from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.units import JobId
from omegacell.store.codec_columns import INT32, column_bytes, read_int32s
from omegacell.store.proto import log_v1_pb2 as pb


def write_release(message: pb.Command, command: ReleaseTasks) -> None:
    """Fill an empty message."""
    release = message.release_tasks
    release.SetInParent()
    release.job = command.job
    release.indices = column_bytes(command.indices, INT32)


def read_release(message: pb.Command) -> ReleaseTasks:
    """Return the command in a message."""
    release = message.release_tasks
    return ReleaseTasks(job=JobId(release.job), indices=read_int32s(release.indices))


def write_hold(message: pb.Command, command: HoldTasks) -> None:
    """Fill an empty message."""
    hold = message.hold_tasks
    hold.SetInParent()
    hold.job = command.job
    hold.indices = column_bytes(command.indices, INT32)


def read_hold(message: pb.Command) -> HoldTasks:
    """Return the command in a message."""
    hold = message.hold_tasks
    return HoldTasks(job=JobId(hold.job), indices=read_int32s(hold.indices))


def write_grow(message: pb.Command, command: GrowSystemJob) -> None:
    """Fill an empty message."""
    message.grow_system_job.SetInParent()
    message.grow_system_job.job = command.job


def read_grow(message: pb.Command) -> GrowSystemJob:
    """Return the command in a message."""
    return GrowSystemJob(job=JobId(message.grow_system_job.job))
