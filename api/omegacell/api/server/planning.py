"""What users ask of a cell without changing it: what jobs would do, and why tasks are where they are.

The cell is copied in the event loop, in one go (some ten milliseconds for millions of tasks); the rest happens in a
thread on that copy, one question at a time, bounded in time. Nothing is ever appended.
"""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import grpc
import numpy as np

from omegacell.api.figures import ConflictQuery
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.admission import Admission
from omegacell.api.server.explaining import Question, explain
from omegacell.api.server.host import CellHost
from omegacell.api.server.overview import OverviewCalls
from omegacell.api.server.plan_views import view_evicted, view_job_plan
from omegacell.api.server.planners import find_planner
from omegacell.api.server.refusals import RefusalError, not_found
from omegacell.api.server.views import find_job, view_at
from omegacell.core.cell import Cell
from omegacell.core.commands import SubmitJob
from omegacell.core.errors import UsageError
from omegacell.core.jobs import TaskState
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.planning import make_plan
from omegacell.schedulers.runner import SystemClock

MAX_PLANNED_TASKS: Final = 1_000_000
MAX_WAITING: Final = 16
"""Questions that may wait for the one that is being answered."""
DECIDE_US: Final = 10_000_000
"""After so long a plan decides no further; what was not decided on is marked."""
CONFLICTS_SHOWN: Final = 20
ATTEMPTS_TOLD: Final = 100
"""Of the newest attempts of a task, those of which it is looked up what was said."""
NAMES_COMPARED: Final = 2_000

_Answer = TypeVar("_Answer")


class PlanningCalls:
    """The calls that ask "what if" and "why".

    Args:
        host: The cell.
        admission: Turns requests into commands.
        overview: Remembers the log.
        text_of: What is known of an attempt in words, by job, index and attempt.
    """

    def __init__(
        self,
        host: CellHost,
        admission: Admission,
        overview: OverviewCalls,
        text_of: Callable[[int, int, int], str],
    ) -> None:
        self._host = host
        self._admission = admission
        self._overview = overview
        self._text_of = text_of
        self._turn = asyncio.Semaphore(1)
        # Its own: what a caller that left had asked goes on there, and takes no thread from appends.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="planning")
        self._waiting = 0

    async def plan(self, request: pb.PlanJobsRequest) -> pb.PlanJobsResponse:
        """Return what submitting jobs would do."""
        _check_jobs(request.jobs)
        await self._host.refresh()
        return await self._in_turn(lambda: self._prepare_plan(request.jobs))

    async def explain(self, request: pb.ExplainTaskRequest) -> pb.ExplainTaskResponse:
        """Return why a task waits, or why it is where it is."""
        await self._host.refresh()
        await self._overview.reach_back()
        index = request.index if request.HasField("index") else None
        return await self._in_turn(lambda: self._prepare_explanation(request.job, index))

    async def _in_turn(self, prepare: Callable[[], Awaitable[Callable[[], _Answer]]]) -> _Answer:
        """Prepare an answer in the loop when its turn has come, and compute it in a thread."""
        if self._waiting >= MAX_WAITING:
            raise RefusalError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._waiting} plans wait already; try again later",
                reason="BUSY",
            )
        self._waiting += 1
        try:
            async with self._turn:
                compute = await prepare()
                return await asyncio.get_running_loop().run_in_executor(self._thread, compute)
        finally:
            self._waiting -= 1

    async def _prepare_plan(self, requests: Sequence[pb.SubmitJobRequest]) -> Callable[[], pb.PlanJobsResponse]:
        clock = SystemClock()
        submits: list[SubmitJob] = []
        payloads: dict[bytes, bytes] = {}
        for request in requests:
            proposal = await self._admission.admit(request, now_us=clock.wall_us())
            [command] = proposal.commands
            assert isinstance(command, SubmitJob), "an admitted request is a submit"
            submits.append(command)
            payloads[command.spec.payload] = request.spec.payload
            row = find_job(self._host.cell, request.spec.name)
            if row is not None:
                spec = self._host.cell.jobs.spec_of(row)
                known = await asyncio.to_thread(self._admission.payload_of, spec)
                payloads.setdefault(spec.payload, known or b"")
        cell = self._host.cell.clone()
        return lambda: _plan(cell, submits, payloads, clock)

    async def _prepare_explanation(self, name: str, index: int | None) -> Callable[[], pb.ExplainTaskResponse]:
        live = self._host.cell
        row = find_job(live, name)
        if row is None:
            raise not_found(f"job {name[:80]!r}", _advise(name, live))
        extent, job, label = int(live.jobs.extent[row]), int(live.jobs.id[row]), live.jobs.spec_of(row).name
        if index is not None and index >= extent:
            raise not_found(f"task {label}/{index}", f"job {label} has {_name_tasks(label, extent)}")
        index = 0 if index is None and extent == 1 else index
        recorder = self._overview.recorder
        query = ConflictQuery(job=label, limit=1_000)
        since = int(live.jobs.created_at[row])
        lost = [
            (each, tuple(recorder.grants.at(each.taken_at)) if each.taken_at else ())
            for each in recorder.conflicts(query)
            if each.revision >= since and index in (None, each.index)
        ]
        question = Question(
            cell=live.clone(),
            row=row,
            index=index,
            grants=() if index is None else tuple(recorder.grants.of_task(job, index)),
            conflicts=tuple(lost[:CONFLICTS_SHOWN]),
            oldest_revision=max(recorder.oldest_revision, recorder.grants.oldest_revision),
            said=self._find_said(live, row, index),
        )
        store = self._host.store
        return lambda: explain(question, store)

    def _find_said(self, cell: Cell, row: int, index: int | None) -> dict[tuple[int, int], str]:
        """Return what is known of a task's attempts in words, by index and attempt; of a job's first failed task."""
        first, extent = int(cell.jobs.offset[row]), int(cell.jobs.extent[row])
        if index is None:
            failed = np.flatnonzero(cell.tasks.state[first : first + extent] == TaskState.FAILED)
            chosen = failed[:1].tolist()
        else:
            chosen = [index]
        job = int(cell.jobs.id[row])
        return {
            (each, attempt): self._text_of(job, each, attempt)
            for each in chosen
            for attempt in range(1, int(cell.tasks.attempt[first + each]) + 1)[-ATTEMPTS_TOLD:]
        }


