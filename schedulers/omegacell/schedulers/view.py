"""The cell as a scheduler sees it: read-only columns, what fits where, and tentative claims.

A `CellView` stands on an `Overlay` of the core, so "fits" here and "fits" in the judge are the same code. It offers
less in one thing: machines that have been silent for a tick or more take nothing here, though the judge would grant
them. That is a hint to proposers, not a rule of the cell: a claim on such a machine is let through. Nothing a scheduler
does to a view reaches the cell. A view holds for one decision: columns change when the loop folds on.
"""

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from omegacell.core.allocs import count_starting
from omegacell.core.caps import CapUse
from omegacell.core.cell import Cell
from omegacell.core.columns import Int32s, Int64s
from omegacell.core.commands import Lack
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.crowds import Crowd
from omegacell.core.jobs import JobSpec
from omegacell.core.overlays import Overlay
from omegacell.core.placement import Effect
from omegacell.core.preempt_claims import evict_on
from omegacell.core.units import Band, JobId
from omegacell.core.waits import key_columns
from omegacell.schedulers.classes import classes_of
from omegacell.schedulers.feasibility import Shape, find_fitting, find_lacks, find_room, shape_on
from omegacell.schedulers.filling import Cost
from omegacell.schedulers.lots import WHOLE, Lot
from omegacell.schedulers.preempting import Found, find_held, find_room_by_preemption, is_too_deep, outranks_any
from omegacell.schedulers.pricing import Prices, price_all

_Item = TypeVar("_Item", bound=np.generic)


class Shaped(Protocol):
    """Anything with a spec: a `TaskGroup`."""

    @property
    def spec(self) -> JobSpec:
        """What one task asks for."""
        ...

    @property
    def job(self) -> JobId:
        """Whose tasks."""
        ...


class Waiting(Shaped, Protocol):
    """Tasks of a job that wait: a `TaskGroup`."""

    @property
    def indices(self) -> NDArray[np.int32]:
        """Their indices."""
        ...


