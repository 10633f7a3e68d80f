"""The Python client of a cell: synchronous, typed, one object for one API server.

Rules: answers are the frozen values of `records`; what fails raises one of `errors`, with a sentence for people; every
call has a limit in time, streams end when their iterator is closed. A submit may be repeated safely, because the same
spec again changes nothing. One client may be used from several threads.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Final, cast

from omegacell.api import figures, records, wire, wire_figures
from omegacell.api.client_limits import LimitClient
from omegacell.api.client_machines import MachineClient
from omegacell.api.client_templates import TemplateClient
from omegacell.api.errors import NotFoundError, StaleWatchError, UnreachableError
from omegacell.api.planning import records as plans
from omegacell.api.planning.wire import read_explanation, read_plan
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.sending import Sending
from omegacell.core.errors import UsageError
from omegacell.core.units import MAX_TASKS_PER_JOB, JobId

SUBMIT_BATCH: Final = 256
"""Jobs in one message of a batched submit."""

ALL_HISTORY: Final = figures.HistoryQuery()
ALL_CONFLICTS: Final = figures.ConflictQuery()


class Client(MachineClient, LimitClient, TemplateClient):
    """A connection to a cell, with a method for each call.

    Args:
        address: Host and port of an API server.
        token: What every call carries.
        timeout_s: Limit of every call that is not a stream.

    Raises:
        UnauthenticatedError: The token is none: it has other characters than printable ASCII.
    """

    # --- jobs

    def submit(self, submission: records.Submission) -> records.Submitted:
        """Submit a job; it is durable when this returns.

        Raises:
            RefusedError: Another job of that name stands in the way (``replace`` puts this in its place).
            UsageError: The server does not accept the spec.
        """
        answer = self._call(self._stub.SubmitJob, wire.write_submission(submission))
        return records.Submitted(
            name=submission.spec.name,
            job_id=JobId(answer.job_id),
            change=records.Change(answer.change),
            revision=answer.at.revision,
            warnings=tuple(answer.warnings),
        )

    def submit_many(
        self, submissions: Iterable[records.Submission], *, batch: int = SUBMIT_BATCH
    ) -> Iterator[records.Submitted]:
        """Submit jobs in batches over one stream; yield what became of each, in order, as it becomes durable.

        A refused job does not raise: its `Submitted` says why. ``submissions`` is read ahead by
        `sending.SUBMITS_IN_FLIGHT` batches at most.
        """
        sending = Sending(submissions, batch)
        try:
            for answer in self._stream(self._stub.SubmitJobs, iter(sending)):
                for name, result in zip(sending.answered(), answer.results, strict=True):
                    yield wire.read_result(name, result)
        finally:
            sending.close()
        sending.check()

    def stop(self, name: str, *, with_children: bool = False) -> JobId:
        """Stop the newest job of a name, or that of an id (``"#6"``), and return its id; its tasks end in their time.

        A template has no more children then; those it has go on, unless ``with_children``.

        Raises:
            NotFoundError: There is no such job.
        """
        return JobId(self._call(self._stub.StopJob, pb.StopJobRequest(name=name, with_children=with_children)).job_id)

    def revert(self, name: str) -> JobId:
        """Bring the job back that the one of a name took the place of in an update, and return its id.

        Raises:
            NotFoundError: There is no such job.
            RefusedError: There is no older job any more.
        """
        return JobId(self._call(self._stub.RevertJob, pb.RevertJobRequest(name=name)).job_id)

    def job(
        self,
        name: str,
        *,
        first_index: int = 0,
        limit: int = 1000,
        trouble_first: bool = False,
        stale: bool = False,
    ) -> records.JobDetail:
        """Return a job with up to ``limit`` (at most 100,000) of its tasks from ``first_index`` on, by index.

        ``name`` means the newest job of that name; an id (``"#6"``) means a replaced one, too.
        With ``trouble_first`` failed, pending, placed and running tasks come into the answer before those that rest.

        Raises:
            NotFoundError: There is no such job.
        """
        request = pb.GetJobRequest(
            name=name, first_index=first_index, limit=limit, stale=stale, trouble_first=trouble_first
        )
        return wire.read_job_detail(self._call(self._stub.GetJob, request))

    def jobs(self, *, name_prefix: str = "", active_only: bool = False, stale: bool = False) -> records.JobList:
        """Return the cell's jobs, all as of one revision, by id."""
        request = pb.ListJobsRequest(name_prefix=name_prefix, active_only=active_only, stale=stale)
        parts = list(self._stream(self._stub.ListJobs, request, timeout_s=self._timeout_s))
        jobs = tuple(wire.read_job(job) for part in parts for job in part.jobs)
        return records.JobList(at=wire.read_at(parts[-1].at), jobs=jobs)

    def watch(
        self, names: Sequence[str] = (), *, after: records.At | None = None, timeout_s: float | None = None
    ) -> Generator[records.JobChanges, None, None]:
        """Yield jobs as they change: the newest state of each, not every state it went through.

        Without ``after`` the first item holds all of them as they are; with it, what changed since.

        Raises:
            StaleWatchError: The server cannot tell what changed since ``after``: list again.
            UnreachableError: The server is gone, or ``timeout_s`` is over.
        """
        request = pb.WatchJobsRequest(names=names)
        if after is not None:
            request.after, request.incarnation = after.revision, after.incarnation
        for answer in self._stream(self._stub.WatchJobs, request, timeout_s=timeout_s):
            yield wire.read_job_changes(answer)

    def wait_job(
        self, name: str, *, until: Callable[[records.Job], bool], timeout_s: float = float("inf")
    ) -> records.Job:
        """Wait until the newest job of a name, or that of an id, is as wanted, over restarts of the server; return it.

        Raises:
            NotFoundError: There is no such job, or it left the cell.
            UnreachableError: The time is over; the message says what state the job is in.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            job = self.job(name, limit=1).job
            if until(job):
                return job
            try:
                for changes in self._until(deadline, names=(job.name,)):
                    later = (each for each in changes.jobs if each.job_id >= job.job_id)
                    found = next((each for each in later if name == job.name or each.job_id == job.job_id), job)
                    if until(found):
                        return found
            except (UnreachableError, StaleWatchError):
                if time.monotonic() >= deadline:
                    raise UnreachableError(
                        f"job {name} did not get there within {timeout_s:g} s: it is {job.state.name.lower()}"
                    ) from None
                time.sleep(0.2)  # the server is starting again

    def logs(
        self,
        task: str,
        *,
        attempt: int = 0,
        stream: records.LogStream = records.LogStream.STDOUT,
        offset: int = 0,
        follow: bool = False,
    ) -> Generator[records.LogPart, None, None]:
        """Yield the output of a task ("job/index"), from a byte ``offset``, negative from the end.

        Args:
            task: Which one.
            attempt: Which run of it; 0 for the last one.
            stream: Which output.
            offset: Of the first byte wanted, in all that the attempt has written; negative: so many before the end.
            follow: Go on until the attempt has ended.

        Raises:
            UsageError: ``task`` is not a job's name, a slash and a number.
            NotFoundError: No such job, task or attempt, or its output is not kept any more.
            UnreachableError: Its machine does not answer.
        """
        job, index = read_task_name(task)
        request = pb.LogsRequest(
            job=job,
            index=index,
            attempt=attempt,
            stream=cast("pb.LogStream", stream),
            offset=offset,
            follow=follow,
        )
        for part in self._stream(self._stub.Logs, request):
            yield records.LogPart(data=part.data, offset=part.offset, attempt=part.attempt, machine=part.machine)

    def payload(self, job: str) -> bytes:
        """Return what a job's tasks run, as canonical JSON.

        Raises:
            NotFoundError: There is no such job, or its payload was erased.
        """
        return self._call(self._stub.FetchPayload, pb.FetchPayloadRequest(job=job)).payload

    # --- what if

    def plan(self, submissions: Sequence[records.Submission]) -> plans.Plan:
        """Return what submitting jobs would do, on a fork of the cell; nothing is submitted.

        Raises:
            UsageError: A job is not right, a name stands twice, or there are more than a million tasks.
        """
        request = pb.PlanJobsRequest(jobs=[wire.write_submission(submission) for submission in submissions])
        return read_plan(self._call(self._stub.PlanJobs, request))

    def judge(self, submissions: Sequence[records.Submission]) -> plans.Plan:
        """Return only which jobs would be refused now, if they were submitted in this order, and why: a plan in short.

        Raises:
            UsageError: A job is not right, or a name stands twice.
        """
        jobs = [wire.write_submission(submission) for submission in submissions]
        return read_plan(self._call(self._stub.PlanJobs, pb.PlanJobsRequest(jobs=jobs, judge_only=True)))

    def explain(self, job: str, index: int | None = None) -> plans.Explanation:
        """Return why a task, or tasks of a job, wait, and what would make them fit; or why they are where they are.

        Raises:
            NotFoundError: There is no such job or task; the message names similar ones.
        """
        if index is not None and not 0 <= index < MAX_TASKS_PER_JOB:
            raise NotFoundError(f"there is no task {job}/{index}; no job has more than {MAX_TASKS_PER_JOB} tasks")
        return read_explanation(self._call(self._stub.ExplainTask, pb.ExplainTaskRequest(job=job, index=index)))

    # --- the cell

    def schedulers(self, *, stale: bool = False) -> figures.SchedulerList:
        """Return what each instance of a scheduler did since the cell began."""
        answer = self._call(self._stub.ListSchedulers, pb.ListSchedulersRequest(stale=stale))
        rows = tuple(wire_figures.read_scheduler(row) for row in answer.schedulers)
        return figures.SchedulerList(at=wire.read_at(answer.at), schedulers=rows)

    def history(self, query: figures.HistoryQuery = ALL_HISTORY) -> figures.HistoryPage:
        """Return transactions with their outcomes, newest first."""
        request = wire_figures.write_history_query(query)
        parts = list(self._stream(self._stub.History, request, timeout_s=self._timeout_s))
        rows = tuple(wire_figures.read_history(entry) for part in parts for entry in part.entries)
        return figures.HistoryPage(at=wire.read_at(parts[-1].at), oldest_revision=parts[-1].oldest_revision, rows=rows)

    def conflicts(self, query: figures.ConflictQuery = ALL_CONFLICTS) -> figures.ConflictPage:
        """Return refused claims, newest first."""
        request = wire_figures.write_conflict_query(query)
        parts = list(self._stream(self._stub.Conflicts, request, timeout_s=self._timeout_s))
        rows = tuple(wire_figures.read_conflict(entry) for part in parts for entry in part.conflicts)
        return figures.ConflictPage(at=wire.read_at(parts[-1].at), oldest_revision=parts[-1].oldest_revision, rows=rows)

    def status(self, *, stale: bool = False) -> figures.CellStatus:
        """Return the cell at a glance."""
        return wire_figures.read_status(self._call(self._stub.CellStatus, pb.CellStatusRequest(stale=stale)))

    def _until(self, deadline: float, *, names: Sequence[str]) -> Iterator[records.JobChanges]:
        timeout_s = deadline - time.monotonic()
        request = pb.WatchJobsRequest(names=names)
        limit_s = None if timeout_s == float("inf") else max(0.0, timeout_s)
        for answer in self._stream(self._stub.WatchJobs, request, timeout_s=limit_s):
            yield wire.read_job_changes(answer)


def read_task_name(text: str) -> tuple[str, int]:
    """Return job and index of a task's name.

    >>> read_task_name("web/2")
    ('web', 2)

    Raises:
        UsageError: It is not a job's name, a slash and a number.
    """
    job, slash, index = text.rpartition("/")
    if not slash or not job or not (index.isascii() and index.isdigit()):
        raise UsageError(f"task {text!r}: expected JOB/INDEX, as in web/0")
    return job, int(index)
