from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_BATCH: _ClassVar[Kind]
    KIND_SERVICE: _ClassVar[Kind]
    KIND_SYSTEM: _ClassVar[Kind]
    KIND_ALLOC: _ClassVar[Kind]

class Band(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BAND_BEST_EFFORT: _ClassVar[Band]
    BAND_BATCH: _ClassVar[Band]
    BAND_PRODUCTION: _ClassVar[Band]
    BAND_MONITORING: _ClassVar[Band]

class OnPartition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_PARTITION_STOP: _ClassVar[OnPartition]
    ON_PARTITION_CONTINUE: _ClassVar[OnPartition]

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATE_PENDING: _ClassVar[TaskState]
    TASK_STATE_PLACED: _ClassVar[TaskState]
    TASK_STATE_RUNNING: _ClassVar[TaskState]
    TASK_STATE_HELD: _ClassVar[TaskState]
    TASK_STATE_SUCCEEDED: _ClassVar[TaskState]
    TASK_STATE_FAILED: _ClassVar[TaskState]
    TASK_STATE_STOPPED: _ClassVar[TaskState]
    TASK_STATE_LOST: _ClassVar[TaskState]
    TASK_STATE_EVICTED: _ClassVar[TaskState]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_PENDING: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_STOPPING: _ClassVar[JobState]
    JOB_STATE_HELD: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_STOPPED: _ClassVar[JobState]

class OnFailure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_FAILURE_PAUSE: _ClassVar[OnFailure]
    ON_FAILURE_REVERT: _ClassVar[OnFailure]

class Overlap(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERLAP_ALLOW: _ClassVar[Overlap]
    OVERLAP_SKIP: _ClassVar[Overlap]
    OVERLAP_REPLACE: _ClassVar[Overlap]

class CatchUp(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CATCH_UP_NONE: _ClassVar[CatchUp]
    CATCH_UP_LAST: _ClassVar[CatchUp]
    CATCH_UP_ALL: _ClassVar[CatchUp]

class InputRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INPUT_RULE_FORBIDDEN: _ClassVar[InputRule]
    INPUT_RULE_OPTIONAL: _ClassVar[InputRule]
    INPUT_RULE_REQUIRED: _ClassVar[InputRule]

class Condition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONDITION_SUCCEEDED: _ClassVar[Condition]
    CONDITION_ENDED: _ClassVar[Condition]
    CONDITION_AVAILABLE: _ClassVar[Condition]

class Change(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_NONE: _ClassVar[Change]
    CHANGE_CREATED: _ClassVar[Change]
    CHANGE_UNCHANGED: _ClassVar[Change]
    CHANGE_SCALED: _ClassVar[Change]
    CHANGE_REPLACED: _ClassVar[Change]
    CHANGE_ADJUSTED: _ClassVar[Change]
    CHANGE_UPDATED: _ClassVar[Change]

class ExitNote(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXIT_NOTE_NONE: _ClassVar[ExitNote]
    EXIT_NOTE_UNKNOWN: _ClassVar[ExitNote]
    EXIT_NOTE_OUT_OF_MEMORY: _ClassVar[ExitNote]
    EXIT_NOTE_START_FAILED: _ClassVar[ExitNote]
    EXIT_NOTE_UNHEALTHY: _ClassVar[ExitNote]
    EXIT_NOTE_FENCED: _ClassVar[ExitNote]
    EXIT_NOTE_TIME_LIMIT: _ClassVar[ExitNote]

class LogStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_STREAM_STDOUT: _ClassVar[LogStream]
    LOG_STREAM_STDERR: _ClassVar[LogStream]

class PlanAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAN_ACTION_KEPT: _ClassVar[PlanAction]
    PLAN_ACTION_ADDED: _ClassVar[PlanAction]
    PLAN_ACTION_MOVED: _ClassVar[PlanAction]
    PLAN_ACTION_RESTARTED: _ClassVar[PlanAction]
    PLAN_ACTION_STOPPED: _ClassVar[PlanAction]
    PLAN_ACTION_EVICTED: _ClassVar[PlanAction]
    PLAN_ACTION_PENDING: _ClassVar[PlanAction]
    PLAN_ACTION_HELD: _ClassVar[PlanAction]

class MachineState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MACHINE_STATE_JOINING: _ClassVar[MachineState]
    MACHINE_STATE_UP: _ClassVar[MachineState]
    MACHINE_STATE_DOWN: _ClassVar[MachineState]

class Eligibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ELIGIBILITY_OPEN: _ClassVar[Eligibility]
    ELIGIBILITY_CORDONED: _ClassVar[Eligibility]
    ELIGIBILITY_DRAINING: _ClassVar[Eligibility]

class DrainHold(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRAIN_HOLD_ENDING: _ClassVar[DrainHold]
    DRAIN_HOLD_TURN: _ClassVar[DrainHold]
    DRAIN_HOLD_BUDGET: _ClassVar[DrainHold]
    DRAIN_HOLD_SILENT: _ClassVar[DrainHold]
    DRAIN_HOLD_INSIDE: _ClassVar[DrainHold]
    DRAIN_HOLD_STRANDED: _ClassVar[DrainHold]
KIND_BATCH: Kind
KIND_SERVICE: Kind
KIND_SYSTEM: Kind
KIND_ALLOC: Kind
BAND_BEST_EFFORT: Band
BAND_BATCH: Band
BAND_PRODUCTION: Band
BAND_MONITORING: Band
ON_PARTITION_STOP: OnPartition
ON_PARTITION_CONTINUE: OnPartition
TASK_STATE_PENDING: TaskState
TASK_STATE_PLACED: TaskState
TASK_STATE_RUNNING: TaskState
TASK_STATE_HELD: TaskState
TASK_STATE_SUCCEEDED: TaskState
TASK_STATE_FAILED: TaskState
TASK_STATE_STOPPED: TaskState
TASK_STATE_LOST: TaskState
TASK_STATE_EVICTED: TaskState
JOB_STATE_PENDING: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_STOPPING: JobState
JOB_STATE_HELD: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_STOPPED: JobState
ON_FAILURE_PAUSE: OnFailure
ON_FAILURE_REVERT: OnFailure
OVERLAP_ALLOW: Overlap
OVERLAP_SKIP: Overlap
OVERLAP_REPLACE: Overlap
CATCH_UP_NONE: CatchUp
CATCH_UP_LAST: CatchUp
CATCH_UP_ALL: CatchUp
INPUT_RULE_FORBIDDEN: InputRule
INPUT_RULE_OPTIONAL: InputRule
INPUT_RULE_REQUIRED: InputRule
CONDITION_SUCCEEDED: Condition
CONDITION_ENDED: Condition
CONDITION_AVAILABLE: Condition
CHANGE_NONE: Change
CHANGE_CREATED: Change
CHANGE_UNCHANGED: Change
CHANGE_SCALED: Change
CHANGE_REPLACED: Change
CHANGE_ADJUSTED: Change
CHANGE_UPDATED: Change
EXIT_NOTE_NONE: ExitNote
EXIT_NOTE_UNKNOWN: ExitNote
EXIT_NOTE_OUT_OF_MEMORY: ExitNote
EXIT_NOTE_START_FAILED: ExitNote
EXIT_NOTE_UNHEALTHY: ExitNote
EXIT_NOTE_FENCED: ExitNote
EXIT_NOTE_TIME_LIMIT: ExitNote
LOG_STREAM_STDOUT: LogStream
LOG_STREAM_STDERR: LogStream
PLAN_ACTION_KEPT: PlanAction
PLAN_ACTION_ADDED: PlanAction
PLAN_ACTION_MOVED: PlanAction
PLAN_ACTION_RESTARTED: PlanAction
PLAN_ACTION_STOPPED: PlanAction
PLAN_ACTION_EVICTED: PlanAction
PLAN_ACTION_PENDING: PlanAction
PLAN_ACTION_HELD: PlanAction
MACHINE_STATE_JOINING: MachineState
MACHINE_STATE_UP: MachineState
MACHINE_STATE_DOWN: MachineState
ELIGIBILITY_OPEN: Eligibility
ELIGIBILITY_CORDONED: Eligibility
ELIGIBILITY_DRAINING: Eligibility
DRAIN_HOLD_ENDING: DrainHold
DRAIN_HOLD_TURN: DrainHold
DRAIN_HOLD_BUDGET: DrainHold
DRAIN_HOLD_SILENT: DrainHold
DRAIN_HOLD_INSIDE: DrainHold
DRAIN_HOLD_STRANDED: DrainHold

class At(_message.Message):
    __slots__ = ("revision", "incarnation")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    incarnation: str
    def __init__(self, revision: _Optional[int] = ..., incarnation: _Optional[str] = ...) -> None: ...

class Port(_message.Message):
    __slots__ = ("name", "number")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class DeviceRequest(_message.Message):
    __slots__ = ("name", "count", "where")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    where: _containers.RepeatedCompositeFieldContainer[Attribute]
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ..., where: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ...) -> None: ...

class Resources(_message.Message):
    __slots__ = ("cpu_milli", "memory_bytes", "disk_bytes")
    CPU_MILLI_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    cpu_milli: int
    memory_bytes: int
    disk_bytes: int
    def __init__(self, cpu_milli: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ...) -> None: ...

class PlacementRules(_message.Message):
    __slots__ = ("pool", "constraints", "tolerations", "max_per_machine", "neighbours", "spreads", "affinities")
    POOL_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    TOLERATIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_PER_MACHINE_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    SPREADS_FIELD_NUMBER: _ClassVar[int]
    AFFINITIES_FIELD_NUMBER: _ClassVar[int]
    pool: str
    constraints: _containers.RepeatedScalarFieldContainer[str]
    tolerations: _containers.RepeatedScalarFieldContainer[str]
    max_per_machine: int
    neighbours: _containers.RepeatedCompositeFieldContainer[Neighbour]
    spreads: _containers.RepeatedCompositeFieldContainer[Spread]
    affinities: _containers.RepeatedCompositeFieldContainer[Affinity]
    def __init__(self, pool: _Optional[str] = ..., constraints: _Optional[_Iterable[str]] = ..., tolerations: _Optional[_Iterable[str]] = ..., max_per_machine: _Optional[int] = ..., neighbours: _Optional[_Iterable[_Union[Neighbour, _Mapping]]] = ..., spreads: _Optional[_Iterable[_Union[Spread, _Mapping]]] = ..., affinities: _Optional[_Iterable[_Union[Affinity, _Mapping]]] = ...) -> None: ...

class Neighbour(_message.Message):
    __slots__ = ("job", "attribute", "is_apart", "weight")
    JOB_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    IS_APART_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    job: str
    attribute: str
    is_apart: bool
    weight: int
    def __init__(self, job: _Optional[str] = ..., attribute: _Optional[str] = ..., is_apart: _Optional[bool] = ..., weight: _Optional[int] = ...) -> None: ...

class SpreadTarget(_message.Message):
    __slots__ = ("value", "percent")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    value: str
    percent: int
    def __init__(self, value: _Optional[str] = ..., percent: _Optional[int] = ...) -> None: ...

class Spread(_message.Message):
    __slots__ = ("attribute", "max_skew", "weight", "targets")
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    MAX_SKEW_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    attribute: str
    max_skew: int
    weight: int
    targets: _containers.RepeatedCompositeFieldContainer[SpreadTarget]
    def __init__(self, attribute: _Optional[str] = ..., max_skew: _Optional[int] = ..., weight: _Optional[int] = ..., targets: _Optional[_Iterable[_Union[SpreadTarget, _Mapping]]] = ...) -> None: ...

class Affinity(_message.Message):
    __slots__ = ("constraint", "weight")
    CONSTRAINT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    constraint: str
    weight: int
    def __init__(self, constraint: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class UpdatePolicy(_message.Message):
    __slots__ = ("max_parallel", "min_healthy_us", "deadline_us", "on_failure")
    MAX_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    MIN_HEALTHY_US_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    max_parallel: int
    min_healthy_us: int
    deadline_us: int
    on_failure: OnFailure
    def __init__(self, max_parallel: _Optional[int] = ..., min_healthy_us: _Optional[int] = ..., deadline_us: _Optional[int] = ..., on_failure: _Optional[_Union[OnFailure, str]] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ("cron", "time_zone", "overlap", "catch_up")
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    CATCH_UP_FIELD_NUMBER: _ClassVar[int]
    cron: str
    time_zone: str
    overlap: Overlap
    catch_up: CatchUp
    def __init__(self, cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., overlap: _Optional[_Union[Overlap, str]] = ..., catch_up: _Optional[_Union[CatchUp, str]] = ...) -> None: ...

class Parameters(_message.Message):
    __slots__ = ("required", "optional", "input")
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    required: _containers.RepeatedScalarFieldContainer[str]
    optional: _containers.RepeatedScalarFieldContainer[str]
    input: InputRule
    def __init__(self, required: _Optional[_Iterable[str]] = ..., optional: _Optional[_Iterable[str]] = ..., input: _Optional[_Union[InputRule, str]] = ...) -> None: ...

class Gang(_message.Message):
    __slots__ = ("size", "least")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    size: int
    least: int
    def __init__(self, size: _Optional[int] = ..., least: _Optional[int] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("name", "owner", "kind", "scheduler", "band", "priority", "count", "resources", "driver", "ports", "max_restarts", "restart_delay_us", "grace_us", "on_partition", "payload", "placement", "devices", "max_unavailable", "is_health_checked", "update", "schedule", "parameters", "alloc", "after", "max_run_us", "gang", "deadline_us")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    MAX_RESTARTS_FIELD_NUMBER: _ClassVar[int]
    RESTART_DELAY_US_FIELD_NUMBER: _ClassVar[int]
    GRACE_US_FIELD_NUMBER: _ClassVar[int]
    ON_PARTITION_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    MAX_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    IS_HEALTH_CHECKED_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ALLOC_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    MAX_RUN_US_FIELD_NUMBER: _ClassVar[int]
    GANG_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    name: str
    owner: str
    kind: Kind
    scheduler: str
    band: Band
    priority: int
    count: int
    resources: Resources
    driver: str
    ports: _containers.RepeatedCompositeFieldContainer[Port]
    max_restarts: int
    restart_delay_us: int
    grace_us: int
    on_partition: OnPartition
    payload: bytes
    placement: PlacementRules
    devices: _containers.RepeatedCompositeFieldContainer[DeviceRequest]
    max_unavailable: int
    is_health_checked: bool
    update: UpdatePolicy
    schedule: Schedule
    parameters: Parameters
    alloc: str
    after: _containers.RepeatedCompositeFieldContainer[Dependency]
    max_run_us: int
    gang: Gang
    deadline_us: int
    def __init__(self, name: _Optional[str] = ..., owner: _Optional[str] = ..., kind: _Optional[_Union[Kind, str]] = ..., scheduler: _Optional[str] = ..., band: _Optional[_Union[Band, str]] = ..., priority: _Optional[int] = ..., count: _Optional[int] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., driver: _Optional[str] = ..., ports: _Optional[_Iterable[_Union[Port, _Mapping]]] = ..., max_restarts: _Optional[int] = ..., restart_delay_us: _Optional[int] = ..., grace_us: _Optional[int] = ..., on_partition: _Optional[_Union[OnPartition, str]] = ..., payload: _Optional[bytes] = ..., placement: _Optional[_Union[PlacementRules, _Mapping]] = ..., devices: _Optional[_Iterable[_Union[DeviceRequest, _Mapping]]] = ..., max_unavailable: _Optional[int] = ..., is_health_checked: _Optional[bool] = ..., update: _Optional[_Union[UpdatePolicy, _Mapping]] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ..., parameters: _Optional[_Union[Parameters, _Mapping]] = ..., alloc: _Optional[str] = ..., after: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., max_run_us: _Optional[int] = ..., gang: _Optional[_Union[Gang, _Mapping]] = ..., deadline_us: _Optional[int] = ...) -> None: ...

class Dependency(_message.Message):
    __slots__ = ("job", "condition")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    job: str
    condition: Condition
    def __init__(self, job: _Optional[str] = ..., condition: _Optional[_Union[Condition, str]] = ...) -> None: ...

class SubmitJobRequest(_message.Message):
    __slots__ = ("spec", "replace")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    spec: JobSpec
    replace: bool
    def __init__(self, spec: _Optional[_Union[JobSpec, _Mapping]] = ..., replace: _Optional[bool] = ...) -> None: ...

class SubmitJobResponse(_message.Message):
    __slots__ = ("at", "job_id", "change", "warnings")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    at: At
    job_id: int
    change: Change
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., job_id: _Optional[int] = ..., change: _Optional[_Union[Change, str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class SubmitJobsRequest(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[SubmitJobRequest]
    def __init__(self, jobs: _Optional[_Iterable[_Union[SubmitJobRequest, _Mapping]]] = ...) -> None: ...

class SubmitResult(_message.Message):
    __slots__ = ("job_id", "change", "revision", "reason", "message", "warnings")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    change: Change
    revision: int
    reason: str
    message: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_id: _Optional[int] = ..., change: _Optional[_Union[Change, str]] = ..., revision: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class SubmitJobsResponse(_message.Message):
    __slots__ = ("at", "results")
    AT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    at: At
    results: _containers.RepeatedCompositeFieldContainer[SubmitResult]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., results: _Optional[_Iterable[_Union[SubmitResult, _Mapping]]] = ...) -> None: ...

class RevertJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RevertJobResponse(_message.Message):
    __slots__ = ("at", "job_id")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    at: At
    job_id: int
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., job_id: _Optional[int] = ...) -> None: ...

class UpdateProgress(_message.Message):
    __slots__ = ("updated", "changing", "waiting", "is_revert", "stuck_us")
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    CHANGING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    IS_REVERT_FIELD_NUMBER: _ClassVar[int]
    STUCK_US_FIELD_NUMBER: _ClassVar[int]
    updated: int
    changing: int
    waiting: int
    is_revert: bool
    stuck_us: int
    def __init__(self, updated: _Optional[int] = ..., changing: _Optional[int] = ..., waiting: _Optional[int] = ..., is_revert: _Optional[bool] = ..., stuck_us: _Optional[int] = ...) -> None: ...

class DispatchJobRequest(_message.Message):
    __slots__ = ("job", "parameters", "payload", "name", "token", "is_trigger")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    IS_TRIGGER_FIELD_NUMBER: _ClassVar[int]
    job: str
    parameters: _containers.ScalarMap[str, str]
    payload: bytes
    name: str
    token: str
    is_trigger: bool
    def __init__(self, job: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ..., payload: _Optional[bytes] = ..., name: _Optional[str] = ..., token: _Optional[str] = ..., is_trigger: _Optional[bool] = ...) -> None: ...

class DispatchJobResponse(_message.Message):
    __slots__ = ("at", "job_id", "name", "existed")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    at: At
    job_id: int
    name: str
    existed: bool
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., job_id: _Optional[int] = ..., name: _Optional[str] = ..., existed: _Optional[bool] = ...) -> None: ...

class StopJobRequest(_message.Message):
    __slots__ = ("name", "with_children")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WITH_CHILDREN_FIELD_NUMBER: _ClassVar[int]
    name: str
    with_children: bool
    def __init__(self, name: _Optional[str] = ..., with_children: _Optional[bool] = ...) -> None: ...

class StopJobResponse(_message.Message):
    __slots__ = ("at", "job_id", "children")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    at: At
    job_id: int
    children: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., job_id: _Optional[int] = ..., children: _Optional[_Iterable[int]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("job_id", "spec", "state", "counts", "healthy_count", "changed_at", "submitted_at_us", "first_decided_at_us", "is_current", "stopping_count", "update", "successor", "parent_id", "parent", "instant_us", "held", "deadline_left_us", "is_stopped_late")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    FIRST_DECIDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    IS_CURRENT_FIELD_NUMBER: _ClassVar[int]
    STOPPING_COUNT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    INSTANT_US_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_LEFT_US_FIELD_NUMBER: _ClassVar[int]
    IS_STOPPED_LATE_FIELD_NUMBER: _ClassVar[int]
    job_id: int
    spec: JobSpec
    state: JobState
    counts: _containers.RepeatedScalarFieldContainer[int]
    healthy_count: int
    changed_at: int
    submitted_at_us: int
    first_decided_at_us: int
    is_current: bool
    stopping_count: int
    update: UpdateProgress
    successor: int
    parent_id: int
    parent: str
    instant_us: int
    held: HeldReason
    deadline_left_us: int
    is_stopped_late: bool
    def __init__(self, job_id: _Optional[int] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., state: _Optional[_Union[JobState, str]] = ..., counts: _Optional[_Iterable[int]] = ..., healthy_count: _Optional[int] = ..., changed_at: _Optional[int] = ..., submitted_at_us: _Optional[int] = ..., first_decided_at_us: _Optional[int] = ..., is_current: _Optional[bool] = ..., stopping_count: _Optional[int] = ..., update: _Optional[_Union[UpdateProgress, _Mapping]] = ..., successor: _Optional[int] = ..., parent_id: _Optional[int] = ..., parent: _Optional[str] = ..., instant_us: _Optional[int] = ..., held: _Optional[_Union[HeldReason, _Mapping]] = ..., deadline_left_us: _Optional[int] = ..., is_stopped_late: _Optional[bool] = ...) -> None: ...

class TemplateStatus(_message.Message):
    __slots__ = ("next_us", "last_us", "made_count", "skipped_count", "missed_count", "due_us", "hindrance", "child_count", "active_child_count", "children")
    NEXT_US_FIELD_NUMBER: _ClassVar[int]
    LAST_US_FIELD_NUMBER: _ClassVar[int]
    MADE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUE_US_FIELD_NUMBER: _ClassVar[int]
    HINDRANCE_FIELD_NUMBER: _ClassVar[int]
    CHILD_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_CHILD_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    next_us: _containers.RepeatedScalarFieldContainer[int]
    last_us: int
    made_count: int
    skipped_count: int
    missed_count: int
    due_us: int
    hindrance: str
    child_count: int
    active_child_count: int
    children: _containers.RepeatedCompositeFieldContainer[Job]
    def __init__(self, next_us: _Optional[_Iterable[int]] = ..., last_us: _Optional[int] = ..., made_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., missed_count: _Optional[int] = ..., due_us: _Optional[int] = ..., hindrance: _Optional[str] = ..., child_count: _Optional[int] = ..., active_child_count: _Optional[int] = ..., children: _Optional[_Iterable[_Union[Job, _Mapping]]] = ...) -> None: ...

class JobWait(_message.Message):
    __slots__ = ("job", "job_id", "condition", "done_count", "wanted_count", "is_stuck", "summary")
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    DONE_COUNT_FIELD_NUMBER: _ClassVar[int]
    WANTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_STUCK_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    job: str
    job_id: int
    condition: Condition
    done_count: int
    wanted_count: int
    is_stuck: bool
    summary: str
    def __init__(self, job: _Optional[str] = ..., job_id: _Optional[int] = ..., condition: _Optional[_Union[Condition, str]] = ..., done_count: _Optional[int] = ..., wanted_count: _Optional[int] = ..., is_stuck: _Optional[bool] = ..., summary: _Optional[str] = ...) -> None: ...

class HeldReason(_message.Message):
    __slots__ = ("summary", "task_count", "waits", "is_stuck", "lacks")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    IS_STUCK_FIELD_NUMBER: _ClassVar[int]
    LACKS_FIELD_NUMBER: _ClassVar[int]
    summary: str
    task_count: int
    waits: _containers.RepeatedCompositeFieldContainer[JobWait]
    is_stuck: bool
    lacks: _containers.RepeatedCompositeFieldContainer[Lack]
    def __init__(self, summary: _Optional[str] = ..., task_count: _Optional[int] = ..., waits: _Optional[_Iterable[_Union[JobWait, _Mapping]]] = ..., is_stuck: _Optional[bool] = ..., lacks: _Optional[_Iterable[_Union[Lack, _Mapping]]] = ...) -> None: ...

class Lack(_message.Message):
    __slots__ = ("reason", "dimension", "machine_count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    MACHINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: str
    dimension: str
    machine_count: int
    def __init__(self, reason: _Optional[str] = ..., dimension: _Optional[str] = ..., machine_count: _Optional[int] = ...) -> None: ...

class PendingReason(_message.Message):
    __slots__ = ("summary", "task_count", "lacks")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    LACKS_FIELD_NUMBER: _ClassVar[int]
    summary: str
    task_count: int
    lacks: _containers.RepeatedCompositeFieldContainer[Lack]
    def __init__(self, summary: _Optional[str] = ..., task_count: _Optional[int] = ..., lacks: _Optional[_Iterable[_Union[Lack, _Mapping]]] = ...) -> None: ...

class Tasks(_message.Message):
    __slots__ = ("indices", "states", "stopping", "health", "attempts", "restarts", "machines", "exit_codes", "signals", "notes", "placed_at_us", "started_at_us", "ended_at_us", "own_machines", "mismatches")
    INDICES_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODES_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_US_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    OWN_MACHINES_FIELD_NUMBER: _ClassVar[int]
    MISMATCHES_FIELD_NUMBER: _ClassVar[int]
    indices: _containers.RepeatedScalarFieldContainer[int]
    states: _containers.RepeatedScalarFieldContainer[int]
    stopping: _containers.RepeatedScalarFieldContainer[int]
    health: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    restarts: _containers.RepeatedScalarFieldContainer[int]
    machines: _containers.RepeatedScalarFieldContainer[str]
    exit_codes: _containers.RepeatedScalarFieldContainer[int]
    signals: _containers.RepeatedScalarFieldContainer[int]
    notes: _containers.RepeatedScalarFieldContainer[int]
    placed_at_us: _containers.RepeatedScalarFieldContainer[int]
    started_at_us: _containers.RepeatedScalarFieldContainer[int]
    ended_at_us: _containers.RepeatedScalarFieldContainer[int]
    own_machines: _containers.RepeatedScalarFieldContainer[str]
    mismatches: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, indices: _Optional[_Iterable[int]] = ..., states: _Optional[_Iterable[int]] = ..., stopping: _Optional[_Iterable[int]] = ..., health: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Iterable[int]] = ..., restarts: _Optional[_Iterable[int]] = ..., machines: _Optional[_Iterable[str]] = ..., exit_codes: _Optional[_Iterable[int]] = ..., signals: _Optional[_Iterable[int]] = ..., notes: _Optional[_Iterable[int]] = ..., placed_at_us: _Optional[_Iterable[int]] = ..., started_at_us: _Optional[_Iterable[int]] = ..., ended_at_us: _Optional[_Iterable[int]] = ..., own_machines: _Optional[_Iterable[str]] = ..., mismatches: _Optional[_Iterable[str]] = ...) -> None: ...

class PastAttempt(_message.Message):
    __slots__ = ("index", "attempt", "machine", "state", "exit_code", "signal", "note", "placed_at_us", "started_at_us", "ended_at_us")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_US_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    index: int
    attempt: int
    machine: str
    state: TaskState
    exit_code: int
    signal: int
    note: ExitNote
    placed_at_us: int
    started_at_us: int
    ended_at_us: int
    def __init__(self, index: _Optional[int] = ..., attempt: _Optional[int] = ..., machine: _Optional[str] = ..., state: _Optional[_Union[TaskState, str]] = ..., exit_code: _Optional[int] = ..., signal: _Optional[int] = ..., note: _Optional[_Union[ExitNote, str]] = ..., placed_at_us: _Optional[int] = ..., started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ...) -> None: ...

class TaskPorts(_message.Message):
    __slots__ = ("index", "ports")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    index: int
    ports: _containers.RepeatedCompositeFieldContainer[Port]
    def __init__(self, index: _Optional[int] = ..., ports: _Optional[_Iterable[_Union[Port, _Mapping]]] = ...) -> None: ...

class TaskMessage(_message.Message):
    __slots__ = ("index", "attempt", "text")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    index: int
    attempt: int
    text: str
    def __init__(self, index: _Optional[int] = ..., attempt: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class TaskDevice(_message.Message):
    __slots__ = ("name", "indices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    indices: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., indices: _Optional[_Iterable[int]] = ...) -> None: ...

class TaskDevices(_message.Message):
    __slots__ = ("index", "devices")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    index: int
    devices: _containers.RepeatedCompositeFieldContainer[TaskDevice]
    def __init__(self, index: _Optional[int] = ..., devices: _Optional[_Iterable[_Union[TaskDevice, _Mapping]]] = ...) -> None: ...

class TaskAlloc(_message.Message):
    __slots__ = ("index", "alloc")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ALLOC_FIELD_NUMBER: _ClassVar[int]
    index: int
    alloc: str
    def __init__(self, index: _Optional[int] = ..., alloc: _Optional[str] = ...) -> None: ...

class AllocContents(_message.Message):
    __slots__ = ("index", "free", "tasks")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    index: int
    free: Resources
    tasks: _containers.RepeatedCompositeFieldContainer[InsideTask]
    def __init__(self, index: _Optional[int] = ..., free: _Optional[_Union[Resources, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[InsideTask, _Mapping]]] = ...) -> None: ...

class InsideTask(_message.Message):
    __slots__ = ("job", "job_id", "index", "state", "stopping")
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    job: str
    job_id: int
    index: int
    state: TaskState
    stopping: int
    def __init__(self, job: _Optional[str] = ..., job_id: _Optional[int] = ..., index: _Optional[int] = ..., state: _Optional[_Union[TaskState, str]] = ..., stopping: _Optional[int] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("name", "first_index", "limit", "stale", "trouble_first")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIRST_FIELD_NUMBER: _ClassVar[int]
    name: str
    first_index: int
    limit: int
    stale: bool
    trouble_first: bool
    def __init__(self, name: _Optional[str] = ..., first_index: _Optional[int] = ..., limit: _Optional[int] = ..., stale: _Optional[bool] = ..., trouble_first: _Optional[bool] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("at", "job", "pending", "tasks", "past", "ports", "messages", "devices", "displaced", "waits", "template", "allocs", "contents")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    PAST_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    DISPLACED_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    ALLOCS_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    at: At
    job: Job
    pending: PendingReason
    tasks: Tasks
    past: _containers.RepeatedCompositeFieldContainer[PastAttempt]
    ports: _containers.RepeatedCompositeFieldContainer[TaskPorts]
    messages: _containers.RepeatedCompositeFieldContainer[TaskMessage]
    devices: _containers.RepeatedCompositeFieldContainer[TaskDevices]
    displaced: _containers.RepeatedCompositeFieldContainer[Displacement]
    waits: _containers.RepeatedCompositeFieldContainer[TaskWaits]
    template: TemplateStatus
    allocs: _containers.RepeatedCompositeFieldContainer[TaskAlloc]
    contents: _containers.RepeatedCompositeFieldContainer[AllocContents]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., job: _Optional[_Union[Job, _Mapping]] = ..., pending: _Optional[_Union[PendingReason, _Mapping]] = ..., tasks: _Optional[_Union[Tasks, _Mapping]] = ..., past: _Optional[_Iterable[_Union[PastAttempt, _Mapping]]] = ..., ports: _Optional[_Iterable[_Union[TaskPorts, _Mapping]]] = ..., messages: _Optional[_Iterable[_Union[TaskMessage, _Mapping]]] = ..., devices: _Optional[_Iterable[_Union[TaskDevices, _Mapping]]] = ..., displaced: _Optional[_Iterable[_Union[Displacement, _Mapping]]] = ..., waits: _Optional[_Iterable[_Union[TaskWaits, _Mapping]]] = ..., template: _Optional[_Union[TemplateStatus, _Mapping]] = ..., allocs: _Optional[_Iterable[_Union[TaskAlloc, _Mapping]]] = ..., contents: _Optional[_Iterable[_Union[AllocContents, _Mapping]]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("stale", "name_prefix", "active_only")
    STALE_FIELD_NUMBER: _ClassVar[int]
    NAME_PREFIX_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_ONLY_FIELD_NUMBER: _ClassVar[int]
    stale: bool
    name_prefix: str
    active_only: bool
    def __init__(self, stale: _Optional[bool] = ..., name_prefix: _Optional[str] = ..., active_only: _Optional[bool] = ...) -> None: ...

class Displacement(_message.Message):
    __slots__ = ("index", "attempt", "job", "job_id", "revision")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    index: int
    attempt: int
    job: str
    job_id: int
    revision: int
    def __init__(self, index: _Optional[int] = ..., attempt: _Optional[int] = ..., job: _Optional[str] = ..., job_id: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class TaskWaits(_message.Message):
    __slots__ = ("index", "tasks")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    index: int
    tasks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., tasks: _Optional[_Iterable[str]] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("at", "jobs")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    at: At
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ...) -> None: ...

class WatchJobsRequest(_message.Message):
    __slots__ = ("names", "after", "incarnation")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    after: int
    incarnation: str
    def __init__(self, names: _Optional[_Iterable[str]] = ..., after: _Optional[int] = ..., incarnation: _Optional[str] = ...) -> None: ...

class WatchJobsResponse(_message.Message):
    __slots__ = ("at", "jobs", "forgotten")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    at: At
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    forgotten: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., forgotten: _Optional[_Iterable[int]] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("job", "index", "attempt", "stream", "follow", "offset", "limit_bytes")
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    job: str
    index: int
    attempt: int
    stream: LogStream
    follow: bool
    offset: int
    limit_bytes: int
    def __init__(self, job: _Optional[str] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., stream: _Optional[_Union[LogStream, str]] = ..., follow: _Optional[bool] = ..., offset: _Optional[int] = ..., limit_bytes: _Optional[int] = ...) -> None: ...

class LogsResponse(_message.Message):
    __slots__ = ("at", "offset", "data", "attempt", "machine")
    AT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    at: At
    offset: int
    data: bytes
    attempt: int
    machine: str
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., attempt: _Optional[int] = ..., machine: _Optional[str] = ...) -> None: ...

class FetchPayloadRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: str
    def __init__(self, job: _Optional[str] = ...) -> None: ...

class FetchPayloadResponse(_message.Message):
    __slots__ = ("at", "payload")
    AT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    at: At
    payload: bytes
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., payload: _Optional[bytes] = ...) -> None: ...

class PlanJobsRequest(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[SubmitJobRequest]
    def __init__(self, jobs: _Optional[_Iterable[_Union[SubmitJobRequest, _Mapping]]] = ...) -> None: ...

class FieldChange(_message.Message):
    __slots__ = ("field", "before", "after")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    field: str
    before: str
    after: str
    def __init__(self, field: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class PlannedTasks(_message.Message):
    __slots__ = ("actions", "indices", "before", "after", "waits")
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    actions: _containers.RepeatedScalarFieldContainer[int]
    indices: _containers.RepeatedScalarFieldContainer[int]
    before: _containers.RepeatedScalarFieldContainer[int]
    after: _containers.RepeatedScalarFieldContainer[int]
    waits: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, actions: _Optional[_Iterable[int]] = ..., indices: _Optional[_Iterable[int]] = ..., before: _Optional[_Iterable[int]] = ..., after: _Optional[_Iterable[int]] = ..., waits: _Optional[_Iterable[bool]] = ...) -> None: ...

class PlannedJob(_message.Message):
    __slots__ = ("name", "change", "reason", "message", "fields", "scheduler", "planned_by", "counts", "tasks", "pending", "is_cut_off", "warnings", "held", "max_parallel")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    PLANNED_BY_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    IS_CUT_OFF_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    name: str
    change: Change
    reason: str
    message: str
    fields: _containers.RepeatedCompositeFieldContainer[FieldChange]
    scheduler: str
    planned_by: str
    counts: _containers.RepeatedScalarFieldContainer[int]
    tasks: PlannedTasks
    pending: PendingReason
    is_cut_off: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    held: HeldReason
    max_parallel: int
    def __init__(self, name: _Optional[str] = ..., change: _Optional[_Union[Change, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ..., scheduler: _Optional[str] = ..., planned_by: _Optional[str] = ..., counts: _Optional[_Iterable[int]] = ..., tasks: _Optional[_Union[PlannedTasks, _Mapping]] = ..., pending: _Optional[_Union[PendingReason, _Mapping]] = ..., is_cut_off: _Optional[bool] = ..., warnings: _Optional[_Iterable[str]] = ..., held: _Optional[_Union[HeldReason, _Mapping]] = ..., max_parallel: _Optional[int] = ...) -> None: ...

class EvictedTask(_message.Message):
    __slots__ = ("job", "job_id", "index", "machine")
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    job: str
    job_id: int
    index: int
    machine: str
    def __init__(self, job: _Optional[str] = ..., job_id: _Optional[int] = ..., index: _Optional[int] = ..., machine: _Optional[str] = ...) -> None: ...

class PlanJobsResponse(_message.Message):
    __slots__ = ("at", "jobs", "evicted", "machines")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    EVICTED_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    at: At
    jobs: _containers.RepeatedCompositeFieldContainer[PlannedJob]
    evicted: _containers.RepeatedCompositeFieldContainer[EvictedTask]
    machines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., jobs: _Optional[_Iterable[_Union[PlannedJob, _Mapping]]] = ..., evicted: _Optional[_Iterable[_Union[EvictedTask, _Mapping]]] = ..., machines: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainTaskRequest(_message.Message):
    __slots__ = ("job", "index")
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    job: str
    index: int
    def __init__(self, job: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class Shortage(_message.Message):
    __slots__ = ("dimension", "asked", "free")
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    dimension: str
    asked: int
    free: int
    def __init__(self, dimension: _Optional[str] = ..., asked: _Optional[int] = ..., free: _Optional[int] = ...) -> None: ...

class NearMiss(_message.Message):
    __slots__ = ("machine", "reason", "message", "shortages")
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SHORTAGES_FIELD_NUMBER: _ClassVar[int]
    machine: str
    reason: str
    message: str
    shortages: _containers.RepeatedCompositeFieldContainer[Shortage]
    def __init__(self, machine: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., shortages: _Optional[_Iterable[_Union[Shortage, _Mapping]]] = ...) -> None: ...

class ChangeStep(_message.Message):
    __slots__ = ("kind", "name", "before", "after")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    before: int
    after: int
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., before: _Optional[int] = ..., after: _Optional[int] = ...) -> None: ...

class FittingChange(_message.Message):
    __slots__ = ("message", "steps", "fit_count", "fields")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    FIT_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    message: str
    steps: _containers.RepeatedCompositeFieldContainer[ChangeStep]
    fit_count: int
    fields: _containers.RepeatedCompositeFieldContainer[FieldChange]
    def __init__(self, message: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[ChangeStep, _Mapping]]] = ..., fit_count: _Optional[int] = ..., fields: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ...) -> None: ...

class AttemptOrigin(_message.Message):
    __slots__ = ("attempt", "machine", "state", "author", "revision", "seen", "placed_at_us", "preempted_by", "preempted_at", "end")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_US_FIELD_NUMBER: _ClassVar[int]
    PREEMPTED_BY_FIELD_NUMBER: _ClassVar[int]
    PREEMPTED_AT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    machine: str
    state: TaskState
    author: str
    revision: int
    seen: int
    placed_at_us: int
    preempted_by: str
    preempted_at: int
    end: str
    def __init__(self, attempt: _Optional[int] = ..., machine: _Optional[str] = ..., state: _Optional[_Union[TaskState, str]] = ..., author: _Optional[str] = ..., revision: _Optional[int] = ..., seen: _Optional[int] = ..., placed_at_us: _Optional[int] = ..., preempted_by: _Optional[str] = ..., preempted_at: _Optional[int] = ..., end: _Optional[str] = ...) -> None: ...

class MachineChoice(_message.Message):
    __slots__ = ("revision", "machine_count", "fitting_count", "lighter_count", "others")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    MACHINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FITTING_COUNT_FIELD_NUMBER: _ClassVar[int]
    LIGHTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    machine_count: int
    fitting_count: int
    lighter_count: int
    others: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, revision: _Optional[int] = ..., machine_count: _Optional[int] = ..., fitting_count: _Optional[int] = ..., lighter_count: _Optional[int] = ..., others: _Optional[_Iterable[str]] = ...) -> None: ...

class LostClaim(_message.Message):
    __slots__ = ("conflict", "taken_by_job", "taken_count")
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    TAKEN_BY_JOB_FIELD_NUMBER: _ClassVar[int]
    TAKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    conflict: Conflict
    taken_by_job: str
    taken_count: int
    def __init__(self, conflict: _Optional[_Union[Conflict, _Mapping]] = ..., taken_by_job: _Optional[str] = ..., taken_count: _Optional[int] = ...) -> None: ...

class MachineShare(_message.Message):
    __slots__ = ("machine", "task_count")
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    machine: str
    task_count: int
    def __init__(self, machine: _Optional[str] = ..., task_count: _Optional[int] = ...) -> None: ...

class ExplainTaskResponse(_message.Message):
    __slots__ = ("at", "job", "job_id", "index", "state", "counts", "summary", "pending_count", "machine_count", "fitting_count", "lacks", "misses", "changes", "planned_on", "evicted", "attempts", "then", "now", "conflicts", "oldest_revision", "machines", "then_unknown", "planned_by", "is_cut_off", "held", "preemption", "waits_for")
    AT_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PENDING_COUNT_FIELD_NUMBER: _ClassVar[int]
    MACHINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FITTING_COUNT_FIELD_NUMBER: _ClassVar[int]
    LACKS_FIELD_NUMBER: _ClassVar[int]
    MISSES_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    PLANNED_ON_FIELD_NUMBER: _ClassVar[int]
    EVICTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    OLDEST_REVISION_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    THEN_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    PLANNED_BY_FIELD_NUMBER: _ClassVar[int]
    IS_CUT_OFF_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    PREEMPTION_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    at: At
    job: str
    job_id: int
    index: int
    state: TaskState
    counts: _containers.RepeatedScalarFieldContainer[int]
    summary: str
    pending_count: int
    machine_count: int
    fitting_count: int
    lacks: _containers.RepeatedCompositeFieldContainer[Lack]
    misses: _containers.RepeatedCompositeFieldContainer[NearMiss]
    changes: _containers.RepeatedCompositeFieldContainer[FittingChange]
    planned_on: str
    evicted: _containers.RepeatedCompositeFieldContainer[EvictedTask]
    attempts: _containers.RepeatedCompositeFieldContainer[AttemptOrigin]
    then: MachineChoice
    now: MachineChoice
    conflicts: _containers.RepeatedCompositeFieldContainer[LostClaim]
    oldest_revision: int
    machines: _containers.RepeatedCompositeFieldContainer[MachineShare]
    then_unknown: str
    planned_by: str
    is_cut_off: bool
    held: HeldReason
    preemption: str
    waits_for: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., job: _Optional[str] = ..., job_id: _Optional[int] = ..., index: _Optional[int] = ..., state: _Optional[_Union[TaskState, str]] = ..., counts: _Optional[_Iterable[int]] = ..., summary: _Optional[str] = ..., pending_count: _Optional[int] = ..., machine_count: _Optional[int] = ..., fitting_count: _Optional[int] = ..., lacks: _Optional[_Iterable[_Union[Lack, _Mapping]]] = ..., misses: _Optional[_Iterable[_Union[NearMiss, _Mapping]]] = ..., changes: _Optional[_Iterable[_Union[FittingChange, _Mapping]]] = ..., planned_on: _Optional[str] = ..., evicted: _Optional[_Iterable[_Union[EvictedTask, _Mapping]]] = ..., attempts: _Optional[_Iterable[_Union[AttemptOrigin, _Mapping]]] = ..., then: _Optional[_Union[MachineChoice, _Mapping]] = ..., now: _Optional[_Union[MachineChoice, _Mapping]] = ..., conflicts: _Optional[_Iterable[_Union[LostClaim, _Mapping]]] = ..., oldest_revision: _Optional[int] = ..., machines: _Optional[_Iterable[_Union[MachineShare, _Mapping]]] = ..., then_unknown: _Optional[str] = ..., planned_by: _Optional[str] = ..., is_cut_off: _Optional[bool] = ..., held: _Optional[_Union[HeldReason, _Mapping]] = ..., preemption: _Optional[str] = ..., waits_for: _Optional[_Iterable[str]] = ...) -> None: ...

class MachineDevice(_message.Message):
    __slots__ = ("name", "count", "attributes", "free")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    free: int
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ..., free: _Optional[int] = ...) -> None: ...

class DrainBlock(_message.Message):
    __slots__ = ("hold", "job", "job_id", "task_count", "is_forever", "summary")
    HOLD_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_FOREVER_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    hold: DrainHold
    job: str
    job_id: int
    task_count: int
    is_forever: bool
    summary: str
    def __init__(self, hold: _Optional[_Union[DrainHold, str]] = ..., job: _Optional[str] = ..., job_id: _Optional[int] = ..., task_count: _Optional[int] = ..., is_forever: _Optional[bool] = ..., summary: _Optional[str] = ...) -> None: ...

class DrainProgress(_message.Message):
    __slots__ = ("task_count", "ending_count", "left_us", "blocks")
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENDING_COUNT_FIELD_NUMBER: _ClassVar[int]
    LEFT_US_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    task_count: int
    ending_count: int
    left_us: int
    blocks: _containers.RepeatedCompositeFieldContainer[DrainBlock]
    def __init__(self, task_count: _Optional[int] = ..., ending_count: _Optional[int] = ..., left_us: _Optional[int] = ..., blocks: _Optional[_Iterable[_Union[DrainBlock, _Mapping]]] = ...) -> None: ...

class Machine(_message.Message):
    __slots__ = ("row", "name", "state", "epoch", "capacity", "allocated", "drivers", "attributes", "is_connected", "silent_ticks", "changed_at", "port_first", "port_last", "port_free", "allocated_by_band", "taints", "devices", "eligibility", "drain")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ROW_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    ALLOCATED_FIELD_NUMBER: _ClassVar[int]
    DRIVERS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    IS_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    SILENT_TICKS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    PORT_FIRST_FIELD_NUMBER: _ClassVar[int]
    PORT_LAST_FIELD_NUMBER: _ClassVar[int]
    PORT_FREE_FIELD_NUMBER: _ClassVar[int]
    ALLOCATED_BY_BAND_FIELD_NUMBER: _ClassVar[int]
    TAINTS_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    ELIGIBILITY_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    row: int
    name: str
    state: MachineState
    epoch: int
    capacity: Resources
    allocated: Resources
    drivers: _containers.RepeatedScalarFieldContainer[str]
    attributes: _containers.ScalarMap[str, str]
    is_connected: bool
    silent_ticks: int
    changed_at: int
    port_first: int
    port_last: int
    port_free: int
    allocated_by_band: _containers.RepeatedCompositeFieldContainer[Resources]
    taints: _containers.RepeatedScalarFieldContainer[str]
    devices: _containers.RepeatedCompositeFieldContainer[MachineDevice]
    eligibility: Eligibility
    drain: DrainProgress
    def __init__(self, row: _Optional[int] = ..., name: _Optional[str] = ..., state: _Optional[_Union[MachineState, str]] = ..., epoch: _Optional[int] = ..., capacity: _Optional[_Union[Resources, _Mapping]] = ..., allocated: _Optional[_Union[Resources, _Mapping]] = ..., drivers: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, str]] = ..., is_connected: _Optional[bool] = ..., silent_ticks: _Optional[int] = ..., changed_at: _Optional[int] = ..., port_first: _Optional[int] = ..., port_last: _Optional[int] = ..., port_free: _Optional[int] = ..., allocated_by_band: _Optional[_Iterable[_Union[Resources, _Mapping]]] = ..., taints: _Optional[_Iterable[str]] = ..., devices: _Optional[_Iterable[_Union[MachineDevice, _Mapping]]] = ..., eligibility: _Optional[_Union[Eligibility, str]] = ..., drain: _Optional[_Union[DrainProgress, _Mapping]] = ...) -> None: ...

class MachineTask(_message.Message):
    __slots__ = ("job", "job_id", "index", "attempt", "state")
    JOB_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    job: str
    job_id: int
    index: int
    attempt: int
    state: TaskState
    def __init__(self, job: _Optional[str] = ..., job_id: _Optional[int] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., state: _Optional[_Union[TaskState, str]] = ...) -> None: ...

class ListMachinesRequest(_message.Message):
    __slots__ = ("stale", "names")
    STALE_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    stale: bool
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, stale: _Optional[bool] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMachinesResponse(_message.Message):
    __slots__ = ("at", "machines")
    AT_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    at: At
    machines: _containers.RepeatedCompositeFieldContainer[Machine]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., machines: _Optional[_Iterable[_Union[Machine, _Mapping]]] = ...) -> None: ...

class GetMachineRequest(_message.Message):
    __slots__ = ("name", "stale")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    name: str
    stale: bool
    def __init__(self, name: _Optional[str] = ..., stale: _Optional[bool] = ...) -> None: ...

class GetMachineResponse(_message.Message):
    __slots__ = ("at", "machine", "tasks")
    AT_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    at: At
    machine: Machine
    tasks: _containers.RepeatedCompositeFieldContainer[MachineTask]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., machine: _Optional[_Union[Machine, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[MachineTask, _Mapping]]] = ...) -> None: ...

class LoseMachineRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class LoseMachineResponse(_message.Message):
    __slots__ = ("at",)
    AT_FIELD_NUMBER: _ClassVar[int]
    at: At
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ...) -> None: ...

class TaintMachinesRequest(_message.Message):
    __slots__ = ("names", "add", "remove")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ADD_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    add: _containers.RepeatedScalarFieldContainer[str]
    remove: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ..., add: _Optional[_Iterable[str]] = ..., remove: _Optional[_Iterable[str]] = ...) -> None: ...

class TaintMachinesResponse(_message.Message):
    __slots__ = ("at", "changed_count")
    AT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    at: At
    changed_count: int
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., changed_count: _Optional[int] = ...) -> None: ...

class SetEligibilityRequest(_message.Message):
    __slots__ = ("names", "eligibility", "deadline_us")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ELIGIBILITY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    eligibility: Eligibility
    deadline_us: int
    def __init__(self, names: _Optional[_Iterable[str]] = ..., eligibility: _Optional[_Union[Eligibility, str]] = ..., deadline_us: _Optional[int] = ...) -> None: ...

class SetEligibilityResponse(_message.Message):
    __slots__ = ("at", "machines")
    AT_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    at: At
    machines: _containers.RepeatedCompositeFieldContainer[Machine]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., machines: _Optional[_Iterable[_Union[Machine, _Mapping]]] = ...) -> None: ...

class Quota(_message.Message):
    __slots__ = ("owner", "band", "is_set", "limit", "used")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    IS_SET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    owner: str
    band: Band
    is_set: bool
    limit: Resources
    used: Resources
    def __init__(self, owner: _Optional[str] = ..., band: _Optional[_Union[Band, str]] = ..., is_set: _Optional[bool] = ..., limit: _Optional[_Union[Resources, _Mapping]] = ..., used: _Optional[_Union[Resources, _Mapping]] = ...) -> None: ...

class ListQuotasRequest(_message.Message):
    __slots__ = ("owner", "stale")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    owner: str
    stale: bool
    def __init__(self, owner: _Optional[str] = ..., stale: _Optional[bool] = ...) -> None: ...

class ListQuotasResponse(_message.Message):
    __slots__ = ("at", "quotas")
    AT_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    at: At
    quotas: _containers.RepeatedCompositeFieldContainer[Quota]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., quotas: _Optional[_Iterable[_Union[Quota, _Mapping]]] = ...) -> None: ...

