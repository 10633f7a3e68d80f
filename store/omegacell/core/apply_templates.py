"""Judging and writing `SpawnJob`: a template gets a child, each instant of a schedule once.

Controllers of several servers, and the same one again after a crash, may propose the same instant: the first one
counts, because the template remembers the last instant that is over. What the overlap policy passes over is granted, as
it moves that mark, and says so in the outcome's detail.
"""

from functools import partial

from omegacell.core.apply_jobs import (
    MAX_TASK_ROWS,
    find_cycle_refusal,
    is_forgotten_since,
    write_create,
    write_stop,
)
from omegacell.core.apply_limits import Swap, find_quota_refusal
from omegacell.core.cell import Cell
from omegacell.core.children import find_active_children, find_child_of_instant, spec_of_child
from omegacell.core.jobs import JobSpec
from omegacell.core.lives import Stamp, touch_job
from omegacell.core.outcomes import Reason, Spawning
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import Overlap
from omegacell.core.verdicts import Verdict, refuse


def judge_spawn(cell: Cell, command: SpawnJob, *, stamp: Stamp, seen: int) -> Verdict:
    """Judge a `SpawnJob`: make a child, find that there is one, pass the instant over, or refuse."""
    jobs = cell.jobs
    row = jobs.row_of(command.template)
    if row is None:
        return refuse(Reason.UNKNOWN_JOB, is_conflict=is_forgotten_since(cell, command.template, seen))
    spec, known = jobs.spec_of(row), jobs.by_name(command.name)
    if not spec.template_kind or (command.instant_us and spec.schedule is None):
        return refuse(Reason.NOT_A_TEMPLATE)
    known_row = None if known is None else jobs.row_of(known)
    if known_row is not None and jobs.parent[known_row] != command.template:
        is_changed = jobs.effective_changed_at(known_row, floor=stamp.floor) > seen
        return refuse(Reason.JOB_EXISTS, is_conflict=is_changed)
    is_changed = jobs.effective_changed_at(row, floor=stamp.floor) > seen
    if jobs.stopping[row]:
        return refuse(Reason.JOB_STOPPING, is_conflict=is_changed)
    if command.instant_us and command.instant_us <= jobs.instant_us[row]:
        return refuse(Reason.ALREADY_SPAWNED, is_conflict=is_changed)
    existing = known or find_child_of_instant(jobs, command.template, command.instant_us)
    if existing:
        write = partial(_write_passed, cell, command, row=row, skipped=0, stamp=stamp)
        return Verdict(value=existing, detail=Spawning.EXISTED, write=write if command.instant_us else None)
    return _judge_making(cell, command, row=row, stamp=stamp, seen=seen)


def _judge_making(cell: Cell, command: SpawnJob, *, row: int, stamp: Stamp, seen: int) -> Verdict:
    """Judge a child under a name that no job has."""
    jobs, spec = cell.jobs, cell.jobs.spec_of(row)
    overlap = Overlap.ALLOW if spec.schedule is None else spec.schedule.overlap
    others = [] if overlap is Overlap.ALLOW else find_active_children(jobs, command.template).tolist()
    if others and overlap is Overlap.SKIP and command.instant_us:
        write = partial(_write_passed, cell, command, row=row, skipped=1, stamp=stamp)
        return Verdict(detail=Spawning.SKIPPED, write=write)
    if cell.tasks.count + spec.count > MAX_TASK_ROWS:
        return refuse(Reason.LIMIT)
    replaced = others if overlap is Overlap.REPLACE else []
    names = [jobs.spec_of(each).name for each in sorted(replaced, key=lambda each: int(jobs.id[each]))]
    child = spec_of_child(spec, name=command.name, payload=command.payload, replaced=names)
    stopped = [each for each in replaced if not jobs.stopping[each]]
    refused = find_quota_refusal(cell, child, Swap(now=stopped), stamp=stamp, seen=seen)
    refused = refused or find_cycle_refusal(cell, child, stamp=stamp, seen=seen)
    write = partial(_write_child, cell, command, child=child, stopped=stopped, stamp=stamp)
    return refused or Verdict(value=jobs.next_id, detail=Spawning.MADE, write=write)


def _write_passed(cell: Cell, command: SpawnJob, *, row: int, skipped: int, stamp: Stamp) -> None:
    """Note on a template that an instant of its schedule, and those that were missed before it, are over."""
    jobs = cell.jobs
    if command.instant_us:
        jobs.instant_us[row] = command.instant_us
    jobs.missed_count[row] += command.missed_count
    jobs.skipped_count[row] += skipped
    touch_job(cell, row, stamp=stamp)


def _write_child(cell: Cell, command: SpawnJob, *, child: JobSpec, stopped: list[int], stamp: Stamp) -> None:
    jobs = cell.jobs
    for each in stopped:
        write_stop(cell, each, stamp=stamp)
    made = write_create(cell, child, submitted_at_us=command.submitted_at_us, stamp=stamp)
    jobs.parent[made] = command.template
    jobs.instant_us[made] = command.instant_us
    row = jobs.row_of(command.template)
    assert row is not None, f"template {command.template} was judged and is not there"
    jobs.made_count[row] += 1
    _write_passed(cell, command, row=row, skipped=0, stamp=stamp)
