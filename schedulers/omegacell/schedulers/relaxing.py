"""The smallest change that makes a task fit now: found by trying changes on forks, with the one predicate.

Theory of operation. A `Wish` is tasks of one shape that are to find room in a cell together. A *relaxation* turns a
wish into smaller ones: less of a resource, any port instead of a certain one, the same wish after another job has
ended. Every candidate is asked the question that schedulers ask (`feasibility.find_room`), on the cell or on a fork of
it where what the candidate assumes has really been applied; only those that fit are returned.

`RELAXATIONS` is the table: a new way to give way is one row. One row at a time is tried; only if none makes the wish
fit are pairs tried. What fits is ordered by

1. how many rows were used;
2. `Kind`, in the order of the enum: first what asks nobody for anything, last what makes it another task;
3. the loss: thousandths of a resource given up, tasks given up, tasks that must end first;
4. the name of what is given up.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, zip_longest
from typing import Final

import numpy as np

from omegacell.core.caps import CapUse
from omegacell.core.gangs import find_shorts
from omegacell.core.jobs import WHOLE_JOB
from omegacell.core.limit_commands import SetCaps
from omegacell.core.units import CAP_NAMES, RESOURCE_NAMES
from omegacell.schedulers.feasibility import find_free
from omegacell.schedulers.relaxing_rules import (
    any_device,
    fewer_devices,
    machine_opens,
    no_constraint,
    no_limit_on_a_machine,
    no_neighbour,
    no_spread,
    toleration,
)
from omegacell.schedulers.relaxing_waits import job_ends, machine_returns, stopping_ends
from omegacell.schedulers.wishes import Kind, Relaxation, Step, Waiting, Wish

THOUSAND: Final = 1_000
CANDIDATES_IN_PAIRS: Final = 8
"""So many wishes of one row are tried together with another row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """What makes a wish fit.

    Attributes:
        wishes: those that fit, the smallest change first, at most one of each row of the table.
        is_cut_off: the time was over before everything had been tried.
    """

    wishes: tuple[Wish, ...] = ()
    is_cut_off: bool = False


def find_changes(wish: Wish, *, until_us: int, limit: int = 8) -> Changes:
    """Return what makes a wish fit that does not; nothing when it does, or when no pair of rows makes it fit.

    Mutates nothing. Cost: some dozens of O(cell); no candidate is begun after ``until_us``, on the clock of the wish.
    """
    if wish.fit_count():
        return Changes()
    found: list[Wish] = []
    for row in RELAXATIONS:
        if wish.clock.monotonic_us() < until_us:
            found += _first_fitting(row(wish), until_us)
    if not found:
        found += _find_pairs(wish, until_us)
    is_cut_off = wish.clock.monotonic_us() >= until_us
    return Changes(wishes=tuple(sorted(found, key=lambda each: each.order)[:limit]), is_cut_off=is_cut_off)


def _first_fitting(candidates: Iterator[Wish], until_us: int) -> Iterator[Wish]:
    for candidate in candidates:
        if candidate.fit_count():
            yield candidate
            return
        if candidate.clock.monotonic_us() >= until_us:
            return


def _find_pairs(wish: Wish, until_us: int) -> Iterator[Wish]:
    """Try two rows together, the one that comes first in the table applied first."""
    for place, first in enumerate(RELAXATIONS):
        for smaller in islice(first(wish), CANDIDATES_IN_PAIRS):
            for second in RELAXATIONS[place + 1 :]:
                if wish.clock.monotonic_us() >= until_us:
                    return
                yield from _first_fitting(second(smaller), until_us)


# --- rows that change what is asked for


def less_of_a_resource(wish: Wish) -> Iterator[Wish]:
    """Ask for less: by exactly what the nearest machine lacks, or for a gang what lets all of it fit."""
    if wish.count == 1:
        yield from _less_on_a_machine(wish)
    else:
        yield from _less_for_a_gang(wish)


