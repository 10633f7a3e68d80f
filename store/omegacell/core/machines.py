"""The machine table: what each machine has, what is taken of it, and when it last changed.

A row is a machine's id for ever. Columns are written only by `apply` through the few methods here that keep the
derived ones true (`free` beside `allocated`, `port_free` beside `ports`). Which claims fit is judged in `conflicts`.
"""

from enum import IntEnum
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from omegacell.core.attributes import AttributeIndex
from omegacell.core.columns import Column, Table
from omegacell.core.devices import DeviceTable
from omegacell.core.drains import NO_DEADLINE, Eligibility
from omegacell.core.placement import Taint
from omegacell.core.units import BAND_COUNT, RESOURCE_COUNT


class MachineState(IntEnum):
    """Whether a machine takes work."""

    JOINING = 0
    """Registered; takes work once its inventory is folded."""
    UP = 1
    DOWN = 2
    """Lost: its tasks are elsewhere; registering brings it back."""


_ROW_WIDTH: Final = BAND_COUNT * RESOURCE_COUNT
_UP: Final = int(MachineState.UP)
_OPEN: Final = int(Eligibility.OPEN)
"""A plain integer: numpy asks an enum member for attributes that it does not have, at every comparison."""

_UNKNOWN: Final = 1 << 63
"""Above every revision."""


