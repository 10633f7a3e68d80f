"""The lab's two policies as kernels: the machines that `FirstFitScheduler` and `LeastLoadedScheduler` choose.

Each returns how many tasks it placed, their machines in the order of the tasks in ``rows``. They draw what their models
draw, in the same order. Equal keys of the service scheduler are taken by row; its model leaves open which of them
it takes, but keys hold 40 random bits.
"""

import numpy as np

from omegacell.core.kernels import Whole, count_room, part, takes_one
from omegacell.simulator.compiled.draws import draw_below, draw_double, shuffle
from omegacell.simulator.compiled.world import Records, World

SPARE = 24
LOAD_STEPS = 32


@part
def place_batch(world: World, number: Whole, row: Whole, count: Whole, rows: Records) -> Whole:
    """Do as `FirstFitScheduler` does: first fit on a random walk over some machines, on all if that was too little."""
    machines = world.cell[0].machines
    draws = world.draws[2 * number]
    amounts, free = world.amounts[row], world.free
    wanted = 2 * count + SPARE
    if wanted < machines:
        placed = _place_on_walk(world, number, row, count, rows)
        if placed == count:
            return count
    candidates = np.int64(0)
    for machine in range(machines):
        if takes_one(free, machine, amounts):
            world.order[candidates] = machine
            candidates += 1
    shuffle(draws, world.order, candidates)
    for place in range(candidates):
        world.rooms[place] = count_room(free, world.order[place], amounts)
        world.held[place] = 0
    return _hand_out(world, candidates, count, rows)


@part
def place_service(world: World, number: Whole, row: Whole, count: Whole, rows: Records) -> Whole:
    """Do as `LeastLoadedScheduler` does: where the job has fewest tasks, then by load in steps, then at random."""
    machines = world.cell[0].machines
    draws = world.draws[2 * number]
    amounts, free = world.amounts[row], world.free
    _count_held(world, row, 1)
    kept = np.int64(0)
    for machine in range(machines):
        if takes_one(free, machine, amounts):
            load = _load_after(world, machine, row)
            step = int(load * LOAD_STEPS)
            key = world.counts[machine] * (LOAD_STEPS + 2) + float(step) + draw_double(draws)
            kept = _keep_least(world, kept, count, machine, key)
    _sort_kept(world, kept)
    for place in range(kept):
        machine = world.order[place]
        world.rooms[place] = count_room(free, machine, amounts)
        world.held[place] = world.counts[machine]
    _count_held(world, row, 0)
    return _level_out(world, kept, count, rows)


@part
def sum_room(world: World, row: Whole, most: Whole) -> Whole:
    """Return how many tasks of a job's shape all machines take, no more than ``most`` of them on any."""
    total = 0
    for machine in range(world.cell[0].machines):
        total += min(count_room(world.free, machine, world.amounts[row]), most)
    return total


@part
def _is_coprime(one: Whole, other: Whole) -> bool:
    while other:
        one, other = other, one % other
    return one == 1


@part
def _place_on_walk(world: World, number: Whole, row: Whole, count: Whole, rows: Records) -> Whole:
    """Look at machines on a walk of random start and stride, no further than needed; return how many were placed."""
    machines = world.cell[0].machines
    machine = draw_below(world.draws[2 * number], machines)
    stride = draw_below(world.draws[2 * number], machines)
    while not _is_coprime(stride, machines):
        stride = (stride + 1) % machines if machines > 1 else 1
    amounts, free = world.amounts[row], world.free
    found = np.int64(0)
    for _ in range(2 * count + SPARE):
        if takes_one(free, machine, amounts):
            rows[found] = machine
            world.order[found] = machine
            found += 1
            if found == count:
                return count
        machine += stride
        machine -= machines if machine >= machines else 0
    for place in range(found):
        world.rooms[place] = count_room(free, world.order[place], amounts)
        world.held[place] = 0
    return _level_out(world, found, count, rows)


@part
def _hand_out(world: World, candidates: Whole, count: Whole, rows: Records) -> Whole:
    """Hand out one task to each machine in order, and level out when machines are fewer (`scoring.waves`)."""
    if candidates >= count:
        for place in range(count):
            rows[place] = world.order[place]
        return count
    return _level_out(world, candidates, count, rows)


