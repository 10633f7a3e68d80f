"""Random alloc sets and jobs inside them: few names, so that they meet, and mostly sizes that fit."""

import random
from collections.abc import Callable
from dataclasses import replace

from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.placement import NO_RULES
from tests.support.oracle_allocs import find_set
from tests.support.oracle_state import Job, State

SET_NAME = "box"


def draw_alloc(rng: random.Random, state: State, spec: JobSpec) -> JobSpec:
    """Make an alloc set of a job, or let it run inside one, or leave it as it is."""
    if rng.random() < (0.85 if spec.name == SET_NAME else 0.03):
        amounts = (rng.randint(1, 4), rng.randint(0, 4), rng.choice((0, 1, 2)))
        return replace(spec, kind=Kind.ALLOC, ports=(), is_health_checked=False, resources=amounts)
    chance = 0.5 if find_set(state, SET_NAME) else 0.05
    if spec.name == SET_NAME or rng.random() > chance:
        return spec
    name = SET_NAME if rng.random() < 0.95 else rng.choice(("web", "sort", "nobody"))
    amounts = (rng.randint(0, 2), rng.choice((0, 0, 1, 2)), rng.choice((0, 0, 0, 1)))
    return replace(spec, alloc=name, devices=(), resources=amounts)


def draw_sets(rng: random.Random, draw: Callable[[str], JobSpec]) -> list[JobSpec]:
    """Draw an alloc set that finds room somewhere, and jobs that mostly find room inside."""
    box = replace(make_plain(draw(SET_NAME)), kind=Kind.ALLOC, alloc="", is_health_checked=False)
    box = replace(box, count=rng.randint(1, 3), resources=(rng.randint(1, 3), rng.randint(0, 2), rng.choice((0, 0, 1))))
    guests = []
    for name in ("web", "sort")[: rng.randint(1, 2)]:
        amounts = tuple(rng.randint(0, size) for size in box.resources)
        guest = replace(draw(name), kind=rng.choice((Kind.BATCH, Kind.SERVICE)))
        guest = guest if rng.random() < 0.3 else make_plain(guest)
        guests.append(replace(guest, resources=amounts, alloc=SET_NAME, devices=()))
    return [box, *guests]


def make_plain(spec: JobSpec) -> JobSpec:
    """Let a job ask for nothing special."""
    return replace(spec, placement=NO_RULES, devices=(), driver="exec", ports=())


def find_busy(state: State) -> list[tuple[Job, int, Job]]:
    """Give the allocs that tasks are inside of, each as set and index, with the job of one of them."""
    jobs = list(state.jobs.values())
    inside = [(guest, task.alloc) for guest in jobs for task in guest.tasks if task.alloc is not None]
    return [(state.jobs[alloc[0]], alloc[1], guest) for guest, alloc in inside]


def find_machines(state: State, job: Job | None) -> list[int]:
    """Give the machines on which a job's tasks may find an alloc."""
    box = find_set(state, job.spec.alloc) if job is not None and job.spec.alloc else None
    tasks = [] if box is None else box.tasks
    return [each.machine for each in tasks if each.state == TaskState.RUNNING and each.stopping == Stopping.NO]