class SetQuotaRequest(_message.Message):
    __slots__ = ("owner", "band", "cpu_milli", "memory_bytes", "disk_bytes")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLI_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    owner: str
    band: Band
    cpu_milli: int
    memory_bytes: int
    disk_bytes: int
    def __init__(self, owner: _Optional[str] = ..., band: _Optional[_Union[Band, str]] = ..., cpu_milli: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ...) -> None: ...

class SetQuotaResponse(_message.Message):
    __slots__ = ("at", "quota")
    AT_FIELD_NUMBER: _ClassVar[int]
    QUOTA_FIELD_NUMBER: _ClassVar[int]
    at: At
    quota: Quota
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., quota: _Optional[_Union[Quota, _Mapping]] = ...) -> None: ...

class CapAmounts(_message.Message):
    __slots__ = ("cpu_milli", "memory_bytes", "jobs")
    CPU_MILLI_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    cpu_milli: int
    memory_bytes: int
    jobs: int
    def __init__(self, cpu_milli: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., jobs: _Optional[int] = ...) -> None: ...

class Cap(_message.Message):
    __slots__ = ("scheduler", "is_set", "limit", "used", "is_known")
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    IS_SET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    IS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    scheduler: str
    is_set: bool
    limit: CapAmounts
    used: CapAmounts
    is_known: bool
    def __init__(self, scheduler: _Optional[str] = ..., is_set: _Optional[bool] = ..., limit: _Optional[_Union[CapAmounts, _Mapping]] = ..., used: _Optional[_Union[CapAmounts, _Mapping]] = ..., is_known: _Optional[bool] = ...) -> None: ...

