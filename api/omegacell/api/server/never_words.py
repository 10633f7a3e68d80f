"""Why no machine takes a job's tasks whatever ends there: what is asked for is nowhere in the cell, and what helps.

Every function reads the cell and changes nothing. What is only taken at the moment is the business of `reasons`.
"""

import numpy as np

from omegacell.api.planning.words import amount, describe_amount
from omegacell.api.server.warnings import word_similar, word_similar_job
from omegacell.core.allocs import find_set
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.placement import MACHINE
from omegacell.core.units import RESOURCE_NAMES


def word_never(cell: Cell, spec: JobSpec) -> str:
    """Return the first thing that a job asks for and no machine has at all; empty when there is none. O(machines)."""
    if not cell.machines.count:
        return ""
    return (
        _word_driver(cell, spec)
        or _word_alloc(cell, spec)
        or _word_attributes(cell, spec)
        or _word_neighbours(cell, spec)
        or _word_size(cell, spec)
    )


def _word_driver(cell: Cell, spec: JobSpec) -> str:
    machines = cell.machines
    bits = int(np.bitwise_or.reduce(machines.drivers))
    offered = [name for place, name in enumerate(machines.driver_names) if bits >> place & 1]
    if spec.driver in offered:
        return ""
    return f"no machine offers the driver {spec.driver}; those that are offered: {', '.join(offered) or 'none'}"


def _word_alloc(cell: Cell, spec: JobSpec) -> str:
    """Return that the alloc set is not there; one that is there and runs nowhere yet may still."""
    if not spec.alloc:
        return ""
    row = find_set(cell, spec.alloc)
    if row is not None and cell.jobs.is_active(row) and not cell.jobs.stopping[row]:
        return ""
    state = "is not in the cell" if row is None else "was stopped"
    return f"the alloc set {spec.alloc!r} {state}: submit one of that name, and the tasks are placed in it"


def _word_attributes(cell: Cell, spec: JobSpec) -> str:
    index = cell.machines.index
    rules = spec.placement
    asked = [each.attribute for each in rules.constraints if not index.meets(each).any()]
    asked += [each.attribute for each in rules.spreads if each.max_skew]
    asked += [each.attribute for each in rules.neighbours if not each.weight and not each.is_apart]
    for name in asked:
        if name != MACHINE and not index.codes(name).any():
            return f"no machine has the attribute {name!r}{word_similar(name, index.names)}"
    return ""


def _word_neighbours(cell: Cell, spec: JobSpec) -> str:
    for each in spec.placement.neighbours:
        is_other = each.job != spec.name and not each.weight and not each.is_apart
        if is_other and cell.jobs.by_name(each.job) is None:
            return f"there is no job {each.job!r} to be near to{word_similar_job(cell, each.job)}"
    return ""


def _word_size(cell: Cell, spec: JobSpec) -> str:
    """Return which resource no machine has as much of as one task asks for."""
    machines = cell.machines
    offers = (machines.drivers & machines.driver_bit(spec.driver)) != 0
    for dimension, asked in enumerate(spec.charged):
        most = int(machines.capacity[offers, dimension].max(initial=0))
        if asked > most:
            name = RESOURCE_NAMES[dimension]
            machine = "machine" if offers.all() else f"machine that offers {spec.driver}"
            return f"no {machine} has {describe_amount(name, asked)} at all, the largest has {amount(name, most)}"
    return ""
