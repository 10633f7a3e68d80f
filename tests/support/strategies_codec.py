"""Hypothesis strategies for transactions of every command, as wide as the format allows (wider than the ranges)."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from omegacell.core import commands as core
from omegacell.core import machine_commands as on
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.drains import Eligibility, EvictCause, SetEligibility
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import Gang, JobSpec, Kind, OnPartition, Port, StopCause
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.placement import (
    NO_RULES,
    Affinity,
    Effect,
    Neighbour,
    PlacementRules,
    Spread,
    Taint,
    Toleration,
)
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import CatchUp, InputRule, Overlap, Parameters, Schedule
from omegacell.core.units import Atomicity, Band, Detection, JobId, Revision, Role, SessionId
from omegacell.core.updates import FinishUpdate, OnFailure, RevertCause, RevertUpdate, StopTasks, UpdatePolicy

UINT64 = st.integers(0, 2**64 - 1)
SINT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=12)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)


def column(dtype: type[np.generic]) -> st.SearchStrategy[Any]:
    """Draw a column of 0 to 6 rows."""
    return hnp.arrays(dtype, st.integers(0, 6))


def placements() -> st.SearchStrategy[PlacementRules]:
    """Draw placement rules."""
    texts = st.lists(TEXT, max_size=3).map(tuple)
    constraints = st.builds(Constraint, attribute=TEXT, operator=st.sampled_from(Operator), values=texts)
    targets = st.lists(st.tuples(TEXT, UINT64), max_size=2).map(tuple)
    return st.builds(
        PlacementRules,
        pool=TEXT,
        constraints=st.lists(constraints, max_size=2).map(tuple),
        tolerations=st.lists(st.builds(Toleration, key=TEXT, value=st.none() | TEXT), max_size=2).map(tuple),
        max_per_machine=UINT64,
        neighbours=st.lists(
            st.builds(Neighbour, job=TEXT, attribute=TEXT, is_apart=st.booleans(), weight=UINT64), max_size=2
        ).map(tuple),
        spreads=st.lists(
            st.builds(Spread, attribute=TEXT, max_skew=UINT64, weight=UINT64, targets=targets), max_size=2
        ).map(tuple),
        affinities=st.lists(st.builds(Affinity, constraint=constraints, weight=SINT64), max_size=2).map(tuple),
    )


def specs() -> st.SearchStrategy[JobSpec]:
    """Draw a job spec."""
    return st.builds(
        JobSpec,
        name=TEXT,
        owner=TEXT,
        kind=st.sampled_from(Kind),
        scheduler=TEXT,
        band=st.sampled_from(Band),
        priority=SINT64,
        count=UINT64,
        resources=st.lists(UINT64, max_size=4).map(tuple),
        driver=TEXT,
        ports=st.lists(st.builds(Port, name=TEXT, number=UINT64), max_size=3).map(tuple),
        gang=st.none() | st.builds(Gang, size=st.integers(0, 9), least=st.integers(0, 9)),
        max_restarts=SINT64,
        restart_delay_us=UINT64,
        grace_us=UINT64,
        max_run_us=UINT64,
        deadline_us=UINT64,
        on_partition=st.sampled_from(OnPartition),
        payload=st.binary(max_size=32),
        placement=st.just(NO_RULES) | placements().filter(lambda rules: rules != NO_RULES),
        devices=st.lists(st.builds(DeviceRequest, name=TEXT, count=UINT64, where=PAIRS), max_size=3).map(tuple),
        max_unavailable=SINT64,
        is_health_checked=st.booleans(),
        update=st.none()
        | st.builds(
            UpdatePolicy,
            max_parallel=UINT64,
            min_healthy_us=UINT64,
            deadline_us=UINT64,
            on_failure=st.sampled_from(OnFailure),
        ),
        schedule=st.none()
        | st.builds(
            Schedule, cron=TEXT, time_zone=TEXT, overlap=st.sampled_from(Overlap), catch_up=st.sampled_from(CatchUp)
        ),
        parameters=st.none()
        | st.builds(
            Parameters,
            required=st.lists(TEXT, max_size=3).map(tuple),
            optional=st.lists(TEXT, max_size=3).map(tuple),
            input=st.sampled_from(InputRule),
        ),
        alloc=TEXT,
        after=st.lists(st.builds(Dependency, job=TEXT, condition=st.sampled_from(Condition)), max_size=3).map(tuple),
    )


JOBS = UINT64.map(JobId)
I32, I64, U8 = column(np.int32), column(np.int64), column(np.uint8)
LIMITS = st.lists(SINT64, max_size=4).map(tuple)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)

COMMANDS: dict[type[core.Command], st.SearchStrategy[core.Command]] = {
    core.Genesis: st.builds(
        core.Genesis,
        format=UINT64,
        rules=UINT64,
        features=TEXTS,
        resource_names=TEXTS,
        cell=TEXT,
        incarnation=TEXT,
        tick_period_us=UINT64,
        session_ttl_us=UINT64,
        forget_after_us=UINT64,
    ),
    core.Reincarnate: st.builds(core.Reincarnate, incarnation=TEXT),
    core.ActivateRules: st.builds(core.ActivateRules, rules=UINT64),
    core.OpenSession: st.builds(core.OpenSession, author=TEXT, role=st.sampled_from(Role), scheduler=TEXT),
    core.Renew: st.builds(core.Renew),
    core.CloseSession: st.builds(core.CloseSession),
    core.ExpireSession: st.builds(core.ExpireSession, session=UINT64.map(SessionId)),
    core.SubmitJob: st.builds(
        core.SubmitJob, spec=specs(), submitted_at_us=UINT64, replace=st.booleans(), update=st.booleans()
    ),
    core.StopJob: st.builds(core.StopJob, job=JOBS, cause=st.sampled_from(StopCause)),
    core.ForgetJob: st.builds(core.ForgetJob, job=JOBS),
    ReleaseTasks: st.builds(ReleaseTasks, job=JOBS, indices=I32),
    SpawnJob: st.builds(
        SpawnJob,
        template=JOBS,
        name=TEXT,
        instant_us=UINT64,
        submitted_at_us=UINT64,
        payload=st.binary(max_size=32),
        missed_count=UINT64,
    ),
    HoldTasks: st.builds(HoldTasks, job=JOBS, indices=I32),
    GrowSystemJob: st.builds(GrowSystemJob, job=JOBS),
    StopTasks: st.builds(StopTasks, job=JOBS, indices=I32),
    RevertUpdate: st.builds(RevertUpdate, job=JOBS, cause=st.sampled_from(RevertCause)),
    FinishUpdate: st.builds(FinishUpdate, job=JOBS),
    core.Place: st.builds(core.Place, job=JOBS, indices=I32, machines=I32),
    core.Evict: st.builds(core.Evict, job=JOBS, indices=I32, attempts=I32, cause=st.sampled_from(EvictCause)),
    core.Unplaced: st.builds(
        core.Unplaced,
        job=JOBS,
        task_count=UINT64,
        lacks=st.lists(st.builds(core.Lack, reason=UINT64, dimension=SINT64, machine_count=UINT64), max_size=3).map(
            tuple
        ),
        note=TEXT,
    ),
    SetQuota: st.builds(SetQuota, owner=TEXT, band=st.sampled_from(Band), amounts=LIMITS),
    SetCaps: st.builds(SetCaps, scheduler=TEXT, amounts=LIMITS),
    on.RegisterMachine: st.builds(
        on.RegisterMachine,
        name=TEXT,
        boot_id=TEXT,
        capacity=st.lists(UINT64, max_size=4).map(tuple),
        drivers=TEXTS,
        attributes=PAIRS,
        port_first=UINT64,
        port_last=SINT64,
        devices=st.lists(st.builds(DeviceOffer, name=TEXT, count=UINT64, attributes=PAIRS), max_size=3).map(tuple),
    ),
    on.Inventory: st.builds(on.Inventory, machine=UINT64, epoch=UINT64, jobs=I64, indices=I32, attempts=I32),
    on.LoseMachines: st.builds(
        on.LoseMachines, machines=st.lists(UINT64, max_size=4).map(tuple), by_operator=st.booleans()
    ),
    on.SetTaints: st.builds(
        on.SetTaints,
        machines=st.lists(UINT64, max_size=4).map(tuple),
        add=st.lists(st.builds(Taint, key=TEXT, value=TEXT, effect=st.sampled_from(Effect)), max_size=2).map(tuple),
        remove=TEXTS,
    ),
    SetEligibility: st.builds(
        SetEligibility,
        machines=st.lists(UINT64, max_size=4).map(tuple),
        eligibility=st.sampled_from(Eligibility),
        deadline_us=SINT64,
    ),
    on.Report: st.builds(
        on.Report,
        machines=I32,
        epochs=I32,
        jobs=I64,
        indices=I32,
        attempts=I32,
        kinds=U8,
        exit_codes=I32,
        signals=U8,
        notes=U8,
        at_us=I64,
    ),
    on.Tick: st.builds(on.Tick, after=UINT64, dt_us=UINT64, gained=I32, gained_epochs=I32, lost_contact=I32),
}


@st.composite
def entries(draw: st.DrawFn) -> tuple[core.Transaction, ...]:
    """Draw the transactions of one entry."""
    session = SessionId(draw(UINT64))
    first_seq = draw(st.integers(0, 2**63))
    drawn = draw(st.lists(st.lists(st.one_of(*COMMANDS.values()), max_size=3).map(tuple), min_size=1, max_size=3))
    return tuple(
        core.Transaction(
            session=session,
            seq=first_seq + position,
            seen=Revision(draw(UINT64)),
            seen_chain=draw(st.binary(min_size=16, max_size=16)),
            detection=draw(st.sampled_from(Detection)),
            atomicity=draw(st.sampled_from(Atomicity)),
            decided_from_us=draw(UINT64),
            decided_to_us=draw(UINT64),
            commands=commands,
            position=position,
        )
        for position, commands in enumerate(drawn)
    )