class ListCapsRequest(_message.Message):
    __slots__ = ("stale",)
    STALE_FIELD_NUMBER: _ClassVar[int]
    stale: bool
    def __init__(self, stale: _Optional[bool] = ...) -> None: ...

class ListCapsResponse(_message.Message):
    __slots__ = ("at", "caps")
    AT_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    at: At
    caps: _containers.RepeatedCompositeFieldContainer[Cap]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., caps: _Optional[_Iterable[_Union[Cap, _Mapping]]] = ...) -> None: ...

class SetCapsRequest(_message.Message):
    __slots__ = ("scheduler", "cpu_milli", "memory_bytes", "jobs")
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLI_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    scheduler: str
    cpu_milli: int
    memory_bytes: int
    jobs: int
    def __init__(self, scheduler: _Optional[str] = ..., cpu_milli: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., jobs: _Optional[int] = ...) -> None: ...

class SetCapsResponse(_message.Message):
    __slots__ = ("at", "cap")
    AT_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    at: At
    cap: Cap
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., cap: _Optional[_Union[Cap, _Mapping]] = ...) -> None: ...

class SchedulerStatistics(_message.Message):
    __slots__ = ("author", "scheduler", "is_live", "decisions", "committed", "conflicted", "disagreed", "no_fit", "placements", "claims_conflicted", "claims_disagreed", "busy_us", "wait_us", "wait_count", "refusals", "conflict_fraction", "busy_fraction", "mean_wait_s", "last_at_us")
    class RefusalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    IS_LIVE_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    CONFLICTED_FIELD_NUMBER: _ClassVar[int]
    DISAGREED_FIELD_NUMBER: _ClassVar[int]
    NO_FIT_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_CONFLICTED_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_DISAGREED_FIELD_NUMBER: _ClassVar[int]
    BUSY_US_FIELD_NUMBER: _ClassVar[int]
    WAIT_US_FIELD_NUMBER: _ClassVar[int]
    WAIT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FRACTION_FIELD_NUMBER: _ClassVar[int]
    BUSY_FRACTION_FIELD_NUMBER: _ClassVar[int]
    MEAN_WAIT_S_FIELD_NUMBER: _ClassVar[int]
    LAST_AT_US_FIELD_NUMBER: _ClassVar[int]
    author: str
    scheduler: str
    is_live: bool
    decisions: int
    committed: int
    conflicted: int
    disagreed: int
    no_fit: int
    placements: int
    claims_conflicted: int
    claims_disagreed: int
    busy_us: int
    wait_us: int
    wait_count: int
    refusals: _containers.ScalarMap[str, int]
    conflict_fraction: float
    busy_fraction: float
    mean_wait_s: float
    last_at_us: int
    def __init__(self, author: _Optional[str] = ..., scheduler: _Optional[str] = ..., is_live: _Optional[bool] = ..., decisions: _Optional[int] = ..., committed: _Optional[int] = ..., conflicted: _Optional[int] = ..., disagreed: _Optional[int] = ..., no_fit: _Optional[int] = ..., placements: _Optional[int] = ..., claims_conflicted: _Optional[int] = ..., claims_disagreed: _Optional[int] = ..., busy_us: _Optional[int] = ..., wait_us: _Optional[int] = ..., wait_count: _Optional[int] = ..., refusals: _Optional[_Mapping[str, int]] = ..., conflict_fraction: _Optional[float] = ..., busy_fraction: _Optional[float] = ..., mean_wait_s: _Optional[float] = ..., last_at_us: _Optional[int] = ...) -> None: ...

