"""Why tasks of a job do not run, in words: what the machines lack, that nobody decides, or a machine's silence.

Every function reads the cell and changes nothing; the caller must not await between two reads of one answer.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.api.planning.words import describe_hold
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.limit_words import find_cap_lack, word_cap
from omegacell.api.server.never_words import word_never
from omegacell.core.cell import Cell
from omegacell.core.commands import Lack, Unplaced
from omegacell.core.devices import DeviceRequest
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.outcomes import Reason, name_dimension
from omegacell.core.overlays import Overlay
from omegacell.core.placement import MACHINE
from omegacell.core.units import RESOURCE_NAMES, SECOND_US
from omegacell.schedulers.feasibility import find_lacks, find_own_machines, find_silent
from omegacell.schedulers.interface import word_gang
from omegacell.schedulers.pending import find_due
from omegacell.schedulers.runner import SystemClock
from omegacell.schedulers.shares import live_instances, owner_of
from omegacell.schedulers.wishes import Wish

_SENTENCES: Final = {
    Reason.MACHINE_NOT_UP: ("is not up or not heard", "are not up or not heard"),
    Reason.DRIVER_MISSING: ("does not offer the driver", "do not offer the driver"),
    Reason.MACHINE_CORDONED: ("is cordoned or draining", "are cordoned or draining"),
    Reason.NO_ALLOC: ("has no running alloc of its set", "have no running alloc of its set"),
    Reason.CONSTRAINT: ("does not meet the constraints", "do not meet the constraints"),
    Reason.TAINTED: ("has a taint that the job does not tolerate", "have a taint that the job does not tolerate"),
    Reason.TOO_MANY_ON_MACHINE: ("has as many of its tasks as it allows", "have as many of its tasks as it allows"),
    Reason.SPREAD_SKEWED: ("would skew its spread", "would skew its spread"),
    Reason.PORT_IN_RANGE: ("grants the port that it asks for to others", "grant the port that it asks for to others"),
    Reason.PORT_TAKEN: ("has the port taken", "have the port taken"),
    Reason.PORTS_EXHAUSTED: ("has no port left", "have no port left"),
}
_DEVICE_REASONS: Final = (Reason.DEVICE_MISSING, Reason.DEVICES_EXHAUSTED)


def view_pending(cell: Cell, row: int) -> pb.PendingReason | None:
    """Return why tasks of a job are pending now: the dominant reason in words, and machines counted by reason.

    A machine is judged in order of precedence, so those whose reason comes last come nearest to taking the task: what
    they lack is the dominant reason, and it stands first. Cost: O(machines).
    """
    pending = int(cell.jobs.counts[row, TaskState.PENDING])
    if not pending:
        return None
    lacks = find_lacks_of(cell, row)
    lacks_shown = view_lacks(lacks, cell.jobs.spec_of(row))
    return pb.PendingReason(summary=word_pending(cell, row, lacks), task_count=pending, lacks=lacks_shown)


def find_lacks_of(cell: Cell, row: int, index: int | None = None) -> list[Lack]:
    """Return what the machines lack for a job's waiting tasks, or for one of them, now: the nearest first."""
    spec, own = cell.jobs.spec_of(row), find_machines_meant(cell, row, index)
    lacks = list(find_lacks(Overlay(cell), spec, own, cell=cell))
    dimension, _ = find_cap_lack(cell, row)
    fitting = _count_fitting(cell, own, lacks)
    if dimension >= 0 and fitting:
        lacks.append(Lack(reason=Reason.CAP_EXCEEDED, dimension=dimension, machine_count=fitting))
    return nearest_first(lacks)


def _count_fitting(cell: Cell, own: NDArray[np.int64] | None, lacks: Sequence[Lack]) -> int:
    return (cell.machines.count if own is None else len(own)) - sum(lack.machine_count for lack in lacks)


