"""What held tasks wait for, and how far that has come, in words; and circles of jobs that wait for each other.

Every function reads the cell and changes nothing; the caller must not await between two reads of one answer.
"""

from typing import Final, cast

import numpy as np

from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.records import JobState
from omegacell.api.server.job_states import find_job_state
from omegacell.api.server.system_words import view_mismatches
from omegacell.api.server.update_words import word_turn
from omegacell.core.budgets import find_available
from omegacell.core.cell import Cell
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.holds import find_awaited, find_cycle, find_predecessor
from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.templates import TemplateKind

WAITS_TOLD: Final = 3
"""Jobs that one sentence names; the others are counted."""

_ADVICE: Final = "submit it again with --replace, or stop this job"
_DONE: Final = {
    Condition.SUCCEEDED: "{done} of {wanted} tasks succeeded",
    Condition.ENDED: "{done} of {wanted} tasks ended",
    Condition.AVAILABLE: "{done} of {wanted} tasks available",
}


def view_held(cell: Cell, row: int) -> pb.HeldReason | None:
    """Return what the held tasks of a job wait for, None when it has none or is a template; what is stuck comes first.

    Cost: O(jobs waited for), and O(its tasks) for one that is to be available.
    """
    count = int(cell.jobs.counts[row, TaskState.HELD])
    if not count or cell.jobs.template[row]:
        return None
    mismatches = view_mismatches(cell, row)
    if mismatches is not None:
        return mismatches
    waits = [_view_wait(cell, each) for each in find_awaited(cell, row)]
    if not waits and cell.jobs.updating[row]:
        summary, is_stuck = word_turn(cell, row)
        return pb.HeldReason(summary=summary, task_count=count, is_stuck=is_stuck)
    waits.sort(key=lambda wait: (not wait.is_stuck, wait.job))
    told = [f"for {wait.summary}" for wait in waits[:WAITS_TOLD]]
    if len(waits) > WAITS_TOLD:
        told.append(f"for {len(waits) - WAITS_TOLD} more")
    summary = f"waits {'; and '.join(told)}" if told else "goes on in a moment: what it waited for has happened"
    return pb.HeldReason(summary=summary, task_count=count, waits=waits, is_stuck=any(each.is_stuck for each in waits))


def word_template(spec: JobSpec) -> str:
    """Return that a template does not run itself, and how it is run; nothing for a job that is none."""
    match spec.template_kind:
        case TemplateKind.SCHEDULED:
            return f"it never runs itself: its schedule makes runs of it: `omega job status {spec.name}`"
        case TemplateKind.PARAMETERISED:
            return f"it never runs itself: runs are made of it by `omega job dispatch {spec.name}`"
        case TemplateKind.NONE:
            return ""


def word_cycle(cell: Cell, spec: JobSpec) -> str:
    """Return that jobs would wait for each other, as the circle; empty when they do not any more."""
    cycle = find_cycle(cell, spec)
    return f"it would wait for itself: {' -> '.join(cycle)}; take one of these out of `after`" if cycle else ""


def _view_wait(cell: Cell, dependency: Dependency) -> pb.JobWait:
    wait = pb.JobWait(job=dependency.job, condition=cast("pb.Condition", dependency.condition))
    row = find_predecessor(cell, dependency)
    if row is None:
        wait.summary = f"{dependency.job!r}, which is not there: it waits until a job of that name is submitted"
        return wait
    wait.job_id = int(cell.jobs.id[row])
    wait.wanted_count = int(cell.jobs.count_wanted[row])
    wait.done_count = _count_done(cell, row, dependency.condition)
    wait.is_stuck = _is_stuck(cell, row, dependency.condition)
    wait.summary = f"{dependency.job!r}{_word_state(cell, row, wait, dependency.condition)}"
    return wait


def _word_state(cell: Cell, row: int, wait: pb.JobWait, condition: Condition) -> str:
    state = find_job_state(cell, row)
    done = _DONE[condition].format(done=wait.done_count, wanted=wait.wanted_count)
    if wait.is_stuck and state is JobState.STOPPING:
        return f", which is being stopped: {_ADVICE}"
    if wait.is_stuck and state.is_ended:
        ended = {JobState.FAILED: "failed", JobState.STOPPED: "was stopped"}.get(state, "ended")
        return f", which {ended}: {_ADVICE}"
    if wait.is_stuck and cell.jobs.template[row]:
        return ", which never runs itself: name one of its runs instead, or stop this job"
    if wait.is_stuck:
        failed = int(cell.jobs.counts[row, TaskState.FAILED])
        return f", of which {failed} of {wait.wanted_count} tasks failed: {_ADVICE}"
    return f": {done}" + (", held itself" if state is JobState.HELD else "")


def _count_done(cell: Cell, row: int, condition: Condition) -> int:
    counts = cell.jobs.counts[row]
    match condition:
        case Condition.SUCCEEDED:
            return int(counts[TaskState.SUCCEEDED])
        case Condition.ENDED:
            return int(counts[TaskState.SUCCEEDED :].sum())
        case Condition.AVAILABLE:
            return int(np.count_nonzero(find_available(cell, row)))


def _is_stuck(cell: Cell, row: int, condition: Condition) -> bool:
    """Tell whether a job has come, or will come, to its end without what is waited for."""
    jobs = cell.jobs
    if jobs.template[row] and not jobs.stopping[row]:
        return True
    active, ended = jobs.counts[row, : TaskState.SUCCEEDED].sum(), jobs.counts[row, TaskState.SUCCEEDED :].sum()
    match condition:
        case Condition.SUCCEEDED:
            possible = active + jobs.counts[row, TaskState.SUCCEEDED]
        case Condition.ENDED:
            return False
        case Condition.AVAILABLE:
            possible = active + (ended if jobs.kind[row] == Kind.BATCH else 0)
    return bool(jobs.stopping[row]) or bool(possible < jobs.count_wanted[row])
