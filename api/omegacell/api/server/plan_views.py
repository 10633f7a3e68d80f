"""What answers show of plans: what a fork came to, as messages. Everything here reads and changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast

from omegacell.api.planning.fielddiff import Difference, find_differences
from omegacell.api.planning.words import describe_hold
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.hold_words import view_held, word_template
from omegacell.api.server.reasons import view_pending, view_unplaced
from omegacell.api.server.refusals import find_refusal
from omegacell.api.server.submit_words import word_refused_submit
from omegacell.api.server.views import find_job, name_of_job
from omegacell.api.server.warnings import find_warnings
from omegacell.controllers.cron import Timetable
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Change
from omegacell.core.rollouts import find_limit
from omegacell.core.units import SECOND_US, JobId
from omegacell.schedulers.planning import Action, Evicted, JobPlan

INSTANTS_SHOWN: Final = 3

Payloads = Mapping[bytes, bytes]


def view_job_plan(cell: Cell, plan: JobPlan, *, planned_by: str, payloads: Payloads, now_us: int) -> pb.PlannedJob:
    """Return what submitting one job would do; the cell is the fork."""
    tasks = plan.tasks
    message = pb.PlannedJob(
        name=plan.spec.name,
        change=cast("pb.Change", plan.change),
        fields=view_differences(_differences_of(plan, payloads)),
        scheduler=plan.spec.scheduler,
        planned_by=planned_by if plan.change not in (Change.NONE, Change.UNCHANGED) else "",
        counts=tasks.counts,
        tasks=pb.PlannedTasks(
            actions=tasks.actions.tolist(),
            indices=tasks.indices.tolist(),
            before=tasks.before.tolist(),
            after=tasks.after.tolist(),
            waits=[bool(each) for each in tasks.waits.tolist()],
        ),
        is_cut_off=plan.is_cut_off,
        warnings=find_warnings(cell, plan.spec),
        max_parallel=find_limit(plan.spec) if plan.change is Change.UPDATED else 0,
    )
    details = word_refused_submit(cell, plan.spec, plan.outcome)
    refusal = find_refusal(plan.outcome, f"job {plan.spec.name!r} would not be submitted", details=details)
    if refusal is not None:
        message.reason, message.message = refusal.reason or "MALFORMED", str(refusal)
    pending = _view_pending(cell, plan)
    if pending is not None:
        message.pending.CopyFrom(pending)
    row = find_job(cell, plan.spec.name) if tasks.counts[Action.HELD] else None
    held = None if row is None else view_held(cell, row)
    if row is not None and cell.jobs.template[row]:
        held = pb.HeldReason(summary=_word_template(plan.spec, now_us), task_count=tasks.counts[Action.HELD])
    if held is not None:
        message.held.CopyFrom(held)
    return message


def _word_template(spec: JobSpec, now_us: int) -> str:
    """Return that a template does not run itself, and the next instants at which a schedule runs it."""
    words = word_template(spec)
    if spec.schedule is None:
        return words
    timetable, at_us = Timetable(spec.schedule), now_us
    instants: list[str] = []
    while len(instants) < INSTANTS_SHOWN:
        found = timetable.first_after(at_us)
        if found is None:
            break
        instants.append(datetime.fromtimestamp(found / SECOND_US, UTC).strftime("%Y-%m-%d %H:%M:%SZ"))
        at_us = found
    return f"{words}; next: {', '.join(instants)}" if instants else words


def _view_pending(cell: Cell, plan: JobPlan) -> pb.PendingReason | None:
    """Return why tasks of a job would wait; of a job that stays as it is, why they do."""
    count = plan.tasks.counts[Action.PENDING]
    if not count:
        return None
    row = find_job(cell, plan.spec.name)
    if plan.unplaced is not None and row is not None:
        return view_unplaced(cell, row, plan.unplaced, task_count=count)
    if plan.held_us is not None:
        return pb.PendingReason(summary=describe_hold(plan.held_us), task_count=count)
    return None if row is None or plan.is_cut_off else view_pending(cell, row)


def _differences_of(plan: JobPlan, payloads: Payloads) -> tuple[Difference, ...]:
    if plan.before is None:
        return ()
    texts = payloads.get(plan.before.payload, b""), payloads.get(plan.spec.payload, b"")
    return find_differences(plan.before, plan.spec, payloads=texts if all(texts) else (b"", b""))


def view_differences(differences: Iterable[Difference]) -> list[pb.FieldChange]:
    """Return fields that differ."""
    return [pb.FieldChange(field=each.field, before=each.before, after=each.after) for each in differences]


def view_evicted(cell: Cell, evicted: Sequence[Evicted]) -> list[pb.EvictedTask]:
    """Return tasks that would give way."""
    names = cell.machines.names
    return [
        pb.EvictedTask(
            job=name_of_job(cell, JobId(each.job)), job_id=each.job, index=each.index, machine=names[each.machine]
        )
        for each in evicted
    ]