def find_machines_meant(cell: Cell, row: int, index: int | None = None) -> NDArray[np.int64] | None:
    """Return the machines that the waiting tasks of a system job, or one of them, are for; None for other jobs."""
    own = find_own_machines(cell, cell.jobs.spec_of(row), int(cell.jobs.id[row]))
    return own if own is None or index is None else own[own == index]


def word_pending(cell: Cell, row: int, lacks: Sequence[Lack], index: int | None = None) -> str:
    """Return in a sentence why a job's waiting tasks, or one of them, wait now; ``lacks`` are of `find_lacks_of`.

    Whoever is told of these tasks is told this, whatever the command. What the scheduler said of them comes with it.
    """
    spec, clock = cell.jobs.spec_of(row), SystemClock()
    absence = find_absence(cell, row) or word_cap(cell, row)
    if absence:
        return absence
    said = cell.jobs.why[row]
    if said is not None and any(lack.reason == Reason.PLUGIN_FAILED for lack in said.lacks):
        return f"scheduler {spec.scheduler!r} failed on it: {said.note}"
    note = f"; the scheduler said: {said.note}" if said is not None and said.note else ""
    fitting = _count_fitting(cell, find_machines_meant(cell, row, index), lacks)
    wish = Wish.of(cell, row, clock=clock, index=index)
    if wish.fit_count():
        pending = int(cell.jobs.counts[row, TaskState.PENDING])
        due, held_us = find_due(cell, row, elapsed=cell.elapsed, wall_us=clock.wall_us(), limit=pending)
        is_held = index is not None and index not in due
        if held_us is not None and (is_held or not len(due)):
            return describe_hold(held_us)
        have = "1 machine has" if fitting == 1 else f"{fitting} machines have"
        return f"{have} room: it waits for scheduler {spec.scheduler!r}{note}"
    if spec.is_gang and fitting:
        group = min(wish.gangs, key=lambda each: each.least)
        return word_gang(group.count, least=group.least, found=wish.place_count())
    return _word_nearest(cell, lacks, spec) + (note if lacks else "")


def view_unplaced(cell: Cell, row: int, said: Unplaced, *, task_count: int) -> pb.PendingReason:
    """Return what a scheduler said of tasks that it found no place for, the nearest machines first."""
    lacks, spec = nearest_first(said.lacks), cell.jobs.spec_of(row)
    capped = any(lack.reason == Reason.CAP_EXCEEDED for lack in lacks)
    held = (word_cap(cell, row) or "waits to be tried again") if capped else ""
    summary = held or said.note or _word_nearest(cell, lacks, spec)
    return pb.PendingReason(summary=summary, task_count=task_count, lacks=view_lacks(lacks, spec))


def nearest_first(lacks: Sequence[Lack]) -> list[Lack]:
    """Return reasons in the order of how near their machines come to taking the task."""
    return sorted(lacks, key=lambda lack: (-lack.reason, -lack.machine_count))


def view_lacks(lacks: Sequence[Lack], spec: JobSpec) -> list[pb.Lack]:
    """Return machines counted by reason."""
    return [
        pb.Lack(
            reason=_name_of_reason(lack.reason),
            dimension=name_dimension(lack.reason, lack.dimension, spec),
            machine_count=lack.machine_count,
        )
        for lack in lacks
    ]


def find_absence(cell: Cell, row: int) -> str:
    """Return that nobody decides on a job: no instance of its scheduler, or one that was not heard; else nothing.

    An instance renews its session a third of its time after its last transaction; one that was not heard for half of
    it decides for long, or hangs.
    """
    assert cell.genesis is not None, "a cell with jobs has a genesis"
    scheduler = _scheduler_of(cell, row)
    instances = live_instances(cell, scheduler)
    if not instances:
        return f"no instance of scheduler {scheduler!r} runs: start one with `omega scheduler run`"
    owner = owner_of(cell.jobs.spec_of(row).name, instances)
    deadlines = [each.deadline for each in cell.sessions.values() if cell.authors.rows[each.author].name == owner]
    silent_us = cell.elapsed - (max(deadlines) - cell.genesis.session_ttl_us)
    if silent_us <= cell.genesis.session_ttl_us // 2:
        return ""
    return f"scheduler {scheduler!r} is not answering ({owner} was last heard {silent_us // SECOND_US} s ago)"


