"""Choosing machines for a job with placement rules: wishes weighed, tasks spread, hard rules kept claim by claim.

A job that says nothing about placement never comes here. Machines are ordered by a score, higher first:

    wishes about machines  +  wishes about neighbours  -  a step for each task that a machine's domain has already

and then taken as the `Crowd` of the job's hard rules allows, so that what is claimed is what `apply` will grant: one by
one where several rules bind tasks to each other, on whole columns where a single spread does, or none. Scores are
floats and only order machines; nothing here decides what fits. All functions are pure.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import find_ranks
from omegacell.core.crowds import Crowd, Domains
from omegacell.core.placement import MAX_WEIGHT, Spread
from omegacell.core.units import MAX_TASKS_PER_JOB
from omegacell.schedulers.feasibility import unbind
from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.scoring import Floats, Rows, level_out, waves
from omegacell.schedulers.view import CellView

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
        Machine rows, a row several times where it takes several tasks. Cost: O(machines) for one task, for more
        O(machines log(machines) + tasks).
    """
    rules, name = group.spec.placement, group.spec.name
    hard = sum(bool(each.max_skew) for each in rules.spreads)
    is_bound = hard > 1 or any(each.job == name and not each.weight for each in rules.neighbours)
    if group.count > 1 and (hard or is_bound):
        # a machine that takes none now, or one, may take more once others of these tasks are elsewhere
        room = cell.room(replace(group, spec=unbind(group.spec)))
    candidates = np.flatnonzero(room)
    if not len(candidates):
        return candidates
    scores = find_scores(cell, group).take(candidates)
    if group.count == 1:
        return candidates[_find_best(cell, group, candidates, scores=scores, first=first.take(candidates))]
    best = _sort(scores, first.take(candidates), count=None if is_bound or rules.spreads else group.count)
    order, scores = candidates.take(best), scores.take(best)
    is_even = hard == 1 and not is_bound
    weighed = [each for each in rules.spreads if each.weight or not is_even]
    for spread in weighed:
        scores -= _spread_steps(cell, group, spread, order)
    if weighed:
        order = order.take(np.argsort(-scores, kind="stable"))
    if is_bound:
        return take_in_order(cell.crowd(group), order, room.take(order), group.count)
    if is_even:
        [domains] = cell.crowd(group).spreads
        return take_evenly(domains, order, room.take(order), group.count)
    return waves(order, room.take(order), group.count)  # what a machine takes alone is all that binds it


def is_indifferent(cell: CellView, group: TaskGroup) -> bool:
    """Tell whether no rule of a group ranks machines that take it, or is about other tasks: any of them will do."""
    rules = group.spec.placement
    return not (rules.affinities or rules.spreads or rules.neighbours or cell.is_crowded(group))


def _find_best(cell: CellView, group: TaskGroup, candidates: Rows, *, scores: Floats, first: Floats) -> Rows:
    """Return the place of the best candidate: of the highest score the one that is first, ``(1,)``.

    It may take the task, whatever the hard rules are: `CellView.room` has asked them about each machine.
    """
    for spread in group.spec.placement.spreads:
        scores -= _spread_steps(cell, group, spread, candidates, is_single=True)
    best = np.flatnonzero(scores == scores.max())
    return best[[first.take(best).argmin()]]


def _sort(scores: Floats, first: Floats, *, count: int | None) -> Rows:
    """Return the places of the highest scores, in order, the smallest of ``first`` before others of equal score.

    Scores are whole numbers, so that one key holds both. Only ``count`` are returned when it is given.
    """
    keys = first - scores * (float(first.max()) - float(first.min()) + 1.0)
    if count is None or count >= len(keys):
        return np.argsort(keys, kind="stable")
    best = np.argpartition(keys, count - 1)[:count]
    return best.take(np.argsort(keys.take(best), kind="stable"))


