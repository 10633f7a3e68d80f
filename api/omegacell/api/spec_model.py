"""The job file as pydantic models: every field, its default, what it may be, and the words that explain it.

This is the reference of which ``docs/reference/jobfile.md`` and ``omega job schema`` speak. Rules: no field is ignored
(an unknown one is an error), nothing is coerced but the friendly quantities. Translation is the business of ``spec``.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from omegacell.agent.device_names import variable_name
from omegacell.api.spec_after import After
from omegacell.api.spec_alloc import adapt_schema, add_task, check_alloc
from omegacell.api.spec_gang import GangPart, check_gang, gang_schema, parse_gang
from omegacell.api.spec_placement import (
    NAME_PATTERN,
    ConstraintText,
    NeighbourPart,
    PreferPart,
    SpreadPart,
    TolerationText,
    check_contradiction,
)
from omegacell.api.spec_quantities import Bytes, Cpu, Duration
from omegacell.api.spec_system import find_system_problems
from omegacell.api.spec_templates import ParametersPart, ScheduleField, check_template
from omegacell.core.units import (
    MAX_ATTRIBUTES,
    MAX_DEPENDENCIES,
    MAX_DEVICE_COUNT,
    MAX_DEVICES_PER_TASK,
    MAX_NAME_LENGTH,
    MAX_PORTS_PER_TASK,
    MAX_TASKS_PER_JOB,
    MAX_TEXT_LENGTH,
)
from omegacell.core.updates import DEFAULT_POLICY
from omegacell.core.validate_placement import MAX_RULES

DEVICE_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$"
MAX_PORT: Final = 65_535
MAX_FILES: Final = 100
MAX_ARGUMENTS: Final = 1_000

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=MAX_NAME_LENGTH)]
PortName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9_]{0,30})$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=255)]
DeviceName = Annotated[str, StringConstraints(pattern=DEVICE_PATTERN, max_length=MAX_NAME_LENGTH)]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[ -~]+$", max_length=MAX_TEXT_LENGTH)]
AttributeValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=MAX_TEXT_LENGTH)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


def _parse_unlimited(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        raise ValueError('expected at least 0, or "unlimited"')
    return -1 if value == "unlimited" else value


MaxRestarts = Annotated[
    int,
    BeforeValidator(_parse_unlimited),
    Field(ge=-1, le=1_000_000),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "unlimited"}]}),
]


MaxUnavailable = Annotated[
    int,
    BeforeValidator(_parse_unlimited),
    Field(ge=-1, le=MAX_TASKS_PER_JOB),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "unlimited"}]}),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


class Priority(_Part):
    """Who goes first: Borg's bands, and a number inside of them."""

    band: Literal["best_effort", "batch", "production", "monitoring"]
    number: int = Field(default=0, ge=0, le=1_000_000, description="higher goes first inside the band")


def _parse_priority(value: object) -> object:
    return {"band": value} if isinstance(value, str) else value


class ResourcesPart(_Part):
    """What one task asks for; a machine promises no more than it has."""

    cpu: Cpu = Field(default=100, ge=1)
    memory: Bytes = Field(default=64 << 20, ge=1)
    disk: Bytes = 0


class LimitsPart(_Part):
    """What one task may use at most; by default its memory and whatever CPU is idle."""

    cpu: Cpu | None = Field(
        default=None, ge=1, description="never more, even when there is more; by default what is idle"
    )
    memory: Bytes | None = Field(default=None, ge=1, description="beyond it the task is killed; by default its memory")


class DevicePart(_Part):
    """Devices of one kind that each task needs for itself."""

    count: int = Field(default=1, ge=1, le=MAX_DEVICE_COUNT, description="how many")
    where: dict[AttributeName, AttributeValue] = Field(
        default_factory=dict, max_length=MAX_ATTRIBUTES, description="attributes that they must have, and their values"
    )


def _parse_device(value: object) -> object:
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Restarts(_Part):
    """What happens to a task whose attempt failed (or, in a service, ended)."""

    max: MaxRestarts | None = Field(default=None, description='batch: 0 unless given; others: "unlimited"')
    delay: Duration = Field(default=1_000_000, description="base of the growing pause between attempts")


class FilePart(_Part):
    """A small file that stands in the working folder before the command runs."""

    content: Text
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = Field(
        default="644", description="permission bits, octal, in quotes"
    )


def _parse_file(value: object) -> object:
    return {"content": value} if isinstance(value, str) else value


