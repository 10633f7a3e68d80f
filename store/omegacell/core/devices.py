"""Named countable devices: what machines offer of them, what tasks ask for, and which of them are in use.

A kind is a name that some machine ever offered (``gpu``, ``nvidia/gpu``). Each kind has columns over machine rows, so
that a job's devices are judged on whole columns like its other resources; a cell without devices has no kinds, and a
job without devices reads nothing here. Attributes (model, memory) are those of all devices of one kind on one machine.
Equal ones are kept once, as a *variant* of the kind, so that a request is matched against a few variants and not
against every machine. Which of a machine's devices a task holds is kept for the granted ones only.

A task that waits for others to end (see `waits`) is *promised* a number of devices: they count as taken, and ``free``
is negative while the others still hold them. Which ones it gets is known when it waits no more.

Whether a claim fits is judged in `conflicts`, on a `DeviceLedger`; the table is written by `apply` alone.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import Column, Table

Attributes: TypeAlias = tuple[tuple[str, str], ...]
"""Name and value pairs, names in ascending order."""

Granted: TypeAlias = tuple[tuple[int, ...], ...]
"""Indices of devices that a task holds: for each of its requests in turn, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOffer:
    """Devices of one kind that a machine has; their indices are 0 to ``count - 1``.

    Attributes:
        name: of the kind: ``gpu``, ``nvidia/gpu``.
        count: how many, at least 1.
        attributes: what holds of each of them, names in ascending order.
    """

    name: str
    count: int
    attributes: Attributes = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """Devices of one kind that each task of a job needs for itself.

    Attributes:
        name: of the kind; only a machine that offers exactly this name will do.
        count: how many, at least 1.
        where: attributes that the devices must have, and their values, names in ascending order.
    """

    name: str
    count: int
    where: Attributes = ()


def is_match(where: Attributes, attributes: Attributes) -> bool:
    """Tell whether devices of these attributes are such as a request asks for.

    >>> is_match((("model", "a100"),), (("memory", "80Gi"), ("model", "a100")))
    True
    >>> is_match((("model", "a100"),), ())
    False
    """
    has = dict(attributes)
    return all(has.get(name) == value for name, value in where)


class DeviceKind(Table):
    """Columns of one kind over machine rows.

    Attributes:
        offered: how many the machine has, int32. free: how many of those nobody holds or was promised, int32.
        variant: place of the devices' attributes in ``variants``, int32, -1 where there are none.
        name: of the kind. variants: distinct attributes, None in a place that no machine has any more.
        used: machine row to index of a device to the task row that holds it; also indices beyond ``offered``, which
            tasks still hold from before their machine registered with fewer.
        promised: machine row to how many were promised to tasks that wait.
    """

    COLUMNS: ClassVar[dict[str, Column]] = {
        "offered": Column(np.int32),
        "free": Column(np.int32),
        "variant": Column(np.int32, fresh=-1),
    }
    offered: NDArray[np.int32]
    free: NDArray[np.int32]
    variant: NDArray[np.int32]

    def __init__(self, name: str = "") -> None:
        """Begin with no machines."""
        super().__init__()
        self.name = name
        self.variants: list[Attributes | None] = []
        self.used: dict[int, dict[int, int]] = {}
        self.promised: dict[int, int] = {}

    def set_offer(self, row: int, offer: DeviceOffer | None) -> None:
        """Say what a machine has of this kind from now on; what tasks hold there stays theirs. Mutates."""
        self._set_variant(row, None if offer is None else offer.attributes)
        offered = 0 if offer is None else offer.count
        self.offered[row] = offered
        held = sum(index < offered for index in self.used.get(row, ()))
        self.free[row] = offered - held - self.promised.get(row, 0)

    def grant(self, row: int, count: int, task_row: int) -> tuple[int, ...]:
        """Give a task the lowest free devices of a machine and return their indices. Mutates.

        The caller has judged that there are enough.
        """
        used = self.used.setdefault(row, {})
        indices: list[int] = []
        index = 0
        while len(indices) < count:
            if index not in used:
                indices.append(index)
                used[index] = task_row
            index += 1
        self.free[row] -= count
        return tuple(indices)

    def give_back(self, row: int, indices: tuple[int, ...]) -> None:
        """Take devices back from a task. Mutates."""
        used = self.used[row]
        for index in indices:
            del used[index]
        if not used:
            del self.used[row]
        self.free[row] += sum(index < self.offered[row] for index in indices)

    def promise(self, row: int, count: int) -> None:
        """Count devices of a machine as taken, by a task that waits for them; of a negative count, no more. Mutates."""
        promised = self.promised.pop(row, 0) + count
        if promised:
            self.promised[row] = promised
        self.free[row] -= count

    def has_unused(self, row: int, count: int) -> bool:
        """Tell whether so many of a machine's devices are held by nobody, promised or not."""
        return int(self.free[row]) + self.promised.get(row, 0) >= count

    def find_matching(self, where: Attributes, rows: NDArray[np.integer] | None) -> NDArray[np.bool_]:
        """Return which machines have devices of this kind with such attributes: ``(rows,)`` bool, all when None."""
        variant = self.variant if rows is None else self.variant[rows]
        if not where:
            has: NDArray[np.bool_] = variant >= 0
            return has
        # The last place stands for "no such device", variant -1.
        fits = np.zeros(len(self.variants) + 1, np.bool_)
        for place in np.unique(variant).tolist():
            attributes = self.variants[place] if place >= 0 else None
            fits[place] = attributes is not None and is_match(where, attributes)
        return fits[variant]

    def copy(self) -> Self:
        """Return an equal, independent kind. Cost: O(machines)."""
        other = type(self)(self.name)
        other.copy_columns(self)
        other.variants = list(self.variants)
        other.used = {row: dict(used) for row, used in self.used.items()}
        other.promised = dict(self.promised)
        return other

    def _set_variant(self, row: int, attributes: Attributes | None) -> None:
        """Give up a machine's variant, and its place when it was the last to have it; then find or make the new one."""
        old = int(self.variant[row])
        if old >= 0 and self.variants[old] == attributes:
            return
        self.variant[row] = -1
        if old >= 0 and not bool((self.variant == old).any()):
            self.variants[old] = None
        if attributes is None:
            return
        if attributes not in self.variants:
            if None in self.variants:
                self.variants[self.variants.index(None)] = attributes
            else:
                self.variants.append(attributes)
        self.variant[row] = self.variants.index(attributes)