def _less_on_a_machine(wish: Wish) -> Iterator[Wish]:
    """Take what is free where the least is missing: the fewest resources, then the least of them in all."""
    asked = np.array(wish.spec.resources, np.int64)
    would = np.flatnonzero(wish.room(replace(wish.spec, resources=(0,) * len(asked))))
    free = find_free(wish.overlay, wish.spec)[would]
    capped = CapUse(wish.cell.caps, wish.cell.jobs).find_left(wish.row)[:2]
    capped = () if wish.spec.alloc else capped  # inside an alloc nothing is charged to it
    most = [
        amount if left is None else max(0, min(amount, left)) for amount, left in zip_longest(asked.tolist(), capped)
    ]
    offered = np.minimum(free, np.array(most, np.int64))
    usable = ((offered > 0) | (asked == 0)).all(axis=1)
    would, offered = would[usable], np.where(asked > 0, offered, 0)[usable]
    if not len(would):
        return
    missing = asked - offered
    losses = (missing * THOUSAND // np.maximum(asked, 1)).sum(axis=1)
    best = int(np.lexsort((would, losses, np.count_nonzero(missing, axis=1)))[0])
    yield _with_resources(wish, tuple(offered[best].tolist()))


def _less_for_a_gang(wish: Wish) -> Iterator[Wish]:
    """Take the most of one resource with which all fit; if none helps alone, the same share of all."""
    asked = wish.spec.resources

    def fits(resources: tuple[int, ...]) -> bool:
        return wish.fit_count(replace(wish.spec, resources=resources)) > 0

    found = []
    for place, amount in enumerate(asked):
        most = _largest(partial(_fits_with, fits, asked, place), amount)
        if most:
            found.append(_with_resources(wish, (*asked[:place], most, *asked[place + 1 :])))
    yield from sorted(found, key=lambda each: each.order)
    if found:
        return
    share = _largest(lambda each: fits(_shared(asked, each)), THOUSAND)
    if share:
        taken = _shared(asked, share)
        for place, amount in enumerate(asked):
            # what all of them gave up is given back where it was not needed
            most = _largest(partial(_fits_with, fits, taken, place), amount + 1)
            taken = (*taken[:place], max(most, taken[place]), *taken[place + 1 :])
        yield _with_resources(wish, taken)


def _fits_with(fits: Callable[[tuple[int, ...]], bool], amounts: tuple[int, ...], place: int, amount: int) -> bool:
    """Tell whether amounts fit with another one in one place."""
    return fits((*amounts[:place], amount, *amounts[place + 1 :]))


def _shared(amounts: tuple[int, ...], thousandths: int) -> tuple[int, ...]:
    return tuple(max(1, amount * thousandths // THOUSAND) if amount else 0 for amount in amounts)


def _largest(fits: Callable[[int], bool], limit: int) -> int:
    """Return the largest number below ``limit``, from 1, that fits; 0 when none does. Less always fits if more does."""
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _with_resources(wish: Wish, resources: tuple[int, ...]) -> Wish:
    asked = wish.spec.resources
    steps = [
        Step(
            kind=Kind.LESS if 2 * amount >= asked[place] else Kind.MUCH_LESS,
            name=RESOURCE_NAMES[place],
            before=asked[place],
            after=amount,
            loss=(asked[place] - amount) * THOUSAND // asked[place],
        )
        for place, amount in enumerate(resources)
        if amount != asked[place]
    ]
    return wish.less(replace(wish.spec, resources=resources), *steps)


def lower_minimum(wish: Wish) -> Iterator[Wish]:
    """Let fewer tasks of a group be placed at once: as many as find room, in the group that misses the fewest."""
    gang, fitting = wish.spec.gang, wish.place_count()
    missing = wish.count - fitting
    if gang is None or missing <= 0:
        return
    wanted = int(wish.cell.jobs.count_wanted[wish.row])
    waiting, short = find_shorts(wish.cell, wish.row, gang)
    group = int(np.flatnonzero((waiting > 0) & (short == wish.count))[0])
    least = gang.least_of(gang.length_of(group, wanted))
    if fitting > 0:
        name = "" if gang.least else "all"
        step = Step(kind=Kind.LOWER_MINIMUM, name=name, before=least, after=least - missing, loss=missing)
        yield wish.less(replace(wish.spec, gang=replace(gang, least=least - missing)), step)


def fewer_tasks(wish: Wish) -> Iterator[Wish]:
    """Make a job that is one gang as small as the room there is."""
    if wish.spec.gang != WHOLE_JOB:
        return
    fitting = wish.place_count()
    missing = wish.count - fitting
    if 0 < fitting < wish.count:
        smaller = replace(wish.spec, count=wish.spec.count - missing)
        step = Step(kind=Kind.FEWER_TASKS, before=wish.spec.count, after=smaller.count, loss=missing)
        yield replace(wish.less(smaller, step), pending=fitting, gangs=(Waiting(fitting, fitting),))


def no_gang(wish: Wish) -> Iterator[Wish]:
    """Place tasks of a gang one by one."""
    if wish.spec.is_gang and wish.count > 1:
        yield wish.less(replace(wish.spec, gang=None), Step(kind=Kind.NO_GANG, before=wish.count))


def higher_cap(wish: Wish) -> Iterator[Wish]:
    """Raise the cap of the job's scheduler as far as it takes."""
    cap = wish.cell.caps.rows.get(wish.spec.scheduler)
    if cap is None:
        return
    amounts = CapUse(wish.cell.caps, wish.cell.jobs).find_needed(wish.row, wish.count)
    steps = [
        Step(
            kind=Kind.HIGHER_CAP,
            name=name,
            before=before,
            after=after,
            loss=(after - before) * THOUSAND // max(1, before),
        )
        for name, before, after in zip(CAP_NAMES, cap.amounts, amounts, strict=True)
        if after != before
    ]
    if steps:
        fork = wish.fork()
        fork.do(SetCaps(scheduler=wish.spec.scheduler, amounts=amounts))
        yield wish.on(fork.cell, *steps)


def any_port(wish: Wish) -> Iterator[Wish]:
    """Let the cell grant a port instead of asking for a number: one of them, else all."""
    ports = wish.spec.ports
    fixed = [port for port in ports if port.number]
    alone = [(port,) for port in fixed] if len(fixed) < CANDIDATES_IN_PAIRS else []
    for chosen in alone + ([tuple(fixed)] if len(fixed) > 1 else []):
        freed = tuple(replace(port, number=0) if port in chosen else port for port in ports)
        steps = [Step(kind=Kind.ANY_PORT, name=port.name, before=port.number, loss=1) for port in chosen]
        yield wish.less(replace(wish.spec, ports=freed), *steps)


RELAXATIONS: Final[tuple[Relaxation, ...]] = (
    stopping_ends,
    any_port,
    no_gang,
    lower_minimum,
    fewer_tasks,
    no_spread,
    no_limit_on_a_machine,
    no_neighbour,
    toleration,
    no_constraint,
    any_device,
    fewer_devices,
    less_of_a_resource,
    machine_opens,
    higher_cap,
    job_ends,
    machine_returns,
)
"""The table. In a pair the row that comes first here is applied first, and what comes later sees what it made."""