class CellView:
    """A read-only cell, with this append's earlier claims and the scheduler's own tentative ones counted in.

    Rows are machines, ``0 <= row < machine_count``; a machine keeps its row for ever. ``resources`` are in the order of
    ``omegacell.core.units.RESOURCE_NAMES``.
    """

    __slots__ = ("_cell", "_is_own", "_overlay", "_prices", "_rooms", "lot")

    def __init__(
        self,
        cell: Cell,
        overlay: Overlay,
        rooms: dict[Shape, NDArray[np.int64]] | None = None,
        *,
        prices: Prices | None = None,
        lot: Lot = WHOLE,
    ) -> None:
        """Look at a cell through an overlay of it; ``rooms`` and ``prices`` are what is known of it, and are added to.

        ``lot`` says which machines the scheduler that looks had better take.
        """
        self._cell = cell
        self._overlay = overlay
        self._is_own = False
        self._rooms = {} if rooms is None else rooms
        self._prices = prices
        self.lot = lot

    @property
    def revision(self) -> int:
        """The revision that this view shows."""
        return self._cell.revision

    @property
    def elapsed(self) -> int:
        """The cell's own time, microseconds."""
        return self._cell.elapsed

    @property
    def machine_count(self) -> int:
        """How many machines there are, whatever their state."""
        return self._cell.machines.count

    @property
    def names(self) -> tuple[str, ...]:
        """The machines' names by row. Cost: O(machines)."""
        return tuple(self._cell.machines.names)

    @property
    def capacity(self) -> NDArray[np.int64]:
        """What machines have: ``(machines, resources)`` int64, base units."""
        return _frozen(self._cell.machines.capacity)

    @property
    def state(self) -> NDArray[np.uint8]:
        """`MachineState` of each machine: ``(machines,)`` uint8.

        Only UP machines that no operator cordoned or drains take work, and `fits` knows it.
        """
        return _frozen(self._cell.machines.state)

    @property
    def changed_at(self) -> NDArray[np.int64]:
        """Revision at which each machine last changed: ``(machines,)`` int64."""
        return _frozen(self._cell.machines.changed_at)

    def free(self, band: Band = Band.BEST_EFFORT) -> NDArray[np.int64]:
        """Return what machines have left beside the tasks of ``band`` and the bands above it.

        For the lowest band, the default, this is what is free now. For a higher one it also counts what lower bands
        hold: a measure of how contested a machine is, which `fits` does not promise.

        Returns:
            ``(machines, resources)`` int64, base units, read-only; negative where a machine shrank.
        """
        free = self._overlay.free
        if band is Band.BEST_EFFORT:
            return free
        return _frozen(free + self._cell.machines.allocated[:, :band].sum(axis=1))

    def offers(self, driver: str) -> NDArray[np.bool_]:
        """Return which machines offer a driver: ``(machines,)`` bool."""
        machines = self._cell.machines
        offers: NDArray[np.bool_] = (machines.drivers & machines.driver_bit(driver)) != 0
        return offers

    def attributes(self, row: int) -> dict[str, str]:
        """Return a machine's attributes, as a new dict."""
        return self._cell.machines.attribute(row)

    def has_attribute(self, name: str, value: str) -> NDArray[np.bool_]:
        """Return which machines have an attribute of that value: ``(machines,)`` bool. Cost: O(machines)."""
        return self.meets(Constraint(attribute=name, operator=Operator.EQUAL, values=(value,)))

    def meets(self, constraint: Constraint) -> NDArray[np.bool_]:
        """Return which machines meet a constraint: ``(machines,)`` bool. Cost: O(machines)."""
        return self._cell.machines.index.meets(constraint)

    def domains(self, attribute: str) -> NDArray[np.int32]:
        """Return a number for each machine's value of an attribute, equal for equal values, 0 where it has none.

        ``(machines,)`` int32, at most as high as there are values. The attribute ``machine`` tells every machine apart.
        """
        return self._cell.machines.index.codes(attribute)

    def domain_names(self, attribute: str) -> tuple[str, ...]:
        """Return the values that `domains` numbers, the one of number 1 first."""
        return self._cell.machines.index.values_of(attribute)

    def is_welcome(self, group: Shaped) -> NDArray[np.bool_]:
        """Return which machines have no taint that asks schedulers to place a group elsewhere if they can."""
        return self._cell.machines.index.tolerated(group.spec.placement, effect=Effect.PREFER_NOT)

    def wishes(self, group: Shaped) -> NDArray[np.float64]:
        """Return what a group's wishes about machines say of each, higher is better: ``(machines,)``, read-only.

        The weights of the wishes that it meets, and less than any of them for a taint as of `is_welcome`.
        """
        return classes_of(self._cell).scores(self._cell, group.spec.placement)

    def machines_of_job(self, name: str) -> NDArray[np.int64]:
        """Return the machine of each placed or running task of the job of a name; a row may stand several times."""
        return self._cell.machines_of(name)

    def is_crowded(self, group: Shaped) -> bool:
        """Tell whether where a group's tasks fit depends on where other tasks are: then `crowd` has to be asked."""
        return self._overlay.is_crowded(group.spec)

    def crowd(self, group: Shaped) -> Crowd:
        """Return a fresh count of the tasks that a group's hard rules are about, to be told of each claim in turn.

        `room` says what each machine takes alone; with claims on several machines, ask ``reason(row)`` before each and
        tell ``add(row)`` after it. Cost: O(machines).
        """
        return self._overlay.crowd_of(group.spec)

    def room(self, group: Shaped, rows: NDArray[np.integer] | None = None) -> NDArray[np.int64]:
        """Return how many tasks of a group's shape machines take now; 0 where none fits or the machine is silent.

        Args:
            group: whose shape.
            rows: the machines in question, in any order; all of them when None.

        Returns:
            ``(rows,)`` int64, read-only. Cost: O(rows), and all machines are asked once per shape and state.
        """
        if rows is not None:
            return _frozen(find_room(self._overlay, group.spec, rows, cell=self._cell))
        shape = shape_on(self._overlay, group.spec)
        known = self._rooms.get(shape)
        if known is None:
            known = self._rooms[shape] = _frozen(find_room(self._overlay, group.spec, cell=self._cell))
        return known

    def fresh_allocs(self, group: Shaped) -> NDArray[np.int64]:
        """Return how many allocs on each machine have room for a group and no task of its job: ``(machines,)`` int64.

        Of a group that runs inside an alloc set. Cost: O(allocs + tasks inside).
        """
        return self._overlay.allocs.fresh(group.spec)

    def starting_allocs(self, group: Shaped) -> int:
        """Return how many allocs of the set that a group runs inside are about to run, and take tasks then."""
        return count_starting(self._cell, group.spec.alloc)

    def fits(self, group: Shaped, rows: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
        """Return which machines take at least one task of a group's shape: ``(rows,)`` bool."""
        fits: NDArray[np.bool_] = self.room(group, rows) > 0
        return fits

    def costs(self, group: Shaped, cost: Cost) -> NDArray[np.float64]:
        """Return what a policy says that one task of a group costs on each machine, infinity where none fits.

        Rules about where other tasks are do not count here: ask `room` too where `is_crowded`.

        Args:
            group: whose shape.
            cost: a pure function of what a machine has left and what a task asks for, as shares of the machine
                (`omegacell.schedulers.costs`). Its answers are remembered, so it must be the same object each time.

        Returns:
            ``(machines,)`` float64, read-only, and good for this decision only. Cost: O(machines) the first time; then
            only machines are asked about that changed since.
        """
        if self._prices is None or self._is_own:
            return _frozen(price_all(self._overlay, group.spec, cost, cell=self._cell))
        return _frozen(self._prices.of(self._overlay, group.spec, cost))

    def outranks(self, group: Shaped) -> bool:
        """Tell whether any task on any machine would give way to a group's: else nothing is to be had by preemption."""
        return outranks_any(self._cell, group.spec)

    def preemptible(self, group: Shaped) -> NDArray[np.int64]:
        """Return what tasks hold that would give way to a group's: ``(machines, resources)`` int64. Cost: O(tasks)."""
        return _frozen(find_held(self._cell, group.spec))

    def gives_room(self, group: "Waiting") -> NDArray[np.bool_]:
        """Return for which tasks of a group others may be evicted: ``(tasks,)`` bool.

        Not for those that were displaced themselves at the end of a chain, and have not run since.
        """
        row = self._cell.jobs.row_of(group.job)
        return np.ones(len(group.indices), np.bool_) if row is None else ~is_too_deep(self._cell, row, group.indices)

    def make_room(self, group: Shaped, count: int, rng: np.random.Generator) -> Found:
        """Return machines for up to ``count`` tasks of a group where others give way, and who: the cheapest victims.

        One row for each task that finds room so, each counted in for the next; tasks that are ending already are
        waited for before anybody is evicted. Cost: O(machines + tasks).
        """
        return find_room_by_preemption(self._cell, self._overlay, group.spec, count=count, rng=rng)

    def keys_of(self, tasks: NDArray[np.int64]) -> tuple[Int64s, Int32s, Int32s]:
        """Return job ids, indices and attempts of task rows, as columns: how claims name their victims."""
        return key_columns(self._cell, tasks)

    def machines_of(self, group: Shaped) -> NDArray[np.int64]:
        """Return the machine of each placed or running task of a group's job, int64; a row may stand several times."""
        return self._cell.machines_of_row(self._cell.jobs.row_of(group.job))

    def tentative(self) -> "CellView":
        """Return an independent view on which `try_claim` changes nothing here. Cost: O(1)."""
        view = CellView(self._cell, self._overlay, self._rooms, prices=self._prices, lot=self.lot)
        if self._is_own:
            view._own()
        return view

    def without(self, amounts: NDArray[np.int64]) -> "CellView":
        """Return an independent view in which machines have so much less, ``(machines, resources)`` int64.

        For a scheduler that is to use a part of the cell only. Cost: O(machines).
        """
        overlay = self._overlay.fork()
        overlay.withhold(amounts)
        view = CellView(self._cell, overlay, lot=self.lot)
        view._is_own = True
        return view

    def try_claim(self, group: Shaped, rows: NDArray[np.integer]) -> bool:
        """Take one task of a group's shape on each row, if all of them fit; a row may stand several times.

        What this view answers from then on counts them in; the cell and other views do not change. Returns False, and
        takes nothing, when any does not fit. Cost: O(machines) the first time, then O(rows).
        """
        if not find_fitting(self._overlay, group.spec, rows).all() or not self.fits(group, rows).all():
            return False
        if not self._is_own:
            self._own()
        self._overlay.take(group.spec, rows)
        self._rooms = {}
        return True

    def _own(self) -> None:
        self._overlay = self._overlay.fork()
        self._is_own = True


class Tentative:
    """A cell as it will be if all claims of this append are granted: what the decisions of one append share.

    Valid until the cell changes. Claims are taken when the next question is asked, so that an append of one decision
    copies no columns.
    """

    def __init__(self, cell: Cell, *, lot: Lot = WHOLE) -> None:
        """Begin with no claims, for a scheduler that prefers the machines of a lot. Cost: O(1)."""
        self._cell = cell
        self._prices = Prices(cell)
        self.lot = lot
        self._overlay = Overlay(cell)
        self._waiting: list[tuple[JobSpec, NDArray[np.integer], tuple[int, ...]]] = []
        self._rooms: dict[Shape, NDArray[np.int64]] = {}
        self._lacks: dict[Shape, tuple[Lack, ...]] = {}

    @property
    def overlay(self) -> Overlay:
        """The overlay with all claims taken; not to be changed by the caller."""
        for spec, rows, evicted in self._waiting:
            self._overlay.take(spec, rows)
            self._prices.note(rows)  # victims are on the machines of their claims
            for task in evicted:
                evict_on(self._cell, self._overlay, task)
        if self._waiting:
            self._waiting.clear()
            self._rooms, self._lacks = {}, {}
        return self._overlay

    def view(self) -> CellView:
        """Return a view for one decision; nothing done to it reaches this."""
        overlay = self.overlay
        return CellView(self._cell, overlay, self._rooms, prices=self._prices, lot=self.lot)

    def take(self, spec: JobSpec, rows: NDArray[np.integer], evicted: tuple[int, ...] = ()) -> None:
        """Count in claims of one task each on machines, and the tasks that give way to them."""
        if len(rows):
            self._waiting.append((spec, rows, evicted))

    def find_cap_lack(self, job: JobId, task_count: int) -> int:
        """Return the dimension in which a cap does not take so many more tasks of a job, -1 when it takes them."""
        row = self._cell.jobs.row_of(job) if self._cell.caps.rows else None
        return -1 if row is None else self._overlay.caps.find_lack(row, task_count)[0]

    def take_cap(self, job: JobId, task_count: int) -> None:
        """Count in so many claims of a job on its scheduler's cap."""
        row = self._cell.jobs.row_of(job)
        if self._cell.caps.rows and row is not None:
            self._overlay.caps.take(row, task_count)

    def lacks(self, spec: JobSpec, rows: NDArray[np.integer] | None = None) -> tuple[Lack, ...]:
        """Count the machines, or those of ``rows``, that take no more task of a shape, by reason.

        Cost: O(rows); for all machines once a shape.
        """
        overlay = self.overlay
        if rows is not None:
            return find_lacks(overlay, spec, rows, cell=self._cell)
        shape = shape_on(overlay, spec)
        known = self._lacks.get(shape)
        if known is None:
            known = self._lacks[shape] = find_lacks(overlay, spec, cell=self._cell)
        return known


def fork_caps(cell: Cell, tentative: Tentative | None) -> CapUse | None:
    """Return what caps leave after an append's claims, None being none yet, to count claims in; None without caps."""
    if not cell.caps.rows:
        return None
    return CapUse(cell.caps, cell.jobs) if tentative is None else tentative.overlay.caps.fork()


def _frozen(array: NDArray[_Item]) -> NDArray[_Item]:
    view = array.view()
    view.flags.writeable = False
    return view
