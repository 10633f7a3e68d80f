"""Translates commands between the core and the persistent format: one writer and one reader each.

Rules: `WRITERS` has every member of the union `Command`, `READERS` every name of the proto's oneof (a test holds
both); a reader checks structure only, the ranges are ``omegacell.core.validate``'s.
"""

from collections.abc import Callable
from typing import Any, Final

from omegacell.core import commands as core
from omegacell.core import machine_commands as machines
from omegacell.core.drains import EvictCause, SetEligibility
from omegacell.core.errors import MalformedError
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import StopCause
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.preemption import NO_VICTIMS, Victims
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.units import JobId, Role, SessionId
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks
from omegacell.store.codec_columns import (
    INT32,
    INT64,
    UINT8,
    EnumTable,
    column_bytes,
    read_bytes,
    read_int32s,
    read_int64s,
)
from omegacell.store.codec_holds import read_grow, read_hold, read_release, write_grow, write_hold, write_release
from omegacell.store.codec_jobs import read_spec, write_spec
from omegacell.store.codec_limits import read_set_caps, read_set_quota, write_set_caps, write_set_quota
from omegacell.store.codec_machines import (
    read_inventory,
    read_lose_machines,
    read_register_machine,
    read_set_eligibility,
    write_inventory,
    write_lose_machines,
    write_register_machine,
    write_set_eligibility,
)
from omegacell.store.codec_placement import read_set_taints, write_set_taints
from omegacell.store.codec_templates import read_spawn, write_spawn
from omegacell.store.codec_updates import (
    read_finish,
    read_revert,
    read_stop_tasks,
    write_finish,
    write_revert,
    write_stop_tasks,
)
from omegacell.store.proto import log_v1_pb2 as pb

_ROLES = EnumTable(Role, pb.Role, "ROLE")
_CAUSES = EnumTable(EvictCause, pb.EvictCause, "EVICT_CAUSE")
_STOP_CAUSES = EnumTable(StopCause, pb.StopCause, "STOP_CAUSE")


# --- the cell -----------------------------------------------------------------------------------------------------


def _write_genesis(message: pb.Command, command: core.Genesis) -> None:
    genesis = message.genesis
    genesis.SetInParent()
    genesis.format = command.format
    genesis.rules = command.rules
    genesis.features.extend(command.features)
    genesis.resource_names.extend(command.resource_names)
    genesis.cell = command.cell
    genesis.incarnation = command.incarnation
    genesis.tick_period_us = command.tick_period_us
    genesis.session_ttl_us = command.session_ttl_us
    genesis.forget_after_us = command.forget_after_us


def _read_genesis(message: pb.Command) -> core.Genesis:
    genesis = message.genesis
    return core.Genesis(
        format=genesis.format,
        rules=genesis.rules,
        features=tuple(genesis.features),
        resource_names=tuple(genesis.resource_names),
        cell=genesis.cell,
        incarnation=genesis.incarnation,
        tick_period_us=genesis.tick_period_us,
        session_ttl_us=genesis.session_ttl_us,
        forget_after_us=genesis.forget_after_us,
    )


def _write_reincarnate(message: pb.Command, command: core.Reincarnate) -> None:
    message.reincarnate.SetInParent()
    message.reincarnate.incarnation = command.incarnation


def _read_reincarnate(message: pb.Command) -> core.Reincarnate:
    return core.Reincarnate(incarnation=message.reincarnate.incarnation)


def _write_activate_rules(message: pb.Command, command: core.ActivateRules) -> None:
    message.activate_rules.SetInParent()
    message.activate_rules.rules = command.rules


def _read_activate_rules(message: pb.Command) -> core.ActivateRules:
    return core.ActivateRules(rules=message.activate_rules.rules)


# --- sessions -----------------------------------------------------------------------------------------------------


def _write_open_session(message: pb.Command, command: core.OpenSession) -> None:
    opened = message.open_session
    opened.SetInParent()
    opened.author = command.author
    opened.role = _ROLES.to_wire(command.role)
    opened.scheduler = command.scheduler


def _read_open_session(message: pb.Command) -> core.OpenSession:
    opened = message.open_session
    return core.OpenSession(author=opened.author, role=_ROLES.from_wire(opened.role), scheduler=opened.scheduler)


def _write_renew(message: pb.Command, _command: core.Renew) -> None:
    message.renew.SetInParent()


def _read_renew(_message: pb.Command) -> core.Renew:
    return core.Renew()


def _write_close_session(message: pb.Command, _command: core.CloseSession) -> None:
    message.close_session.SetInParent()