class MachineTable(Table):
    """Columns over machine rows.

    Attributes:
        capacity: ``(machines, resources)`` int64, base units.
        allocated: ``(machines, bands, resources)`` int64, what granted claims hold.
        free: ``(machines, resources)`` int64: capacity less all bands of ``allocated``; negative after a shrink.
        state: `MachineState`, uint8.
        epoch: bumped by every registration, int32.
        changed_at: revision of the last change of capacity, use, state, eligibility or attributes, int64 (Omega's
            sequence number).
        changed_before: what ``changed_at`` was before the entry in which it was last written, int64.
        claimed_at: revision of the last granted claim, int64; claimed_by: its author's row, int32, -1 for none.
        drivers: bits of the drivers offered, int64.
        contact_session: session that holds contact, int64, 0 for none; silent_ticks: ticks without, int32.
        lost_elapsed: elapsed when it was lost, int64, -1 for never.
        port_first, port_last, port_next, port_free: the range that may be granted, where the next grant begins to
            look, how many of the range are free; int32.
        eligibility: `drains.Eligibility`, uint8; drain_deadline: elapsed from which a drain is held to no budget,
            int64, -1 for never. Only an operator's word changes them: they outlive registrations and losses.
        names, boot_ids: by row. attributes: name and value pairs by row. ports: by row, port number to task row.
        taints: by row. index: attributes and taints as columns, derived.
        devices: what machines have of named devices, and who holds them.
    """

    COLUMNS: ClassVar[dict[str, Column]] = {
        "capacity": Column(np.int64, tail=(RESOURCE_COUNT,)),
        "allocated": Column(np.int64, tail=(BAND_COUNT, RESOURCE_COUNT)),
        "free": Column(np.int64, tail=(RESOURCE_COUNT,)),
        "state": Column(np.uint8),
        "epoch": Column(np.int32),
        "changed_at": Column(np.int64),
        "changed_before": Column(np.int64),
        "claimed_at": Column(np.int64),
        "claimed_by": Column(np.int32, fresh=-1),
        "drivers": Column(np.int64),
        "contact_session": Column(np.int64),
        "silent_ticks": Column(np.int32),
        "lost_elapsed": Column(np.int64, fresh=-1),
        "port_first": Column(np.int32),
        "port_last": Column(np.int32, fresh=-1),
        "port_next": Column(np.int32),
        "port_free": Column(np.int32),
        "eligibility": Column(np.uint8),
        "drain_deadline": Column(np.int64, fresh=NO_DEADLINE),
    }
    capacity: NDArray[np.int64]
    allocated: NDArray[np.int64]
    free: NDArray[np.int64]
    state: NDArray[np.uint8]
    epoch: NDArray[np.int32]
    changed_at: NDArray[np.int64]
    changed_before: NDArray[np.int64]
    claimed_at: NDArray[np.int64]
    claimed_by: NDArray[np.int32]
    drivers: NDArray[np.int64]
    contact_session: NDArray[np.int64]
    silent_ticks: NDArray[np.int32]
    lost_elapsed: NDArray[np.int64]
    port_first: NDArray[np.int32]
    port_last: NDArray[np.int32]
    port_next: NDArray[np.int32]
    port_free: NDArray[np.int32]
    eligibility: NDArray[np.uint8]
    drain_deadline: NDArray[np.int64]

    def __init__(self) -> None:
        """Begin with no machines."""
        super().__init__()
        self.names: list[str] = []
        self.boot_ids: list[str] = []
        self.attributes: list[tuple[tuple[str, str], ...]] = []
        self.taints: list[tuple[Taint, ...]] = []
        self.index = AttributeIndex()
        self.ports: list[dict[int, int]] = []
        self.driver_names: list[str] = []
        self.devices = DeviceTable()
        self._row_by_name: dict[str, int] = {}
        self._takers: dict[int, NDArray[np.bool_]] = {}
        self._silent: NDArray[np.bool_] | None = None
        self._is_any_silent = False
        self._latest = _UNKNOWN

    def row_of(self, name: str) -> int | None:
        """Return the row of the machine of that name, or None."""
        return self._row_by_name.get(name)

    def attribute(self, row: int) -> dict[str, str]:
        """Return a machine's attributes as a new dict."""
        return dict(self.attributes[row])

    def driver_bit(self, name: str) -> int:
        """Return the bit of a driver, 0 when no machine ever offered it."""
        try:
            return 1 << self.driver_names.index(name)
        except ValueError:
            return 0

    def add(self, name: str) -> int:
        """Add a machine and return its row. Mutates."""
        row = self.extend(1)
        self.names.append(name)
        self.boot_ids.append("")
        self.attributes.append(())
        self.taints.append(())
        self.ports.append({})
        self.devices.extend(1)
        self._row_by_name[name] = row
        return row

    def describe(self, row: int, *, attributes: tuple[tuple[str, str], ...], taints: tuple[Taint, ...]) -> None:
        """Set what is known of a machine besides amounts. Mutates."""
        self.attributes[row] = attributes
        self.taints[row] = taints
        self.index.set(row, attributes, taints)

    def restore_names(self, names: list[str]) -> None:
        """Set the names of all rows, as a snapshot kept them. Mutates."""
        self.names = names
        self.attributes = [()] * len(names)
        self.taints = [()] * len(names)
        self._row_by_name = {name: row for row, name in enumerate(names)}

    def touch(self, rows: NDArray[np.integer], *, revision: int, floor: int) -> None:
        """Mark machines as changed at ``revision``, in the entry whose first revision is ``floor + 1``. Mutates."""
        before = self.changed_at[rows]
        if self._latest > floor:
            before = np.where(before > floor, self.changed_before[rows], before)
        self.changed_before[rows] = before
        self.changed_at[rows] = revision
        # revisions grow: no machine has changed later than this
        self._latest = revision

    def effective_changed_at(self, rows: NDArray[np.integer], *, floor: int) -> NDArray[np.int64]:
        """Return when machines last changed, not counting the author's own changes in this entry: int64."""
        changed: NDArray[np.int64] = self.changed_at[rows]
        if self._latest <= floor:
            return changed
        effective: NDArray[np.int64] = np.where(changed > floor, self.changed_before[rows], changed)
        return effective

    def charge(
        self, rows: NDArray[np.integer], *, bands: NDArray[np.integer] | int, amounts: NDArray[np.int64]
    ) -> None:
        """Take ``amounts`` ``(claims, resources)`` or ``(resources,)`` from machines; negative gives back. Mutates.

        A row may stand several times. Cost: O(claims).
        """
        flat_free = self._buffers["free"].reshape(-1)
        flat_allocated = self._buffers["allocated"].reshape(-1)
        at_free = rows.astype(np.int64) * RESOURCE_COUNT
        at_allocated = rows.astype(np.int64) * _ROW_WIDTH + np.asarray(bands, np.int64) * RESOURCE_COUNT
        parts = amounts.tolist() if amounts.ndim == 1 else list(amounts.T)
        for dimension, amount in enumerate(parts):
            if isinstance(amount, int) and not amount:
                continue
            np.subtract.at(flat_free, at_free + dimension, amount)
            np.add.at(flat_allocated, at_allocated + dimension, amount)

    def charge_each(self, rows: NDArray[np.integer], *, band: int, amounts: NDArray[np.int64]) -> None:
        """Do what `charge` does for distinct rows that all give the same ``(resources,)``. Mutates; cost: O(rows)."""
        for dimension, amount in enumerate(amounts.tolist()):
            if amount:  # one dimension after another: numpy picks from one axis several times faster than from two
                free, held = self.free[:, dimension], self.allocated[:, band, dimension]
                free[rows] = free[rows] - amount
                held[rows] = held[rows] + amount

    def takers(self, driver: str) -> NDArray[np.bool_]:
        """Return which machines are up, open and offer a driver: ``(machines,)`` bool, read-only. Found once, kept."""
        bit = self.driver_bit(driver)
        known = self._takers.get(bit)
        if known is None or len(known) != self.count:
            known = (self.drivers & bit != 0) & (self.state == _UP) & (self.eligibility == _OPEN)
            known.flags.writeable = False
            self._takers[bit] = known
        return known

    def silent(self) -> NDArray[np.bool_]:
        """Return which machines nobody has heard for a tick or more: ``(machines,)`` bool, read-only. Kept, too."""
        known = self._silent
        if known is None or len(known) != self.count:
            known = (self.contact_session == 0) & (self.silent_ticks > 0)
            known.flags.writeable = False
            self._silent = known
            self._is_any_silent = bool(known.any())
        return known

    @property
    def is_any_silent(self) -> bool:
        """Whether nobody has heard some machine for a tick or more."""
        self.silent()
        return self._is_any_silent

    def note_standing(self) -> None:
        """Find `takers` and `silent` anew: whoever writes what they are made of calls this. Mutates."""
        self._takers.clear()
        self._silent = None

    def grant_ports(self, row: int, numbers: tuple[int, ...], task_row: int) -> tuple[int, ...]:
        """Take ports on a machine for a task and return their numbers; a 0 asks for any of the range. Mutates.

        The search goes upwards from where the last grant ended, round the range. The caller has judged that it fits.
        """
        used = self.ports[row]
        granted: list[int] = []
        first, last = int(self.port_first[row]), int(self.port_last[row])
        cursor = int(self.port_next[row])
        for number in numbers:
            if number == 0:
                while cursor in used:
                    cursor = cursor + 1 if cursor < last else first
                used[cursor] = task_row
                granted.append(cursor)
                cursor = cursor + 1 if cursor < last else first
                self.port_free[row] -= 1
            else:
                used[number] = task_row
                granted.append(number)
        self.port_next[row] = cursor
        return tuple(granted)

    def return_ports(self, row: int, numbers: tuple[int, ...]) -> None:
        """Give ports of a machine back. Mutates."""
        used = self.ports[row]
        for number in numbers:
            del used[number]
            if self.port_first[row] <= number <= self.port_last[row]:
                self.port_free[row] += 1

    def copy(self) -> Self:
        """Return an equal, independent table. Cost: O(machines)."""
        other = type(self)()
        other.copy_columns(self)
        other.names = list(self.names)
        other.boot_ids = list(self.boot_ids)
        other.attributes = list(self.attributes)
        other.taints = list(self.taints)
        other.index = self.index.copy()
        other.ports = [dict(ports) for ports in self.ports]
        other.driver_names = list(self.driver_names)
        other.devices = self.devices.copy()
        other._row_by_name = dict(self._row_by_name)
        return other
