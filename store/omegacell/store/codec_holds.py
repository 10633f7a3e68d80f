"""Translates the commands about held tasks between the core and the persistent format."""

from omegacell.core.hold_commands import ReleaseTasks
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
