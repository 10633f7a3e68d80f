"""Spells what holds tasks, and the commands about it, in transcripts."""

import numpy as np

from omegacell.core.columns import Int32s
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.units import JobId


def read_after(text: str) -> tuple[Dependency, ...]:
    """Read ``after=JOB,JOB:CONDITION``."""
    parts = [word.partition(":") for word in text.split(",") if word]
    named = [(job, Condition[condition.upper()] if condition else Condition.SUCCEEDED) for job, _, condition in parts]
    return tuple(Dependency(job=job, condition=condition) for job, condition in sorted(named))


def write_after(after: tuple[Dependency, ...]) -> str:
    """Write what `read_after` reads, with a space before it; nothing for nothing."""
    return " after=" * bool(after) + ",".join(f"{each.job}:{each.condition.name.lower()}" for each in after)


def read_release(words: list[str]) -> ReleaseTasks:
    """Read ``release JOB I ...``."""
    return ReleaseTasks(job=JobId(int(words[0])), indices=_read_indices(words[1:]))


def read_hold(words: list[str]) -> HoldTasks:
    """Read ``hold JOB I ...``."""
    return HoldTasks(job=JobId(int(words[0])), indices=_read_indices(words[1:]))


def read_grow(words: list[str]) -> GrowSystemJob:
    """Read ``grow JOB``."""
    return GrowSystemJob(job=JobId(int(words[0])))


def write_holds(command: ReleaseTasks | HoldTasks | GrowSystemJob) -> str:
    """Write a release, the opposite, or a growth."""
    if isinstance(command, GrowSystemJob):
        return f"grow {command.job}"
    word = "release" if isinstance(command, ReleaseTasks) else "hold"
    return " ".join([f"{word} {command.job}", *map(str, command.indices.tolist())])


def _read_indices(words: list[str]) -> Int32s:
    return np.array([int(word) for word in words], np.int32)