class ExecPart(_Part):
    """A program to run: ``command`` with ``args``, or a ``script`` for /bin/sh."""

    command: Annotated[str, StringConstraints(pattern=r"^[^\x00]+$")] | None = Field(
        default=None, description="the program: an absolute path, or a name looked up in PATH"
    )
    args: list[Text] = Field(default_factory=list, max_length=MAX_ARGUMENTS)
    script: Annotated[str, StringConstraints(pattern=r"^[^\x00]+$")] | None = Field(
        default=None, description="lines for `/bin/sh -c`, instead of a command"
    )
    env: dict[VariableName, Text] = Field(default_factory=dict, max_length=MAX_ARGUMENTS)
    user: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$")] | None = Field(
        default=None, description="who to run as; by default the agent's choice"
    )
    files: dict[str, Annotated[FilePart, BeforeValidator(_parse_file)]] = Field(
        default_factory=dict, max_length=MAX_FILES, description="relative path to content"
    )
    pids: int = Field(default=0, ge=0, le=1_000_000, description="limit of processes and threads; 0: the default")
    cpu_capped: bool = Field(
        default=False, description="never more CPU than asked for: the same as `limits.cpu` equal to `resources.cpu`"
    )

    @model_validator(mode="after")
    def _check_program(self) -> Self:
        if (self.command is None) == (self.script is None):
            raise ValueError("expected exactly one of command and script")
        if self.script is not None and self.args:
            raise ValueError("expected no args beside a script; write them into it")
        return self

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        for path in self.files:
            parts = path.split("/")
            if not path or path.startswith("/") or "\0" in path or any(part in {"", ".", ".."} for part in parts):
                raise ValueError(f"file {path[:60]!r}: expected a path inside the working folder, without '..'")
        return self


class SimulatedPart(_Part):
    """A task that only pretends, on simulated machines."""

    duration: Duration | Literal["forever"] = 1_000_000
    exit_code: int = Field(default=0, ge=0, le=255)


class HealthPart(_Part):
    """An HTTP check: a GET that must be answered with a status below 400."""

    port: PortName = Field(description="the name of one of the job's ports")
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=1024)] = "/"
    interval: Duration = Field(default=5_000_000, ge=100_000)
    timeout: Duration = Field(default=2_000_000, ge=10_000)
    grace: Duration = Field(default=10_000_000, description="after the start, before failures count")
    healthy_after: int = Field(default=1, ge=1, le=1000)
    unhealthy_after: int = Field(default=3, ge=1, le=1000)


class LogsPart(_Part):
    """How much of each output is kept."""

    limit: Bytes = Field(default=8 << 20, ge=64 << 10, le=1 << 40)


class TaskPart(_Part):
    """What each task runs: exactly one driver's part, and how it is watched."""

    exec: ExecPart | None = None
    simulated: SimulatedPart | None = None
    health: HealthPart | None = None
    logs: LogsPart = Field(default_factory=LogsPart)

    @model_validator(mode="after")
    def _check_driver(self) -> Self:
        if (self.exec is None) == (self.simulated is None):
            raise ValueError("expected exactly one of exec and simulated")
        if self.simulated is not None and self.health is not None:
            raise ValueError("expected no health check: a simulated task answers none")
        return self


class UpdatePart(_Part):
    """How a running service is updated, an index at a time or several."""

    max_parallel: int = Field(
        default=DEFAULT_POLICY.max_parallel, ge=1, le=MAX_TASKS_PER_JOB, description="tasks replaced at a time"
    )
    min_healthy: Duration = Field(
        default=DEFAULT_POLICY.min_healthy_us,
        description="how long a new task is available before the next",
    )
    deadline: Duration = Field(
        default=DEFAULT_POLICY.deadline_us, ge=1, description="without a step for so long, the update is stuck"
    )
    on_failure: Literal["pause", "revert"] = Field(default="pause", description="what becomes of it then")

    @model_validator(mode="after")
    def _check_deadline(self) -> Self:
        if self.deadline <= self.min_healthy:
            raise ValueError("update.deadline: expected more than update.min_healthy: no update could be in time")
        return self


