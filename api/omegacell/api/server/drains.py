"""How far drains have come, in words: which job keeps one, why, and what would help.

Reads the cell and changes nothing; the caller must not await between two reads of one answer.
"""

from collections.abc import Sequence
from typing import Final, cast

import numpy as np

from omegacell.api.history_words import count_of
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.reasons import nearest_first, view_pending, word_lack
from omegacell.controllers.drain_progress import Block, Hold, Shortfall, find_progress
from omegacell.core.cell import Cell
from omegacell.core.drains import Eligibility
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.units import SECOND_US
from omegacell.schedulers.feasibility import find_lacks

NAMES_SHOWN: Final = 3


def view_drains(cell: Cell, rows: Sequence[int]) -> dict[int, pb.DrainProgress]:
    """Return how far the drains of some draining machines have come, by row. Cost: O(tasks of the cell)."""
    if not rows:
        return {}
    return {
        each.machine: pb.DrainProgress(
            task_count=each.task_count,
            ending_count=each.ending_count,
            left_us=each.left_us,
            blocks=[_view_block(cell, block) for block in each.blocks],
        )
        for each in find_progress(cell, rows)
    }


def _view_block(cell: Cell, block: Block) -> pb.DrainBlock:
    row = cell.jobs.row_of(block.job)
    assert row is not None, f"job {block.job} has tasks and no row"
    return pb.DrainBlock(
        hold=cast("pb.DrainHold", int(block.hold)),
        job=cell.jobs.spec_of(row).name,
        job_id=block.job,
        task_count=block.task_count,
        is_forever=block.is_forever,
        summary=_word_block(cell, row, block),
    )


def _word_block(cell: Cell, row: int, block: Block) -> str:
    spec = cell.jobs.spec_of(row)
    tasks = f"{count_of(block.task_count, 'task')} of {spec.name}"
    match block.hold:
        case Hold.ENDING:
            are = "is" if block.task_count == 1 else "are"
            return f"{tasks} {are} ending, within a grace of {spec.grace_us / SECOND_US:g} s"
        case Hold.TURN:
            return f"{tasks} {'leaves' if block.task_count == 1 else 'leave'} next"
        case Hold.INSIDE:
            goes, its = ("goes", "its alloc") if block.task_count == 1 else ("go", "their allocs")
            return f"{tasks} {goes} with {its} of {spec.alloc}"
        case Hold.SILENT:
            return f"{tasks}: the machine is silent, and cannot be told"
        case Hold.BUDGET:
            stay = "stays" if block.task_count == 1 else "stay"
            return f"{tasks} {stay}: {_word_budget(cell, row, block)}"
        case Hold.STRANDED:
            stay = "stays" if block.task_count == 1 else "stay"
            return f"{tasks} {stay}: {_word_stranded(cell, row, block)}"


def _word_budget(cell: Cell, row: int, block: Block) -> str:
    if not block.limit:
        return "the job allows no task to be unavailable (max_unavailable: 0)"
    if block.shortfall.total < block.limit:
        return f"the job allows {count_of(block.limit, 'unavailable task')} at a time"
    allowed = f"the job allows {count_of(block.limit, 'unavailable task')}, and has {block.shortfall.total}"
    pending = view_pending(cell, row) if block.shortfall.pending else None
    why = f" ({pending.summary})" if pending is not None else ""
    return f"{allowed}: {_word_shortfall(block.shortfall, why)}"


def _word_stranded(cell: Cell, row: int, block: Block) -> str:
    names = _find_names(cell, row, TaskState.PENDING)
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    allows = f"the job allows {count_of(block.limit, 'unavailable task')}"
    spec = cell.jobs.spec_of(row)
    if spec.kind is Kind.SYSTEM:
        return f"{allows}, and {shown} can run nowhere but on a machine that drains or is cordoned"
    lacks = find_lacks(Overlay(cell), spec, np.flatnonzero(cell.machines.eligibility == Eligibility.OPEN), cell=cell)
    open_count = sum(lack.machine_count for lack in lacks)
    why = f" (of {open_count} open {'machine' if open_count == 1 else 'machines'} " if lacks else " (none is open"
    why += ", ".join(f"{lack.machine_count} {word_lack(lack, spec)}" for lack in nearest_first(lacks)) + ")"
    return f"{allows}, and no other machine takes {shown} as long as this drain lasts{why}"


def _word_shortfall(shortfall: Shortfall, why_pending: str) -> str:
    words = (
        (shortfall.ended, "will not run again"),
        (shortfall.pending, f"pending{why_pending}"),
        (shortfall.starting, "starting"),
        (shortfall.unhealthy, "unhealthy"),
        (shortfall.ending, "ending"),
    )
    return ", ".join(f"{count} {word}" for count, word in words if count)


def _find_names(cell: Cell, row: int, state: TaskState) -> list[str]:
    """Return the names of a job's tasks in a state, as in ``web/2``. Cost: O(its tasks)."""
    first, extent = int(cell.jobs.offset[row]), int(cell.jobs.extent[row])
    indices = np.flatnonzero(cell.tasks.state[first : first + extent] == state).tolist()
    return [f"{cell.jobs.spec_of(row).name}/{index}" for index in indices]