def _plan(
    cell: Cell, submits: Sequence[SubmitJob], payloads: dict[bytes, bytes], clock: SystemClock
) -> pb.PlanJobsResponse:
    at = view_at(cell)
    fork = Fork(cell, clock=clock)
    plan = make_plan(
        fork,
        submits,
        scheduler_of=lambda spec: find_planner(spec).make(),
        clock=clock,
        until_us=clock.monotonic_us() + DECIDE_US,
    )
    jobs = [
        view_job_plan(fork.cell, job, planned_by=find_planner(job.spec).name, payloads=payloads, now_us=clock.wall_us())
        for job in plan.jobs
    ]
    return pb.PlanJobsResponse(
        at=at,
        jobs=jobs,
        evicted=view_evicted(fork.cell, plan.evicted),
        machines=fork.cell.machines.names,
    )


def _check_jobs(requests: Iterable[pb.SubmitJobRequest]) -> None:
    names: set[str] = set()
    task_count = 0
    for request in requests:
        if request.spec.name in names:
            raise UsageError(f"job {request.spec.name[:80]!r} stands twice; a plan takes each name once")
        names.add(request.spec.name)
        task_count += request.spec.count
    if not names:
        raise UsageError("a plan without a job; expected at least one")
    if task_count > MAX_PLANNED_TASKS:
        raise UsageError(
            f"{task_count} tasks in one plan; expected at most {MAX_PLANNED_TASKS}: plan fewer jobs at once"
        )


def _advise(name: str, cell: Cell) -> str:
    newest = [spec.name for spec in reversed(cell.jobs.specs) if spec is not None][:NAMES_COMPARED]
    similar = difflib.get_close_matches(name[:80], dict.fromkeys(newest), n=3, cutoff=0.6)
    if similar:
        return f"did you mean {' or '.join(similar)}?"
    return "`omega job list` shows those there are"


def _name_tasks(label: str, extent: int) -> str:
    return f"1 task, {label}/0" if extent == 1 else f"{extent} tasks, {label}/0 to {label}/{extent - 1}"