class JobFile(_Part):
    """A job: tasks submitted together, of one owner, one priority and one spec."""

    name: Name = Field(description="unique among the cell's jobs")
    owner: Name | None = Field(default=None, description="who answers for it; by default who submits it")
    kind: Literal["batch", "service", "system", "alloc"] = Field(
        default="batch",
        description="system: a service with one task on every machine that matches; alloc: a set of reservations",
    )
    alloc: Name | None = Field(default=None, description="the alloc set inside whose allocs the tasks run")
    scheduler: Name | None = Field(default=None, description="who places it; by default the kind's")
    priority: Annotated[Priority, BeforeValidator(_parse_priority)] | None = Field(
        default=None, description="a band, or {band, number}; by default batch for batch jobs, else production"
    )
    count: int = Field(default=1, ge=1, le=MAX_TASKS_PER_JOB, description="how many tasks; not for system jobs")
    resources: ResourcesPart = Field(default_factory=ResourcesPart)
    limits: LimitsPart = Field(default_factory=LimitsPart, description="at least what is asked for")
    app_class: Literal["latency_sensitive", "batch"] | None = Field(
        default=None,
        alias="class",
        description="who gets a busy CPU first; by default batch for batch jobs, else latency_sensitive",
    )
    devices: dict[DeviceName, Annotated[DevicePart, BeforeValidator(_parse_device)]] = Field(
        default_factory=dict, max_length=MAX_DEVICES_PER_TASK, description="name to count, or to {count, where}"
    )
    ports: dict[PortName, Annotated[int, Field(ge=0, le=MAX_PORT)]] = Field(
        default_factory=dict, max_length=MAX_PORTS_PER_TASK, description="name to number; 0: the cell grants one"
    )
    gang: Annotated[GangPart | None, BeforeValidator(parse_gang), WithJsonSchema(gang_schema())] = Field(
        default=None, description="place all tasks together, or none; or groups of them: {size, min}"
    )
    pool: Name | None = Field(default=None, description="pool of machines; `all`: any; by default the pool `default`")
    constraints: list[ConstraintText] = Field(default_factory=list, max_length=MAX_RULES)
    prefer: list[PreferPart] = Field(default_factory=list, max_length=MAX_RULES)
    tolerations: list[TolerationText] = Field(
        default_factory=list, max_length=MAX_RULES, description="taints that do not keep the tasks away"
    )
    max_per_machine: int | None = Field(default=None, ge=1, le=MAX_TASKS_PER_JOB)
    near: list[NeighbourPart] = Field(default_factory=list, max_length=MAX_RULES // 2)
    apart: list[NeighbourPart] = Field(default_factory=list, max_length=MAX_RULES // 2)
    spread: list[SpreadPart] = Field(default_factory=list, max_length=MAX_RULES)
    after: list[After] = Field(
        default_factory=list,
        max_length=MAX_DEPENDENCIES,
        description="jobs that it waits for: names, or {job, is: succeeded | ended | available}",
    )
    restarts: Restarts = Field(default_factory=Restarts)
    max_unavailable: MaxUnavailable | None = Field(
        default=None,
        description="tasks that may be unavailable when a drain takes one more away; 0 keeps drains from finishing;"
        ' service and alloc: 1 unless given; batch and system: "unlimited"',
    )
    time_limit: Duration | None = Field(
        default=None,
        ge=1,
        description="how long one attempt may run before its machine ends it, which counts as a failure",
    )
    deadline: Duration | None = Field(
        default=None, ge=1, description="how long after its submission the job is stopped, waiting counted in"
    )
    update: UpdatePart | None = Field(default=None, description="how a running service is replaced by another spec")
    grace: Duration = Field(default=5_000_000, description="between SIGTERM and SIGKILL")
    on_partition: Literal["stop", "continue"] = Field(
        default="stop", description="what a machine does with its tasks when it lost the cell for longer than its lease"
    )
    schedule: ScheduleField | None = Field(
        default=None, description="runs it again and again: a line of cron, or {cron, time_zone, overlap, catch_up}"
    )
    parameters: ParametersPart | None = Field(
        default=None, description="it runs when `omega job dispatch` says so, with these parameters"
    )
    task: TaskPart

    @model_validator(mode="before")
    @classmethod
    def _add_task(cls, value: Any) -> Any:
        return add_task(value)

    @model_validator(mode="after")
    def _check_alloc(self) -> Self:
        check_alloc(self)
        return self

    @model_validator(mode="after")
    def _check_template(self) -> Self:
        check_template(self)
        return self

    @model_validator(mode="after")
    def _check_gang(self) -> Self:
        check_gang(self.gang, count=self.count)
        return self

    @model_validator(mode="after")
    def _check_update(self) -> Self:
        if self.update is not None and self.kind != "service":
            raise ValueError("update: expected only in a service; a batch job is begun anew with --replace")
        return self

    @model_validator(mode="after")
    def _check_constraints(self) -> Self:
        check_contradiction(self.constraints)
        return self

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        problems = [*self._find_system(), *self._find_limits(), *self._find_devices(), *self._find_ports()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _find_system(self) -> Iterator[str]:
        if self.kind == "system":
            yield from find_system_problems({field: getattr(self, field) for field in self.model_fields_set})

    def _find_limits(self) -> Iterator[str]:
        for name, asked, limit in (
            ("cpu", self.resources.cpu, self.limits.cpu),
            ("memory", self.resources.memory, self.limits.memory),
        ):
            if limit is not None and limit < asked:
                least, found = (f"{each / 1_000:.12g}" if name == "cpu" else f"{each} bytes" for each in (asked, limit))
                yield f"limits.{name}: expected at least resources.{name} ({least}), found {found}"
        if self.limits.cpu is not None and self.task.exec is not None and self.task.exec.cpu_capped:
            yield "expected one of limits.cpu and task.exec.cpu_capped: the one caps the CPU at what it says"

    def _find_devices(self) -> Iterator[str]:
        variables: dict[str, str] = {}
        for name in self.devices:
            other = variables.setdefault(variable_name(name), name)
            if other != name:
                variable = f"OMEGA_DEVICE_{variable_name(name)}"
                yield f"devices: {other!r} and {name!r} would both be {variable} to the task"

    def _find_ports(self) -> Iterator[str]:
        if self.task.health is not None and self.task.health.port not in self.ports:
            known = ", ".join(self.ports) or "none"
            yield f"task.health.port: expected one of the job's ports ({known}), found {self.task.health.port!r}"
        numbers = [number for number in self.ports.values() if number]
        if len(set(numbers)) != len(numbers):
            yield "ports: expected different numbers"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a job file."""
    schema = JobFile.model_json_schema()
    adapt_schema(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