class ListSchedulersRequest(_message.Message):
    __slots__ = ("stale",)
    STALE_FIELD_NUMBER: _ClassVar[int]
    stale: bool
    def __init__(self, stale: _Optional[bool] = ...) -> None: ...

class ListSchedulersResponse(_message.Message):
    __slots__ = ("at", "schedulers")
    AT_FIELD_NUMBER: _ClassVar[int]
    SCHEDULERS_FIELD_NUMBER: _ClassVar[int]
    at: At
    schedulers: _containers.RepeatedCompositeFieldContainer[SchedulerStatistics]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., schedulers: _Optional[_Iterable[_Union[SchedulerStatistics, _Mapping]]] = ...) -> None: ...

class HistoryRequest(_message.Message):
    __slots__ = ("before", "limit", "author", "job", "kind", "status", "with_ticks")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    WITH_TICKS_FIELD_NUMBER: _ClassVar[int]
    before: int
    limit: int
    author: str
    job: str
    kind: str
    status: str
    with_ticks: bool
    def __init__(self, before: _Optional[int] = ..., limit: _Optional[int] = ..., author: _Optional[str] = ..., job: _Optional[str] = ..., kind: _Optional[str] = ..., status: _Optional[str] = ..., with_ticks: _Optional[bool] = ...) -> None: ...

