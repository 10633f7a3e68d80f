"""The part of a job file that says where its tasks may run: models, and their translation to the core's rules.

Constraints, tolerations and wishes are written as short texts (`rule_text`); a text that means nothing is an error at
its own place in the file. Two constraints that no machine can meet together are refused here, both named.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from omegacell.api.rule_text import parse_constraint, parse_toleration
from omegacell.core.constraints import Constraint, find_contradiction
from omegacell.core.placement import (
    MACHINE,
    MAX_WEIGHT,
    NO_RULES,
    Affinity,
    Neighbour,
    PlacementRules,
    Spread,
    Toleration,
)
from omegacell.core.units import MAX_NAME_LENGTH, MAX_TASKS_PER_JOB
from omegacell.core.validate_placement import MAX_VALUE_LENGTH

if TYPE_CHECKING:
    from omegacell.api.spec_model import JobFile

NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,62})$"

JobName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=MAX_NAME_LENGTH)]
Word = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=MAX_VALUE_LENGTH)]
Weight = Annotated[int, Field(ge=1, le=MAX_WEIGHT)]


def _parse_constraint(value: object) -> object:
    return parse_constraint(value) if isinstance(value, str) else value


def _parse_toleration(value: object) -> object:
    return parse_toleration(value) if isinstance(value, str) else value


ConstraintText = Annotated[
    Constraint,
    BeforeValidator(_parse_constraint),
    WithJsonSchema({"type": "string", "examples": ["zone in (a, b)", "cores >= 8", "kernel version >= 5.10"]}),
]
TolerationText = Annotated[
    Toleration,
    BeforeValidator(_parse_toleration),
    WithJsonSchema({"type": "string", "examples": ["dedicated", "dedicated = gpu", "*"]}),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


class PreferPart(_Part):
    """A wish about machines."""

    constraint: ConstraintText = Field(description="as in constraints")
    weight: int = Field(default=50, ge=-MAX_WEIGHT, le=MAX_WEIGHT, description="-100 to 100; below 0: rather not")

    @model_validator(mode="after")
    def _check_weight(self) -> Self:
        if not self.weight:
            raise ValueError("weight: expected -100 to 100, but not 0")
        return self


class NeighbourPart(_Part):
    """Another job, and what must be equal (near) or different (apart)."""

    job: JobName = Field(description="name of the other job, or of this one")
    over: Word = Field(default=MACHINE, description="an attribute of machines; by default the machine itself")
    weight: Weight | None = Field(default=None, description="1 to 100: a wish; without: a rule")


class SpreadPart(_Part):
    """Tasks evenly over the values of an attribute: a rule with max_skew, a wish with weight."""

    over: Word = Field(description="an attribute of machines, such as zone or rack; `machine`: the machine itself")
    max_skew: int | None = Field(default=None, ge=1, le=MAX_TASKS_PER_JOB, description="a rule")
    weight: Weight | None = Field(default=None, description="a wish")
    targets: dict[Word, Annotated[int, Field(ge=0, le=100)]] = Field(
        default_factory=dict, max_length=64, description="of a wish: value to percent of the tasks; evenly without"
    )

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.max_skew is not None and (self.weight is not None or self.targets):
            raise ValueError("expected max_skew (a rule), or weight and perhaps targets (a wish), not both")
        if sum(self.targets.values()) > 100:
            raise ValueError(f"targets: they add up to {sum(self.targets.values())} percent; expected at most 100")
        return self


def rules_of(job: "JobFile") -> PlacementRules:
    """Return what the core must know of a job file's fields about placement."""
    rules = PlacementRules(
        pool=job.pool or "",
        constraints=tuple(job.constraints),
        tolerations=tuple(job.tolerations),
        max_per_machine=job.max_per_machine or 0,
        neighbours=(
            *(_neighbour_of(each, is_apart=False) for each in job.near),
            *(_neighbour_of(each, is_apart=True) for each in job.apart),
        ),
        spreads=tuple(_spread_of(each) for each in job.spread),
        affinities=tuple(Affinity(constraint=each.constraint, weight=each.weight) for each in job.prefer),
    )
    return NO_RULES if rules == NO_RULES else rules


def check_contradiction(constraints: Sequence[Constraint]) -> None:
    """Raise `ValueError` when no machine can meet some of the constraints together; all of them are named."""
    found = [f"'{each}'" for each in find_contradiction(constraints)]
    if found:
        all_ = "both" if len(found) == 2 else "all of"
        words = f"{', '.join(found[:-1])} and {found[-1]}"
        raise ValueError(f"constraints: no machine meets {all_} {words}; drop one of them")


def _neighbour_of(part: NeighbourPart, *, is_apart: bool) -> Neighbour:
    return Neighbour(job=part.job, attribute=part.over, is_apart=is_apart, weight=part.weight or 0)


def _spread_of(part: SpreadPart) -> Spread:
    weight = 0 if part.max_skew is not None else part.weight or 50
    return Spread(attribute=part.over, max_skew=part.max_skew or 0, weight=weight, targets=tuple(part.targets.items()))
