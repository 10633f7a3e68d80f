"""The gang of a job file: ``true``, or how many tasks stand together and how many of them at least."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from omegacell.core.jobs import Gang
from omegacell.core.units import MAX_TASKS_PER_JOB

GANG_EXPECTED = "expected true or false, or {size, min}"


class GangPart(BaseModel):
    """Tasks that are placed together, or not at all."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    size: int | None = Field(
        default=None, ge=2, le=MAX_TASKS_PER_JOB, description="tasks in a group, in order of index; by default all"
    )
    min: int | None = Field(
        default=None, ge=1, le=MAX_TASKS_PER_JOB, description="of a group, how many there must be room for; all"
    )

    @model_validator(mode="after")
    def _check_min(self) -> Self:
        if self.size is not None and self.min is not None and self.min > self.size:
            raise ValueError(f"expected a min of at most its size ({self.size}), found {self.min}")
        return self


def parse_gang(value: object) -> object:
    """Return what a gang is written as, in full; whatever it is not, pydantic refuses."""
    if isinstance(value, bool):
        return {} if value else None
    if value is not None and not isinstance(value, dict | GangPart):
        raise ValueError(GANG_EXPECTED)
    return value


def gang_schema() -> dict[str, Any]:
    """Return what editors are told of it."""
    return {"anyOf": [{"type": "boolean"}, GangPart.model_json_schema()], "default": False}


def check_gang(gang: GangPart | None, *, count: int) -> None:
    """Raise `ValueError` when more tasks of the job are to be placed at once than it has."""
    if gang is not None and gang.min is not None and gang.size is None and gang.min > count:
        raise ValueError(f"gang.min: expected at most count ({count}), found {gang.min}")


def gang_of(gang: GangPart | None) -> Gang | None:
    """Return what the cell keeps to."""
    return None if gang is None else Gang(size=gang.size or 0, least=gang.min or 0)


def describe_gang(gang: Gang) -> str:
    """Return a gang in words, as far as it is not simply the whole job.

    >>> describe_gang(Gang()), describe_gang(Gang(size=4, least=3)), describe_gang(Gang(least=5))
    ('gang', 'gangs of 4, at least 3', 'gang, at least 5')
    """
    words = f"gangs of {gang.size}" if gang.size else "gang"
    return f"{words}, at least {gang.least}" if gang.least else words