class HistoryEntry(_message.Message):
    __slots__ = ("revision", "author", "seq", "seen", "kind", "jobs", "summary", "status", "reason", "granted", "refused", "conflicts", "at_us")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    revision: int
    author: str
    seq: int
    seen: int
    kind: str
    jobs: _containers.RepeatedScalarFieldContainer[str]
    summary: str
    status: str
    reason: str
    granted: int
    refused: int
    conflicts: int
    at_us: int
    def __init__(self, revision: _Optional[int] = ..., author: _Optional[str] = ..., seq: _Optional[int] = ..., seen: _Optional[int] = ..., kind: _Optional[str] = ..., jobs: _Optional[_Iterable[str]] = ..., summary: _Optional[str] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ..., granted: _Optional[int] = ..., refused: _Optional[int] = ..., conflicts: _Optional[int] = ..., at_us: _Optional[int] = ...) -> None: ...

class HistoryResponse(_message.Message):
    __slots__ = ("at", "oldest_revision", "entries")
    AT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_REVISION_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    at: At
    oldest_revision: int
    entries: _containers.RepeatedCompositeFieldContainer[HistoryEntry]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., oldest_revision: _Optional[int] = ..., entries: _Optional[_Iterable[_Union[HistoryEntry, _Mapping]]] = ...) -> None: ...

