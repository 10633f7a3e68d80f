"""The part of a job file that makes a job a template: a schedule, or parameters; models, and their translation.

What is wrong with a line of cron or a time zone is said here, at its own place in the file.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from omegacell.agent.payload import ExecConfig
from omegacell.controllers.cron import find_line_problem, find_zone_problem
from omegacell.core.jobs import JobSpec
from omegacell.core.templates import (
    MAX_CRON_LENGTH,
    MAX_PARAMETERS,
    MAX_TEMPLATE_NAME_LENGTH,
    CatchUp,
    InputRule,
    Overlap,
    Parameters,
    Schedule,
)

if TYPE_CHECKING:
    from omegacell.api.spec_model import JobFile

PARAMETER_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"
PARAMETER_PREFIX: Final = "OMEGA_PARAM_"
INPUT_VARIABLE: Final = "OMEGA_DISPATCH_INPUT"
INPUT_FILE: Final = "dispatch-input"
MAX_INPUT_BYTES: Final = 256 << 10


def _check_line(line: str) -> str:
    line = " ".join(line.split())
    problem = find_line_problem(line)
    if problem:
        raise ValueError(problem)
    return line


def _check_zone(name: str) -> str:
    problem = find_zone_problem(name)
    if problem:
        raise ValueError(problem)
    return name


ParameterName = Annotated[str, StringConstraints(pattern=PARAMETER_PATTERN)]
ParameterValue = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
CronLine = Annotated[str, StringConstraints(max_length=MAX_CRON_LENGTH), AfterValidator(_check_line)]
ZoneName = Annotated[str, AfterValidator(_check_zone)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class SchedulePart(_Part):
    """When the job is run: at each instant of a line of cron a job of its own is made, its child."""

    cron: CronLine = Field(description="five fields, or six with the second in front, or @daily and the like")
    time_zone: ZoneName = Field(default="UTC", description="in which the line is meant, such as Europe/Berlin")
    overlap: Literal["allow", "skip", "replace"] = Field(
        default="allow", description="when the run before has not ended: another beside it, none, or one in its place"
    )
    catch_up: Literal["none", "last", "all"] = Field(
        default="last", description="instants that passed while the cell was down: which of them are made up for"
    )


class ParametersPart(_Part):
    """What may be said when the job is dispatched; each time a job of its own is made, its child."""

    required: list[ParameterName] = Field(default_factory=list, max_length=MAX_PARAMETERS)
    optional: dict[ParameterName, ParameterValue] = Field(
        default_factory=dict, max_length=MAX_PARAMETERS, description="name to what it is when nobody says it"
    )
    payload: Literal["forbidden", "optional", "required"] = Field(
        default="forbidden", description="whether a file is handed over besides"
    )

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [*self.required, *self.optional]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"parameter {twice[0]!r} stands twice; expected each once, required or optional")
        if len(names) > MAX_PARAMETERS:
            raise ValueError(f"{len(names)} parameters; expected at most {MAX_PARAMETERS}")
        return self


def parse_schedule(value: object) -> object:
    """Take the short form, a line alone."""
    return {"cron": value} if isinstance(value, str) else value


ScheduleField = Annotated[SchedulePart, BeforeValidator(parse_schedule)]


def check_template(job: "JobFile") -> None:
    """Raise `ValueError` when a job cannot be the template that it is meant to be."""
    if job.schedule is None and job.parameters is None:
        return
    what = "parameters" if job.schedule is None else "a schedule"
    if job.schedule is not None and job.parameters is not None:
        raise ValueError("expected one of schedule and parameters: a run on a schedule has nobody to give it any")
    if job.kind != "batch":
        raise ValueError(f"kind: expected kind batch: a {job.kind} with {what} would never end")
    if len(job.name) > MAX_TEMPLATE_NAME_LENGTH:
        raise ValueError(
            f"expected a name of at most {MAX_TEMPLATE_NAME_LENGTH} characters for a job with {what}, found"
            f" {len(job.name)}: the names of its runs begin with it"
        )
    if job.parameters is not None and job.task.exec is None:
        raise ValueError("expected task.exec beside parameters: a simulated task has nobody to read them")


def check_schedule(spec: JobSpec) -> None:
    """Raise `ValueError` when a schedule, from whatever client it comes, is not right."""
    if spec.schedule is not None:
        problem = find_line_problem(spec.schedule.cron) or find_zone_problem(spec.schedule.time_zone)
        if problem:
            raise ValueError(f"schedule: {problem}")


def schedule_of(job: "JobFile") -> Schedule | None:
    """Return the schedule of a job file for the cell."""
    part = job.schedule
    if part is None:
        return None
    overlap, catch_up = Overlap[part.overlap.upper()], CatchUp[part.catch_up.upper()]
    return Schedule(cron=part.cron, time_zone=part.time_zone, overlap=overlap, catch_up=catch_up)


def parameters_of(job: "JobFile") -> Parameters | None:
    """Return the parameters of a job file for the cell, without their defaults."""
    part = job.parameters
    if part is None:
        return None
    return Parameters(
        required=tuple(sorted(part.required)),
        optional=tuple(sorted(part.optional)),
        input=InputRule[part.payload.upper()],
    )


def variable_of(parameter: str) -> str:
    """Return the environment variable in which a task finds a parameter.

    >>> variable_of("level")
    'OMEGA_PARAM_LEVEL'
    """
    return PARAMETER_PREFIX + parameter.upper()


def with_defaults(config: ExecConfig, part: ParametersPart | None) -> ExecConfig:
    """Return what a template's children run, with the defaults of its parameters in their environment."""
    if part is None:
        return config
    defaults = {variable_of(name): value for name, value in part.optional.items()}
    return with_variables(config, defaults)


def with_variables(config: ExecConfig, variables: dict[str, str]) -> ExecConfig:
    """Return a program to run with more environment, which goes before what it has."""
    kept = tuple((name, value) for name, value in config.env if name not in variables)
    return replace(config, env=(*kept, *variables.items()))