def _read_close_session(_message: pb.Command) -> core.CloseSession:
    return core.CloseSession()


def _write_expire_session(message: pb.Command, command: core.ExpireSession) -> None:
    message.expire_session.SetInParent()
    message.expire_session.session = command.session


def _read_expire_session(message: pb.Command) -> core.ExpireSession:
    return core.ExpireSession(session=SessionId(message.expire_session.session))


# --- jobs ---------------------------------------------------------------------------------------------------------


def _write_submit_job(message: pb.Command, command: core.SubmitJob) -> None:
    submit = message.submit_job
    submit.spec.SetInParent()
    write_spec(submit.spec, command.spec)
    submit.submitted_at_us = command.submitted_at_us
    submit.replace = command.replace
    submit.update = command.update


def _read_submit_job(message: pb.Command) -> core.SubmitJob:
    submit = message.submit_job
    if not submit.HasField("spec"):
        raise MalformedError("a submit without a job spec")
    return core.SubmitJob(
        spec=read_spec(submit.spec),
        submitted_at_us=submit.submitted_at_us,
        replace=submit.replace,
        update=submit.update,
    )


def _write_stop_job(message: pb.Command, command: core.StopJob) -> None:
    message.stop_job.SetInParent()
    message.stop_job.job = command.job
    message.stop_job.cause = _STOP_CAUSES.to_wire(command.cause)


def _read_stop_job(message: pb.Command) -> core.StopJob:
    stop = message.stop_job
    return core.StopJob(job=JobId(stop.job), cause=_STOP_CAUSES.from_wire(stop.cause))


def _write_forget_job(message: pb.Command, command: core.ForgetJob) -> None:
    message.forget_job.SetInParent()
    message.forget_job.job = command.job


def _read_forget_job(message: pb.Command) -> core.ForgetJob:
    return core.ForgetJob(job=JobId(message.forget_job.job))


# --- scheduling ---------------------------------------------------------------------------------------------------


def _write_place(message: pb.Command, command: core.Place) -> None:
    place = message.place
    place.SetInParent()
    place.job = command.job
    place.indices = column_bytes(command.indices, INT32)
    place.machines = column_bytes(command.machines, INT32)
    if command.victims is not NO_VICTIMS:
        victims = place.victims
        victims.SetInParent()
        victims.claims = column_bytes(command.victims.claims, INT32)
        victims.jobs = column_bytes(command.victims.jobs, INT64)
        victims.indices = column_bytes(command.victims.indices, INT32)
        victims.attempts = column_bytes(command.victims.attempts, INT32)


def _read_place(message: pb.Command) -> core.Place:
    place = message.place
    return core.Place(
        job=JobId(place.job),
        indices=read_int32s(place.indices),
        machines=read_int32s(place.machines),
        victims=_read_victims(place.victims) if place.HasField("victims") else NO_VICTIMS,
    )


def _read_victims(victims: pb.Victims) -> Victims:
    return Victims(
        claims=read_int32s(victims.claims),
        jobs=read_int64s(victims.jobs),
        indices=read_int32s(victims.indices),
        attempts=read_int32s(victims.attempts),
    )


def _write_evict(message: pb.Command, command: core.Evict) -> None:
    evict = message.evict
    evict.SetInParent()
    evict.job = command.job
    evict.indices = column_bytes(command.indices, INT32)
    evict.attempts = column_bytes(command.attempts, INT32)
    evict.cause = _CAUSES.to_wire(command.cause)


def _read_evict(message: pb.Command) -> core.Evict:
    evict = message.evict
    return core.Evict(
        job=JobId(evict.job),
        indices=read_int32s(evict.indices),
        attempts=read_int32s(evict.attempts),
        cause=_CAUSES.from_wire(evict.cause),
    )


def _write_unplaced(message: pb.Command, command: core.Unplaced) -> None:
    unplaced = message.unplaced
    unplaced.SetInParent()
    unplaced.job = command.job
    unplaced.task_count = command.task_count
    for lack in command.lacks:
        unplaced.lacks.add(reason=lack.reason, dimension=lack.dimension, machine_count=lack.machine_count)
    unplaced.note = command.note


def _read_unplaced(message: pb.Command) -> core.Unplaced:
    unplaced = message.unplaced
    return core.Unplaced(
        job=JobId(unplaced.job),
        task_count=unplaced.task_count,
        lacks=tuple(
            [
                core.Lack(reason=lack.reason, dimension=lack.dimension, machine_count=lack.machine_count)
                for lack in unplaced.lacks
            ]
        ),
        note=unplaced.note,
    )


# --- machines -----------------------------------------------------------------------------------------------------