class ConflictsRequest(_message.Message):
    __slots__ = ("before", "limit", "author", "job", "with_disagreements")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    WITH_DISAGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    before: int
    limit: int
    author: str
    job: str
    with_disagreements: bool
    def __init__(self, before: _Optional[int] = ..., limit: _Optional[int] = ..., author: _Optional[str] = ..., job: _Optional[str] = ..., with_disagreements: _Optional[bool] = ...) -> None: ...

class Conflict(_message.Message):
    __slots__ = ("revision", "author", "job", "index", "machine", "reason", "dimension", "shortage", "seen", "taken_at", "taken_by", "is_conflict", "at_us")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    SHORTAGE_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    TAKEN_BY_FIELD_NUMBER: _ClassVar[int]
    IS_CONFLICT_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    revision: int
    author: str
    job: str
    index: int
    machine: str
    reason: str
    dimension: str
    shortage: int
    seen: int
    taken_at: int
    taken_by: str
    is_conflict: bool
    at_us: int
    def __init__(self, revision: _Optional[int] = ..., author: _Optional[str] = ..., job: _Optional[str] = ..., index: _Optional[int] = ..., machine: _Optional[str] = ..., reason: _Optional[str] = ..., dimension: _Optional[str] = ..., shortage: _Optional[int] = ..., seen: _Optional[int] = ..., taken_at: _Optional[int] = ..., taken_by: _Optional[str] = ..., is_conflict: _Optional[bool] = ..., at_us: _Optional[int] = ...) -> None: ...

