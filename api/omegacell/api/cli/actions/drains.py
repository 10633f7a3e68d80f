"""`omega machine cordon|uncordon|drain`: takes machines out of service and back, and waits for drains.

A drain is a state of the cell: it goes on whether anybody waits for it or not.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, duration, show, warn
from omegacell.api.client import Client
from omegacell.api.errors import ExitCode, UnreachableError
from omegacell.api.quantities import parse_duration
from omegacell.api.records_machines import DrainHold, DrainProgress, Machine
from omegacell.core.drains import NO_DEADLINE, Eligibility
from omegacell.core.errors import UsageError

PERIOD_S: Final = 0.5
RECONNECT_LIMIT_S: Final = 60.0
MAX_NAMES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOptions:
    """How to drain; the names are those of the command."""

    deadline: str | None
    wait: bool
    timeout_s: float | None
    form: Format
    cell: str | None


def set_eligibility(names: Sequence[str], eligibility: Eligibility, form: Format, *, cell: str | None) -> None:
    """Cordon machines, or open them again."""
    with open_client(cell) as client:
        _show(client.set_eligibility(names, eligibility).machines, form)


def drain(names: Sequence[str], options: DrainOptions) -> None:
    """Drain machines, and wait until nothing is left on them."""
    deadline_us = None if options.deadline is None else read_deadline(options.deadline)
    with open_client(options.cell) as client:
        machines = client.set_eligibility(names, Eligibility.DRAINING, deadline_us=deadline_us).machines
        wanted = [machine.name for machine in machines]
        told: dict[str, str] = {}
        if not options.wait:
            _tell(machines, told)
            _show(machines, options.form)
            return
        end = None if options.timeout_s is None else time.monotonic() + options.timeout_s
        try:
            while True:
                _tell(machines, told)
                error = _find_end(machines, is_over=end is not None and time.monotonic() >= end)
                if error is not None or all(_is_done(machine) for machine in machines):
                    break
                time.sleep(PERIOD_S if end is None else max(0.0, min(PERIOD_S, end - time.monotonic())))
                machines = _look(client, wanted)
        except KeyboardInterrupt:
            raise CommandError(f"interrupted; {_farewell(wanted)}", code=ExitCode.INTERRUPTED) from None
    _show(machines, options.form)
    if error is not None:
        raise error


def read_deadline(text: str) -> int:
    """Return a deadline in microseconds from now on; -1 for "none".

    >>> read_deadline("10m"), read_deadline("none")
    (600000000, -1)

    Raises:
        UsageError: It is neither.
    """
    if text == "none":
        return NO_DEADLINE
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--deadline {text!r}: {error}, or none") from error


def describe(machine: Machine) -> str:
    """Return in a few words whether a machine is offered work, and how far its drain has come."""
    if machine.drain is None:
        return machine.eligibility.name.lower()
    if machine.drain.is_done:
        return "drained"
    return f"draining, {machine.drain.task_count} left"


def describe_deadline(drain: DrainProgress) -> str:
    """Return when a drain stops keeping to the budgets of jobs."""
    if drain.left_us == NO_DEADLINE:
        return "none"
    return f"in {duration(drain.left_us)}" if drain.left_us else "passed"


def _is_done(machine: Machine) -> bool:
    return machine.drain is not None and machine.drain.is_done


def _look(client: Client, names: Sequence[str]) -> tuple[Machine, ...]:
    """Return machines as they are now, over restarts of the API."""
    since = time.monotonic()
    while time.monotonic() - since < RECONNECT_LIMIT_S:
        with suppress(UnreachableError):  # it is being started again
            return client.machines(names).machines
        time.sleep(PERIOD_S)
    return client.machines(names).machines


def _find_end(machines: Sequence[Machine], *, is_over: bool) -> CommandError | None:
    """Return why there is no use in waiting on, None when there is."""
    names = [machine.name for machine in machines]
    for machine in machines:
        if machine.drain is None:
            now = machine.eligibility.name.lower()
            return CommandError(f"{machine.name} does not drain any more: somebody made it {now}")
    going = [machine for machine in machines if machine.drain is not None and not machine.drain.is_done]
    stuck = [machine for machine in going if machine.drain is not None and machine.drain.is_forever]
    if stuck and len(stuck) == len(going):
        assert stuck[0].drain is not None, "what is stuck drains"
        block = stuck[0].drain.blocks[0]
        advice = "raise its max_unavailable with `omega run`, stop it, or set a --deadline"
        if block.hold is DrainHold.STRANDED:
            advice = "uncordon a machine that takes it, add one, or set a --deadline"
        more = f" (and {len(stuck) - 1} more machines)" if len(stuck) > 1 else ""
        words = f"the drain of {stuck[0].name}{more} can never finish: {block.summary}; {advice}"
        return CommandError(f"{words}; {_farewell(names)}")
    if is_over and going:
        left = "; ".join(f"{machine.name}: {_describe_left(machine)}" for machine in going[:MAX_NAMES_SHOWN])
        return CommandError(f"the time is over; {left}; {_farewell(names)}")
    return None


def _farewell(names: Sequence[str]) -> str:
    shown = " ".join(names[:MAX_NAMES_SHOWN]) + (" ..." if len(names) > MAX_NAMES_SHOWN else "")
    return f"the drain goes on: `omega machine uncordon {shown}` takes it back"


def _tell(machines: Sequence[Machine], told: dict[str, str]) -> None:
    """Say on stderr how far each drain has come, when that is news. Mutates ``told``."""
    for machine in machines:
        words = _describe_left(machine)
        if told.get(machine.name) != words:
            told[machine.name] = words
            warn(f"{machine.name}: {words}")


def _describe_left(machine: Machine) -> str:
    drain = machine.drain
    if drain is None:
        return machine.eligibility.name.lower()
    if drain.is_done:
        return "drained"
    left = "1 task left" if drain.task_count == 1 else f"{drain.task_count} tasks left"
    if not drain.blocks:
        return left
    first = drain.blocks[0]
    lasting = "for ever, unless something is done: " if first.is_forever else ""
    rest = sum(block.task_count for block in drain.blocks[1:])
    more = f"; {rest} more for other reasons" if rest else ""
    return f"{left}; {lasting}{first.summary}{more}"


def _show(machines: Sequence[Machine], form: Format) -> None:
    rows = [
        (
            machine.name,
            machine.eligibility.name.lower(),
            str(machine.drain.task_count) if machine.drain is not None else "-",
            describe_deadline(machine.drain) if machine.drain is not None else "-",
        )
        for machine in machines
    ]
    columns = ("MACHINE", "ELIGIBILITY", "TASKS LEFT", "DEADLINE")
    facts = {"machines": [plain(machine) for machine in machines]}
    show(facts, form, Table(columns=columns, rows=rows, right=frozenset({"TASKS LEFT"})))