def find_scores(cell: CellView, group: TaskGroup) -> Floats:
    """Return what a job's wishes say of each machine, higher is better, ``(machines,)`` float64."""
    rules = group.spec.placement
    scores = cell.wishes(group).copy()
    for each in rules.neighbours:
        if each.weight:
            domains = cell.domains(each.attribute)
            worth = np.zeros(int(domains.max(initial=0)) + 1)
            worth[domains.take(cell.machines_of_job(each.job))] = -each.weight if each.is_apart else each.weight
            worth[0] = 0.0
            scores += worth.take(domains)
    return scores


def take_evenly(domains: Domains, order: Rows, room: NDArray[np.int64], count: int) -> Rows:
    """Claim machines as one hard spread allows: the domains fill like water, in each machines are taken in order.

    Args:
        domains: the spread.
        order: machine rows, best first, distinct; those of no domain are left out.
        room: how many tasks each of them takes.
        count: how many tasks there are.

    Returns:
        Machine rows. Each claim keeps the skew after those before it: before the first domain gets a task more, every
        other one that can has as many. Cost: O(machines log(machines) + tasks).
    """
    has_domain = domains.codes.take(order) > 0
    order, room = order[has_domain], room[has_domain]
    codes = domains.codes.take(order)
    by_domain = np.argsort(_narrow(codes), kind="stable")
    numbers = np.bincount(codes, minlength=len(domains.counts))
    starts = np.cumsum(numbers) - numbers
    takes = np.bincount(codes, weights=room, minlength=len(numbers)).astype(np.int64)
    # a domain that is full stops the others when they are as far above it as they may
    lowest = int((domains.counts + takes)[domains.is_eligible].min(initial=MAX_TASKS_PER_JOB))
    most = np.minimum(takes, np.maximum(lowest + domains.max_skew - domains.counts, 0))
    known = np.flatnonzero(numbers)
    known = known.take(np.argsort(by_domain.take(starts.take(known)), kind="stable"))  # that of the best machine first
    dealt = level_out(known, most.take(known), count, held=domains.counts.take(known))
    ranks = find_ranks(_narrow(dealt))
    places = starts.take(dealt) + np.minimum(ranks, numbers.take(dealt) - 1)
    taken = order.take(by_domain.take(places))
    for code in np.flatnonzero(np.bincount(dealt, minlength=len(numbers)) > numbers).tolist():
        mine = by_domain[starts[code] : starts[code] + numbers[code]]
        at = np.flatnonzero(dealt == code)
        taken[at] = waves(order.take(mine), room.take(mine), len(at))
    return taken


def take_in_order(crowd: Crowd, order: Rows, room: NDArray[np.int64], count: int) -> Rows:
    """Claim machines in order as the hard rules allow, one task each, and again until nothing more fits."""
    left = dict(zip(order.tolist(), room.tolist(), strict=True))
    taken: list[int] = []
    for _ in range(MAX_PASSES):
        before = len(taken)
        _take_pass(crowd, left, taken, count=count)
        if len(taken) in (before, count):
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


def _spread_steps(cell: CellView, group: TaskGroup, spread: Spread, order: Rows, *, is_single: bool = False) -> Floats:
    """Return what each machine of an order loses for the tasks that its domain has, those before it counted in.

    A domain loses its weight for every share of the job that it has: so the order goes round the domains. For a single
    task nothing comes before it.
    """
    domains = cell.domains(spread.attribute)
    size = int(domains.max(initial=0)) + 1
    held = np.bincount(domains.take(cell.machines_of(group)), minlength=size)
    codes = domains.take(order)
    count = int(np.count_nonzero(np.bincount(codes, minlength=size)[1:]))
    share = _shares(cell, spread, size, count=max(1, count))
    weight = float(spread.weight) if spread.weight else RULE_WEIGHT
    step = weight / (share * max(1, group.spec.count))
    steps: Floats = (held * step).take(codes)
    if not is_single:
        steps += step.take(codes) * find_ranks(_narrow(codes))
    steps[codes == 0] = 2.0 * weight
    return steps


def _narrow(codes: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return codes in the narrowest type that holds them: numpy sorts those of two bytes several times faster."""
    return codes.astype(np.uint16) if int(codes.max(initial=0)) < 1 << 16 else codes


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
