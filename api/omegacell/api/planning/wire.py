"""Reads the messages of plans and explanations into the values that the client gives."""

from collections.abc import Iterable

from omegacell.api.planning import records
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.records import Change
from omegacell.api.wire import read_at, read_held, read_lacks, read_pending
from omegacell.api.wire_figures import read_conflict
from omegacell.core.jobs import TaskState


def read_plan(message: pb.PlanJobsResponse) -> records.Plan:
    """Return a plan."""
    names = tuple(message.machines)
    return records.Plan(
        at=read_at(message.at),
        jobs=tuple(_read_job(job, names) for job in message.jobs),
        evicted=_read_evicted(message.evicted),
    )


def read_explanation(message: pb.ExplainTaskResponse) -> records.Explanation:
    """Return an explanation."""
    return records.Explanation(
        at=read_at(message.at),
        job=message.job,
        job_id=message.job_id,
        index=message.index if message.HasField("index") else None,
        state=TaskState(message.state),
        counts={TaskState(place): count for place, count in enumerate(message.counts)},
        summary=message.summary,
        pending_count=message.pending_count,
        machine_count=message.machine_count,
        fitting_count=message.fitting_count,
        lacks=read_lacks(message.lacks),
        misses=tuple(_read_miss(miss) for miss in message.misses),
        changes=tuple(_read_change(change) for change in message.changes),
        is_cut_off=message.is_cut_off,
        planned_on=message.planned_on,
        planned_by=message.planned_by,
        evicted=_read_evicted(message.evicted),
        attempts=tuple(_read_attempt(attempt) for attempt in message.attempts),
        then=_read_choice(message.then) if message.HasField("then") else None,
        then_unknown=message.then_unknown,
        now=_read_choice(message.now) if message.HasField("now") else None,
        conflicts=tuple(
            records.LostClaim(
                conflict=read_conflict(lost.conflict), taken_by_job=lost.taken_by_job, taken_count=lost.taken_count
            )
            for lost in message.conflicts
        ),
        oldest_revision=message.oldest_revision,
        machines={share.machine: share.task_count for share in message.machines},
        held=read_held(message.held) if message.HasField("held") else None,
        preemption=message.preemption,
        waits_for=tuple(message.waits_for),
    )


def _read_job(message: pb.PlannedJob, names: tuple[str, ...]) -> records.PlannedJob:
    columns = message.tasks
    tasks = tuple(
        records.PlannedTask(
            index=index,
            action=records.PlanAction(action),
            before=names[before] if before >= 0 else "",
            after=names[after] if after >= 0 else "",
            waits=waits,
        )
        for index, action, before, after, waits in zip(
            columns.indices, columns.actions, columns.before, columns.after, columns.waits, strict=True
        )
    )
    return records.PlannedJob(
        name=message.name,
        change=Change(message.change),
        reason=message.reason,
        message=message.message,
        fields=_read_fields(message.fields),
        scheduler=message.scheduler,
        planned_by=message.planned_by,
        counts={records.PlanAction(place): count for place, count in enumerate(message.counts)},
        tasks=tasks,
        pending=read_pending(message.pending) if message.HasField("pending") else None,
        is_cut_off=message.is_cut_off,
        warnings=tuple(message.warnings),
        max_parallel=message.max_parallel,
        held=read_held(message.held) if message.HasField("held") else None,
    )


def _read_fields(messages: Iterable[pb.FieldChange]) -> tuple[records.FieldChange, ...]:
    return tuple(records.FieldChange(field=each.field, before=each.before, after=each.after) for each in messages)


def _read_evicted(messages: Iterable[pb.EvictedTask]) -> tuple[records.EvictedTask, ...]:
    return tuple(
        records.EvictedTask(job=each.job, job_id=each.job_id, index=each.index, machine=each.machine)
        for each in messages
    )


def _read_miss(message: pb.NearMiss) -> records.NearMiss:
    shortages = tuple(
        records.Shortage(dimension=each.dimension, asked=each.asked, free=each.free) for each in message.shortages
    )
    return records.NearMiss(
        machine=message.machine, reason=message.reason, message=message.message, shortages=shortages
    )


def _read_change(message: pb.FittingChange) -> records.FittingChange:
    steps = tuple(
        records.ChangeStep(kind=step.kind, name=step.name, before=step.before, after=step.after)
        for step in message.steps
    )
    return records.FittingChange(
        message=message.message, steps=steps, fit_count=message.fit_count, fields=_read_fields(message.fields)
    )


def _read_attempt(message: pb.AttemptOrigin) -> records.AttemptOrigin:
    return records.AttemptOrigin(
        attempt=message.attempt,
        machine=message.machine,
        state=TaskState(message.state),
        author=message.author,
        revision=message.revision,
        seen=message.seen,
        placed_at_us=message.placed_at_us,
        preempted_by=message.preempted_by,
        preempted_at=message.preempted_at,
        end=message.end,
    )


def _read_choice(message: pb.MachineChoice) -> records.MachineChoice:
    return records.MachineChoice(
        revision=message.revision,
        machine_count=message.machine_count,
        fitting_count=message.fitting_count,
        lighter_count=message.lighter_count,
        others=tuple(message.others),
    )
