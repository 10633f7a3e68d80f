from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Detection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DETECTION_FINE: _ClassVar[Detection]
    DETECTION_COARSE: _ClassVar[Detection]

class Atomicity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATOMICITY_INCREMENTAL: _ClassVar[Atomicity]
    ATOMICITY_ALL_OR_NOTHING: _ClassVar[Atomicity]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_API: _ClassVar[Role]
    ROLE_SCHEDULER: _ClassVar[Role]
    ROLE_CONTROLLER: _ClassVar[Role]

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

class Operator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATOR_EQUAL: _ClassVar[Operator]
    OPERATOR_NOT_EQUAL: _ClassVar[Operator]
    OPERATOR_IN: _ClassVar[Operator]
    OPERATOR_NOT_IN: _ClassVar[Operator]
    OPERATOR_LESS: _ClassVar[Operator]
    OPERATOR_LESS_OR_EQUAL: _ClassVar[Operator]
    OPERATOR_GREATER: _ClassVar[Operator]
    OPERATOR_GREATER_OR_EQUAL: _ClassVar[Operator]
    OPERATOR_EXISTS: _ClassVar[Operator]
    OPERATOR_NOT_EXISTS: _ClassVar[Operator]
    OPERATOR_VERSION_EQUAL: _ClassVar[Operator]
    OPERATOR_VERSION_LESS: _ClassVar[Operator]
    OPERATOR_VERSION_LESS_OR_EQUAL: _ClassVar[Operator]
    OPERATOR_VERSION_GREATER: _ClassVar[Operator]
    OPERATOR_VERSION_GREATER_OR_EQUAL: _ClassVar[Operator]
    OPERATOR_GLOB: _ClassVar[Operator]
    OPERATOR_NOT_GLOB: _ClassVar[Operator]

class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_NO_PLACE: _ClassVar[Effect]
    EFFECT_PREFER_NOT: _ClassVar[Effect]

class Condition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONDITION_SUCCEEDED: _ClassVar[Condition]
    CONDITION_ENDED: _ClassVar[Condition]
    CONDITION_AVAILABLE: _ClassVar[Condition]

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

class StopCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_CAUSE_ASKED: _ClassVar[StopCause]
    STOP_CAUSE_DEADLINE: _ClassVar[StopCause]

class RevertCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVERT_CAUSE_ASKED: _ClassVar[RevertCause]
    REVERT_CAUSE_STUCK: _ClassVar[RevertCause]

class EvictCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVICT_CAUSE_OPERATOR: _ClassVar[EvictCause]
    EVICT_CAUSE_UNHEALTHY: _ClassVar[EvictCause]
    EVICT_CAUSE_DRAIN: _ClassVar[EvictCause]

class Eligibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ELIGIBILITY_OPEN: _ClassVar[Eligibility]
    ELIGIBILITY_CORDONED: _ClassVar[Eligibility]
    ELIGIBILITY_DRAINING: _ClassVar[Eligibility]

class ReportKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_KIND_STARTED: _ClassVar[ReportKind]
    REPORT_KIND_EXITED: _ClassVar[ReportKind]
    REPORT_KIND_HEALTHY: _ClassVar[ReportKind]
    REPORT_KIND_UNHEALTHY: _ClassVar[ReportKind]

