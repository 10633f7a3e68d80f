"""What machines take of each class of task, remembered from one decision to the next.

Jobs that ask for the same of a machine are of one class, whatever their names and whatever they say about other tasks.
What machines take of a class, what a task of it costs there, and what its wishes about machines say of them, is found
once for all machines; later only those are asked again that changed since (Omega's sequence number,
`MachineTable.changed_at`), and the wishes when the topology did. All answers come from the core; what is remembered is
the cell's alone, without any tentative claim, and is given up with the cell. Cost: at most `KEPT_BYTES`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.overlays import Overlay
from omegacell.core.placement import MAX_WEIGHT, NO_RULES, Affinity, Effect, PlacementRules, Toleration
from omegacell.schedulers.filling import Cost, shares_on

KEPT_BYTES: Final = 64 << 20
"""What is remembered of one cell; beyond, all is forgotten and asked again."""

STALE_PART: Final = 4
"""When more than one machine of so many changed, all are asked again."""

UNWELCOME: Final = -2.0 * MAX_WEIGHT
"""What a taint that asks to place elsewhere counts: more than any one wish."""

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.integer]
Asked: TypeAlias = tuple[object, ...]
"""What a machine must know to say how many tasks of a class it takes."""

Wishes: TypeAlias = tuple[tuple[Affinity, ...], tuple[Toleration, ...]]


Find: TypeAlias = Callable[[Overlay, JobSpec, Rows | None], NDArray[Any]]
"""Answers a question about machines, ``(rows,)``, all of them when None, for a job that no rule about others binds."""


@dataclass(slots=True)
class _Known:
    """What all machines answered, at a revision, and the job that they were asked for."""

    spec: JobSpec
    revision: int
    answers: NDArray[Any]


class Classes:
    """What is remembered of one cell."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._known: dict[tuple[object, Asked], _Known] = {}
        self._scores: dict[Wishes, tuple[int, int, Floats]] = {}
        self._stale: tuple[int, int, Rows] = (0, 0, np.empty(0, np.int64))

    def room(self, cell: Cell, spec: JobSpec) -> NDArray[np.int64]:
        """Return how many tasks of a class each machine takes, other tasks apart: ``(machines,)`` int64; see `of`."""
        return self.of(cell, spec, "room", Overlay.room)

    def costs(self, cell: Cell, spec: JobSpec, cost: Cost) -> Floats:
        """Return what a task of a class costs on each machine, infinity where none fits: float64; see `of`."""
        return self.of(cell, spec, cost, partial(price, cell, cost=cost))

    def of(self, cell: Cell, spec: JobSpec, question: object, find: Find) -> NDArray[Any]:
        """Return what all machines answer a question about a class, of which ``find`` asks those that have to be asked.

        Read-only, and written to when the cell has changed and the same is asked again. Cost: O(machines) the first
        time, then O(machines that changed) and a comparison of all of them.
        """
        key = (question, ask(spec))
        known, machines = self._known.get(key), cell.machines
        if known is None or len(known.answers) != machines.count or known.revision > cell.revision:
            lone = alone(spec) if known is None else known.spec
            answers = find(Overlay(cell), lone, None)
            self._make_room(answers.nbytes)
            known = self._known[key] = _Known(lone, cell.revision, answers)
        elif known.revision != cell.revision:
            stale = self._find_stale(cell, known.revision)
            if len(stale) * STALE_PART > machines.count:
                known.answers = find(Overlay(cell), known.spec, None)
            elif len(stale):
                known.answers[stale] = find(Overlay(cell), known.spec, stale)
            known.revision = cell.revision
        view = known.answers.view()
        view.flags.writeable = False
        return view

    def _find_stale(self, cell: Cell, since: int) -> Rows:
        """Return the machines that changed after a revision; several questions often look from the same one."""
        if self._stale[:2] != (since, cell.revision):
            self._stale = since, cell.revision, np.flatnonzero(cell.machines.changed_at > since)
        return self._stale[2]

    def scores(self, cell: Cell, rules: PlacementRules) -> NDArray[np.float64]:
        """Return what wishes about machines say of each, higher is better: ``(machines,)`` float64, read-only.

        A taint that asks to place elsewhere counts `UNWELCOME`. Cost: O(machines x wishes) when the topology changed.
        """
        wishes = (rules.affinities, rules.tolerations)
        known = self._scores.get(wishes)
        count = cell.machines.count
        if known is not None and known[:2] == (cell.topology_at, count):
            return known[2]
        index = cell.machines.index
        scores = np.where(index.tolerated(rules, effect=Effect.PREFER_NOT), 0.0, UNWELCOME)
        for affinity in rules.affinities:
            scores += index.meets(affinity.constraint) * float(affinity.weight)
        scores.flags.writeable = False
        self._make_room(scores.nbytes)
        self._scores[wishes] = (cell.topology_at, count, scores)
        return scores

    def _make_room(self, size: int) -> None:
        """Forget all when there is too much to remember one answer more, of so many bytes."""
        kept = [known.answers for known in self._known.values()] + [scores for *_, scores in self._scores.values()]
        if sum(answers.nbytes for answers in kept) + size > KEPT_BYTES:
            self._known.clear()
            self._scores.clear()


def price(cell: Cell, overlay: Overlay, spec: JobSpec, rows: Rows | None = None, *, cost: Cost) -> Floats:
    """Return what a task costs on machines after an overlay's claims, infinity where none fits: ``(rows,)`` float64."""
    left, asked = shares_on(rows, capacity=cell.machines.capacity, free=overlay.free, amounts=spec.resources)
    costs = cost(left, asked)
    lone = alone(spec) if overlay.is_crowded(spec) else spec
    costs[overlay.room(lone, rows) == 0] = np.inf
    return costs


_OF_CELL: WeakKeyDictionary[Cell, Classes] = WeakKeyDictionary()


def classes_of(cell: Cell) -> Classes:
    """Return what is remembered of a cell."""
    known = _OF_CELL.get(cell)
    if known is None:
        known = _OF_CELL[cell] = Classes()
    return known


def ask(spec: JobSpec) -> Asked:
    """Return what a machine must know to say how many tasks it takes: the class of a spec."""
    rules = spec.placement
    asked: Asked = (spec.driver, spec.resources, spec.ports, spec.devices, spec.alloc)
    return asked if rules is NO_RULES else (*asked, rules.pool, rules.constraints, rules.tolerations)


def alone(spec: JobSpec) -> JobSpec:
    """Return a job of the same class that no rule about other tasks binds: no job has its name."""
    if spec.placement is NO_RULES:
        return replace(spec, name="")
    rules = replace(spec.placement, max_per_machine=0, neighbours=(), spreads=(), affinities=())
    return replace(spec, name="", placement=rules)
