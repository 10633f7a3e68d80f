"""What single machines lack for a task, in words: amounts, and what the machine has instead of what is asked.

A new reason is one row of a table here; without a row its name is shown.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from omegacell.api.planning.words import RESOURCE_WORDS, amount, describe_amount, name_of_task
from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Reason
from omegacell.core.placement import DEFAULT_POOL, MACHINE, POOL, Effect, Neighbour, PlacementRules
from omegacell.core.units import RESOURCE_NAMES
from omegacell.schedulers.explaining import Miss


def describe_miss(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    """Return what a machine lacks, in words."""
    if miss.reason in (Reason.RESOURCES, Reason.ALLOC_FULL):
        where = "free" if miss.reason is Reason.RESOURCES else f"left in its alloc of {spec.alloc}"
        return ", ".join(
            f"{amount(RESOURCE_NAMES[each.dimension], each.free)} of "
            f"{describe_amount(RESOURCE_NAMES[each.dimension], each.asked)} {where}"
            for each in miss.shortages
        )
    write = _MISSES.get(miss.reason)
    words = write(cell, spec, miss) if write is not None else miss.reason.name.lower().replace("_", " ")
    if not miss.shortages:
        return words
    names = " and ".join(RESOURCE_WORDS.get(RESOURCE_NAMES[each.dimension], "") for each in miss.shortages)
    return f"{words}; and too little {names}"


def _not_up(cell: Cell, _: JobSpec, miss: Miss) -> str:
    state = cell.machines.state[miss.machine]
    return "not heard" if miss.is_silent and state == 1 else ("joining", "up", "down")[int(state)]


def _driver(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    machines = cell.machines
    bits = int(machines.drivers[miss.machine])
    offered = [name for place, name in enumerate(machines.driver_names) if bits >> place & 1]
    return f"offers {', '.join(offered) or 'no driver'}, not {spec.driver}"


def _constraint(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    rules, index, row = spec.placement, cell.machines.index, np.array([miss.machine], np.int64)
    for each in rules.constraints:
        if not index.meets_all(PlacementRules(pool="all", constraints=(each,)), row)[0]:
            own = cell.machines.attribute(miss.machine).get(each.attribute)
            has = f"it has no {each.attribute}" if own is None else f"{each.attribute} is {own}"
            return f"does not meet {str(each)!r}: {has}"
    own = cell.machines.attribute(miss.machine).get(POOL, DEFAULT_POOL)
    return f"is in pool {own}, not {rules.pool or DEFAULT_POOL}"


def _taint(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    found = next(
        taint
        for taint in cell.machines.taints[miss.machine]
        if taint.effect is Effect.NO_PLACE and not any(each.covers(taint) for each in spec.placement.tolerations)
    )
    return f"has the taint {found}"


def _port_taken(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    used = cell.machines.ports[miss.machine]
    number = next(port.number for port in spec.ports if port.number in used)
    return f"port {number} is held by {name_of_task(cell, used[number])}"


def _port_in_range(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    first, last = int(cell.machines.port_first[miss.machine]), int(cell.machines.port_last[miss.machine])
    number = next(port.number for port in spec.ports if first <= port.number <= last)
    return f"port {number} is among those that it grants, {first} to {last}"


def _no_ports(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    wanted = sum(port.number == 0 for port in spec.ports)
    return f"{int(cell.machines.port_free[miss.machine])} of {wanted} ports free"


def _device(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    offers = {offer.name: (offer, free) for offer, free in cell.machines.devices.offers(miss.machine)}
    for request in spec.devices:
        if request.name not in offers:
            return f"has no {request.name}"
        offer, free = offers[request.name]
        has = dict(offer.attributes)
        for name, value in request.where:
            if name not in has:
                return f"its {request.name} have no {name}"
            if has[name] != value:
                return f"its {request.name} are {name} {has[name]}, not {value}"
        if offer.count < request.count:
            return f"has {offer.count} of {request.count} {request.name}"
        if miss.reason is Reason.DEVICES_EXHAUSTED and free < request.count:
            return f"{max(0, free)} of {request.count} {request.name} free"
    return "has too few such devices"


def _neighbour(cell: Cell, spec: JobSpec, miss: Miss) -> str:
    for each in spec.placement.neighbours:
        if not each.weight:
            other = "its own tasks" if each.job == spec.name else each.job
            words = _word_apart if each.is_apart else _word_near
            broken = words(cell, each, miss.machine, other)
            if broken:
                return broken
    for job, attribute in cell.jobs.find_repelling(spec.name):
        broken = _word_apart(cell, Neighbour(job=job, attribute=attribute, is_apart=True), miss.machine, job)
        if broken:
            return f"{broken}, by a rule of {job}"
    return "would break a rule about neighbours"


def _word_apart(cell: Cell, rule: Neighbour, machine: int, other: str) -> str:
    """Return that a machine is too near to a job; empty when it is not."""
    codes = cell.machines.index.codes(rule.attribute)
    if not codes[machine] or codes[machine] not in codes[cell.machines_of(rule.job)]:
        return ""
    return f"must stay apart from {other}, of which a task is {_word_domain(cell, rule.attribute, machine)}"


def _word_near(cell: Cell, rule: Neighbour, machine: int, other: str) -> str:
    """Return that a machine is not near to a job; empty when it is."""
    codes, rows = cell.machines.index.codes(rule.attribute), cell.machines_of(rule.job)
    if codes[machine] and codes[machine] in codes[rows]:
        return ""
    if not codes[machine]:
        return f"must be near {other} by {rule.attribute}, and has no {rule.attribute}"
    if not len(rows):
        there = "has no task on a machine" if cell.jobs.by_name(rule.job) is not None else "is not in the cell"
        return f"must be near {other}, which {there}"
    return f"must be near {other}, of which no task is {_word_domain(cell, rule.attribute, machine)}"


def _word_domain(cell: Cell, attribute: str, machine: int) -> str:
    if attribute == MACHINE:
        return "there"
    return f"in {attribute} {cell.machines.attribute(machine).get(attribute, DEFAULT_POOL)}"


def _spread(_: Cell, spec: JobSpec, __: Miss) -> str:
    hard = [f"{each.attribute} (max_skew {each.max_skew})" for each in spec.placement.spreads if each.max_skew]
    return f"would skew its spread over {' or '.join(hard)}"


_MISSES: Final[Mapping[Reason, Callable[[Cell, JobSpec, Miss], str]]] = {
    Reason.MACHINE_NOT_UP: _not_up,
    Reason.DRIVER_MISSING: _driver,
    Reason.MACHINE_CORDONED: lambda cell, _, miss: ("open", "cordoned", "draining")[
        int(cell.machines.eligibility[miss.machine])
    ],
    Reason.NO_ALLOC: lambda _, spec, __: f"no alloc of {spec.alloc} takes tasks there",
    Reason.CONSTRAINT: _constraint,
    Reason.TAINTED: _taint,
    Reason.NEIGHBOUR: _neighbour,
    Reason.TOO_MANY_ON_MACHINE: lambda _, spec, __: f"has {spec.placement.max_per_machine} of its tasks already",
    Reason.SPREAD_SKEWED: _spread,
    Reason.DEVICE_MISSING: _device,
    Reason.DEVICES_EXHAUSTED: _device,
    Reason.PORT_TAKEN: _port_taken,
    Reason.PORT_IN_RANGE: _port_in_range,
    Reason.PORTS_EXHAUSTED: _no_ports,
}