def _write_report(message: pb.Command, command: machines.Report) -> None:
    report = message.report
    report.SetInParent()
    report.machines = column_bytes(command.machines, INT32)
    report.epochs = column_bytes(command.epochs, INT32)
    report.jobs = column_bytes(command.jobs, INT64)
    report.indices = column_bytes(command.indices, INT32)
    report.attempts = column_bytes(command.attempts, INT32)
    report.kinds = column_bytes(command.kinds, UINT8)
    report.exit_codes = column_bytes(command.exit_codes, INT32)
    report.signals = column_bytes(command.signals, UINT8)
    report.notes = column_bytes(command.notes, UINT8)
    report.at_us = column_bytes(command.at_us, INT64)


def _read_report(message: pb.Command) -> machines.Report:
    report = message.report
    return machines.Report(
        machines=read_int32s(report.machines),
        epochs=read_int32s(report.epochs),
        jobs=read_int64s(report.jobs),
        indices=read_int32s(report.indices),
        attempts=read_int32s(report.attempts),
        kinds=read_bytes(report.kinds),
        exit_codes=read_int32s(report.exit_codes),
        signals=read_bytes(report.signals),
        notes=read_bytes(report.notes),
        at_us=read_int64s(report.at_us),
    )


def _write_tick(message: pb.Command, command: machines.Tick) -> None:
    tick = message.tick
    tick.SetInParent()
    tick.after = command.after
    tick.dt_us = command.dt_us
    tick.gained = column_bytes(command.gained, INT32)
    tick.gained_epochs = column_bytes(command.gained_epochs, INT32)
    tick.lost_contact = column_bytes(command.lost_contact, INT32)


def _read_tick(message: pb.Command) -> machines.Tick:
    tick = message.tick
    return machines.Tick(
        after=tick.after,
        dt_us=tick.dt_us,
        gained=read_int32s(tick.gained),
        gained_epochs=read_int32s(tick.gained_epochs),
        lost_contact=read_int32s(tick.lost_contact),
    )


WRITERS: Final[dict[type[core.Command], Callable[[pb.Command, Any], None]]] = {
    core.Genesis: _write_genesis,
    core.Reincarnate: _write_reincarnate,
    core.ActivateRules: _write_activate_rules,
    core.OpenSession: _write_open_session,
    core.Renew: _write_renew,
    core.CloseSession: _write_close_session,
    core.ExpireSession: _write_expire_session,
    core.SubmitJob: _write_submit_job,
    core.StopJob: _write_stop_job,
    core.ForgetJob: _write_forget_job,
    SetQuota: write_set_quota,
    SetCaps: write_set_caps,
    ReleaseTasks: write_release,
    StopTasks: write_stop_tasks,
    RevertUpdate: write_revert,
    FinishUpdate: write_finish,
    SpawnJob: write_spawn,
    HoldTasks: write_hold,
    GrowSystemJob: write_grow,
    core.Place: _write_place,
    core.Evict: _write_evict,
    core.Unplaced: _write_unplaced,
    machines.RegisterMachine: write_register_machine,
    machines.Inventory: write_inventory,
    machines.LoseMachines: write_lose_machines,
    machines.SetTaints: write_set_taints,
    SetEligibility: write_set_eligibility,
    machines.Report: _write_report,
    machines.Tick: _write_tick,
}
"""How each command is written into an empty message."""

READERS: Final[dict[str, Callable[[pb.Command], core.Command]]] = {
    "genesis": _read_genesis,
    "reincarnate": _read_reincarnate,
    "activate_rules": _read_activate_rules,
    "open_session": _read_open_session,
    "renew": _read_renew,
    "close_session": _read_close_session,
    "expire_session": _read_expire_session,
    "submit_job": _read_submit_job,
    "stop_job": _read_stop_job,
    "forget_job": _read_forget_job,
    "set_quota": read_set_quota,
    "set_caps": read_set_caps,
    "release_tasks": read_release,
    "stop_tasks": read_stop_tasks,
    "revert_update": read_revert,
    "finish_update": read_finish,
    "spawn_job": read_spawn,
    "hold_tasks": read_hold,
    "grow_system_job": read_grow,
    "place": _read_place,
    "evict": _read_evict,
    "unplaced": _read_unplaced,
    "register_machine": read_register_machine,
    "inventory": read_inventory,
    "lose_machines": read_lose_machines,
    "set_taints": read_set_taints,
    "set_eligibility": read_set_eligibility,
    "report": _read_report,
    "tick": _read_tick,
}
"""How each command is read, by its name in the proto's oneof. Each raises MalformedError for a broken column."""