@part
def _level_out(world: World, candidates: Whole, count: Whole, rows: Records) -> Whole:
    """Hand out tasks so that the job's tasks lie as evenly as room allows (`scoring.level_out`)."""
    total = 0
    lowest, highest = count, 0
    for place in range(candidates):
        world.rooms[place] = min(world.rooms[place], count)
        total += world.rooms[place]
        lowest = world.held[place] if place == 0 else min(lowest, world.held[place])
    if total <= count:
        for place in range(candidates):
            world.shares[place] = world.rooms[place]
    else:
        total = count
        _share(world, candidates, count)
    levels = world.levels
    for place in range(candidates):
        first = world.held[place] - lowest
        for level in range(first, first + world.shares[place]):
            levels[level + 1] += 1
            highest = max(highest, level + 1)
    for level in range(1, highest + 1):
        levels[level] += levels[level - 1]
    for place in range(candidates):
        first = world.held[place] - lowest
        for level in range(first, first + world.shares[place]):
            rows[levels[level]] = world.order[place]
            levels[level] += 1
    for level in range(highest + 1):
        levels[level] = 0
    return total


@part
def _share(world: World, candidates: Whole, count: Whole) -> None:
    """Fill machines like water (`scoring._shares`)."""
    low, high = 0, count + 1
    for place in range(candidates):
        high = max(high, world.held[place] + count + 1)
    while high - low > 1:
        level = (low + high) >> 1
        if _fill(world, candidates, level) <= count:
            low = level
        else:
            high = level
    left = count - _fill(world, candidates, low)
    for place in range(candidates):
        if left == 0:
            break
        share = world.shares[place]
        if share < world.rooms[place] and world.held[place] + share == low:
            world.shares[place] = share + 1
            left -= 1


@part
def _fill(world: World, candidates: Whole, level: Whole) -> Whole:
    """Give each machine what it takes up to a level; return how much that is."""
    total = 0
    for place in range(candidates):
        share = min(world.rooms[place], max(level - world.held[place], 0))
        world.shares[place] = share
        total += share
    return total


@part
def _count_held(world: World, row: Whole, is_counting: Whole) -> None:
    """Count the job's active tasks on each machine in ``world.counts``, or set those counts to zero again."""
    job, tasks, counts = world.jobs[row], world.tasks, world.counts
    if job.placed == 0:
        return
    for task in range(job.offset, job.offset + job.count):
        if tasks[task].state == 1:
            machine = np.int64(tasks[task].machine)
            counts[machine] = counts[machine] + 1 if is_counting else 0


@part
def _load_after(world: World, machine: Whole, row: Whole) -> float:
    """Return how full a machine would be with one more task (`scoring.load_after`)."""
    load = 0.0
    for dimension in range(world.capacity.shape[1]):
        capacity = world.capacity[machine, dimension]
        if capacity > 0:
            used = capacity - world.free[machine, dimension] + world.amounts[row, dimension]
            load = max(load, used / capacity)
    return load


@part
def _keep_least(world: World, kept: Whole, most: Whole, machine: Whole, key: float) -> Whole:
    """Keep a machine if its key is among the least so far: a heap with the greatest first; return how many are kept."""
    if kept < most:
        place = kept
        while place > 0 and _is_less(world, (place - 1) >> 1, key, machine):
            above = (place - 1) >> 1
            world.keys[place], world.order[place] = world.keys[above], world.order[above]
            place = above
        world.keys[place], world.order[place] = key, machine
        return kept + 1
    if not _is_less(world, np.int64(0), key, machine):
        _sink(world, kept, key, machine)
    return kept


@part
def _sort_kept(world: World, kept: Whole) -> None:
    """Sort the heap of kept machines, the least key first."""
    for count in range(kept - 1, 0, -1):
        key, machine = world.keys[count], world.order[count]
        greatest, its_machine = world.keys[0], world.order[0]
        _sink(world, count, key, machine)
        world.keys[count], world.order[count] = greatest, its_machine


@part
def _sink(world: World, count: Whole, key: float, machine: Whole) -> None:
    """Put a machine into the heap of ``count`` instead of its first."""
    place = np.int64(0)
    while True:
        below = 2 * place + 1
        if below >= count:
            break
        if below + 1 < count and _is_less(world, below, world.keys[below + 1], world.order[below + 1]):
            below += 1
        if _is_less(world, below, key, machine):
            break
        world.keys[place], world.order[place] = world.keys[below], world.order[below]
        place = below
    world.keys[place], world.order[place] = key, machine


@part
def _is_less(world: World, place: Whole, key: float, machine: Whole) -> bool:
    """Whether the machine at a place of the heap comes before another."""
    kept = world.keys[place]
    return kept < key or (kept == key and world.order[place] < machine)
