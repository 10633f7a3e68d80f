"""Choosing machines for a job with placement rules: wishes weighed, tasks spread, hard rules kept claim by claim.

A job that says nothing about placement never comes here. Machines are ordered by a score, higher first:

    wishes about machines  +  wishes about neighbours  -  a step for each task that a machine's domain has already

and then taken in that order, each claim told to the `Crowd` of the job's hard rules, so that what is claimed is what
`apply` will grant. Scores are floats and only order machines; nothing here decides what fits. All functions are pure.
"""

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import find_ranks
from omegacell.core.crowds import Crowd
from omegacell.core.placement import MAX_WEIGHT, Spread
from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.scoring import Floats, Rows, waves
from omegacell.schedulers.view import CellView

UNWELCOME = -2.0 * MAX_WEIGHT
"""What a taint that asks to place elsewhere counts: more than any one wish."""

RULE_WEIGHT = 10.0 * MAX_WEIGHT
"""What a hard spread counts in the order, so that few claims come at a bad moment."""

MAX_PASSES = 64
"""Times that all candidates are gone through for one job."""


def choose(cell: CellView, group: TaskGroup, *, room: NDArray[np.int64], first: Floats) -> Rows:
    """Return a machine row for each task that found room, in the order in which they are to be claimed.

    Args:
        cell: the cell.
        group: whose tasks.
        room: what each machine takes, `CellView.room` of the group.
        first: a number for each machine, the smallest first among those of equal score; ``(machines,)``.

    Returns:
        Machine rows, a row several times where it takes several tasks. Cost: O(machines log(machines) + tasks).
    """
    candidates = np.flatnonzero(room)
    wishes = find_scores(cell, group)
    order = candidates[np.lexsort((first[candidates], -wishes[candidates]))]
    scores = wishes[order]
    for spread in group.spec.placement.spreads:
        scores -= _spread_steps(cell, group, spread, order)
    order = order[np.argsort(-scores, kind="stable")]
    if cell.is_crowded(group):
        return take_in_order(cell, group, order, room[order])
    return waves(order, room[order], group.count)


def find_scores(cell: CellView, group: TaskGroup) -> Floats:
    """Return what a job's wishes say of each machine, higher is better, ``(machines,)`` float64."""
    rules = group.spec.placement
    scores = np.where(cell.is_welcome(group), 0.0, UNWELCOME)
    for affinity in rules.affinities:
        scores += np.where(cell.meets(affinity.constraint), float(affinity.weight), 0.0)
    for each in rules.neighbours:
        if each.weight:
            domains = cell.domains(each.attribute)
            has = np.bincount(domains[cell.machines_of_job(each.job)], minlength=int(domains.max(initial=0)) + 1) > 0
            has[0] = False
            scores += np.where(has[domains], -float(each.weight) if each.is_apart else float(each.weight), 0.0)
    return scores


def take_in_order(cell: CellView, group: TaskGroup, order: Rows, room: NDArray[np.int64]) -> Rows:
    """Claim machines in order as the hard rules allow, one task each, and again until nothing more fits."""
    crowd = cell.crowd(group)
    left = dict(zip(order.tolist(), room.tolist(), strict=True))
    taken: list[int] = []
    for _ in range(MAX_PASSES):
        before = len(taken)
        _take_pass(crowd, left, taken, count=group.count)
        if len(taken) in (before, group.count):
            break
    return np.array(taken, np.int64)


def _take_pass(crowd: Crowd, left: dict[int, int], taken: list[int], *, count: int) -> None:
    """Go once through the machines that have room of their own left."""
    for row in list(left):
        if len(taken) == count:
            return
        if not crowd.reason(row):
            taken.append(row)
            crowd.add(row)
            left[row] -= 1
        if not left[row]:
            del left[row]


def _spread_steps(cell: CellView, group: TaskGroup, spread: Spread, order: Rows) -> Floats:
    """Return what each machine of an order loses for the tasks that its domain has, those before it counted in.

    A domain loses its weight for every share of the job that it has: so the order goes round the domains.
    """
    domains = cell.domains(spread.attribute)
    size = int(domains.max(initial=0)) + 1
    held = np.bincount(domains[cell.machines_of(group)], minlength=size)
    codes = domains[order]
    there = np.unique(codes[codes > 0])
    share = _shares(cell, spread, size, count=max(1, len(there)))
    before = held[codes] + find_ranks(codes)
    weight = float(spread.weight) if spread.weight else RULE_WEIGHT
    steps: Floats = weight * before / (share[codes] * max(1, group.spec.count))
    return np.where(codes > 0, steps, 2.0 * weight)


def _shares(cell: CellView, spread: Spread, size: int, *, count: int) -> Floats:
    """Return the share of the job that each domain should have: its target, or what is left over evenly."""
    targets = dict(spread.targets)
    left = max(0, 100 - sum(targets.values()))
    others = max(1, count - len(targets))
    share = np.full(size, max(left, 1) / 100 / others)
    for code, name in enumerate(cell.domain_names(spread.attribute), start=1):
        if name in targets:
            share[code] = max(targets[name], 1) / 100
    return share
