"""Spells policies of updates, and the commands of an update, in transcripts."""

from collections.abc import Callable

import numpy as np

from omegacell.core.units import SECOND_US, JobId
from omegacell.core.updates import FinishUpdate, OnFailure, RevertCause, RevertUpdate, StopTasks, UpdatePolicy

Step = StopTasks | RevertUpdate | FinishUpdate


def read_policy(text: str) -> UpdatePolicy | None:
    """Read ``policy=MAX_PARALLEL:MIN_HEALTHY_US:DEADLINE_US:ON_FAILURE``; parts at the end may be left out."""
    if not text:
        return None
    parallel, healthy, deadline, failure, *_ = [*text.split(":"), "", "", ""]
    return UpdatePolicy(
        max_parallel=int(parallel),
        min_healthy_us=int(healthy or 0),
        deadline_us=int(deadline or 300 * SECOND_US),
        on_failure=OnFailure[(failure or "pause").upper()],
    )


def write_policy(policy: UpdatePolicy | None) -> str:
    """Write what `read_policy` reads, with a space before it; nothing for nothing."""
    if policy is None:
        return ""
    numbers = f"{policy.max_parallel}:{policy.min_healthy_us}:{policy.deadline_us}"
    return f" policy={numbers}:{policy.on_failure.name.lower()}"


def read_stop_tasks(words: list[str], _: dict[str, str]) -> StopTasks:
    """Read ``stop-tasks JOB I ...``."""
    return StopTasks(job=JobId(int(words[0])), indices=np.array([int(word) for word in words[1:]], np.int32))


def read_revert(words: list[str], options: dict[str, str]) -> RevertUpdate:
    """Read ``revert JOB cause=CAUSE``."""
    return RevertUpdate(job=JobId(int(words[0])), cause=RevertCause[options.get("cause", "asked").upper()])


UPDATE_READERS: dict[str, Callable[[list[str], dict[str, str]], Step]] = {
    "stop-tasks": read_stop_tasks,
    "revert": read_revert,
    "finish": lambda words, _: FinishUpdate(job=JobId(int(words[0]))),
}


def write_step(command: Step) -> str:
    """Write a command of an update."""
    match command:
        case StopTasks():
            return " ".join([f"stop-tasks {command.job}", *map(str, command.indices.tolist())])
        case RevertUpdate():
            return f"revert {command.job} cause={command.cause.name.lower()}"
        case FinishUpdate():
            return f"finish {command.job}"
