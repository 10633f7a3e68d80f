"""What users ask of the cell as a whole: schedulers, history, conflicts, status."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Final

import numpy as np

from omegacell.api import wire_figures
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.host import CellHost
from omegacell.api.server.views import view_at, view_resources
from omegacell.api.statistics import Recorder, fold_history, scheduler_statistics
from omegacell.core.cell import Cell
from omegacell.core.jobs import STATE_COUNT, TaskState
from omegacell.core.machines import MachineState
from omegacell.core.units import RESOURCE_COUNT
from omegacell.schedulers.feasibility import find_silent
from omegacell.store.replica import Folded, Replica

ROWS_PER_PART: Final = 500
MAX_ROWS: Final = 50_000
NAMES_SHOWN: Final = 20


class OverviewCalls:
    """The calls about the cell as a whole.

    Args:
        host: The cell.
        waiting: Returns the rows of the machines that only an operator may give up.
    """

    def __init__(self, host: CellHost, waiting: Callable[[], tuple[int, ...]]) -> None:
        self._host = host
        self._waiting = waiting
        self._began_at = int(host.revision)
        self._recorder = Recorder(after=self._began_at)
        self._started_at_us = time.time_ns() // 1_000
        self._reaching_back = asyncio.Lock()
        self._has_reached_back = False
        host.listeners.append(self._on_folded)

    @property
    def recorder(self) -> Recorder:
        """What is remembered of the log; `reach_back` makes it reach as far as the log does."""
        return self._recorder

    async def schedulers(self, request: pb.ListSchedulersRequest) -> pb.ListSchedulersResponse:
        """Return what each scheduler did since the cell began."""
        if not request.stale:
            await self._host.refresh()
        cell = self._host.cell
        rows = [wire_figures.write_scheduler(row) for row in scheduler_statistics(cell)]
        return pb.ListSchedulersResponse(at=view_at(cell), schedulers=rows)

    async def history(self, request: pb.HistoryRequest) -> AsyncIterator[pb.HistoryResponse]:
        """Return transactions, newest first."""
        await self._host.refresh()
        query = wire_figures.read_history_query(request)
        rows = self._recorder.history(query)
        if len(rows) < query.limit:
            await self.reach_back()
            rows = self._recorder.history(query)
        at, oldest = view_at(self._host.cell), self._recorder.oldest_revision
        for first in range(0, max(1, min(len(rows), MAX_ROWS)), ROWS_PER_PART):
            entries = [wire_figures.write_history(row) for row in rows[first : first + ROWS_PER_PART]]
            yield pb.HistoryResponse(at=at, oldest_revision=oldest, entries=entries)
            await asyncio.sleep(0)

    async def conflicts(self, request: pb.ConflictsRequest) -> AsyncIterator[pb.ConflictsResponse]:
        """Return refused claims, newest first."""
        await self._host.refresh()
        query = wire_figures.read_conflict_query(request)
        rows = self._recorder.conflicts(query)
        if len(rows) < query.limit:
            await self.reach_back()
            rows = self._recorder.conflicts(query)
        at, oldest = view_at(self._host.cell), self._recorder.oldest_revision
        for first in range(0, max(1, min(len(rows), MAX_ROWS)), ROWS_PER_PART):
            conflicts = [wire_figures.write_conflict(row) for row in rows[first : first + ROWS_PER_PART]]
            yield pb.ConflictsResponse(at=at, oldest_revision=oldest, conflicts=conflicts)
            await asyncio.sleep(0)

    async def status(self, request: pb.CellStatusRequest) -> pb.CellStatusResponse:
        """Return the cell at a glance."""
        if not request.stale:
            await self._host.refresh()
        store = await asyncio.to_thread(self._host.store.stat)
        cell = self._host.cell
        is_up = cell.machines.state == MachineState.UP
        job_rows = cell.jobs.id > 0
        counts = cell.jobs.counts[job_rows]
        is_active = counts[:, : TaskState.SUCCEEDED].any(axis=1)
        capacity, allocated = find_totals(cell)
        waiting = self._waiting()
        return pb.CellStatusResponse(
            at=view_at(cell),
            name=cell.name,
            version=version("omegacell"),
            chain=self._host.replica.chain,
            elapsed_us=cell.elapsed,
            tick=cell.tick,
            rules=cell.rules,
            machine_counts=np.bincount(cell.machines.state, minlength=len(MachineState)).tolist(),
            task_counts=counts.sum(axis=0).tolist() if len(counts) else [0] * STATE_COUNT,
            job_count=len(counts),
            active_job_count=int(np.count_nonzero(is_active)),
            capacity=view_resources(capacity) if is_up.any() else None,
            allocated=view_resources(allocated) if is_up.any() else None,
            schedulers=[wire_figures.write_scheduler(row) for row in scheduler_statistics(cell)],
            session_count=len(cell.sessions),
            store=pb.StoreFigures(
                engine=store.engine,
                path=str(store.path or ""),
                byte_count=store.byte_count,
                wal_byte_count=store.wal_byte_count,
                disk_free_byte_count=store.disk_free_byte_count,
                entry_count=store.entry_count,
                checkpoint_count=store.checkpoint_count,
            ),
            started_at_us=self._started_at_us,
            can_write=self._host.can_write,
            silent_count=int(np.count_nonzero(find_silent(cell) & (cell.machines.state != MachineState.DOWN))),
            waiting_count=len(waiting),
            waiting=[cell.machines.names[row] for row in waiting[:NAMES_SHOWN]],
            devices=[
                pb.MachineDevice(name=name, count=count, free=free)
                for name, count, free in cell.machines.devices.totals(is_up)
                if count
            ],
        )

    def _on_folded(self, folded: Folded) -> None:
        self._recorder.record(self._host.cell, folded.applied)

    async def reach_back(self) -> None:
        """Fold what the log keeps from before this server began, once, the first time that somebody asks."""
        async with self._reaching_back:
            if self._has_reached_back or not self._began_at:
                return
            older = await asyncio.to_thread(self._fold_older)
            self._recorder.prepend(older)
            self._has_reached_back = True

    def _fold_older(self) -> Recorder:
        replica = Replica.at_oldest(self._host.store)
        return fold_history(replica, upto=self._began_at)


def find_totals(cell: Cell) -> tuple[list[int], list[int]]:
    """Return what the machines that are up have, and what is taken of it, as exact integers."""
    is_up = cell.machines.state == MachineState.UP
    capacity = [sum(cell.machines.capacity[is_up, place].tolist()) for place in range(RESOURCE_COUNT)]
    free = [sum(cell.machines.free[is_up, place].tolist()) for place in range(RESOURCE_COUNT)]
    return capacity, [have - left for have, left in zip(capacity, free, strict=True)]