class ExitNote(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXIT_NOTE_NONE: _ClassVar[ExitNote]
    EXIT_NOTE_UNKNOWN: _ClassVar[ExitNote]
    EXIT_NOTE_OUT_OF_MEMORY: _ClassVar[ExitNote]
    EXIT_NOTE_START_FAILED: _ClassVar[ExitNote]
    EXIT_NOTE_UNHEALTHY: _ClassVar[ExitNote]
    EXIT_NOTE_FENCED: _ClassVar[ExitNote]
    EXIT_NOTE_TIME_LIMIT: _ClassVar[ExitNote]
DETECTION_FINE: Detection
DETECTION_COARSE: Detection
ATOMICITY_INCREMENTAL: Atomicity
ATOMICITY_ALL_OR_NOTHING: Atomicity
ROLE_API: Role
ROLE_SCHEDULER: Role
ROLE_CONTROLLER: Role
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
OPERATOR_EQUAL: Operator
OPERATOR_NOT_EQUAL: Operator
OPERATOR_IN: Operator
OPERATOR_NOT_IN: Operator
OPERATOR_LESS: Operator
OPERATOR_LESS_OR_EQUAL: Operator
OPERATOR_GREATER: Operator
OPERATOR_GREATER_OR_EQUAL: Operator
OPERATOR_EXISTS: Operator
OPERATOR_NOT_EXISTS: Operator
OPERATOR_VERSION_EQUAL: Operator
OPERATOR_VERSION_LESS: Operator
OPERATOR_VERSION_LESS_OR_EQUAL: Operator
OPERATOR_VERSION_GREATER: Operator
OPERATOR_VERSION_GREATER_OR_EQUAL: Operator
OPERATOR_GLOB: Operator
OPERATOR_NOT_GLOB: Operator
EFFECT_NO_PLACE: Effect
EFFECT_PREFER_NOT: Effect
CONDITION_SUCCEEDED: Condition
CONDITION_ENDED: Condition
CONDITION_AVAILABLE: Condition
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
STOP_CAUSE_ASKED: StopCause
STOP_CAUSE_DEADLINE: StopCause
REVERT_CAUSE_ASKED: RevertCause
REVERT_CAUSE_STUCK: RevertCause
EVICT_CAUSE_OPERATOR: EvictCause
EVICT_CAUSE_UNHEALTHY: EvictCause
EVICT_CAUSE_DRAIN: EvictCause
ELIGIBILITY_OPEN: Eligibility
ELIGIBILITY_CORDONED: Eligibility
ELIGIBILITY_DRAINING: Eligibility
REPORT_KIND_STARTED: ReportKind
REPORT_KIND_EXITED: ReportKind
REPORT_KIND_HEALTHY: ReportKind
REPORT_KIND_UNHEALTHY: ReportKind
EXIT_NOTE_NONE: ExitNote
EXIT_NOTE_UNKNOWN: ExitNote
EXIT_NOTE_OUT_OF_MEMORY: ExitNote
EXIT_NOTE_START_FAILED: ExitNote
EXIT_NOTE_UNHEALTHY: ExitNote
EXIT_NOTE_FENCED: ExitNote
EXIT_NOTE_TIME_LIMIT: ExitNote

class Entry(_message.Message):
    __slots__ = ("session", "first_seq", "transactions")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    session: int
    first_seq: int
    transactions: _containers.RepeatedCompositeFieldContainer[Transaction]
    def __init__(self, session: _Optional[int] = ..., first_seq: _Optional[int] = ..., transactions: _Optional[_Iterable[_Union[Transaction, _Mapping]]] = ...) -> None: ...

class Transaction(_message.Message):
    __slots__ = ("seen", "seen_chain", "detection", "atomicity", "decided_from_us", "decided_to_us", "commands")
    SEEN_FIELD_NUMBER: _ClassVar[int]
    SEEN_CHAIN_FIELD_NUMBER: _ClassVar[int]
    DETECTION_FIELD_NUMBER: _ClassVar[int]
    ATOMICITY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FROM_US_FIELD_NUMBER: _ClassVar[int]
    DECIDED_TO_US_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    seen: int
    seen_chain: bytes
    detection: Detection
    atomicity: Atomicity
    decided_from_us: int
    decided_to_us: int
    commands: _containers.RepeatedCompositeFieldContainer[Command]
    def __init__(self, seen: _Optional[int] = ..., seen_chain: _Optional[bytes] = ..., detection: _Optional[_Union[Detection, str]] = ..., atomicity: _Optional[_Union[Atomicity, str]] = ..., decided_from_us: _Optional[int] = ..., decided_to_us: _Optional[int] = ..., commands: _Optional[_Iterable[_Union[Command, _Mapping]]] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("place", "evict", "unplaced", "report", "tick", "submit_job", "stop_job", "forget_job", "open_session", "renew", "close_session", "expire_session", "register_machine", "inventory", "lose_machines", "genesis", "reincarnate", "activate_rules", "set_taints", "set_eligibility", "set_quota", "set_caps", "release_tasks", "stop_tasks", "revert_update", "finish_update", "spawn_job", "hold_tasks", "grow_system_job")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    EVICT_FIELD_NUMBER: _ClassVar[int]
    UNPLACED_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_JOB_FIELD_NUMBER: _ClassVar[int]
    STOP_JOB_FIELD_NUMBER: _ClassVar[int]
    FORGET_JOB_FIELD_NUMBER: _ClassVar[int]
    OPEN_SESSION_FIELD_NUMBER: _ClassVar[int]
    RENEW_FIELD_NUMBER: _ClassVar[int]
    CLOSE_SESSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_SESSION_FIELD_NUMBER: _ClassVar[int]
    REGISTER_MACHINE_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_FIELD_NUMBER: _ClassVar[int]
    LOSE_MACHINES_FIELD_NUMBER: _ClassVar[int]
    GENESIS_FIELD_NUMBER: _ClassVar[int]
    REINCARNATE_FIELD_NUMBER: _ClassVar[int]
    ACTIVATE_RULES_FIELD_NUMBER: _ClassVar[int]
    SET_TAINTS_FIELD_NUMBER: _ClassVar[int]
    SET_ELIGIBILITY_FIELD_NUMBER: _ClassVar[int]
    SET_QUOTA_FIELD_NUMBER: _ClassVar[int]
    SET_CAPS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_TASKS_FIELD_NUMBER: _ClassVar[int]
    STOP_TASKS_FIELD_NUMBER: _ClassVar[int]
    REVERT_UPDATE_FIELD_NUMBER: _ClassVar[int]
    FINISH_UPDATE_FIELD_NUMBER: _ClassVar[int]
    SPAWN_JOB_FIELD_NUMBER: _ClassVar[int]
    HOLD_TASKS_FIELD_NUMBER: _ClassVar[int]
    GROW_SYSTEM_JOB_FIELD_NUMBER: _ClassVar[int]
    place: Place
    evict: Evict
    unplaced: Unplaced
    report: Report
    tick: Tick
    submit_job: SubmitJob
    stop_job: StopJob
    forget_job: ForgetJob
    open_session: OpenSession
    renew: Renew
    close_session: CloseSession
    expire_session: ExpireSession
    register_machine: RegisterMachine
    inventory: Inventory
    lose_machines: LoseMachines
    genesis: Genesis
    reincarnate: Reincarnate
    activate_rules: ActivateRules
    set_taints: SetTaints
    set_eligibility: SetEligibility
    set_quota: SetQuota
    set_caps: SetCaps
    release_tasks: ReleaseTasks
    stop_tasks: StopTasks
    revert_update: RevertUpdate
    finish_update: FinishUpdate
    spawn_job: SpawnJob
    hold_tasks: HoldTasks
    grow_system_job: GrowSystemJob
    def __init__(self, place: _Optional[_Union[Place, _Mapping]] = ..., evict: _Optional[_Union[Evict, _Mapping]] = ..., unplaced: _Optional[_Union[Unplaced, _Mapping]] = ..., report: _Optional[_Union[Report, _Mapping]] = ..., tick: _Optional[_Union[Tick, _Mapping]] = ..., submit_job: _Optional[_Union[SubmitJob, _Mapping]] = ..., stop_job: _Optional[_Union[StopJob, _Mapping]] = ..., forget_job: _Optional[_Union[ForgetJob, _Mapping]] = ..., open_session: _Optional[_Union[OpenSession, _Mapping]] = ..., renew: _Optional[_Union[Renew, _Mapping]] = ..., close_session: _Optional[_Union[CloseSession, _Mapping]] = ..., expire_session: _Optional[_Union[ExpireSession, _Mapping]] = ..., register_machine: _Optional[_Union[RegisterMachine, _Mapping]] = ..., inventory: _Optional[_Union[Inventory, _Mapping]] = ..., lose_machines: _Optional[_Union[LoseMachines, _Mapping]] = ..., genesis: _Optional[_Union[Genesis, _Mapping]] = ..., reincarnate: _Optional[_Union[Reincarnate, _Mapping]] = ..., activate_rules: _Optional[_Union[ActivateRules, _Mapping]] = ..., set_taints: _Optional[_Union[SetTaints, _Mapping]] = ..., set_eligibility: _Optional[_Union[SetEligibility, _Mapping]] = ..., set_quota: _Optional[_Union[SetQuota, _Mapping]] = ..., set_caps: _Optional[_Union[SetCaps, _Mapping]] = ..., release_tasks: _Optional[_Union[ReleaseTasks, _Mapping]] = ..., stop_tasks: _Optional[_Union[StopTasks, _Mapping]] = ..., revert_update: _Optional[_Union[RevertUpdate, _Mapping]] = ..., finish_update: _Optional[_Union[FinishUpdate, _Mapping]] = ..., spawn_job: _Optional[_Union[SpawnJob, _Mapping]] = ..., hold_tasks: _Optional[_Union[HoldTasks, _Mapping]] = ..., grow_system_job: _Optional[_Union[GrowSystemJob, _Mapping]] = ...) -> None: ...

class Genesis(_message.Message):
    __slots__ = ("format", "rules", "features", "resource_names", "cell", "incarnation", "tick_period_us", "session_ttl_us", "forget_after_us")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_NAMES_FIELD_NUMBER: _ClassVar[int]
    CELL_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    TICK_PERIOD_US_FIELD_NUMBER: _ClassVar[int]
    SESSION_TTL_US_FIELD_NUMBER: _ClassVar[int]
    FORGET_AFTER_US_FIELD_NUMBER: _ClassVar[int]
    format: int
    rules: int
    features: _containers.RepeatedScalarFieldContainer[str]
    resource_names: _containers.RepeatedScalarFieldContainer[str]
    cell: str
    incarnation: str
    tick_period_us: int
    session_ttl_us: int
    forget_after_us: int
    def __init__(self, format: _Optional[int] = ..., rules: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., resource_names: _Optional[_Iterable[str]] = ..., cell: _Optional[str] = ..., incarnation: _Optional[str] = ..., tick_period_us: _Optional[int] = ..., session_ttl_us: _Optional[int] = ..., forget_after_us: _Optional[int] = ...) -> None: ...

class Reincarnate(_message.Message):
    __slots__ = ("incarnation",)
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    def __init__(self, incarnation: _Optional[str] = ...) -> None: ...

class ActivateRules(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: int
    def __init__(self, rules: _Optional[int] = ...) -> None: ...

class OpenSession(_message.Message):
    __slots__ = ("author", "role", "scheduler")
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    author: str
    role: Role
    scheduler: str
    def __init__(self, author: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., scheduler: _Optional[str] = ...) -> None: ...

class Renew(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CloseSession(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExpireSession(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: int
    def __init__(self, session: _Optional[int] = ...) -> None: ...

class Port(_message.Message):
    __slots__ = ("name", "number")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class Constraint(_message.Message):
    __slots__ = ("attribute", "operator", "values")
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    attribute: str
    operator: Operator
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, attribute: _Optional[str] = ..., operator: _Optional[_Union[Operator, str]] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class Affinity(_message.Message):
    __slots__ = ("constraint", "weight")
    CONSTRAINT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    constraint: Constraint
    weight: int
    def __init__(self, constraint: _Optional[_Union[Constraint, _Mapping]] = ..., weight: _Optional[int] = ...) -> None: ...

class Toleration(_message.Message):
    __slots__ = ("key", "has_value", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    HAS_VALUE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    has_value: bool
    value: str
    def __init__(self, key: _Optional[str] = ..., has_value: _Optional[bool] = ..., value: _Optional[str] = ...) -> None: ...

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
    constraints: _containers.RepeatedCompositeFieldContainer[Constraint]
    tolerations: _containers.RepeatedCompositeFieldContainer[Toleration]
    max_per_machine: int
    neighbours: _containers.RepeatedCompositeFieldContainer[Neighbour]
    spreads: _containers.RepeatedCompositeFieldContainer[Spread]
    affinities: _containers.RepeatedCompositeFieldContainer[Affinity]
    def __init__(self, pool: _Optional[str] = ..., constraints: _Optional[_Iterable[_Union[Constraint, _Mapping]]] = ..., tolerations: _Optional[_Iterable[_Union[Toleration, _Mapping]]] = ..., max_per_machine: _Optional[int] = ..., neighbours: _Optional[_Iterable[_Union[Neighbour, _Mapping]]] = ..., spreads: _Optional[_Iterable[_Union[Spread, _Mapping]]] = ..., affinities: _Optional[_Iterable[_Union[Affinity, _Mapping]]] = ...) -> None: ...

class Taint(_message.Message):
    __slots__ = ("key", "value", "effect")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    effect: Effect
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ..., effect: _Optional[_Union[Effect, str]] = ...) -> None: ...

class DeviceRequest(_message.Message):
    __slots__ = ("name", "count", "where")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    where: _containers.RepeatedCompositeFieldContainer[Attribute]
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ..., where: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ...) -> None: ...

class Dependency(_message.Message):
    __slots__ = ("job", "condition")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    job: str
    condition: Condition
    def __init__(self, job: _Optional[str] = ..., condition: _Optional[_Union[Condition, str]] = ...) -> None: ...

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
    __slots__ = ("name", "owner", "kind", "scheduler", "band", "priority", "count", "resources", "driver", "ports", "max_restarts", "restart_delay_us", "grace_us", "on_partition", "payload", "placement", "devices", "max_unavailable", "is_health_checked", "update", "schedule", "alloc", "after", "parameters", "max_run_us", "gang", "deadline_us")
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
    ALLOC_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
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
    resources: _containers.RepeatedScalarFieldContainer[int]
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
    alloc: str
    after: _containers.RepeatedCompositeFieldContainer[Dependency]
    parameters: Parameters
    max_run_us: int
    gang: Gang
    deadline_us: int
    def __init__(self, name: _Optional[str] = ..., owner: _Optional[str] = ..., kind: _Optional[_Union[Kind, str]] = ..., scheduler: _Optional[str] = ..., band: _Optional[_Union[Band, str]] = ..., priority: _Optional[int] = ..., count: _Optional[int] = ..., resources: _Optional[_Iterable[int]] = ..., driver: _Optional[str] = ..., ports: _Optional[_Iterable[_Union[Port, _Mapping]]] = ..., max_restarts: _Optional[int] = ..., restart_delay_us: _Optional[int] = ..., grace_us: _Optional[int] = ..., on_partition: _Optional[_Union[OnPartition, str]] = ..., payload: _Optional[bytes] = ..., placement: _Optional[_Union[PlacementRules, _Mapping]] = ..., devices: _Optional[_Iterable[_Union[DeviceRequest, _Mapping]]] = ..., max_unavailable: _Optional[int] = ..., is_health_checked: _Optional[bool] = ..., update: _Optional[_Union[UpdatePolicy, _Mapping]] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ..., alloc: _Optional[str] = ..., after: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., parameters: _Optional[_Union[Parameters, _Mapping]] = ..., max_run_us: _Optional[int] = ..., gang: _Optional[_Union[Gang, _Mapping]] = ..., deadline_us: _Optional[int] = ...) -> None: ...

class SubmitJob(_message.Message):
    __slots__ = ("spec", "submitted_at_us", "replace", "update")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    spec: JobSpec
    submitted_at_us: int
    replace: bool
    update: bool
    def __init__(self, spec: _Optional[_Union[JobSpec, _Mapping]] = ..., submitted_at_us: _Optional[int] = ..., replace: _Optional[bool] = ..., update: _Optional[bool] = ...) -> None: ...

class StopJob(_message.Message):
    __slots__ = ("job", "cause")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    job: int
    cause: StopCause
    def __init__(self, job: _Optional[int] = ..., cause: _Optional[_Union[StopCause, str]] = ...) -> None: ...

class ForgetJob(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: int
    def __init__(self, job: _Optional[int] = ...) -> None: ...

class SpawnJob(_message.Message):
    __slots__ = ("template", "name", "instant_us", "submitted_at_us", "payload", "missed_count")
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANT_US_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    MISSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    template: int
    name: str
    instant_us: int
    submitted_at_us: int
    payload: bytes
    missed_count: int
    def __init__(self, template: _Optional[int] = ..., name: _Optional[str] = ..., instant_us: _Optional[int] = ..., submitted_at_us: _Optional[int] = ..., payload: _Optional[bytes] = ..., missed_count: _Optional[int] = ...) -> None: ...

class ReleaseTasks(_message.Message):
    __slots__ = ("job", "indices")
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    job: int
    indices: bytes
    def __init__(self, job: _Optional[int] = ..., indices: _Optional[bytes] = ...) -> None: ...

class StopTasks(_message.Message):
    __slots__ = ("job", "indices")
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    job: int
    indices: bytes
    def __init__(self, job: _Optional[int] = ..., indices: _Optional[bytes] = ...) -> None: ...

class HoldTasks(_message.Message):
    __slots__ = ("job", "indices")
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    job: int
    indices: bytes
    def __init__(self, job: _Optional[int] = ..., indices: _Optional[bytes] = ...) -> None: ...

class RevertUpdate(_message.Message):
    __slots__ = ("job", "cause")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    job: int
    cause: RevertCause
    def __init__(self, job: _Optional[int] = ..., cause: _Optional[_Union[RevertCause, str]] = ...) -> None: ...

class FinishUpdate(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: int
    def __init__(self, job: _Optional[int] = ...) -> None: ...

class GrowSystemJob(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: int
    def __init__(self, job: _Optional[int] = ...) -> None: ...

class SetQuota(_message.Message):
    __slots__ = ("owner", "band", "amounts")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    owner: str
    band: Band
    amounts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, owner: _Optional[str] = ..., band: _Optional[_Union[Band, str]] = ..., amounts: _Optional[_Iterable[int]] = ...) -> None: ...

class SetCaps(_message.Message):
    __slots__ = ("scheduler", "amounts")
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    scheduler: str
    amounts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, scheduler: _Optional[str] = ..., amounts: _Optional[_Iterable[int]] = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("job", "indices", "machines", "victims")
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    VICTIMS_FIELD_NUMBER: _ClassVar[int]
    job: int
    indices: bytes
    machines: bytes
    victims: Victims
    def __init__(self, job: _Optional[int] = ..., indices: _Optional[bytes] = ..., machines: _Optional[bytes] = ..., victims: _Optional[_Union[Victims, _Mapping]] = ...) -> None: ...

class Victims(_message.Message):
    __slots__ = ("claims", "jobs", "indices", "attempts")
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    claims: bytes
    jobs: bytes
    indices: bytes
    attempts: bytes
    def __init__(self, claims: _Optional[bytes] = ..., jobs: _Optional[bytes] = ..., indices: _Optional[bytes] = ..., attempts: _Optional[bytes] = ...) -> None: ...

class Evict(_message.Message):
    __slots__ = ("job", "indices", "attempts", "cause")
    JOB_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    job: int
    indices: bytes
    attempts: bytes
    cause: EvictCause
    def __init__(self, job: _Optional[int] = ..., indices: _Optional[bytes] = ..., attempts: _Optional[bytes] = ..., cause: _Optional[_Union[EvictCause, str]] = ...) -> None: ...

class Lack(_message.Message):
    __slots__ = ("reason", "dimension", "machine_count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    MACHINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: int
    dimension: int
    machine_count: int
    def __init__(self, reason: _Optional[int] = ..., dimension: _Optional[int] = ..., machine_count: _Optional[int] = ...) -> None: ...

class Unplaced(_message.Message):
    __slots__ = ("job", "task_count", "lacks", "note")
    JOB_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    LACKS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    job: int
    task_count: int
    lacks: _containers.RepeatedCompositeFieldContainer[Lack]
    note: str
    def __init__(self, job: _Optional[int] = ..., task_count: _Optional[int] = ..., lacks: _Optional[_Iterable[_Union[Lack, _Mapping]]] = ..., note: _Optional[str] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class DeviceOffer(_message.Message):
    __slots__ = ("name", "count", "attributes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ...) -> None: ...

class RegisterMachine(_message.Message):
    __slots__ = ("name", "boot_id", "capacity", "drivers", "attributes", "port_first", "port_last", "devices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    DRIVERS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PORT_FIRST_FIELD_NUMBER: _ClassVar[int]
    PORT_LAST_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    boot_id: str
    capacity: _containers.RepeatedScalarFieldContainer[int]
    drivers: _containers.RepeatedScalarFieldContainer[str]
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    port_first: int
    port_last: int
    devices: _containers.RepeatedCompositeFieldContainer[DeviceOffer]
    def __init__(self, name: _Optional[str] = ..., boot_id: _Optional[str] = ..., capacity: _Optional[_Iterable[int]] = ..., drivers: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ..., port_first: _Optional[int] = ..., port_last: _Optional[int] = ..., devices: _Optional[_Iterable[_Union[DeviceOffer, _Mapping]]] = ...) -> None: ...

class Inventory(_message.Message):
    __slots__ = ("machine", "epoch", "jobs", "indices", "attempts")
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    machine: int
    epoch: int
    jobs: bytes
    indices: bytes
    attempts: bytes
    def __init__(self, machine: _Optional[int] = ..., epoch: _Optional[int] = ..., jobs: _Optional[bytes] = ..., indices: _Optional[bytes] = ..., attempts: _Optional[bytes] = ...) -> None: ...

class LoseMachines(_message.Message):
    __slots__ = ("machines", "by_operator")
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    BY_OPERATOR_FIELD_NUMBER: _ClassVar[int]
    machines: _containers.RepeatedScalarFieldContainer[int]
    by_operator: bool
    def __init__(self, machines: _Optional[_Iterable[int]] = ..., by_operator: _Optional[bool] = ...) -> None: ...

class SetTaints(_message.Message):
    __slots__ = ("machines", "add", "remove")
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    ADD_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    machines: _containers.RepeatedScalarFieldContainer[int]
    add: _containers.RepeatedCompositeFieldContainer[Taint]
    remove: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, machines: _Optional[_Iterable[int]] = ..., add: _Optional[_Iterable[_Union[Taint, _Mapping]]] = ..., remove: _Optional[_Iterable[str]] = ...) -> None: ...

class SetEligibility(_message.Message):
    __slots__ = ("machines", "eligibility", "deadline_us")
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    ELIGIBILITY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    machines: _containers.RepeatedScalarFieldContainer[int]
    eligibility: Eligibility
    deadline_us: int
    def __init__(self, machines: _Optional[_Iterable[int]] = ..., eligibility: _Optional[_Union[Eligibility, str]] = ..., deadline_us: _Optional[int] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("machines", "epochs", "jobs", "indices", "attempts", "kinds", "exit_codes", "signals", "notes", "at_us")
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODES_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    machines: bytes
    epochs: bytes
    jobs: bytes
    indices: bytes
    attempts: bytes
    kinds: bytes
    exit_codes: bytes
    signals: bytes
    notes: bytes
    at_us: bytes
    def __init__(self, machines: _Optional[bytes] = ..., epochs: _Optional[bytes] = ..., jobs: _Optional[bytes] = ..., indices: _Optional[bytes] = ..., attempts: _Optional[bytes] = ..., kinds: _Optional[bytes] = ..., exit_codes: _Optional[bytes] = ..., signals: _Optional[bytes] = ..., notes: _Optional[bytes] = ..., at_us: _Optional[bytes] = ...) -> None: ...

class Tick(_message.Message):
    __slots__ = ("after", "dt_us", "gained", "gained_epochs", "lost_contact")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    DT_US_FIELD_NUMBER: _ClassVar[int]
    GAINED_FIELD_NUMBER: _ClassVar[int]
    GAINED_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    LOST_CONTACT_FIELD_NUMBER: _ClassVar[int]
    after: int
    dt_us: int
    gained: bytes
    gained_epochs: bytes
    lost_contact: bytes
    def __init__(self, after: _Optional[int] = ..., dt_us: _Optional[int] = ..., gained: _Optional[bytes] = ..., gained_epochs: _Optional[bytes] = ..., lost_contact: _Optional[bytes] = ...) -> None: ...
