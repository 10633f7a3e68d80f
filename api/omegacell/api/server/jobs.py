"""What users ask of jobs: submit, stop, get, list, watch, and what their tasks run."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final

import grpc

from omegacell.api import wire
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.admission import Admission
from omegacell.api.server.alloc_views import view_allocs, view_contents
from omegacell.api.server.displacements import view_displaced, view_waits
from omegacell.api.server.host import CellHost
from omegacell.api.server.reasons import find_silences, view_pending
from omegacell.api.server.refusals import RefusalError, find_refusal, not_found
from omegacell.api.server.submit_words import word_refused_submit
from omegacell.api.server.templates import TemplateCalls
from omegacell.api.server.views import (
    find_job,
    find_tasks,
    find_trouble,
    view_at,
    view_devices,
    view_job,
    view_past,
    view_ports,
    view_tasks,
)
from omegacell.api.server.warnings import find_warnings
from omegacell.api.server.watching import Watch, WatchHub
from omegacell.core.children import find_active_children
from omegacell.core.commands import StopJob
from omegacell.core.errors import OmegaError
from omegacell.core.jobs import TaskState
from omegacell.core.outcomes import Outcome, Reason, Status
from omegacell.core.units import JobId
from omegacell.core.updates import RevertUpdate
from omegacell.store.proposer import Proposal

JOBS_PER_PART: Final = 200
DEFAULT_TASKS: Final = 1_000
MAX_TASKS: Final = 100_000
MAX_SUBMITS_PER_MESSAGE: Final = 10_000
WATCH_PAUSE_S: Final = 0.02
"""After a message with many jobs, a watcher is left alone for so long, so that changes gather."""


class JobCalls:
    """The calls about jobs.

    Args:
        host: The cell.
        admission: Turns requests into transactions.
        hub: Knows what changed since when.
        text_of: What is known of an attempt in words, by job, index and attempt: what its machine said, who evicted it.
        templates: Answers for templates.
    """

    def __init__(
        self,
        host: CellHost,
        admission: Admission,
        hub: WatchHub,
        text_of: Callable[[int, int, int], str],
        templates: TemplateCalls,
    ) -> None:
        self._host = host
        self._admission = admission
        self._hub = hub
        self._text_of = text_of
        self._templates = templates

    async def submit(self, request: pb.SubmitJobRequest) -> pb.SubmitJobResponse:
        """Submit a job."""
        [result] = await self._submit_all((request,))
        if isinstance(result, OmegaError):
            raise result
        return pb.SubmitJobResponse(
            at=pb.At(revision=result.revision, incarnation=self._host.cell.incarnation),
            job_id=result.job_id,
            change=result.change,
            warnings=result.warnings,
        )

    async def submit_stream(
        self, requests: AsyncIterator[pb.SubmitJobsRequest]
    ) -> AsyncIterator[pb.SubmitJobsResponse]:
        """Submit batches of jobs, each answered once it is durable and folded; the next is read meanwhile."""
        pending: asyncio.Queue[asyncio.Task[pb.SubmitJobsResponse] | None] = asyncio.Queue(8)

        async def read() -> None:
            async for request in requests:
                if len(request.jobs) > MAX_SUBMITS_PER_MESSAGE:
                    raise RefusalError(
                        grpc.StatusCode.INVALID_ARGUMENT,
                        f"{len(request.jobs)} jobs in one message; expected at most {MAX_SUBMITS_PER_MESSAGE}",
                    )
                await pending.put(asyncio.create_task(self._submit_batch(request)))
            await pending.put(None)

        reading = asyncio.create_task(read())
        task: asyncio.Task[pb.SubmitJobsResponse] | None = None
        try:
            while True:
                getting = asyncio.create_task(pending.get())
                await asyncio.wait((getting, reading), return_when=asyncio.FIRST_COMPLETED)
                if not getting.done() and reading.done() and reading.exception() is not None:
                    getting.cancel()
                    await reading
                task = await getting
                if task is None:
                    return
                yield await task
        finally:
            reading.cancel()
            while not pending.empty():
                left = pending.get_nowait()
                if left is not None:
                    left.cancel()

    async def dispatch(self, request: pb.DispatchJobRequest) -> pb.DispatchJobResponse:
        """Make a child of a template."""
        return await self._templates.dispatch(request)

    async def stop(self, request: pb.StopJobRequest) -> pb.StopJobResponse:
        """Stop a job."""
        await self._host.refresh()
        row = self._row_of(request.name)
        job = int(self._host.cell.jobs.id[row])
        now_us = wall_us()
        children = self._find_children(job) if request.with_children else []
        commands = [StopJob(job=JobId(each)) for each in (job, *children)]
        # the template first: between the two, its schedule may make another child of it
        outcomes = await self._host.propose_all(
            [Proposal(commands=(command,), decided_to_us=now_us) for command in commands]
        )
        for outcome, each in zip(outcomes, (job, *children), strict=True):
            refusal = find_refusal(outcome, f"job {request.name if each == job else f'#{each}'!r} was not stopped")
            if refusal is not None and (each == job or outcome.reason is not Reason.UNKNOWN_JOB):
                raise refusal
        return pb.StopJobResponse(
            at=pb.At(revision=outcomes[0].revision, incarnation=self._host.cell.incarnation),
            job_id=job,
            children=children,
        )

    async def revert(self, request: pb.RevertJobRequest) -> pb.RevertJobResponse:
        """Bring the job back that the one of a name took the place of."""
        await self._host.refresh()
        job = JobId(int(self._host.cell.jobs.id[self._row_of(request.name)]))
        outcome = await self._host.propose(Proposal(commands=(RevertUpdate(job=job),), decided_to_us=wall_us()))
        refusal = find_refusal(outcome, f"job {request.name!r} was not reverted")
        if refusal is not None:
            raise refusal
        return pb.RevertJobResponse(
            at=pb.At(revision=outcome.revision, incarnation=self._host.cell.incarnation), job_id=outcome.value
        )

    async def get(self, request: pb.GetJobRequest) -> pb.GetJobResponse:
        """Return a job with some of its tasks."""
        if not request.stale:
            await self._host.refresh()
        cell = self._host.cell
        row = self._row_of(request.name)
        choose = find_trouble if request.trouble_first else find_tasks
        limit = min(request.limit or DEFAULT_TASKS, MAX_TASKS)
        rows = choose(cell, row, first_index=request.first_index, limit=limit)
        answer = pb.GetJobResponse(
            at=view_at(cell),
            job=view_job(cell, row),
            pending=view_pending(cell, row),
            tasks=view_tasks(cell, row, rows),
            past=view_past(cell, row, rows),
            ports=view_ports(cell, row, rows),
            devices=view_devices(cell, row, rows),
            allocs=view_allocs(cell, row, rows),
            contents=view_contents(cell, row, rows),
            displaced=view_displaced(cell, row, rows),
            waits=view_waits(cell, row, rows),
        )
        if cell.jobs.template[row]:
            answer.template.CopyFrom(self._templates.view(cell, row))
        job = answer.job.job_id
        attempts = [(past.index, past.attempt) for past in answer.past]
        attempts += zip(answer.tasks.indices, answer.tasks.attempts, strict=True)
        offset = int(cell.jobs.offset[row])
        silences = {
            (task - offset, int(cell.tasks.attempt[task])): words for task, words in find_silences(cell, rows).items()
        }
        for index, attempt in dict.fromkeys(attempts):
            words = (self._text_of(job, index, attempt), silences.get((index, attempt), ""))
            text = ", ".join(filter(None, words))
            if text:
                answer.messages.append(pb.TaskMessage(index=index, attempt=attempt, text=text))
        return answer

    async def find_all(self, request: pb.ListJobsRequest) -> AsyncIterator[pb.ListJobsResponse]:
        """Return jobs in parts; `at` is where it began, and what changed meanwhile may show already."""
        if not request.stale:
            await self._host.refresh()
        at = view_at(self._host.cell)
        jobs = [int(job) for job in self._host.cell.jobs.ids()]
        yield pb.ListJobsResponse(at=at, jobs=self._view(jobs[:JOBS_PER_PART], request))
        for first in range(JOBS_PER_PART, len(jobs), JOBS_PER_PART):
            await asyncio.sleep(0)
            yield pb.ListJobsResponse(at=at, jobs=self._view(jobs[first : first + JOBS_PER_PART], request))

    async def watch(self, request: pb.WatchJobsRequest) -> AsyncIterator[pb.WatchJobsResponse]:
        """Return what changes, as it does."""
        await self._host.refresh()
        cell = self._host.cell
        after = request.after if request.incarnation or request.after else None
        watch = None
        if after is None or request.incarnation == cell.incarnation:
            watch = self._hub.open(request.names, after=after)
        if watch is None:
            raise RefusalError(
                grpc.StatusCode.OUT_OF_RANGE,
                f"this server cannot tell what changed since revision {request.after} of {request.incarnation or '?'};"
                f" it can since revision {self._hub.floor} of {cell.incarnation}: list again and watch from there",
            )
        try:
            if after is None and not watch.news.is_set():
                yield pb.WatchJobsResponse(at=view_at(cell))  # all there is: nothing
            while True:
                await watch.news.wait()
                answer = self._view_changes(watch)
                yield answer
                if len(answer.jobs) > JOBS_PER_PART:
                    await asyncio.sleep(WATCH_PAUSE_S)
        finally:
            self._hub.close(watch)

    async def fetch_payload(self, request: pb.FetchPayloadRequest) -> pb.FetchPayloadResponse:
        """Return what a job's tasks run."""
        await self._host.refresh()
        cell = self._host.cell
        spec = cell.jobs.spec_of(self._row_of(request.job))
        payload = await asyncio.to_thread(self._admission.payload_of, spec)
        if payload is None:
            raise not_found(f"payload of job {request.job!r}", "it was erased")
        return pb.FetchPayloadResponse(at=view_at(cell), payload=payload)

    # --- inside

    async def _submit_batch(self, request: pb.SubmitJobsRequest) -> pb.SubmitJobsResponse:
        results = await self._submit_all(request.jobs)
        return pb.SubmitJobsResponse(
            at=view_at(self._host.cell),
            results=[_result_of(result) for result in results],
        )

    async def _submit_all(self, requests: Sequence[pb.SubmitJobRequest]) -> list["pb.SubmitResult | OmegaError"]:
        """Submit jobs in one append; return what became of each, an error for what was refused."""
        now_us = wall_us()
        results: list[pb.SubmitResult | OmegaError | None] = [None] * len(requests)
        proposals: list[tuple[int, Proposal]] = []
        for place, request in enumerate(requests):
            try:
                proposals.append((place, await self._admission.admit(request, now_us=now_us)))
            except OmegaError as error:
                results[place] = error
        outcomes = await self._host.propose_all([proposal for _, proposal in proposals])
        again: list[tuple[int, Proposal]] = []
        for (place, _), outcome in zip(proposals, outcomes, strict=True):
            results[place] = self._submitted(requests[place], outcome)
            if outcome.reason is Reason.JOB_EXISTS:
                proposal = await self._admission.resubmission(requests[place], now_us=now_us)
                again += [(place, proposal)] if proposal is not None else []
        if again:
            outcomes = await self._host.propose_all([proposal for _, proposal in again])
            for (place, _), outcome in zip(again, outcomes, strict=True):
                results[place] = self._submitted(requests[place], outcome)
        return [result for result in results if result is not None]

    def _submitted(self, request: pb.SubmitJobRequest, outcome: Outcome) -> "pb.SubmitResult | OmegaError":
        if outcome.status is not Status.COMMITTED:
            details = word_refused_submit(self._host.cell, wire.read_spec(request.spec), outcome)
            refusal = find_refusal(outcome, f"job {request.spec.name!r} was not submitted", details=details)
            assert refusal is not None, outcome
            return refusal
        result = pb.SubmitResult(job_id=outcome.value, change=outcome.detail, revision=outcome.revision)  # type: ignore[arg-type]
        row = self._host.cell.jobs.row_of(outcome.value)
        if row is not None:
            result.warnings.extend(find_warnings(self._host.cell, self._host.cell.jobs.spec_of(row)))
        return result

    def _find_children(self, job: int) -> list[int]:
        jobs = self._host.cell.jobs
        return [int(jobs.id[row]) for row in find_active_children(jobs, job) if not jobs.stopping[row]]

    def _row_of(self, name: str) -> int:
        row = find_job(self._host.cell, name)
        if row is None:
            raise not_found(f"job {name[:80]!r}", "`omega job list` shows those there are")
        return row

    def _view(self, jobs: Sequence[int], request: pb.ListJobsRequest) -> Iterator[pb.Job]:
        cell = self._host.cell
        for job in jobs:
            row = cell.jobs.row_of(job)
            if row is None or not cell.jobs.spec_of(row).name.startswith(request.name_prefix):
                continue
            if request.active_only:
                counts = cell.jobs.counts[row].tolist()
                if not any(counts[: TaskState.SUCCEEDED]):
                    continue
            yield view_job(cell, row)

    def _view_changes(self, watch: Watch) -> pb.WatchJobsResponse:
        if watch.is_stale:
            raise RefusalError(grpc.StatusCode.OUT_OF_RANGE, "the server loaded the cell anew: list again")
        cell = self._host.cell
        jobs, forgotten = watch.take()
        rows = [row for row in (cell.jobs.row_of(job) for job in jobs) if row is not None]
        return pb.WatchJobsResponse(at=view_at(cell), jobs=[view_job(cell, row) for row in rows], forgotten=forgotten)


def wall_us() -> int:
    """Return the wall clock, for stamps that people read."""
    return time.time_ns() // 1_000


def _result_of(result: "pb.SubmitResult | OmegaError") -> pb.SubmitResult:
    if isinstance(result, pb.SubmitResult):
        return result
    reason = result.reason if isinstance(result, RefusalError) else "INVALID"
    return pb.SubmitResult(reason=reason or "INVALID", message=str(result))
