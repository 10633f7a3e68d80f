"""Policies and progress of updates, between their messages and the values that the client and the core have."""

from typing import cast

from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.records_updates import UpdateProgress
from omegacell.core.updates import OnFailure, UpdatePolicy


def write_policy(policy: UpdatePolicy) -> pb.UpdatePolicy:
    """Return the message of a policy."""
    return pb.UpdatePolicy(
        max_parallel=policy.max_parallel,
        min_healthy_us=policy.min_healthy_us,
        deadline_us=policy.deadline_us,
        on_failure=cast("pb.OnFailure", policy.on_failure),
    )


def read_policy(message: pb.UpdatePolicy) -> UpdatePolicy:
    """Return the policy of a message.

    Raises:
        ValueError: The enum's number is unknown.
    """
    return UpdatePolicy(
        max_parallel=message.max_parallel,
        min_healthy_us=message.min_healthy_us,
        deadline_us=message.deadline_us,
        on_failure=OnFailure(message.on_failure),
    )


def read_progress(message: pb.UpdateProgress) -> UpdateProgress:
    """Return how far an update is."""
    return UpdateProgress(
        updated=message.updated,
        changing=message.changing,
        waiting=message.waiting,
        is_revert=message.is_revert,
        stuck_us=message.stuck_us,
        summary=message.summary,
        advice=message.advice,
    )
