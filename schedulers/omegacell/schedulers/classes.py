"""What machines take of each class of task, remembered from one decision to the next.

Jobs that ask for the same of a machine are of one class, whatever their names and whatever they say about other tasks.
What machines take of a class, and what its wishes about machines say of them, is found once for all machines; later
only those are asked again that changed since (Omega's sequence number, `MachineTable.changed_at`), and the wishes when
the topology did. All answers come from the core; what is remembered is the cell's alone, without any tentative claim,
and is given up with the cell. Cost: one int64 and one float64 a machine and class, at most `KEPT_BYTES`.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias
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


@dataclass(slots=True)
class _Room:
    spec: JobSpec
    revision: int
    room: NDArray[np.int64]


@dataclass(slots=True)
class _Costs:
    revision: int
    costs: Floats


class Classes:
    """What is remembered of one cell."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rooms: dict[Asked, _Room] = {}
        self._costs: dict[tuple[Cost, Asked], _Costs] = {}
        self._scores: dict[Wishes, tuple[int, int, NDArray[np.float64]]] = {}

    def room(self, cell: Cell, spec: JobSpec) -> NDArray[np.int64]:
        """Return how many tasks of a class each machine takes, other tasks apart: ``(machines,)`` int64, read-only.

        Cost: O(machines) the first time, then O(machines that changed) and a comparison of all of them.
        """
        asked = ask(spec)
        known = self._rooms.get(asked)
        count = cell.machines.count
        if known is None or len(known.room) != count or known.revision > cell.revision:
            alone = _alone(spec) if known is None else known.spec
            self._make_room(16 * count)
            known = self._rooms[asked] = _Room(alone, cell.revision, Overlay(cell).room(alone))
        elif known.revision != cell.revision:
            stale = np.flatnonzero(cell.machines.changed_at > known.revision)
            if len(stale) * STALE_PART > count:
                known.room = Overlay(cell).room(known.spec)
            elif len(stale):
                known.room = known.room.copy()  # views of the last decision may still be held
                known.room[stale] = Overlay(cell).room(known.spec, stale)
            known.revision = cell.revision
        known.room.flags.writeable = False
        return known.room

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
        self._make_room(8 * count)
        self._scores[wishes] = (cell.topology_at, count, scores)
        return scores

    def costs(self, cell: Cell, spec: JobSpec, cost: Cost) -> Floats:
        """Return what a task of a class costs on each machine, infinity where none fits: ``(machines,)`` float64.

        Read-only, and written to when the cell has changed and the same is asked again. Cost: as `room`.
        """
        asked = (cost, ask(spec))
        known = self._costs.get(asked)
        machines = cell.machines
        if known is None or len(known.costs) != machines.count or known.revision > cell.revision:
            self._make_room(8 * machines.count)
            known = self._costs[asked] = _Costs(cell.revision, price(cell, Overlay(cell), spec, cost))
        elif known.revision != cell.revision:
            stale = np.flatnonzero(machines.changed_at > known.revision)
            if len(stale) * STALE_PART > machines.count:
                known.costs = price(cell, Overlay(cell), spec, cost)
            elif len(stale):
                known.costs[stale] = price(cell, Overlay(cell), spec, cost, rows=stale)
            known.revision = cell.revision
        view = known.costs.view()
        view.flags.writeable = False
        return view

    def _make_room(self, size: int) -> None:
        """Forget all when there is too much to remember one answer more."""
        if (len(self._rooms) + len(self._scores) + len(self._costs) + 1) * size > KEPT_BYTES:
            self._rooms.clear()
            self._scores.clear()
            self._costs.clear()


def price(cell: Cell, overlay: Overlay, spec: JobSpec, cost: Cost, *, rows: Rows | None = None) -> Floats:
    """Return what a task costs on machines after an overlay's claims, infinity where none fits: ``(rows,)`` float64."""
    left, asked = shares_on(rows, capacity=cell.machines.capacity, free=overlay.free, amounts=spec.resources)
    costs = cost(left, asked)
    alone = _alone(spec) if overlay.is_crowded(spec) else spec
    costs[overlay.room(alone, rows) == 0] = np.inf
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


def _alone(spec: JobSpec) -> JobSpec:
    """Return a job of the same class that no rule about other tasks binds: no job has its name."""
    if spec.placement is NO_RULES:
        return replace(spec, name="")
    rules = replace(spec.placement, max_per_machine=0, neighbours=(), spreads=(), affinities=())
    return replace(spec, name="", placement=rules)