class DeviceTable:
    """The kinds of devices of a cell, in the order in which machines first offered them."""

    def __init__(self) -> None:
        """Begin with no kinds."""
        self.kinds: list[DeviceKind] = []

    def find(self, name: str) -> DeviceKind | None:
        """Return the kind of that name, None when no machine ever offered it."""
        for kind in self.kinds:
            if kind.name == name:
                return kind
        return None

    def extend(self, machines: int) -> None:
        """Make room for so many machines more. Mutates; cost: O(kinds)."""
        for kind in self.kinds:
            kind.extend(machines)

    def set_offers(self, row: int, offers: tuple[DeviceOffer, ...], *, machine_count: int) -> None:
        """Say what a machine has from now on, of all kinds. Mutates."""
        for offer in offers:
            if self.find(offer.name) is None:
                kind = DeviceKind(offer.name)
                kind.extend(machine_count)
                self.kinds.append(kind)
        by_name = {offer.name: offer for offer in offers}
        for kind in self.kinds:
            kind.set_offer(row, by_name.get(kind.name))

    def offers(self, row: int) -> list[tuple[DeviceOffer, int]]:
        """Return what a machine has, each with how many of it are free, by name. Cost: O(kinds)."""
        found = []
        for kind in sorted(self.kinds, key=lambda kind: kind.name):
            attributes = kind.variants[int(kind.variant[row])] if kind.variant[row] >= 0 else None
            if attributes is not None:
                offer = DeviceOffer(name=kind.name, count=int(kind.offered[row]), attributes=attributes)
                found.append((offer, int(kind.free[row])))
        return found

    def totals(self, is_counted: NDArray[np.bool_]) -> list[tuple[str, int, int]]:
        """Return name, number and how many are free of each kind on the machines that count, by name; none left out.

        Cost: O(kinds x machines).
        """
        return [
            (kind.name, sum(kind.offered[is_counted].tolist()), sum(kind.free[is_counted].tolist()))
            for kind in sorted(self.kinds, key=lambda kind: kind.name)
        ]

    def grant(self, row: int, requests: tuple[DeviceRequest, ...], task_row: int) -> Granted:
        """Give a task what it asks for on a machine; the caller has judged that it fits. Mutates."""
        return tuple([self._known(request).grant(row, request.count, task_row) for request in requests])

    def give_back(self, row: int, requests: tuple[DeviceRequest, ...], granted: Granted) -> None:
        """Take back what a task was granted on a machine. Mutates."""
        for request, indices in zip(requests, granted, strict=True):
            self._known(request).give_back(row, indices)

    def promise(self, row: int, requests: tuple[DeviceRequest, ...], *, is_withdrawn: bool = False) -> None:
        """Promise a task what it asks for once others on its machine have ended, or withdraw that. Mutates."""
        for request in requests:
            self._known(request).promise(row, -request.count if is_withdrawn else request.count)

    def keep_promise(self, row: int, requests: tuple[DeviceRequest, ...], task_row: int) -> Granted | None:
        """Give a task what it was promised; withdraw the promise and return None if its machine has less by now."""
        can_be_kept = all(self._known(request).has_unused(row, request.count) for request in requests)
        self.promise(row, requests, is_withdrawn=True)
        return self.grant(row, requests, task_row) if can_be_kept else None

    def count_held(self, row: int, requests: tuple[DeviceRequest, ...], granted: Granted) -> dict[str, int]:
        """Return how many devices that its machine still offers a task gives back when it ends, by kind."""
        return {
            request.name: sum(index < self._known(request).offered[row] for index in indices)
            for request, indices in zip(requests, granted, strict=True)
        }

    def rename(self, row: int, requests: tuple[DeviceRequest, ...], granted: Granted, *, task_row: int) -> None:
        """Note that the task that holds these devices stands in another row now. Mutates."""
        for request, indices in zip(requests, granted, strict=True):
            self._known(request).used[row].update((index, task_row) for index in indices)

    def copy(self) -> "DeviceTable":
        """Return an equal, independent table. Cost: O(kinds x machines)."""
        other = DeviceTable()
        other.kinds = [kind.copy() for kind in self.kinds]
        return other

    def _known(self, request: DeviceRequest) -> DeviceKind:
        kind = self.find(request.name)
        assert kind is not None, f"devices {request.name} were granted, and no machine ever offered any"
        return kind