class ConflictsResponse(_message.Message):
    __slots__ = ("at", "oldest_revision", "conflicts")
    AT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_REVISION_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    at: At
    oldest_revision: int
    conflicts: _containers.RepeatedCompositeFieldContainer[Conflict]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., oldest_revision: _Optional[int] = ..., conflicts: _Optional[_Iterable[_Union[Conflict, _Mapping]]] = ...) -> None: ...

class CellStatusRequest(_message.Message):
    __slots__ = ("stale",)
    STALE_FIELD_NUMBER: _ClassVar[int]
    stale: bool
    def __init__(self, stale: _Optional[bool] = ...) -> None: ...

class StoreFigures(_message.Message):
    __slots__ = ("engine", "path", "byte_count", "wal_byte_count", "disk_free_byte_count", "entry_count", "checkpoint_count")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    BYTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAL_BYTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_COUNT_FIELD_NUMBER: _ClassVar[int]
    engine: str
    path: str
    byte_count: int
    wal_byte_count: int
    disk_free_byte_count: int
    entry_count: int
    checkpoint_count: int
    def __init__(self, engine: _Optional[str] = ..., path: _Optional[str] = ..., byte_count: _Optional[int] = ..., wal_byte_count: _Optional[int] = ..., disk_free_byte_count: _Optional[int] = ..., entry_count: _Optional[int] = ..., checkpoint_count: _Optional[int] = ...) -> None: ...

class CellStatusResponse(_message.Message):
    __slots__ = ("at", "name", "version", "chain", "elapsed_us", "tick", "rules", "machine_counts", "task_counts", "job_count", "active_job_count", "capacity", "allocated", "schedulers", "session_count", "store", "started_at_us", "can_write", "silent_count", "waiting_count", "waiting", "devices")
    AT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_US_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    MACHINE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    JOB_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_JOB_COUNT_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    ALLOCATED_FIELD_NUMBER: _ClassVar[int]
    SCHEDULERS_FIELD_NUMBER: _ClassVar[int]
    SESSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CAN_WRITE_FIELD_NUMBER: _ClassVar[int]
    SILENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    at: At
    name: str
    version: str
    chain: bytes
    elapsed_us: int
    tick: int
    rules: int
    machine_counts: _containers.RepeatedScalarFieldContainer[int]
    task_counts: _containers.RepeatedScalarFieldContainer[int]
    job_count: int
    active_job_count: int
    capacity: Resources
    allocated: Resources
    schedulers: _containers.RepeatedCompositeFieldContainer[SchedulerStatistics]
    session_count: int
    store: StoreFigures
    started_at_us: int
    can_write: bool
    silent_count: int
    waiting_count: int
    waiting: _containers.RepeatedScalarFieldContainer[str]
    devices: _containers.RepeatedCompositeFieldContainer[MachineDevice]
    def __init__(self, at: _Optional[_Union[At, _Mapping]] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., chain: _Optional[bytes] = ..., elapsed_us: _Optional[int] = ..., tick: _Optional[int] = ..., rules: _Optional[int] = ..., machine_counts: _Optional[_Iterable[int]] = ..., task_counts: _Optional[_Iterable[int]] = ..., job_count: _Optional[int] = ..., active_job_count: _Optional[int] = ..., capacity: _Optional[_Union[Resources, _Mapping]] = ..., allocated: _Optional[_Union[Resources, _Mapping]] = ..., schedulers: _Optional[_Iterable[_Union[SchedulerStatistics, _Mapping]]] = ..., session_count: _Optional[int] = ..., store: _Optional[_Union[StoreFigures, _Mapping]] = ..., started_at_us: _Optional[int] = ..., can_write: _Optional[bool] = ..., silent_count: _Optional[int] = ..., waiting_count: _Optional[int] = ..., waiting: _Optional[_Iterable[str]] = ..., devices: _Optional[_Iterable[_Union[MachineDevice, _Mapping]]] = ...) -> None: ...

