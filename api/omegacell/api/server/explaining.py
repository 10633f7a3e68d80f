"""Why a task waits, or why it is where it is: what a fork, the machines and the log say, as one answer.

Everything here reads a copy of the cell that is this answer's own, off the event loop.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from omegacell.api import wire_figures
from omegacell.api.figures import ConflictRow
from omegacell.api.grants import Grant
from omegacell.api.history_words import count_of
from omegacell.api.planning.fielddiff import find_differences
from omegacell.api.planning.misses import describe_miss
from omegacell.api.planning.past import cell_at
from omegacell.api.planning.words import describe_steps
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.alloc_views import name_task
from omegacell.api.server.displacements import name_keys, word_preemption
from omegacell.api.server.end_words import word_end, word_job_at_rest, word_rest, word_stop
from omegacell.api.server.hold_words import view_held, word_template
from omegacell.api.server.limit_words import find_cap_lack
from omegacell.api.server.plan_views import view_differences, view_evicted
from omegacell.api.server.planners import find_planner
from omegacell.api.server.reasons import find_lacks_of, find_machines_meant, view_lacks, word_pending
from omegacell.api.server.system_words import find_own_names, word_mismatches
from omegacell.api.server.views import name_of_job, view_at
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, Kind, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.units import RESOURCE_NAMES, JobId
from omegacell.schedulers.explaining import Choice, count_by_machine, find_choice, find_misses
from omegacell.schedulers.feasibility import find_room
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.planning import Holdings, find_evicted
from omegacell.schedulers.relaxing import find_changes
from omegacell.schedulers.runner import SystemClock
from omegacell.schedulers.wishes import Wish
from omegacell.store.log import Store

MISSES_SHOWN: Final = 5
MACHINES_SHOWN: Final = 20
CHANGES_US: Final = 5_000_000
"""After so long no further change is tried."""
DECIDE_US: Final = 2_000_000
ON_MACHINE: Final = (TaskState.PLACED, TaskState.RUNNING)
JOB_STATES: Final = (
    TaskState.PENDING,
    TaskState.HELD,
    TaskState.RUNNING,
    TaskState.PLACED,
    TaskState.FAILED,
    TaskState.STOPPED,
    TaskState.SUCCEEDED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, with all that an answer needs besides the cell's store.

    Attributes:
        cell: a copy of the cell.
        row: of the job. index: the task; None for the job as a whole.
        grants: of the task, the newest first.
        conflicts: refused claims, the newest first, each with the grants that were made where it lost.
        oldest_revision: how far back these two reach.
        said: what is known of attempts in words, by index and attempt; of a job as a whole of its first failed task.
    """

    cell: Cell
    row: int
    index: int | None
    grants: tuple[Grant, ...]
    conflicts: tuple[tuple[ConflictRow, tuple[Grant, ...]], ...]
    oldest_revision: int
    said: Mapping[tuple[int, int], str] = field(default_factory=dict)

    @property
    def spec(self) -> JobSpec:
        """What the job asks for."""
        return self.cell.jobs.spec_of(self.row)

    @property
    def task(self) -> int | None:
        """The arena row of the task; None for the job as a whole."""
        return None if self.index is None else int(self.cell.jobs.offset[self.row]) + self.index

    @property
    def own_machines(self) -> NDArray[np.int64] | None:
        """The machines that the waiting tasks of a system job are for, or that of the task; None for other jobs."""
        return find_machines_meant(self.cell, self.row, self.index)

    @property
    def is_capped(self) -> bool:
        """Whether the cap of the job's scheduler keeps its waiting tasks back."""
        return bool(self.cell.jobs.counts[self.row, TaskState.PENDING]) and find_cap_lack(self.cell, self.row)[0] >= 0

    def wish(self, clock: SystemClock) -> Wish:
        """Return what its waiting tasks wish; of a system job that of one task when one is meant."""
        return Wish.of(self.cell, self.row, clock=clock, index=self.index)

    @property
    def state(self) -> TaskState:
        """The task's state; of a job as a whole the first of `JOB_STATES` in which any of its tasks is."""
        if self.task is not None:
            return TaskState(int(self.cell.tasks.state[self.task]))
        counts = self.cell.jobs.counts[self.row]
        found = [state for state in JOB_STATES if counts[state]]
        is_system = self.spec.kind is Kind.SYSTEM  # what is held of it is on machines that do not match
        return found[1] if is_system and found[0] is TaskState.HELD and len(found) > 1 else found[0]


