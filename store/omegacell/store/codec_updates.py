"""Translates policies of updates and the commands about updates between the core and the persistent format."""

from omegacell.core.units import JobId
from omegacell.core.updates import FinishUpdate, OnFailure, RevertCause, RevertUpdate, StopTasks, UpdatePolicy
from omegacell.store.codec_columns import INT32, EnumTable, column_bytes, read_int32s
from omegacell.store.proto import log_v1_pb2 as pb

_FAILURES = EnumTable(OnFailure, pb.OnFailure, "ON_FAILURE")
_CAUSES = EnumTable(RevertCause, pb.RevertCause, "REVERT_CAUSE")


def write_policy(message: pb.UpdatePolicy, policy: UpdatePolicy) -> None:
    """Fill an empty message."""
    message.SetInParent()
    message.max_parallel = policy.max_parallel
    message.min_healthy_us = policy.min_healthy_us
    message.deadline_us = policy.deadline_us
    message.on_failure = _FAILURES.to_wire(policy.on_failure)


def read_policy(message: pb.UpdatePolicy) -> UpdatePolicy:
    """Return the policy in a message."""
    return UpdatePolicy(
        max_parallel=message.max_parallel,
        min_healthy_us=message.min_healthy_us,
        deadline_us=message.deadline_us,
        on_failure=_FAILURES.from_wire(message.on_failure),
    )


def write_stop_tasks(message: pb.Command, command: StopTasks) -> None:
    """Fill an empty message."""
    stop = message.stop_tasks
    stop.SetInParent()
    stop.job = command.job
    stop.indices = column_bytes(command.indices, INT32)


def read_stop_tasks(message: pb.Command) -> StopTasks:
    """Return the command in a message."""
    stop = message.stop_tasks
    return StopTasks(job=JobId(stop.job), indices=read_int32s(stop.indices))


def write_revert(message: pb.Command, command: RevertUpdate) -> None:
    """Fill an empty message."""
    revert = message.revert_update
    revert.SetInParent()
    revert.job = command.job
    revert.cause = _CAUSES.to_wire(command.cause)


def read_revert(message: pb.Command) -> RevertUpdate:
    """Return the command in a message."""
    revert = message.revert_update
    return RevertUpdate(job=JobId(revert.job), cause=_CAUSES.from_wire(revert.cause))


def write_finish(message: pb.Command, command: FinishUpdate) -> None:
    """Fill an empty message."""
    message.finish_update.SetInParent()
    message.finish_update.job = command.job


def read_finish(message: pb.Command) -> FinishUpdate:
    """Return the command in a message."""
    return FinishUpdate(job=JobId(message.finish_update.job))
