"""The agenda of a compiled run: a binary heap of events by (time, number), as `simulator.agenda` keeps them."""

import numpy as np

from omegacell.core.kernels import Whole, part
from omegacell.simulator.compiled.world import Records, World


@part
def enter(world: World, time: Whole, act: Whole, subject: Whole, more: Whole) -> None:
    """Let something happen at a time; of two events at one time the one entered first happens first."""
    cell, events = world.cell[0], world.events
    number = cell.number
    cell.number = number + 1
    place = cell.events
    cell.events = place + 1
    while place > 0:
        above = (place - 1) >> 1
        if events[above].time <= time:
            break
        _move(events, above, place)
        place = above
    event = events[place]
    event.time = time
    event.number = number
    event.act = act
    event.subject = subject
    event.more = more


@part
def drop_first(world: World) -> None:
    """Take out the first event; the caller has read it."""
    cell, events = world.cell[0], world.events
    count = cell.events - 1
    cell.events = count
    if count == 0:
        return
    last = events[count]
    place = np.int64(0)
    while True:
        below = 2 * place + 1
        if below >= count:
            break
        if below + 1 < count and _is_before(events[below + 1], events[below]):
            below += 1
        if not _is_before(events[below], last):
            break
        _move(events, below, place)
        place = below
    _move(events, count, place)


@part
def _is_before(one: Records, other: Records) -> bool:
    return one.time < other.time or (one.time == other.time and one.number < other.number)


@part
def _move(events: Records, source: Whole, target: Whole) -> None:
    one, other = events[source], events[target]
    other.time = one.time
    other.number = one.number
    other.act = one.act
    other.subject = one.subject
    other.more = one.more