class DeviceLedger:
    """Devices free after tentative claims: the part of an `Overlay` that only jobs with devices have."""

    def __init__(self, table: DeviceTable) -> None:
        """Begin with no tentative claims. Cost: O(1)."""
        self._table = table
        self._free: dict[str, NDArray[np.int32]] = {}

    def room(self, requests: tuple[DeviceRequest, ...], rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return how many tasks with these requests each machine has devices for, ``(rows,)`` int64."""
        room = np.full(len(rows), np.iinfo(np.int64).max, np.int64)
        for request in requests:
            np.minimum(room, self._find_free(request, rows) // request.count, out=room)
        return room

    def free(self, requests: tuple[DeviceRequest, ...], rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return how many devices such as each request asks for are free on machines: ``(rows, requests)`` int64."""
        return np.stack([self._find_free(request, rows) for request in requests], axis=1)

    def take(self, requests: tuple[DeviceRequest, ...], rows: NDArray[np.integer]) -> None:
        """Add tentative claims of one task each; a row may stand several times. Mutates."""
        for request in requests:
            kind = self._table.find(request.name)
            if kind is not None:
                if kind.name not in self._free:
                    self._free[kind.name] = kind.free.copy()
                np.subtract.at(self._free[kind.name], rows, np.int32(request.count))

    def give_back(self, requests: tuple[DeviceRequest, ...], row: int) -> None:
        """Count what one task was promised on a machine as free again. Mutates."""
        self.take(tuple(replace(request, count=-request.count) for request in requests), np.array([row], np.int64))

    def find_missing(self, requests: tuple[DeviceRequest, ...], rows: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the place of the first request that a machine could not meet if all its devices were free, else -1."""
        return self._find_short(requests, rows, is_offered=True)

    def find_exhausted(self, requests: tuple[DeviceRequest, ...], rows: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the place of the first request for which too few devices are free on a machine, else -1."""
        return self._find_short(requests, rows, is_offered=False)

    def count_short(self, request: DeviceRequest, row: int, *, is_offered: bool) -> int:
        """Return how many devices a machine lacks for a request, among all it has or among the free ones."""
        rows = np.array([row], np.int64)
        has = self._find_offered(request, rows) if is_offered else self._find_free(request, rows)
        return request.count - int(has[0])

    def fork(self) -> "DeviceLedger":
        """Return an independent ledger with the same tentative claims."""
        other = DeviceLedger(self._table)
        other._free = {name: free.copy() for name, free in self._free.items()}
        return other

    def _find_short(
        self, requests: tuple[DeviceRequest, ...], rows: NDArray[np.integer], *, is_offered: bool
    ) -> NDArray[np.int32]:
        short = np.full(len(rows), -1, np.int32)
        for place, request in enumerate(requests):
            has = self._find_offered(request, rows) if is_offered else self._find_free(request, rows)
            short[(short < 0) & (has < request.count)] = place
        return short

    def _find_free(self, request: DeviceRequest, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return how many devices of a request are free on machines; none where the attributes are others."""
        kind = self._table.find(request.name)
        if kind is None:
            return np.zeros(len(rows), np.int64)
        free: NDArray[np.int64] = self._free.get(kind.name, kind.free)[rows].astype(np.int64)
        free *= kind.find_matching(request.where, rows)
        return free

    def _find_offered(self, request: DeviceRequest, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        kind = self._table.find(request.name)
        if kind is None:
            return np.zeros(len(rows), np.int64)
        offered: NDArray[np.int64] = kind.offered[rows].astype(np.int64)
        offered *= kind.find_matching(request.where, rows)
        return offered
