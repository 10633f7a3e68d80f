"""Spells what holds tasks, and the commands about it, in transcripts."""

import numpy as np

from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.hold_commands import ReleaseTasks
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
    return ReleaseTasks(job=JobId(int(words[0])), indices=np.array([int(word) for word in words[1:]], np.int32))


def write_release(command: ReleaseTasks) -> str:
    """Write a release."""
    return " ".join([f"release {command.job}", *map(str, command.indices.tolist())])
