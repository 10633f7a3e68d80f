"""Quotas and caps in the slow twin: nothing is kept that can be counted; what is used is summed up whenever asked.

A limit notes a change whenever what is used of it is another sum than when it was last looked at (`note_use`).
"""

from omegacell.core.jobs import JobSpec
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import MAX_CAPS, MAX_QUOTAS, RESOURCE_COUNT
from tests.support.oracle_state import Job, Limit, State, Verdict, changed_before, charged
from tests.support.oracle_system import count_asked, count_charged, is_system
from tests.support.oracle_tasks import ACTIVE, is_ended, touch

NO_LIMIT = -1


def quota_use(state: State, owner: str, band: int) -> list[int]:
    """Sum up what an owner's jobs ask for in a band: each whole, until it rests or is asked to stop."""
    jobs = [job for job in state.jobs.values() if (job.spec.owner, int(job.spec.band)) == (owner, band)]
    return [sum(share(state, job)[dimension] for job in jobs) for dimension in range(RESOURCE_COUNT)]


def is_template(spec: JobSpec) -> bool:
    """Say whether a job is only there to have children."""
    return spec.schedule is not None or spec.parameters is not None


def share(state: State, job: Job) -> list[int]:
    """Give what one job counts for under a quota."""
    if job.is_stopping or is_ended(job) or is_template(job.spec):
        return [0] * RESOURCE_COUNT
    if job.successor is not None:
        return beyond(job.spec, state.jobs[job.successor].spec)
    return [demand * count_charged(job) for demand in charged(job.spec)]


def beyond(old: JobSpec, new: JobSpec) -> list[int]:
    """Give what an old job asks for above a new one, task by task; all of it in another band."""
    asked = [
        [new.resources[dimension] if index < new.count and old.band == new.band else 0 for index in range(old.count)]
        for dimension in range(RESOURCE_COUNT)
    ]
    return [sum(max(0, old.resources[at] - each) for each in asked[at]) for at in range(RESOURCE_COUNT)]


def cap_use(state: State, scheduler: str) -> list[int]:
    """Sum up what a scheduler's jobs hold: CPU, memory, and the number of jobs that hold anything."""
    jobs = [job for job in state.jobs.values() if job.spec.scheduler == scheduler]
    held = [sum(task.state in ACTIVE for task in job.tasks) for job in jobs]
    return [
        sum(charged(job.spec)[0] * count for job, count in zip(jobs, held, strict=True)),
        sum(charged(job.spec)[1] * count for job, count in zip(jobs, held, strict=True)),
        sum(count > 0 for count in held),
    ]


def note_use(state: State) -> None:
    """Let every limit of which something else is used than before note that it changed."""
    for (owner, band), quota in state.quotas.items():
        look(quota, quota_use(state, owner, band), state.revision)
    for scheduler, cap in state.caps.items():
        look(cap, cap_use(state, scheduler), state.revision)


def look(limit: Limit, use: list[int], revision: int) -> None:
    """Compare what is used of a limit with what was."""
    if use != limit.seen_use:
        limit.seen_use = use
        touch(limit.changes, revision)


def judge_set_quota(state: State, command: SetQuota) -> Verdict:
    """Set a quota, change it, or take it away."""
    key = (command.owner, int(command.band))
    if set(command.amounts) == {NO_LIMIT}:
        state.quotas.pop(key, None)
    elif key in state.quotas:
        change(state.quotas[key], command.amounts, state.revision)
    elif len(state.quotas) >= MAX_QUOTAS:
        return Verdict(state.revision, Status.REFUSED, Reason.LIMIT)
    else:
        state.quotas[key] = Limit(command.amounts, [state.revision], quota_use(state, *key))
    return Verdict(state.revision, Status.COMMITTED, granted=1)


def judge_set_caps(state: State, command: SetCaps) -> Verdict:
    """Set a scheduler's cap, change it, or take it away."""
    name = command.scheduler
    if set(command.amounts) == {NO_LIMIT}:
        state.caps.pop(name, None)
    elif name in state.caps:
        change(state.caps[name], command.amounts, state.revision)
    elif len(state.caps) >= MAX_CAPS:
        return Verdict(state.revision, Status.REFUSED, Reason.LIMIT)
    else:
        state.caps[name] = Limit(command.amounts, [state.revision], cap_use(state, name))
    return Verdict(state.revision, Status.COMMITTED, granted=1)


def change(limit: Limit, amounts: tuple[int, ...], revision: int) -> None:
    """Give a limit other amounts; the same again change nothing."""
    if limit.amounts != amounts:
        limit.amounts = amounts
        touch(limit.changes, revision)


def find_quota_refusal(
    state: State, spec: JobSpec, swap: tuple[list[Job], list[Job]], *, seen: int, since: int
) -> Verdict | None:
    """Say whether a spec takes its owner above a quota.

    ``swap`` are the jobs in whose place it comes, and those that it would be the successor of.
    """
    now, then = swap
    quota = state.quotas.get((spec.owner, int(spec.band)))
    if quota is None or is_template(spec):
        return None
    mine = [job for job in now if (job.spec.owner, job.spec.band) == (spec.owner, spec.band)]
    going = [job for job in then if job.spec.band == spec.band and not job.is_stopping and not is_ended(job)]
    back = [sum(share(state, job)[at] for job in mine) for at in range(RESOURCE_COUNT)]
    more = [sum(beyond(job.spec, spec)[at] for job in going) for at in range(RESOURCE_COUNT)]
    use = quota_use(state, spec.owner, int(spec.band))
    for dimension, limit in enumerate(quota.amounts):
        asked = charged(spec)[dimension] * count_asked(state, spec)
        after = use[dimension] - back[dimension] + asked + more[dimension]
        if limit != NO_LIMIT and after > limit and after > use[dimension]:
            is_conflict = changed_before(quota.changes, since) > seen
            is_conflict |= is_system(spec) and changed_before(state.topology, since) > seen
            return Verdict(
                state.revision,
                Status.REFUSED,
                Reason.QUOTA_EXCEEDED,
                value=after - limit,
                detail=dimension,
                is_conflict=is_conflict,
            )
    return None


def find_cap_lack(state: State, job: Job, granted: list[Job]) -> tuple[int, int] | None:
    """Say what a scheduler's cap lacks for one more task of a job, after the tasks of jobs that were granted before."""
    cap = state.caps.get(job.spec.scheduler)
    if cap is None:
        return None
    use = cap_use(state, job.spec.scheduler)
    before = [each for each in granted if each.spec.scheduler == job.spec.scheduler]
    for dimension in (0, 1):
        demand = charged(job.spec)[dimension]
        after = use[dimension] + sum(charged(each.spec)[dimension] for each in before) + demand
        if cap.amounts[dimension] != NO_LIMIT and demand and after > cap.amounts[dimension]:
            return dimension, after - cap.amounts[dimension]
    holders = {each.id for each in state.jobs.values() if each.spec.scheduler == job.spec.scheduler and holds(each)}
    after = len(holders | {each.id for each in before} | {job.id})
    is_new = job.id not in holders and job.id not in {each.id for each in before}
    if cap.amounts[2] != NO_LIMIT and is_new and after > cap.amounts[2]:
        return 2, after - cap.amounts[2]
    return None


def holds(job: Job) -> bool:
    """Say whether a job has a task on a machine."""
    return any(task.state in ACTIVE for task in job.tasks)
