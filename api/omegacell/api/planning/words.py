"""Amounts, near misses and changes in words.

An amount is written so that a job file takes it, and is never rounded up: who submits what an explanation says gets
what it promised. A new reason or kind of change is one row of a table here; without a row its name is shown.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Reason
from omegacell.core.placement import Effect, PlacementRules
from omegacell.core.units import RESOURCE_NAMES
from omegacell.schedulers.explaining import Miss
from omegacell.schedulers.wishes import Kind, Step

_NAMES: Final = {"cpu_milli": "cpu", "memory_bytes": "memory", "disk_bytes": "disk"}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def amount(name: str, quantity: int) -> str:
    """Return an amount of a resource, rounded down to what a job file can say.

    >>> amount("cpu_milli", 1_250), amount("memory_bytes", 3 << 29), amount("memory_bytes", (2 << 30) - 1)
    ('1.25', '1.5 GiB', '1.99 GiB')
    """
    if name == "cpu_milli":
        return f"{quantity / 1000:g}" if abs(quantity) < 10**9 else f"{quantity}m"
    if not name.endswith("_bytes"):
        return str(quantity)
    sign, size = ("-" if quantity < 0 else ""), abs(quantity)
    place = min(max(0, (size.bit_length() - 1) // 10), len(_UNITS) - 1)
    hundredths = (size * 100) >> (10 * place)
    return f"{sign}{hundredths // 100}.{hundredths % 100:02d}".rstrip("0").rstrip(".") + f" {_UNITS[place]}"


def describe_amount(name: str, quantity: int) -> str:
    """Return an amount with what it is an amount of.

    >>> describe_amount("cpu_milli", 500), describe_amount("memory_bytes", 1 << 30)
    ('0.5 cpu', '1 GiB memory')
    """
    return f"{amount(name, quantity)} {_NAMES.get(name, name)}"


def span(microseconds: int) -> str:
    """Return a time as a job file takes it.

    >>> span(1_500_000), span(60_000_000), span(250)
    ('1500ms', '60s', '250us')
    """
    for unit, scale in (("s", 1_000_000), ("ms", 1_000)):
        if microseconds % scale == 0:
            return f"{microseconds // scale}{unit}"
    return f"{microseconds}us"


def describe_hold(held_us: int) -> str:
    """Return that a task is held back after a failure, and for how long still.

    >>> describe_hold(2_500_999)
    'held back after a failure for another 2500ms'
    """
    return f"held back after a failure for another {span(max(1, held_us // 1_000) * 1_000)}"


def describe_steps(steps: tuple[Step, ...]) -> str:
    """Return what is given up, in words."""
    return " and ".join(_STEPS[step.kind](step) if step.kind in _STEPS else step.kind.name.lower() for step in steps)


def _less(step: Step) -> str:
    return f"{describe_amount(step.name, step.after)} instead of {amount(step.name, step.before)}"


def _returns(step: Step) -> str:
    more = "" if step.before == 1 else f" and {step.before - 1} more machines"
    return f"when {step.name}{more} {'is' if step.before == 1 else 'are'} up and heard again"


def _stopping(step: Step) -> str:
    tasks = "a task that is" if step.before == 1 else f"{step.before} tasks that are"
    return f"after {tasks} stopping {'has' if step.before == 1 else 'have'} ended"


def _opens(step: Step) -> str:
    if step.before == 1:
        return f"when machine {step.name} is uncordoned"
    return f"when {step.name} and {step.before - 1} more machines are uncordoned"


def _cap(name: str, quantity: int) -> str:
    if name == "jobs":
        return f"{quantity} {'job' if quantity == 1 else 'jobs'}"
    return describe_amount(name, quantity)


def _fewer_devices(step: Step) -> str:
    return f"{step.after} {step.name} instead of {step.before}" if step.after else f"without {step.name}"


_STEPS: Final[Mapping[Kind, Callable[[Step], str]]] = {
    Kind.STOPPING_ENDS: _stopping,
    Kind.LESS: _less,
    Kind.LOWER_MINIMUM: lambda step: f"min {step.after} instead of {'all ' if step.name else ''}{step.before}",
    Kind.FEWER_TASKS: lambda step: f"{step.after} tasks instead of {step.before}",
    Kind.NO_GANG: lambda _: "without the gang",
    Kind.ANY_PORT: lambda step: f"any port for {step.name} instead of {step.before}",
    Kind.NO_SPREAD: lambda step: f"without the {step.name} spread",
    Kind.NO_MACHINE_LIMIT: lambda _: "without max_per_machine",
    Kind.NOT_APART: lambda step: f"without staying apart from {step.name}",
    Kind.NOT_NEAR: lambda step: f"without staying near {step.name}",
    Kind.TOLERATION: lambda step: f"with a toleration of taint {step.name}",
    Kind.NO_CONSTRAINT: lambda step: f"without constraint {step.name!r}",
    Kind.ANY_POOL: lambda step: f"in any pool instead of {step.name}",
    Kind.FEWER_DEVICES: _fewer_devices,
    Kind.MACHINE_OPENS: _opens,
    Kind.HIGHER_CAP: lambda step: (
        f"with a cap of {_cap(step.name, step.after)} instead of {amount(step.name, step.before)}"
    ),
    Kind.JOB_ENDS: lambda step: f"after job {step.name} ends",
    Kind.MACHINE_RETURNS: _returns,
    Kind.MUCH_LESS: _less,
    Kind.OTHER_DRIVER: lambda step: f"under driver {step.name}",
}


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
    names = " and ".join(_NAMES.get(RESOURCE_NAMES[each.dimension], "") for each in miss.shortages)
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
            return f"does not meet {str(each)!r}"
    return f"is not in pool {rules.pool or 'default'}"


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


_MISSES: Final[Mapping[Reason, Callable[[Cell, JobSpec, Miss], str]]] = {
    Reason.MACHINE_NOT_UP: _not_up,
    Reason.DRIVER_MISSING: _driver,
    Reason.MACHINE_CORDONED: lambda cell, _, miss: ("open", "cordoned", "draining")[
        int(cell.machines.eligibility[miss.machine])
    ],
    Reason.NO_ALLOC: lambda _, spec, __: f"no alloc of {spec.alloc} takes tasks there",
    Reason.CONSTRAINT: _constraint,
    Reason.TAINTED: _taint,
    Reason.NEIGHBOUR: lambda *_: "would break a rule about neighbours",
    Reason.TOO_MANY_ON_MACHINE: lambda _, spec, __: f"has {spec.placement.max_per_machine} of its tasks already",
    Reason.SPREAD_SKEWED: lambda *_: "would skew its spread",
    Reason.DEVICE_MISSING: lambda *_: "has too few such devices",
    Reason.DEVICES_EXHAUSTED: lambda *_: "has too few such devices free",
    Reason.PORT_TAKEN: _port_taken,
    Reason.PORT_IN_RANGE: _port_in_range,
    Reason.PORTS_EXHAUSTED: _no_ports,
}


def name_of_task(cell: Cell, task_row: int) -> str:
    """Return a task's name, as in ``web/2``."""
    job_row = int(cell.tasks.job[task_row])
    return f"{cell.jobs.spec_of(job_row).name}/{task_row - int(cell.jobs.offset[job_row])}"
