"""What commands ask for, in words: one line of a history."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from omegacell.api.limit_text import describe_limits
from omegacell.core.cell import Cell
from omegacell.core.commands import (
    Command,
    Evict,
    ExpireSession,
    ForgetJob,
    Genesis,
    OpenSession,
    Place,
    StopJob,
    SubmitJob,
    Unplaced,
)
from omegacell.core.drains import SetEligibility
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import JobSpec, Kind, StopCause
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.machine_commands import (
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    SetTaints,
    Tick,
)
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks

KINDS: Final = {
    "Genesis": "genesis",
    "Reincarnate": "reincarnate",
    "ActivateRules": "rules",
    "OpenSession": "open",
    "Renew": "renew",
    "CloseSession": "close",
    "ExpireSession": "expire",
    "SubmitJob": "submit",
    "StopJob": "stop",
    "ForgetJob": "forget",
    "ReleaseTasks": "release",
    "StopTasks": "stop-tasks",
    "RevertUpdate": "revert",
    "FinishUpdate": "finish",
    "SpawnJob": "spawn",
    "SetQuota": "quota",
    "SetCaps": "caps",
    "Place": "place",
    "Evict": "evict",
    "Unplaced": "unplaced",
    "HoldTasks": "hold",
    "GrowSystemJob": "grow",
    "RegisterMachine": "register",
    "Inventory": "inventory",
    "LoseMachines": "lose",
    "SetTaints": "taint",
    "SetEligibility": "eligibility",
    "Report": "report",
    "Tick": "tick",
}


def describe_commands(cell: Cell, commands: Sequence[Command]) -> tuple[tuple[str, ...], str]:
    """Return the names of the jobs that commands are about, and what they ask for."""
    jobs: dict[str, None] = {}
    words = []
    for command in commands[:8]:
        match command:
            case Place():
                jobs[name_of_job(cell, command.job)] = None
                words.append(count_of(len(command.indices), "claim"))
                if len(command.victims):
                    words.append(count_of(len(command.victims), "victim"))
            case Evict():
                jobs[name_of_job(cell, command.job)] = None
                words.append(f"{count_of(len(command.indices), 'eviction')} ({command.cause.name.lower()})")
            case Unplaced():
                jobs[name_of_job(cell, command.job)] = None
                words.append(command.note or f"no room for {count_of(command.task_count, 'task')}")
            case ReleaseTasks():
                jobs[name_of_job(cell, command.job)] = None
                words.append(count_of(len(command.indices), "held task"))
            case HoldTasks():
                jobs[name_of_job(cell, command.job)] = None
                words.append(f"{count_of(len(command.indices), 'task')} whose machine does not match")
            case SubmitJob():
                jobs[command.spec.name] = None
                words.append(_describe_submit(command))
            case StopJob() | ForgetJob() | GrowSystemJob() | RevertUpdate() | FinishUpdate():
                jobs[name_of_job(cell, command.job)] = None
                is_late = isinstance(command, StopJob) and command.cause is StopCause.DEADLINE
                words += ["at its deadline"] if is_late else []
            case ReleaseTasks() | HoldTasks() | StopTasks():
                jobs[name_of_job(cell, command.job)] = None
                words.append(count_of(len(command.indices), "task"))
            case SpawnJob():
                jobs[name_of_job(cell, command.template)] = jobs[command.name] = None
                words.append(f"a run of {name_of_job(cell, command.template)}")
            case Report():
                for job in np.unique(command.jobs)[:8].tolist():
                    jobs[name_of_job(cell, job)] = None
                words.append(count_of(len(command.jobs), "report"))
            case _:
                words.append(_describe_other(cell, command))
    return tuple(jobs), ", ".join(word for word in words if word)


def _describe_submit(command: SubmitJob) -> str:
    names = [each.job for each in command.spec.after]
    after = f", after {' and '.join(names)}" if len(names) <= 3 else f", after {len(names)} jobs"
    count = "a task a machine" if command.spec.kind is Kind.SYSTEM else count_of(command.spec.count, "task")
    return count + (after if names else "") + (", replace" if command.replace else "")


def _describe_other(cell: Cell, command: Command) -> str:  # noqa: PLR0911 - one case for each command
    match command:
        case Genesis():
            return f"cell {command.cell}"
        case RegisterMachine():
            return command.name
        case Inventory():
            return f"{name_of_machine(cell, command.machine)}: {count_of(len(command.jobs), 'attempt')}"
        case LoseMachines() | SetEligibility():
            names = [name_of_machine(cell, row) for row in command.machines[:3]]
            more = f" and {len(command.machines) - 3} more" if len(command.machines) > 3 else ""
            verb = f"{command.eligibility.name.lower()}: " if isinstance(command, SetEligibility) else ""
            return verb + ", ".join(names) + more
        case SetTaints():
            marks = [*(f"+{taint}" for taint in command.add), *(f"-{key}" for key in command.remove)]
            return f"{count_of(len(command.machines), 'machine')}: {', '.join(marks)}"
        case SetQuota() | SetCaps():
            return describe_limits(command)
        case Tick():
            changes = f", {len(command.gained)} gained" if len(command.gained) else ""
            changes += f", {len(command.lost_contact)} lost contact" if len(command.lost_contact) else ""
            return f"{command.dt_us / 1e6:.1f} s{changes}"
        case OpenSession():
            return command.author
        case ExpireSession():
            return f"session {command.session}"
        case _:
            return ""


def count_of(count: int, noun: str) -> str:
    """Return a number of things in words.

    >>> count_of(1, "claim"), count_of(2, "claim")
    ('1 claim', '2 claims')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def find_spec(cell: Cell, job: int) -> JobSpec | None:
    """Return what a job asks for; None when the cell does not hold it."""
    row = cell.jobs.row_of(job)
    return None if row is None else cell.jobs.spec_of(row)


def name_of_job(cell: Cell, job: int) -> str:
    """Return a job's name, or its number when the cell does not hold it."""
    spec = find_spec(cell, job)
    return f"#{job}" if spec is None else spec.name


def name_of_machine(cell: Cell, row: int) -> str:
    """Return a machine's name, or its number when there is none."""
    return cell.machines.names[row] if 0 <= row < cell.machines.count else f"#{row}"
