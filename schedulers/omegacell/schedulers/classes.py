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

KEPT_BYTES: Final = 64 << 20
"""What is remembered of one cell; beyond, all is forgotten and asked again."""

STALE_PART: Final = 4
"""When more than one machine of so many changed, all are asked again."""

UNWELCOME: Final = -2.0 * MAX_WEIGHT
"""What a taint that asks to place elsewhere counts: more than any one wish."""

Asked: TypeAlias = tuple[object, ...]
Wishes: TypeAlias = tuple[tuple[Affinity, ...], tuple[Toleration, ...]]


@dataclass(slots=True)
class _Room:
    spec: JobSpec
    revision: int
    room: NDArray[np.int64]


class Classes:
    """What is remembered of one cell."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rooms: dict[Asked, _Room] = {}
        self._scores: dict[Wishes, tuple[int, int, NDArray[np.float64]]] = {}

    def room(self, cell: Cell, spec: JobSpec) -> NDArray[np.int64]:
        """Return how many tasks of a class each machine takes, other tasks apart: ``(machines,)`` int64, read-only.

        Cost: O(machines) the first time, then O(machines that changed) and a comparison of all of them.
        """
        asked = _ask(spec)
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

    def _make_room(self, size: int) -> None:
        """Forget all when there is too much to remember one answer more."""
        if (len(self._rooms) + len(self._scores) + 1) * size > KEPT_BYTES:
            self._rooms.clear()
            self._scores.clear()


_OF_CELL: WeakKeyDictionary[Cell, Classes] = WeakKeyDictionary()


def classes_of(cell: Cell) -> Classes:
    """Return what is remembered of a cell."""
    known = _OF_CELL.get(cell)
    if known is None:
        known = _OF_CELL[cell] = Classes()
    return known


def _ask(spec: JobSpec) -> Asked:
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