def explain(question: Question, store: Store) -> pb.ExplainTaskResponse:
    """Return the answer. Cost: some dozens of O(cell), and the log since the checkpoint before the task's decision."""
    cell, row, spec = question.cell, question.row, question.spec
    names = cell.machines.names
    room = find_room(Overlay(cell), spec, question.own_machines, cell=cell)
    if question.is_capped:
        room[:] = 0
    answer = pb.ExplainTaskResponse(
        at=view_at(cell),
        job=spec.name,
        job_id=int(cell.jobs.id[row]),
        index=question.index,
        state=cast("pb.TaskState", question.state),
        counts=cell.jobs.counts[row].tolist(),
        pending_count=int(cell.jobs.counts[row, TaskState.PENDING]),
        machine_count=len(room),
        fitting_count=int(np.count_nonzero(room)),
        oldest_revision=question.oldest_revision,
        conflicts=[_view_lost(cell, *lost) for lost in question.conflicts],
        machines=[
            pb.MachineShare(machine=names[machine], task_count=count)
            for machine, count in count_by_machine(cell, row)[:MACHINES_SHOWN]
        ],
    )
    held = view_held(cell, row)
    if held is not None:
        answer.held.CopyFrom(held)
    if question.state is TaskState.PENDING:
        _explain_pending(answer, question)
    if question.task is not None:
        answer.attempts.extend(_view_attempts(question))
        if question.state in ON_MACHINE:
            _explain_place(answer, question, store)
    if question.state is not TaskState.PENDING:
        answer.summary = _summarise(answer, question)
    return answer


# --- why it waits


def _explain_pending(answer: pb.ExplainTaskResponse, question: Question) -> None:
    cell, spec = question.cell, question.spec
    clock = SystemClock()
    own = question.own_machines
    lacks = find_lacks_of(cell, question.row, question.index)
    answer.summary = word_pending(cell, question.row, lacks, question.index)
    answer.lacks.extend(view_lacks(lacks, spec))
    for miss in find_misses(cell, spec, limit=MISSES_SHOWN, rows=own):
        shortages = [
            pb.Shortage(dimension=RESOURCE_NAMES[each.dimension], asked=each.asked, free=each.free)
            for each in miss.shortages
        ]
        answer.misses.append(
            pb.NearMiss(
                machine=cell.machines.names[miss.machine],
                reason=miss.reason.name,
                message=describe_miss(cell, spec, miss),
                shortages=shortages,
            )
        )
    until_us = clock.monotonic_us() + CHANGES_US
    changes = find_changes(question.wish(clock), until_us=until_us)
    answer.is_cut_off = changes.is_cut_off
    for wish in changes.wishes:
        steps = [
            pb.ChangeStep(kind=step.kind.name, name=step.name, before=step.before, after=step.after)
            for step in wish.steps
        ]
        answer.changes.append(
            pb.FittingChange(
                message=describe_steps(wish.steps),
                steps=steps,
                fit_count=wish.fit_count(),
                fields=view_differences(find_differences(spec, wish.spec)),
            )
        )
    _plan_decision(answer, question, clock)


def _plan_decision(answer: pb.ExplainTaskResponse, question: Question, clock: SystemClock) -> None:
    """Let the job's scheduler decide on a fork: where it would go now, and what would give way."""
    cell, spec = question.cell, question.spec
    planner = find_planner(spec)
    before = Holdings.of(cell)
    fork = Fork(cell.clone(), clock=clock)
    job = JobId(int(cell.jobs.id[question.row]))
    fork.decide(job, planner.make(), until_us=clock.monotonic_us() + DECIDE_US)
    tasks, offset = fork.cell.tasks, int(cell.jobs.offset[question.row])
    extent = slice(offset, offset + int(cell.jobs.extent[question.row]))
    fresh = np.flatnonzero((tasks.machine[extent] >= 0) & (cell.tasks.machine[extent] < 0))
    chosen = [index for index in fresh.tolist() if question.index in (None, index)]
    answer.planned_by = planner.name
    if chosen:
        answer.planned_on = cell.machines.names[int(tasks.machine[offset + chosen[0]])]
    evicted = find_evicted(fork.cell, before, planned=frozenset({spec.name}))
    answer.evicted.extend(view_evicted(cell, evicted))
    if not evicted and not answer.fitting_count and not question.is_capped:
        answer.preemption = word_preemption(cell, question.row, question.index)


# --- why it is where it is


def _view_attempts(question: Question) -> Iterable[pb.AttemptOrigin]:
    """Join the attempts that the cell remembers with the grants of the log, from the newest on.

    Every grant began one attempt, so they run in step; where machines differ, the log was not read without a gap.
    """
    cell, task = question.cell, question.task
    assert task is not None, "attempts are a task's"
    tasks = cell.tasks
    attempts = list(tasks.past.get(task, ()))
    last = int(tasks.attempt[task])
    if last and (not attempts or attempts[-1].attempt != last):
        attempts.append(tasks.last_attempt(task))
    for attempt in reversed(attempts):
        place = last - attempt.attempt
        grant = question.grants[place] if place < len(question.grants) else None
        if grant is not None and grant.machine_of(question.index or 0) != attempt.machine:
            grant = None
        yield pb.AttemptOrigin(
            attempt=attempt.attempt,
            machine=cell.machines.names[attempt.machine] if attempt.machine >= 0 else "",
            state=cast("pb.TaskState", attempt.state),
            author=grant.author if grant is not None else "",
            revision=grant.revision if grant is not None else 0,
            seen=grant.seen if grant is not None else 0,
            placed_at_us=attempt.placed_at_us,
            preempted_by=name_of_job(cell, JobId(attempt.preempted_by)) if attempt.preempted_by else "",
            preempted_at=attempt.preempted_at,
            end=word_end(attempt, question.said.get((question.index or 0, attempt.attempt), "")),
        )


