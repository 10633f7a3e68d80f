"""Templates and their children in the slow twin: looked up by trying every job."""

from dataclasses import replace

from omegacell.core.commands import Transaction
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Reason, Spawning
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import Overlap
from omegacell.core.units import MAX_DEPENDENCIES
from tests.support.oracle_jobs import (
    create,
    find_cycle_refusal,
    granted,
    has_changed,
    refuse,
    refuse_unknown,
)
from tests.support.oracle_limits import find_quota_refusal, is_template, note_use
from tests.support.oracle_state import Job, State, Verdict
from tests.support.oracle_tasks import is_ended, stop_job, touch


def judge_spawn(state: State, transaction: Transaction, command: SpawnJob) -> Verdict:
    """Make a child of a template, find that it is there, or pass an instant over."""
    template = state.jobs.get(command.template)
    if template is None:
        return refuse_unknown(state, transaction, command.template)
    schedule, instant = template.spec.schedule, command.instant_us
    if not is_template(template.spec) or (instant and schedule is None):
        return refuse(state, Reason.NOT_A_TEMPLATE)
    children = [job for job in state.jobs.values() if job.parent == template.id]
    named = state.jobs[state.names[command.name]] if command.name in state.names else None
    if named is not None and named not in children:
        return refuse(state, Reason.JOB_EXISTS, is_conflict=has_changed(state, transaction, named.changes))
    is_changed = has_changed(state, transaction, template.changes)
    if template.is_stopping:
        return refuse(state, Reason.JOB_STOPPING, is_conflict=is_changed)
    if instant and instant <= template.instant_us:
        return refuse(state, Reason.ALREADY_SPAWNED, is_conflict=is_changed)
    same = [child for child in children if instant and child.instant_us == instant]
    if named is not None or same:
        if instant:
            pass_over(state, template, command)
        return granted(state, named.id if named is not None else same[0].id, Spawning.EXISTED)
    active = [child for child in children if not is_ended(child)]
    if active and instant and schedule is not None and schedule.overlap == Overlap.SKIP:
        template.tallies[1] += 1
        pass_over(state, template, command)
        return granted(state, 0, Spawning.SKIPPED)
    is_replacing = schedule is not None and schedule.overlap == Overlap.REPLACE
    doomed = [child for child in active if is_replacing and not child.is_stopping]
    replaced = [child.spec.name for child in sorted(active, key=lambda child: child.id) if is_replacing]
    return make(state, transaction, command, doomed, replaced)


def make(state: State, transaction: Transaction, command: SpawnJob, doomed: list[Job], replaced: list[str]) -> Verdict:
    """Make a child, after others were stopped; a quota counts as if they were already."""
    template = state.jobs[command.template]
    spec = spec_of_child(template.spec, command, replaced)
    since = state.revision - 1 - transaction.position
    refused = find_quota_refusal(state, spec, (doomed, []), seen=transaction.seen, since=since)
    refused = refused or find_cycle_refusal(state, transaction, spec)
    if refused is not None:
        return refused
    for child in doomed:
        stop_job(state, child, state.revision, transaction.decided_to_us)
        note_use(state)
    verdict = create(state, spec, command.submitted_at_us, Spawning.MADE)
    child = state.jobs[verdict.value]
    child.parent, child.instant_us = template.id, command.instant_us
    template.tallies[0] += 1
    pass_over(state, template, command)
    return verdict


def spec_of_child(spec: JobSpec, command: SpawnJob, replaced: list[str]) -> JobSpec:
    """Give what a child asks for: what its template does; and that the newest ones of those it replaces have ended."""
    waits = list(spec.after)
    for name in reversed(replaced):
        if name not in [each.job for each in waits] and len(waits) < MAX_DEPENDENCIES:
            waits.append(Dependency(job=name, condition=Condition.ENDED))
    payload = command.payload if command.payload else spec.payload
    return replace(
        spec,
        name=command.name,
        payload=payload,
        schedule=None,
        parameters=None,
        after=tuple(sorted(waits, key=lambda each: each.job)),
    )


def pass_over(state: State, template: Job, command: SpawnJob) -> None:
    """Note that an instant is over, if one is named, and that its template changed."""
    if command.instant_us:
        template.instant_us = command.instant_us
    template.tallies[2] += command.missed_count
    touch(template.changes, state.revision)
