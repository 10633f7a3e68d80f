"""The jobs that wait for one instance of a scheduler, in the order in which it should try them.

Theory of operation. A job with pending tasks has an `Entry`, which stands in one place at a time:

- READY: in two heaps, by priority (band, number, then age) and by age alone; every tenth decision takes the oldest
  whatever its priority, so that nothing starves.
- DECIDING: taken, until the loop says what became of it.
- DELAYED: until a time: a back-off after a conflict, a failed plug-in, or the delay before a restart.
- PARKED: found no room. Parked jobs wait in queues by shape; when machines change or are heard again after silence, one
  look per queue at those machines tells how many tasks they take now, and jobs are woken in order of priority until
  they cover that. A job that was woken and does not use the room wakes the next of its queue. Nothing is woken by time
  alone.
- CAPPED: its scheduler's cap takes no more of it; woken when the cap gives way (see `queues`).
- ELSEWHERE: in the share of another instance.

Heaps are cleaned lazily: an item counts only while its stamp is that of its entry. Updating costs O(touched jobs); only
a change of the live instances looks at every waiting job. Times are monotonic microseconds handed in; no clock is here.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec, TaskState
from omegacell.core.overlays import Overlay
from omegacell.core.units import JobId
from omegacell.schedulers.entries import Entry, Queue, Standing, queue_of, queue_on
from omegacell.schedulers.feasibility import find_own_machines, find_room, find_silent
from omegacell.schedulers.grouping import find_least
from omegacell.schedulers.levels import NEVER, find_ending, find_levels
from omegacell.schedulers.preempting import outranks_any
from omegacell.schedulers.queues import CappedJobs, Item, Parked
from omegacell.schedulers.shares import live_instances, owner_of

OLDEST_EVERY: Final = 10
"""Every so many decisions the oldest job is taken, whatever its priority."""

QUEUES_PER_LOOK: Final = 64
"""Queues of parked jobs that one call of `Backlog.wake_fitting` compares with the machines that changed."""

_WAITING: Final = (Standing.PARKED, Standing.DELAYED, Standing.CAPPED)

# names of a module are read several times faster than members of an enum
_READY: Final = Standing.READY
_PENDING: Final = int(TaskState.PENDING)


def _count_room(overlay: Overlay, entry: Entry, looking_at: NDArray[np.int64], *, cell: Cell) -> int:
    """Return how many tasks of a job some machines take now; of a gang the whole cell, enough of them or none."""
    own = find_own_machines(cell, entry.spec, entry.job)
    if own is not None:
        looked = own if overlay.is_crowded(entry.spec) else np.intersect1d(own, looking_at, assume_unique=True)
        return int(np.count_nonzero(find_room(overlay, entry.spec, looked, cell=cell)))
    # where other tasks matter, a machine that changed may make room on another one
    rows = None if overlay.is_crowded(entry.spec) else looking_at
    room = int(find_room(overlay, entry.spec, rows, cell=cell).sum())
    if room and entry.spec.is_gang:
        whole = int(np.minimum(find_room(overlay, entry.spec, cell=cell), entry.count).sum())
        room = whole if whole >= entry.least else 0
    return room


def _count_room_or_pressing(overlay: Overlay, entry: Entry, looking_at: NDArray[np.int64], *, cell: Cell) -> int:
    """Return how many tasks of a job some machines take now, or else may take if others give way."""
    room = _count_room(overlay, entry, looking_at, cell=cell)
    return room or _count_pressing(overlay, entry, looking_at, cell=cell)


def _count_pressing(overlay: Overlay, entry: Entry, looking_at: NDArray[np.int64], *, cell: Cell) -> int:
    """Return how many of some machines may take a task of a job if others give way; a gang is to look for itself."""
    if not outranks_any(cell, entry.spec):
        return 0
    ending = find_ending(cell, overlay, entry.spec)
    reached = int(np.count_nonzero(find_levels(cell, overlay, entry.spec, looking_at, ending=ending) != NEVER))
    return entry.count if reached and entry.spec.is_gang else reached


def _may_assemble(cell: Cell, job_row: int) -> bool:
    """Tell whether pending tasks of a gang may be placed, and do not wait for partners that are held."""
    return find_least(cell, job_row, cell.jobs.spec_of(job_row)) > 0


def _live(cell: Cell, backlog: "Backlog") -> tuple[str, ...]:
    """Return the instances that share the jobs of a scheduler."""
    return tuple(sorted({*live_instances(cell, backlog.scheduler), backlog.instance}))


def _is_mine(backlog: "Backlog", spec: JobSpec) -> bool:
    return owner_of(spec.name, backlog.instances) == backlog.instance


class Backlog:
    """Waiting jobs of one scheduler, those of this instance in order."""

    def __init__(self, *, scheduler: str, instance: str, preempts: bool = False) -> None:
        """Begin with nothing; `of` reads a whole cell. With ``preempts`` machines help where others give way, too."""
        self.scheduler = scheduler
        self.instance = instance
        self._preempts = preempts
        self._entries: dict[JobId, Entry] = {}
        self.instances: tuple[str, ...] = (instance,)
        self._by_order: list[Item] = []
        self._by_age: list[tuple[int, int]] = []
        self._timers: list[tuple[int, int, int]] = []
        self._parked: dict[Queue, Parked] = {}
        self._looking: list[Queue] = []
        self._looking_at: NDArray[np.int64] = np.empty(0, np.int64)
        self._changed: list[NDArray[np.int64]] = []
        self._silent: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._capped = CappedJobs()
        self._may_cap_take = False
        self._stamps = 0
        self._taken = 0
        self._counts = [0] * len(Standing)

    def __len__(self) -> int:
        return len(self._entries) - self._counts[Standing.ELSEWHERE]

    def count(self, standing: Standing) -> int:
        """Return how many jobs stand somewhere."""
        return self._counts[standing]

    @property
    def is_looking_for_room(self) -> bool:
        """Whether machines that change may help a job: one is parked, or may be once it was decided on."""
        return bool(self._counts[Standing.PARKED] or self._counts[Standing.DECIDING])

    def find(self, job: JobId) -> Entry | None:
        """Return a waiting job's entry, or None."""
        return self._entries.get(job)

    @classmethod
    def of(cls, cell: Cell, *, scheduler: str, instance: str, preempts: bool = False) -> Self:
        """Read the backlog of an instance from a whole cell, for a start or after a jump. Cost: O(jobs)."""
        backlog = cls(scheduler=scheduler, instance=instance, preempts=preempts)
        backlog.instances = _live(cell, backlog)
        backlog._silent = find_silent(cell)
        waiting = np.flatnonzero((cell.jobs.counts[:, TaskState.PENDING] > 0) & (cell.jobs.id > 0))
        backlog.update(cell, [JobId(int(cell.jobs.id[row])) for row in waiting.tolist()], now_us=0)
        return backlog

    def update(self, cell: Cell, jobs: Iterable[JobId], *, now_us: int) -> None:
        """Read jobs that were touched. Cost: O(jobs given)."""
        table = cell.jobs
        entries, counts = self._entries, table.counts
        for job in jobs:
            row = table.row_of(job)
            entry = entries.get(job)
            count = 0 if row is None else counts.item(row, _PENDING)
            if count and row is not None and table.spec_of(row).is_gang and not _may_assemble(cell, row):
                count = 0
            if row is None or count == 0:
                if entry is not None:
                    self._drop(entry)
                    self.wake_next(entry, now_us=now_us)
            elif entry is None:
                spec = table.spec_of(row)
                if spec.scheduler == self.scheduler:
                    self._add(Entry(job=job, spec=spec, count=count, least=find_least(cell, row, spec)))
            else:
                self._reread(entry, cell, row, count)

    def update_instances(self, cell: Cell, *, now_us: int) -> None:
        """Share the jobs anew when instances came or went. Cost: O(waiting jobs) if they did."""
        instances = _live(cell, self)
        if instances == self.instances:
            return
        self.instances = instances
        for entry in list(self._entries.values()):
            is_mine = _is_mine(self, entry.spec)
            if is_mine == (entry.standing is Standing.ELSEWHERE):
                self._stand(entry, Standing.READY if is_mine else Standing.ELSEWHERE)
                self._may_cap_take = True
                self.wake_next(entry, now_us=now_us)

    def take(self, now_us: int) -> Entry | None:
        """Return the next job to decide on, now DECIDING, or None when none is ready."""
        self._wake_due(now_us)
        if not self._counts[_READY]:
            return None
        self._taken += 1
        entry = self._pop_oldest() if self._taken % OLDEST_EVERY == 0 else self._pop_first()
        self._stand(entry, Standing.DECIDING)
        return entry

    def take_any(self, now_us: int, rng: np.random.Generator) -> Entry | None:
        """Return a ready job drawn at random, whatever its priority, now DECIDING. Cost: O(waiting jobs)."""
        self._wake_due(now_us)
        ready = [entry for entry in self._entries.values() if entry.standing is Standing.READY]
        if not ready:
            return None
        entry = ready[int(rng.integers(len(ready)))]
        self._stand(entry, Standing.DECIDING)
        return entry

    def give_back(self, entry: Entry) -> None:
        """Make a job ready again at once."""
        if entry.job in self._entries:
            self._stand(entry, Standing.READY)

    def delay(self, entry: Entry, *, until_us: int, now_us: int) -> None:
        """Let a job wait until a time; what room it was woken for is the next one's."""
        if entry.job in self._entries:
            self._delay(entry, until_us)
            self.wake_next(entry, now_us=now_us)

    def park(self, entry: Entry, *, not_before_us: int) -> None:
        """Let a job wait until machines change and have room for its shape, and then still until a time."""
        if entry.job in self._entries:
            entry.due_us = not_before_us
            entry.queue = queue_of(entry)
            self._stand(entry, Standing.PARKED)
            self._parked.setdefault(entry.queue, Parked()).tried.append((entry.order, entry.stamp))
            if entry.again_us is not None:
                heappush(self._timers, (entry.again_us, entry.job, entry.stamp))

    def hold(self, entry: Entry, cell: Cell) -> None:
        """Let a job wait until its scheduler's cap takes more."""
        if entry.job in self._entries:
            self._stand(entry, Standing.CAPPED)
            self._capped.add(cell, (entry.order, entry.stamp), entry.spec, least=entry.least)

    def note_cap(self) -> None:
        """Remember that the cap may take more than when jobs were held, for `wake_capped`."""
        self._may_cap_take = True

    def wake_capped(self, cell: Cell) -> None:
        """Wake held jobs that the cap takes now. Cost: O(1) unless `note_cap` was called since."""
        if not self._may_cap_take or not self._counts[Standing.CAPPED]:
            return
        self._may_cap_take = False
        for job in self._capped.take_fitting(cell, count_of=self._count_of):
            self._stand(self._entries[job], Standing.READY)

    def _count_of(self, item: Item) -> int:
        job, stamp = item[0][2], item[1]
        return self._entries[JobId(job)].count if self._is_current(job, stamp) else 0

    def note_machines(self, rows: NDArray[np.int64]) -> None:
        """Remember machines that changed, for `wake_fitting`; for nothing when no job could be parked by then."""
        if len(rows) and self.is_looking_for_room:
            self._changed.append(rows)

    def note_contact(self, cell: Cell) -> None:
        """Remember machines that were silent and are heard again; to be called after ticks. Cost: O(machines)."""
        silent = find_silent(cell)
        self.note_machines(np.flatnonzero(self._silent & ~silent[: len(self._silent)]))
        self._silent = silent

    def wake_fitting(self, cell: Cell, *, now_us: int) -> bool:
        """Wake parked jobs for which machines that changed have room; True when there is more to look at.

        Cost: at most 64 queues by the changed machines.
        """
        if self._changed and not self._looking:
            if self._parked:
                self._looking_at = np.unique(np.concatenate(self._changed))
                self._looking = list(reversed(self._parked))
            self._changed.clear()
        if self._looking:
            overlay = Overlay(cell)
            for _ in range(min(QUEUES_PER_LOOK, len(self._looking))):
                self._wake_queue(self._looking.pop(), overlay, cell, now_us)
        return bool(self._looking or self._changed)

    def wake_next(self, entry: Entry, *, now_us: int) -> None:
        """Wake the next job of an entry's queue that was not tried since machines changed, if there is one."""
        if self._counts[Standing.PARKED]:
            self._wake_tasks(entry.queue or queue_of(entry), 1, now_us)

    def next_due_us(self) -> int | None:
        """Return when the first delayed job is due, or None."""
        while self._timers and not self._is_current(self._timers[0][1], self._timers[0][2]):
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _add(self, entry: Entry) -> None:
        self._entries[entry.job] = entry
        self._counts[entry.standing] += 1
        self._stand(entry, _READY if _is_mine(self, entry.spec) else Standing.ELSEWHERE)

    def _drop(self, entry: Entry) -> None:
        self._may_cap_take = True
        del self._entries[entry.job]
        self._counts[entry.standing] -= 1
        self._stamps += 1
        entry.stamp = self._stamps

    def _reread(self, entry: Entry, cell: Cell, row: int, count: int) -> None:
        """Take in a changed job; a parked or delayed one that now wants something else is tried at once."""
        spec = cell.jobs.spec_of(row)
        least = find_least(cell, row, spec)
        wants_else = count > entry.count or least != entry.least
        entry.count, entry.spec, entry.least = count, spec, least
        if wants_else and entry.standing in _WAITING and not entry.failures:
            self._stand(entry, Standing.READY)

    def _stand(self, entry: Entry, standing: Standing) -> None:
        counts = self._counts
        counts[entry.standing] -= 1
        counts[standing] += 1
        entry.standing = standing
        self._stamps += 1
        entry.stamp = self._stamps
        if standing is _READY:
            heappush(self._by_order, (entry.order, entry.stamp))
            heappush(self._by_age, (entry.job, entry.stamp))
            self._tidy()

    def _is_current(self, job: int, stamp: int) -> bool:
        entry = self._entries.get(JobId(job))
        return entry is not None and entry.stamp == stamp

    def _pop_first(self) -> Entry:
        while True:
            order, stamp = heappop(self._by_order)
            if self._is_current(order[2], stamp):
                return self._entries[JobId(order[2])]

    def _pop_oldest(self) -> Entry:
        while True:
            job, stamp = heappop(self._by_age)
            if self._is_current(job, stamp):
                return self._entries[JobId(job)]

    def _tidy(self) -> None:
        """Drop old items once they outnumber the ready jobs; paid for by the pushes that made them."""
        limit = 2 * self._counts[_READY] + 64
        if len(self._by_order) > limit:
            self._by_order = [item for item in self._by_order if self._is_current(item[0][2], item[1])]
            heapify(self._by_order)
        if len(self._by_age) > limit:
            self._by_age = [item for item in self._by_age if self._is_current(*item)]
            heapify(self._by_age)

    def _wake_due(self, now_us: int) -> None:
        while self._timers and self._timers[0][0] <= now_us:
            _, job, stamp = heappop(self._timers)
            if self._is_current(job, stamp):
                self._stand(self._entries[JobId(job)], Standing.READY)

    def _delay(self, entry: Entry, until_us: int) -> None:
        entry.due_us = until_us
        self._stand(entry, Standing.DELAYED)
        heappush(self._timers, (until_us, entry.job, entry.stamp))

    def _wake_queue(self, queue: Queue, overlay: Overlay, cell: Cell, now_us: int) -> None:
        """Wake the jobs of a queue that the machines looked at have room for; a gang may use the other machines too."""
        parked = self._parked.get(queue)
        if parked is None:
            return
        parked.renew()
        entry = self._first_parked(queue)
        while entry is not None and queue != queue_on(overlay, entry):
            self._park_again(entry, queue_on(overlay, entry))
            entry = self._first_parked(queue)
        if entry is None:
            del self._parked[queue]
            return
        count = _count_room if not self._preempts else _count_room_or_pressing
        self._wake_tasks(queue, count(overlay, entry, self._looking_at, cell=cell), now_us)

    def _park_again(self, entry: Entry, queue: Queue) -> None:
        """Move a parked job to another queue, to be looked at in this look: other tasks came to matter, or no more."""
        entry.queue = queue
        self._stand(entry, Standing.PARKED)
        if queue not in self._parked:
            self._looking.append(queue)
        heappush(self._parked.setdefault(queue, Parked()).waiting, (entry.order, entry.stamp))

    def _wake_tasks(self, queue: Queue, room: int, now_us: int) -> None:
        """Wake jobs of a queue in order until their tasks cover ``room``."""
        while room > 0:
            entry = self._first_parked(queue)
            if entry is None:
                return
            room -= entry.count
            if entry.due_us > now_us:
                self._delay(entry, entry.due_us)
            else:
                self._stand(entry, Standing.READY)

    def _first_parked(self, queue: Queue) -> Entry | None:
        parked = self._parked.get(queue)
        if parked is None:
            return None
        heap = parked.waiting
        while heap and not self._is_current(heap[0][0][2], heap[0][1]):
            heappop(heap)
        return self._entries[JobId(heap[0][0][2])] if heap else None
