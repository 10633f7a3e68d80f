"""Amounts and changes in words; what single machines lack is in `misses`.

An amount is written so that a job file takes it, and is never rounded up: who submits what an explanation says gets
what it promised. A new kind of change is one row of a table here; without a row its name is shown.
"""

from collections.abc import Callable, Mapping
from typing import Final

from omegacell.core.cell import Cell
from omegacell.schedulers.wishes import Kind, Step

RESOURCE_WORDS: Final = {"cpu_milli": "cpu", "memory_bytes": "memory", "disk_bytes": "disk"}
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
    return f"{amount(name, quantity)} {RESOURCE_WORDS.get(name, name)}"


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
    Kind.ANY_DEVICE: lambda step: f"{step.name} of any kind, without its `where`",
    Kind.FEWER_DEVICES: _fewer_devices,
    Kind.MACHINE_OPENS: _opens,
    Kind.HIGHER_CAP: lambda step: (
        f"with a cap of {_cap(step.name, step.after)} instead of {amount(step.name, step.before)}"
    ),
    Kind.JOB_ENDS: lambda step: f"after job {step.name} ends",
    Kind.MACHINE_RETURNS: _returns,
    Kind.MUCH_LESS: _less,
}


def name_of_task(cell: Cell, task_row: int) -> str:
    """Return a task's name, as in ``web/2``."""
    job_row = int(cell.tasks.job[task_row])
    return f"{cell.jobs.spec_of(job_row).name}/{task_row - int(cell.jobs.offset[job_row])}"