def _explain_place(answer: pb.ExplainTaskResponse, question: Question, store: Store) -> None:
    cell, spec, task = question.cell, question.spec, question.task
    assert task is not None, "a place is a task's"
    machine = int(cell.tasks.machine[task])
    answer.waits_for.extend(name_keys(cell, cell.tasks.waits.get(task, ())))
    answer.now.CopyFrom(_view_choice(cell, find_choice(_without(cell, task), spec, machine)))
    grant = question.grants[0] if question.grants else None
    if grant is None or grant.machine_of(question.index or 0) != machine:
        answer.then_unknown = f"the log reaches back to revision {question.oldest_revision}"
        return
    past, why_not = cell_at(store, grant.seen, below=grant.cursor)
    if past is None:
        answer.then_unknown = why_not
        return
    answer.then.CopyFrom(_view_choice(past, find_choice(past, spec, machine)))


def _without(cell: Cell, task: int) -> Cell:
    """Return a fork in which a task has given back what it holds."""
    fork = Fork(cell.clone(), clock=SystemClock())
    fork.end_tasks(np.array([task], np.int64))
    return fork.cell


def _view_choice(cell: Cell, choice: Choice) -> pb.MachineChoice:
    return pb.MachineChoice(
        revision=cell.revision,
        machine_count=choice.machine_count,
        fitting_count=choice.fitting_count,
        lighter_count=choice.lighter_count,
        others=[cell.machines.names[row] for row in choice.others],
    )


# --- what it lost


def _view_lost(cell: Cell, row: ConflictRow, grants: tuple[Grant, ...]) -> pb.LostClaim:
    machine = cell.machines.row_of(row.machine)
    taken = [(grant.job, int(np.count_nonzero(grant.machines == machine))) for grant in grants]
    job, count = next(((job, count) for job, count in taken if count), (0, 0))
    return pb.LostClaim(
        conflict=wire_figures.write_conflict(row),
        taken_by_job=name_of_job(cell, JobId(job)) if job else "",
        taken_count=count,
    )


# --- the answer in a sentence


def _summarise(answer: pb.ExplainTaskResponse, question: Question) -> str:
    state = question.state
    if state is TaskState.HELD:
        return word_template(question.spec) or _word_own_machine(question) or answer.held.summary
    if question.task is None:
        held = sum(answer.counts[each] for each in ON_MACHINE)
        machine_count = len(count_by_machine(question.cell, question.row))
        if held:
            return f"{count_of(held, 'task')} on {count_of(machine_count, 'machine')}"
        return word_job_at_rest(question.cell, question.row, _find_first_failure(question))
    if state not in ON_MACHINE:
        return _word_task_at_rest(question, question.index or 0)
    origin = answer.attempts[0] if answer.attempts else None
    assert origin is not None, "a task that holds a machine has an attempt"
    if not origin.author:
        return f"on {origin.machine}; the log does not reach back to when it was placed"
    inside = question.cell.tasks.allocs.of.get(question.task)
    where = "" if inside is None else f"; it runs inside the alloc {name_task(question.cell, inside)}"
    return _word_place(answer, origin) + where


def _find_first_failure(question: Question) -> dict[int, str]:
    failed = sorted({index for index, _ in question.said})[:1]
    return {index: _word_task_at_rest(question, index) for index in failed}


def _word_task_at_rest(question: Question, index: int) -> str:
    tasks, row = question.cell.tasks, question.row
    attempt = tasks.last_attempt(int(question.cell.jobs.offset[row]) + index)
    if not attempt.attempt:
        stop = word_stop(question.cell, row)
        return f"{question.state.name.lower()} before it was ever placed" + (f": {stop}" if stop else "")
    return word_rest(question.cell, row, index, attempt, question.said.get((index, attempt.attempt), ""))


def _word_place(answer: pb.ExplainTaskResponse, origin: pb.AttemptOrigin) -> str:
    """Return who placed an attempt, and among which machines."""
    seen = f"{origin.author} placed it on {origin.machine} at revision {origin.revision}, having seen {origin.seen}"
    if answer.waits_for:
        return f"{seen}; it begins when {count_of(len(answer.waits_for), 'task')} there have ended"
    if not answer.HasField("then"):
        return seen
    then = answer.then
    if then.fitting_count <= 1:
        words = ("none of {} machines had room, others gave way to it", "the only one of {} machines that had room")
        return f"{seen}: {words[then.fitting_count].format(then.machine_count)}"
    rank = "the least loaded" if not then.lighter_count else f"{then.lighter_count} of them less loaded"
    return f"{seen}: {then.fitting_count} of {then.machine_count} machines had room, {rank}"


def _word_own_machine(question: Question) -> str:
    """Return why the machine of a held task of a system job is none for it; empty when that is not the question."""
    if question.task is None:
        return ""
    task = np.array([question.task], np.int64)
    [words] = word_mismatches(question.cell, question.row, task) or [""]
    [machine] = find_own_names(question.cell, question.row, task) or [""]
    return f"its machine {machine} does not match: {words}" if words and machine else words
