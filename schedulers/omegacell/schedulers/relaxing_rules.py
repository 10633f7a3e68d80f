"""Ways in which a wish comes true by giving up a rule of where tasks run. Rows of `relaxing.RELAXATIONS`.

Each gives up one rule at a time, or one kind of device down to what is there; the rest of the job stays as it is.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.placement import Effect, Toleration
from omegacell.schedulers.wishes import Kind, Step, Wish

RULES_TRIED: Final = 32
"""Taints, and numbers of devices, that are tried of one kind."""


def _ruled(wish: Wish, step: Step, **rules: Any) -> Wish:
    """Return a wish with other placement rules."""
    return wish.less(replace(wish.spec, placement=replace(wish.spec.placement, **rules)), step)


def no_spread(wish: Wish) -> Iterator[Wish]:
    """Do without a rule to spread."""
    spreads = wish.spec.placement.spreads
    for place, spread in enumerate(spreads):
        if not spread.weight:
            step = Step(kind=Kind.NO_SPREAD, name=spread.attribute, before=spread.max_skew, loss=1)
            yield _ruled(wish, step, spreads=spreads[:place] + spreads[place + 1 :])


def no_limit_on_a_machine(wish: Wish) -> Iterator[Wish]:
    """Let any number of tasks run on one machine."""
    limit = wish.spec.placement.max_per_machine
    if limit:
        yield _ruled(wish, Step(kind=Kind.NO_MACHINE_LIMIT, before=limit, loss=1), max_per_machine=0)


def no_neighbour(wish: Wish) -> Iterator[Wish]:
    """Do without a rule to be near to another job, or apart from it."""
    neighbours = wish.spec.placement.neighbours
    for place, each in enumerate(neighbours):
        if not each.weight:
            kind = Kind.NOT_APART if each.is_apart else Kind.NOT_NEAR
            rest = neighbours[:place] + neighbours[place + 1 :]
            yield _ruled(wish, Step(kind=kind, name=each.job, loss=1), neighbours=rest)


def toleration(wish: Wish) -> Iterator[Wish]:
    """Tolerate the taints of one key that some machine has."""
    rules = wish.spec.placement
    keys = {
        taint.key: None
        for taints in wish.cell.machines.taints
        for taint in taints
        if taint.effect is Effect.NO_PLACE and not any(each.covers(taint) for each in rules.tolerations)
    }
    for key in sorted(keys)[:RULES_TRIED]:
        step = Step(kind=Kind.TOLERATION, name=key, loss=1)
        yield _ruled(wish, step, tolerations=(*rules.tolerations, Toleration(key=key)))


def no_constraint(wish: Wish) -> Iterator[Wish]:
    """Do without one constraint, or without the pool."""
    rules = wish.spec.placement
    for place, each in enumerate(rules.constraints):
        step = Step(kind=Kind.NO_CONSTRAINT, name=str(each), loss=1)
        yield _ruled(wish, step, constraints=rules.constraints[:place] + rules.constraints[place + 1 :])
    if rules.pool != "all":
        yield _ruled(wish, Step(kind=Kind.ANY_POOL, name=rules.pool or "default", loss=1), pool="all")


def any_device(wish: Wish) -> Iterator[Wish]:
    """Take devices of a kind whatever they are like."""
    devices = wish.spec.devices
    for place, request in enumerate(devices):
        if request.where:
            step = Step(kind=Kind.ANY_DEVICE, name=request.name, loss=1)
            kept = (*devices[:place], replace(request, where=()), *devices[place + 1 :])
            yield wish.less(replace(wish.spec, devices=kept), step)


def fewer_devices(wish: Wish) -> Iterator[Wish]:
    """Ask for fewer devices of one kind: as many as fit, or none."""
    devices = wish.spec.devices
    for place, request in enumerate(devices):
        for count in range(request.count - 1, max(-1, request.count - 1 - RULES_TRIED), -1):
            kept = (replace(request, count=count),) if count else ()
            step = Step(
                kind=Kind.FEWER_DEVICES,
                name=request.name,
                before=request.count,
                after=count,
                loss=(request.count - count) * 1_000 // request.count,
            )
            yield wish.less(replace(wish.spec, devices=devices[:place] + kept + devices[place + 1 :]), step)


def machine_opens(wish: Wish) -> Iterator[Wish]:
    """Open machines that are cordoned or draining: as few of them as it takes."""
    closed = np.flatnonzero(wish.cell.machines.eligibility != Eligibility.OPEN.value)
    if not len(closed):
        return
    fork = wish.fork()
    fork.do(SetEligibility(machines=tuple(closed.tolist()), eligibility=Eligibility.OPEN))
    room = np.minimum(wish.on(fork.cell).room(), wish.pending)
    missing = wish.count - int(np.minimum(wish.room(), wish.pending).sum())
    order = closed[np.argsort(-room[closed], kind="stable")]
    enough = int(np.searchsorted(np.cumsum(room[order]), missing)) + 1
    if enough <= len(order):
        name = wish.cell.machines.names[int(order[0])]
        yield wish.on(fork.cell, Step(kind=Kind.MACHINE_OPENS, name=name, before=enough, loss=enough))
