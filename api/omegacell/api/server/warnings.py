"""What a job asks for that is not there now: a warning at submission, with names that are similar."""

import difflib
from typing import Final

from omegacell.core.cell import Cell
from omegacell.core.dependencies import Condition
from omegacell.core.holds import find_predecessor, find_unmet
from omegacell.core.jobs import NO_LIMIT, JobSpec, Kind, TaskState
from omegacell.core.placement import ANY_POOL, DEFAULT_POOL, POOL
from omegacell.core.units import Role

NAMES_COMPARED: Final = 500
"""Of the newest jobs, those whose names are compared: a batch of submits may ask this many times."""


SIMILAR: Final = 0.67
"""How much of two names must be the same for the one to be a likely slip for the other: `zome` and `zone` have 0.75."""


def find_warnings(cell: Cell, spec: JobSpec) -> list[str]:
    """Return a sentence for each scheduler, attribute, pool and job that a job names and that is not there. Pure."""
    rules, index = spec.placement, cell.machines.index
    warnings = _find_unserved(cell, spec)
    if spec.after:
        warnings += _find_waits_in_vain(cell, spec)
    if not cell.machines.count:
        return warnings
    for name in rules.attributes:
        if name not in index.names:
            warnings.append(f"no machine has the attribute {name!r}{word_similar(name, index.names)}")
    warnings += _find_granted_ports(cell, spec)
    pools = index.values_of(POOL)
    if rules.pool not in ("", ANY_POOL) and rules.pool not in pools:
        warnings.append(f"no machine is in the pool {rules.pool!r}{word_similar(rules.pool, pools)}")
    if not rules.pool and DEFAULT_POOL not in pools:
        warnings.append(f"no machine is in the default pool; there are {', '.join(pools)}")
    for neighbour in rules.neighbours:
        if neighbour.job != spec.name and not neighbour.is_apart and cell.jobs.by_name(neighbour.job) is None:
            warnings.append(f"there is no job {neighbour.job!r} to be near to{word_similar_job(cell, neighbour.job)}")
    return warnings


def _find_granted_ports(cell: Cell, spec: JobSpec) -> list[str]:
    """Return a sentence for each fixed port that every machine gives out by itself, and so to nobody by number."""
    machines = cell.machines
    warnings = []
    for port in spec.ports:
        is_granted = (machines.port_first <= port.number) & (port.number <= machines.port_last)
        if port.number and is_granted.all():
            first, last = int(machines.port_first.max()), int(machines.port_last.min())
            warnings.append(
                f"port {port.name} {port.number} is among those that machines give out by themselves ({first} to"
                f" {last}), so no machine takes the job: use 0 for any of them, or a number outside"
            )
    return warnings


def _find_unserved(cell: Cell, spec: JobSpec) -> list[str]:
    """Return that nobody runs a job's scheduler, while others run; when none does, the cell is only starting."""
    sessions = cell.sessions.values()
    live = sorted({each.scheduler for each in sessions if each.role is Role.SCHEDULER and each.scheduler})
    if not live or spec.scheduler in live:
        return []
    return [f"no scheduler {spec.scheduler!r} runs, so its tasks wait for one; those that run are {', '.join(live)}"]


def _find_waits_in_vain(cell: Cell, spec: JobSpec) -> list[str]:
    """Return a sentence for each job that a held one waits for, and that is not there or never ends by itself."""
    job = cell.jobs.by_name(spec.name)
    own = None if job is None else cell.jobs.row_of(job)
    if own is None or not cell.jobs.counts[own, TaskState.HELD]:
        return []
    warnings = []
    for each in find_unmet(cell, spec):
        row = find_predecessor(cell, each)
        if row is None:
            similar = word_similar_job(cell, each.job)
            warnings.append(f"there is no job {each.job!r}: it waits until a job of that name is submitted{similar}")
        elif each.condition is not Condition.AVAILABLE and _is_endless(cell.jobs.spec_of(row)):
            warnings.append(
                f"{each.job!r} is a service, which ends only when it is stopped; `is: available` waits until it runs"
            )
    return warnings


def _is_endless(spec: JobSpec) -> bool:
    return spec.kind is Kind.SERVICE and spec.max_restarts == NO_LIMIT


def word_similar_job(cell: Cell, name: str) -> str:
    """Return which of the newest jobs have a similar name, as the end of a sentence."""
    newest = [spec.name for spec in reversed(cell.jobs.specs) if spec is not None][:NAMES_COMPARED]
    return word_similar(name, list(dict.fromkeys(newest)))


def word_similar(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return which names are similar, as the end of a sentence; empty when none is."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=SIMILAR)
    return f"; similar: {', '.join(near)}" if near else ""