class AgentUp(_message.Message):
    __slots__ = ("register", "heartbeat", "reports", "log_chunk")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    LOG_CHUNK_FIELD_NUMBER: _ClassVar[int]
    register: Register
    heartbeat: Heartbeat
    reports: Reports
    log_chunk: LogChunk
    def __init__(self, register: _Optional[_Union[Register, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., reports: _Optional[_Union[Reports, _Mapping]] = ..., log_chunk: _Optional[_Union[LogChunk, _Mapping]] = ...) -> None: ...

class AgentDown(_message.Message):
    __slots__ = ("registered", "rejected", "wanted", "lease", "reports_folded", "log_request", "log_cancel")
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FOLDED_FIELD_NUMBER: _ClassVar[int]
    LOG_REQUEST_FIELD_NUMBER: _ClassVar[int]
    LOG_CANCEL_FIELD_NUMBER: _ClassVar[int]
    registered: Registered
    rejected: Rejected
    wanted: Wanted
    lease: Lease
    reports_folded: ReportsFolded
    log_request: LogRequest
    log_cancel: LogCancel
    def __init__(self, registered: _Optional[_Union[Registered, _Mapping]] = ..., rejected: _Optional[_Union[Rejected, _Mapping]] = ..., wanted: _Optional[_Union[Wanted, _Mapping]] = ..., lease: _Optional[_Union[Lease, _Mapping]] = ..., reports_folded: _Optional[_Union[ReportsFolded, _Mapping]] = ..., log_request: _Optional[_Union[LogRequest, _Mapping]] = ..., log_cancel: _Optional[_Union[LogCancel, _Mapping]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("machines",)
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    machines: _containers.RepeatedCompositeFieldContainer[MachineOffer]
    def __init__(self, machines: _Optional[_Iterable[_Union[MachineOffer, _Mapping]]] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class MachineOffer(_message.Message):
    __slots__ = ("name", "boot_id", "capacity", "attributes", "drivers", "held_jobs", "held_indices", "held_attempts", "held_states", "incarnation", "devices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    DRIVERS_FIELD_NUMBER: _ClassVar[int]
    HELD_JOBS_FIELD_NUMBER: _ClassVar[int]
    HELD_INDICES_FIELD_NUMBER: _ClassVar[int]
    HELD_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    HELD_STATES_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    boot_id: str
    capacity: _containers.RepeatedScalarFieldContainer[int]
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    drivers: _containers.RepeatedScalarFieldContainer[str]
    held_jobs: _containers.RepeatedScalarFieldContainer[int]
    held_indices: _containers.RepeatedScalarFieldContainer[int]
    held_attempts: _containers.RepeatedScalarFieldContainer[int]
    held_states: bytes
    incarnation: str
    devices: _containers.RepeatedCompositeFieldContainer[MachineDevice]
    def __init__(self, name: _Optional[str] = ..., boot_id: _Optional[str] = ..., capacity: _Optional[_Iterable[int]] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ..., drivers: _Optional[_Iterable[str]] = ..., held_jobs: _Optional[_Iterable[int]] = ..., held_indices: _Optional[_Iterable[int]] = ..., held_attempts: _Optional[_Iterable[int]] = ..., held_states: _Optional[bytes] = ..., incarnation: _Optional[str] = ..., devices: _Optional[_Iterable[_Union[MachineDevice, _Mapping]]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sent_boot_us", "missing")
    SENT_BOOT_US_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    sent_boot_us: int
    missing: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, sent_boot_us: _Optional[int] = ..., missing: _Optional[_Iterable[int]] = ...) -> None: ...

class Reports(_message.Message):
    __slots__ = ("batch", "rows", "epochs", "jobs", "indices", "attempts", "kinds", "codes", "at_us", "messages")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    batch: int
    rows: _containers.RepeatedScalarFieldContainer[int]
    epochs: _containers.RepeatedScalarFieldContainer[int]
    jobs: _containers.RepeatedScalarFieldContainer[int]
    indices: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    kinds: bytes
    codes: _containers.RepeatedScalarFieldContainer[int]
    at_us: _containers.RepeatedScalarFieldContainer[int]
    messages: _containers.RepeatedCompositeFieldContainer[ReportMessage]
    def __init__(self, batch: _Optional[int] = ..., rows: _Optional[_Iterable[int]] = ..., epochs: _Optional[_Iterable[int]] = ..., jobs: _Optional[_Iterable[int]] = ..., indices: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Iterable[int]] = ..., kinds: _Optional[bytes] = ..., codes: _Optional[_Iterable[int]] = ..., at_us: _Optional[_Iterable[int]] = ..., messages: _Optional[_Iterable[_Union[ReportMessage, _Mapping]]] = ...) -> None: ...

class ReportMessage(_message.Message):
    __slots__ = ("position", "text")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    position: int
    text: str
    def __init__(self, position: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class LogChunk(_message.Message):
    __slots__ = ("request_id", "offset", "data", "is_last", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    offset: int
    data: bytes
    is_last: bool
    error: str
    def __init__(self, request_id: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., is_last: _Optional[bool] = ..., error: _Optional[str] = ...) -> None: ...

class Registered(_message.Message):
    __slots__ = ("incarnation", "names", "rows", "epochs", "lease_us", "heartbeat_us")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    LEASE_US_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_US_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    names: _containers.RepeatedScalarFieldContainer[str]
    rows: _containers.RepeatedScalarFieldContainer[int]
    epochs: _containers.RepeatedScalarFieldContainer[int]
    lease_us: int
    heartbeat_us: int
    def __init__(self, incarnation: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., rows: _Optional[_Iterable[int]] = ..., epochs: _Optional[_Iterable[int]] = ..., lease_us: _Optional[int] = ..., heartbeat_us: _Optional[int] = ...) -> None: ...

class Rejected(_message.Message):
    __slots__ = ("names", "reason")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    def __init__(self, names: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ...) -> None: ...

class ShapeDevice(_message.Message):
    __slots__ = ("name", "count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Shape(_message.Message):
    __slots__ = ("number", "job_name", "driver", "payload", "resources", "port_names", "grace_us", "stop_on_partition", "devices", "is_alloc", "is_inside", "max_run_us")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    JOB_NAME_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    PORT_NAMES_FIELD_NUMBER: _ClassVar[int]
    GRACE_US_FIELD_NUMBER: _ClassVar[int]
    STOP_ON_PARTITION_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    IS_ALLOC_FIELD_NUMBER: _ClassVar[int]
    IS_INSIDE_FIELD_NUMBER: _ClassVar[int]
    MAX_RUN_US_FIELD_NUMBER: _ClassVar[int]
    number: int
    job_name: str
    driver: str
    payload: bytes
    resources: _containers.RepeatedScalarFieldContainer[int]
    port_names: _containers.RepeatedScalarFieldContainer[str]
    grace_us: int
    stop_on_partition: bool
    devices: _containers.RepeatedCompositeFieldContainer[ShapeDevice]
    is_alloc: bool
    is_inside: bool
    max_run_us: int
    def __init__(self, number: _Optional[int] = ..., job_name: _Optional[str] = ..., driver: _Optional[str] = ..., payload: _Optional[bytes] = ..., resources: _Optional[_Iterable[int]] = ..., port_names: _Optional[_Iterable[str]] = ..., grace_us: _Optional[int] = ..., stop_on_partition: _Optional[bool] = ..., devices: _Optional[_Iterable[_Union[ShapeDevice, _Mapping]]] = ..., is_alloc: _Optional[bool] = ..., is_inside: _Optional[bool] = ..., max_run_us: _Optional[int] = ...) -> None: ...

class Wanted(_message.Message):
    __slots__ = ("incarnation", "revision", "complete", "shapes", "forgotten_shapes", "start_rows", "start_shapes", "start_jobs", "start_indices", "start_attempts", "start_ports", "start_devices", "stop_rows", "stop_jobs", "stop_indices", "stop_attempts", "start_alloc_jobs", "start_alloc_indices", "start_alloc_attempts")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    SHAPES_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_SHAPES_FIELD_NUMBER: _ClassVar[int]
    START_ROWS_FIELD_NUMBER: _ClassVar[int]
    START_SHAPES_FIELD_NUMBER: _ClassVar[int]
    START_JOBS_FIELD_NUMBER: _ClassVar[int]
    START_INDICES_FIELD_NUMBER: _ClassVar[int]
    START_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    START_PORTS_FIELD_NUMBER: _ClassVar[int]
    START_DEVICES_FIELD_NUMBER: _ClassVar[int]
    STOP_ROWS_FIELD_NUMBER: _ClassVar[int]
    STOP_JOBS_FIELD_NUMBER: _ClassVar[int]
    STOP_INDICES_FIELD_NUMBER: _ClassVar[int]
    STOP_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    START_ALLOC_JOBS_FIELD_NUMBER: _ClassVar[int]
    START_ALLOC_INDICES_FIELD_NUMBER: _ClassVar[int]
    START_ALLOC_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    revision: int
    complete: _containers.RepeatedScalarFieldContainer[int]
    shapes: _containers.RepeatedCompositeFieldContainer[Shape]
    forgotten_shapes: _containers.RepeatedScalarFieldContainer[int]
    start_rows: _containers.RepeatedScalarFieldContainer[int]
    start_shapes: _containers.RepeatedScalarFieldContainer[int]
    start_jobs: _containers.RepeatedScalarFieldContainer[int]
    start_indices: _containers.RepeatedScalarFieldContainer[int]
    start_attempts: _containers.RepeatedScalarFieldContainer[int]
    start_ports: _containers.RepeatedScalarFieldContainer[int]
    start_devices: _containers.RepeatedScalarFieldContainer[int]
    stop_rows: _containers.RepeatedScalarFieldContainer[int]
    stop_jobs: _containers.RepeatedScalarFieldContainer[int]
    stop_indices: _containers.RepeatedScalarFieldContainer[int]
    stop_attempts: _containers.RepeatedScalarFieldContainer[int]
    start_alloc_jobs: _containers.RepeatedScalarFieldContainer[int]
    start_alloc_indices: _containers.RepeatedScalarFieldContainer[int]
    start_alloc_attempts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, incarnation: _Optional[str] = ..., revision: _Optional[int] = ..., complete: _Optional[_Iterable[int]] = ..., shapes: _Optional[_Iterable[_Union[Shape, _Mapping]]] = ..., forgotten_shapes: _Optional[_Iterable[int]] = ..., start_rows: _Optional[_Iterable[int]] = ..., start_shapes: _Optional[_Iterable[int]] = ..., start_jobs: _Optional[_Iterable[int]] = ..., start_indices: _Optional[_Iterable[int]] = ..., start_attempts: _Optional[_Iterable[int]] = ..., start_ports: _Optional[_Iterable[int]] = ..., start_devices: _Optional[_Iterable[int]] = ..., stop_rows: _Optional[_Iterable[int]] = ..., stop_jobs: _Optional[_Iterable[int]] = ..., stop_indices: _Optional[_Iterable[int]] = ..., stop_attempts: _Optional[_Iterable[int]] = ..., start_alloc_jobs: _Optional[_Iterable[int]] = ..., start_alloc_indices: _Optional[_Iterable[int]] = ..., start_alloc_attempts: _Optional[_Iterable[int]] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("sent_boot_us",)
    SENT_BOOT_US_FIELD_NUMBER: _ClassVar[int]
    sent_boot_us: int
    def __init__(self, sent_boot_us: _Optional[int] = ...) -> None: ...

class ReportsFolded(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: int
    def __init__(self, batch: _Optional[int] = ...) -> None: ...

class LogRequest(_message.Message):
    __slots__ = ("request_id", "job_id", "index", "attempt", "stream", "offset", "limit_bytes", "is_followed")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    IS_FOLLOWED_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    job_id: int
    index: int
    attempt: int
    stream: LogStream
    offset: int
    limit_bytes: int
    is_followed: bool
    def __init__(self, request_id: _Optional[int] = ..., job_id: _Optional[int] = ..., index: _Optional[int] = ..., attempt: _Optional[int] = ..., stream: _Optional[_Union[LogStream, str]] = ..., offset: _Optional[int] = ..., limit_bytes: _Optional[int] = ..., is_followed: _Optional[bool] = ...) -> None: ...

class LogCancel(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    def __init__(self, request_id: _Optional[int] = ...) -> None: ...
