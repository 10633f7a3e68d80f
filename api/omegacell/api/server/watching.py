"""Who watches jobs, and what each has not been told yet.

A watcher is told the newest state of what changed, never a list of events: what it holds is bounded by the jobs of
the cell, however slow it is. Which revision touched a job last is remembered for every job, and for the last few
thousand that left the cell, so that a watcher can resume after any revision that this server has folded since.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

import numpy as np

from omegacell.core.cell import Cell
from omegacell.core.rollouts import find_overdue_us
from omegacell.store.replica import Folded

MAX_FORGOTTEN: Final = 10_000


class Watch:
    """One watcher: what it asked for, and what it has not been told."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self.jobs: set[int] = set()
        self.forgotten: list[int] = []
        self.is_stale = False
        """The cell was loaded anew: nobody knows what changed in between."""
        self.news = asyncio.Event()

    def take(self) -> tuple[list[int], list[int]]:
        """Return what changed and what is gone since the last call, ascending, and forget it."""
        jobs, forgotten = sorted(self.jobs), self.forgotten
        self.jobs, self.forgotten = set(), []
        self.news.clear()
        return jobs, forgotten


class WatchHub:
    """Tells watchers of jobs what was touched.

    Args:
        cell: The cell as it is now.
    """

    def __init__(self, cell: Cell) -> None:
        self._watches: set[Watch] = set()
        self._touched_at: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._forgotten: deque[tuple[int, int, str]] = deque()
        self._elapsed = cell.elapsed
        self._stuck: frozenset[int] = frozenset()
        self.floor = 0
        """Watchers can resume after this revision or a later one."""
        self._load(cell)

    def on_folded(self, cell: Cell, folded: Folded) -> None:
        """Take note of what was folded; the cell is the one after it."""
        if folded.is_reloaded:
            self._load(cell)
            for watch in self._watches:
                watch.is_stale = True
                watch.news.set()
            return
        for job in dict.fromkeys([*folded.delta.jobs, *self._find_stuck(cell)]):
            row = cell.jobs.row_of(job)
            name = self._names.get(job, "") if row is None else cell.jobs.spec_of(row).name
            if row is None:
                self._forget(job, name, cell.revision)
            else:
                self._touched_at[job] = cell.revision
                self._names[job] = name
            for watch in self._watches:
                if not watch.names or name in watch.names:
                    if row is None:
                        watch.jobs.discard(job)
                        watch.forgotten.append(job)
                    else:
                        watch.jobs.add(job)
                    watch.news.set()

    def _find_stuck(self, cell: Cell) -> list[int]:
        """Return the jobs of which the update got stuck because time passed; nothing else tells their watchers."""
        if cell.elapsed == self._elapsed:
            return []
        rows = np.flatnonzero(cell.jobs.updating).tolist()
        stuck = [int(cell.jobs.id[row]) for row in rows if find_overdue_us(cell, row) >= 0]
        fresh = [job for job in stuck if job not in self._stuck]
        self._elapsed, self._stuck = cell.elapsed, frozenset(stuck)
        return fresh

    def open(self, names: Iterable[str], *, after: int | None) -> Watch | None:
        """Return a new watch that begins with what changed after a revision, or with everything; None: too old."""
        if after is not None and after < self.floor:
            return None
        watch = Watch(names)
        for job, touched_at in self._touched_at.items():
            if (after is None or touched_at > after) and (not watch.names or self._names[job] in watch.names):
                watch.jobs.add(job)
        if after is not None:
            watch.forgotten = [
                job
                for revision, job, name in self._forgotten
                if revision > after and (not watch.names or name in watch.names)
            ]
        self._watches.add(watch)
        if watch.jobs or watch.forgotten:
            watch.news.set()
        return watch

    def close(self, watch: Watch) -> None:
        """Forget a watcher."""
        self._watches.discard(watch)

    @property
    def count(self) -> int:
        """How many watch."""
        return len(self._watches)

    def _load(self, cell: Cell) -> None:
        self.floor = cell.revision
        self._touched_at = dict.fromkeys(cell.jobs.ids(), int(cell.revision))
        self._names = {job: _name_of(cell, job) for job in self._touched_at}
        self._forgotten.clear()

    def _forget(self, job: int, name: str, revision: int) -> None:
        self._touched_at.pop(job, None)
        self._names.pop(job, None)
        self._forgotten.append((revision, job, name))
        if len(self._forgotten) > MAX_FORGOTTEN:
            self.floor = self._forgotten.popleft()[0]


def _name_of(cell: Cell, job: int) -> str:
    row = cell.jobs.row_of(job)
    assert row is not None, f"job {job} is listed and has no row"
    return cell.jobs.spec_of(row).name