def find_silences(cell: Cell, rows: NDArray[np.int64]) -> dict[int, str]:
    """Return for those of some task rows whose machine is silent which it is, and for how long."""
    assert cell.genesis is not None, "a cell with tasks has a genesis"
    tasks, machines = cell.tasks, cell.machines
    active = rows[tasks.machine[rows] >= 0]
    silent = active[find_silent(cell, tasks.machine[active])]
    words = {}
    for row in silent.tolist():
        machine = int(tasks.machine[row])
        silent_us = int(machines.silent_ticks[machine]) * cell.genesis.tick_period_us
        verb = "runs" if tasks.state[row] == TaskState.RUNNING else "placed"
        words[row] = f"{verb} on {machines.names[machine]}, which has been silent for {silent_us // SECOND_US} s"
    return words


def _scheduler_of(cell: Cell, row: int) -> str:
    return cell.jobs.spec_of(row).scheduler


def _word_nearest(cell: Cell, lacks: Sequence[Lack], spec: JobSpec) -> str:
    """Return what the nearest machines lack as a sentence, and what no machine has at all; the nearest stand first."""
    if not lacks:
        return "no machine is in the cell"
    nearest = lacks[0]
    total = sum(lack.machine_count for lack in lacks)
    never = word_never(cell, spec)
    words = f"{nearest.machine_count} of {total} machines {word_lack(nearest, spec)}"
    return f"{words}: {never}" if never else words


def word_lack(nearest: Lack, spec: JobSpec) -> str:
    """Return what some machines lack, as the rest of a sentence about them."""
    is_one = nearest.machine_count == 1
    if nearest.reason == Reason.RESOURCES and nearest.dimension >= 0:
        words = f"{'has' if is_one else 'have'} too little {RESOURCE_NAMES[nearest.dimension]} free"
    elif nearest.reason == Reason.ALLOC_FULL and nearest.dimension >= 0:
        has, allocs = ("has", "its alloc") if is_one else ("have", "their allocs")
        words = f"{has} too little {RESOURCE_NAMES[nearest.dimension]} left in {allocs} of {spec.alloc!r}"
    elif nearest.reason in _DEVICE_REASONS and 0 <= nearest.dimension < len(spec.devices):
        words = _word_devices(nearest, spec.devices[nearest.dimension])
    elif nearest.reason == Reason.NEIGHBOUR:
        words = f"would break {_word_neighbours(spec)}"
    elif nearest.reason in _SENTENCES:
        words = _SENTENCES[Reason(nearest.reason)][0 if is_one else 1]
    else:
        words = f"{'refuses' if is_one else 'refuse'} it ({_name_of_reason(nearest.reason)})"
    return words


def _word_neighbours(spec: JobSpec) -> str:
    """Return the hard rules about neighbours that a job names; one that names none breaks another job's."""
    rules = [
        f"{'apart from' if each.is_apart else 'near'} {each.job}"
        + ("" if each.attribute == MACHINE else f" by {each.attribute}")
        for each in spec.placement.neighbours
        if not each.weight
    ]
    return f"its rule to be {' or '.join(rules)}" if rules else "the rule of another job to stay apart from it"


def _word_devices(lack: Lack, request: DeviceRequest) -> str:
    has = "has" if lack.machine_count == 1 else "have"
    number = "no" if request.count == 1 else f"fewer than {request.count}"
    if lack.reason == Reason.DEVICES_EXHAUSTED:
        return f"{has} {number} {request.name} free"
    such = " ".join(f"{name}={value}" for name, value in request.where)
    return f"{has} {number} {request.name}{f' with {such}' if such else ''}"


def _name_of_reason(reason: int) -> str:
    return Reason(reason).name if reason in Reason.__members__.values() else f"REASON_{reason}"
