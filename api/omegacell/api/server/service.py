# ruff: noqa: N802 - methods have the names of the proto, where they are explained
"""The service that users call: each method says which part answers, and how errors become statuses."""

import logging
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import grpc

from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.proto.api_v1_pb2_grpc import CellServicer
from omegacell.api.server.jobs import JobCalls
from omegacell.api.server.limits import LimitCalls
from omegacell.api.server.machines import MachineCalls
from omegacell.api.server.overview import OverviewCalls
from omegacell.api.server.planning import PlanningCalls
from omegacell.api.server.refusals import abort
from omegacell.core.errors import OmegaError

_LOG = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


async def _answer(call: Awaitable[_Answer], context: Any) -> _Answer:
    try:
        return await call
    except OmegaError as error:
        await abort(context, error)
    except (grpc.aio.AbortError, grpc.aio.UsageError):
        raise
    except Exception:
        _LOG.exception("a call failed")
        await context.abort(grpc.StatusCode.INTERNAL, "the API server failed; its log says why")
        raise


async def _stream(answers: AsyncIterator[_Answer], context: Any) -> AsyncIterator[_Answer]:
    try:
        async for answer in answers:
            yield answer
    except OmegaError as error:
        await abort(context, error)
    except (grpc.aio.AbortError, grpc.aio.UsageError):
        raise
    except Exception:
        _LOG.exception("a call failed")
        await context.abort(grpc.StatusCode.INTERNAL, "the API server failed; its log says why")
        raise


class CellService(CellServicer):
    """The service `Cell` of the proto, where its methods are explained.

    Args:
        jobs: Answers for jobs.
        machines: Answers for machines.
        limits: Answers for quotas and caps.
        overview: Answers for the rest.
        planning: Answers what if, and why.
    """

    def __init__(
        self,
        jobs: JobCalls,
        machines: MachineCalls,
        limits: LimitCalls,
        overview: OverviewCalls,
        planning: PlanningCalls,
    ) -> None:
        self._jobs = jobs
        self._limits = limits
        self._machines = machines
        self._overview = overview
        self._planning = planning

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Any) -> pb.SubmitJobResponse:
        """Submit a job."""
        return await _answer(self._jobs.submit(request), context)

    async def SubmitJobs(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.SubmitJobsResponse]:
        """Submit batches of jobs."""
        async for answer in _stream(self._jobs.submit_stream(request_iterator), context):
            yield answer

    async def DispatchJob(self, request: pb.DispatchJobRequest, context: Any) -> pb.DispatchJobResponse:
        """Make a child of a template."""
        return await _answer(self._jobs.dispatch(request), context)

    async def StopJob(self, request: pb.StopJobRequest, context: Any) -> pb.StopJobResponse:
        """Stop a job."""
        return await _answer(self._jobs.stop(request), context)

    async def RevertJob(self, request: pb.RevertJobRequest, context: Any) -> pb.RevertJobResponse:
        """Revert an update."""
        return await _answer(self._jobs.revert(request), context)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        """Return a job with tasks."""
        return await _answer(self._jobs.get(request), context)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> AsyncIterator[pb.ListJobsResponse]:
        """Return jobs."""
        async for answer in _stream(self._jobs.find_all(request), context):
            yield answer

    async def WatchJobs(self, request: pb.WatchJobsRequest, context: Any) -> AsyncIterator[pb.WatchJobsResponse]:
        """Return jobs as they change."""
        async for answer in _stream(self._jobs.watch(request), context):
            yield answer

    async def Logs(self, request: pb.LogsRequest, context: Any) -> AsyncIterator[pb.LogsResponse]:
        """Return a task's output."""
        async for answer in _stream(self._machines.read_log(request), context):
            yield answer

    async def FetchPayload(self, request: pb.FetchPayloadRequest, context: Any) -> pb.FetchPayloadResponse:
        """Return what a job's tasks run."""
        return await _answer(self._jobs.fetch_payload(request), context)

    async def ListMachines(
        self, request: pb.ListMachinesRequest, context: Any
    ) -> AsyncIterator[pb.ListMachinesResponse]:
        """Return machines."""
        async for answer in _stream(self._machines.find_all(request), context):
            yield answer

    async def GetMachine(self, request: pb.GetMachineRequest, context: Any) -> pb.GetMachineResponse:
        """Return a machine with its tasks."""
        return await _answer(self._machines.get(request), context)

    async def LoseMachine(self, request: pb.LoseMachineRequest, context: Any) -> pb.LoseMachineResponse:
        """Declare a machine lost."""
        return await _answer(self._machines.lose(request), context)

    async def TaintMachines(self, request: pb.TaintMachinesRequest, context: Any) -> pb.TaintMachinesResponse:
        """Mark machines."""
        return await _answer(self._machines.taint(request), context)

    async def SetEligibility(self, request: pb.SetEligibilityRequest, context: Any) -> pb.SetEligibilityResponse:
        """Cordon, drain or open machines."""
        return await _answer(self._machines.set_eligibility(request), context)

    async def ListQuotas(self, request: pb.ListQuotasRequest, context: Any) -> pb.ListQuotasResponse:
        """Return quotas of owners."""
        return await _answer(self._limits.quotas(request), context)

    async def SetQuota(self, request: pb.SetQuotaRequest, context: Any) -> pb.SetQuotaResponse:
        """Set a quota."""
        return await _answer(self._limits.set_quota(request), context)

    async def ListCaps(self, request: pb.ListCapsRequest, context: Any) -> pb.ListCapsResponse:
        """Return caps of schedulers."""
        return await _answer(self._limits.caps(request), context)

    async def SetCaps(self, request: pb.SetCapsRequest, context: Any) -> pb.SetCapsResponse:
        """Set a scheduler's cap."""
        return await _answer(self._limits.set_caps(request), context)

    async def ListSchedulers(self, request: pb.ListSchedulersRequest, context: Any) -> pb.ListSchedulersResponse:
        """Return figures of schedulers."""
        return await _answer(self._overview.schedulers(request), context)

    async def History(self, request: pb.HistoryRequest, context: Any) -> AsyncIterator[pb.HistoryResponse]:
        """Return transactions, newest first."""
        async for answer in _stream(self._overview.history(request), context):
            yield answer

    async def Conflicts(self, request: pb.ConflictsRequest, context: Any) -> AsyncIterator[pb.ConflictsResponse]:
        """Return refused claims, newest first."""
        async for answer in _stream(self._overview.conflicts(request), context):
            yield answer

    async def CellStatus(self, request: pb.CellStatusRequest, context: Any) -> pb.CellStatusResponse:
        """Return the cell at a glance."""
        return await _answer(self._overview.status(request), context)

    async def PlanJobs(self, request: pb.PlanJobsRequest, context: Any) -> pb.PlanJobsResponse:
        """Return what submitting jobs would do."""
        return await _answer(self._planning.plan(request), context)

    async def ExplainTask(self, request: pb.ExplainTaskRequest, context: Any) -> pb.ExplainTaskResponse:
        """Return why a task waits, or why it is where it is."""
        return await _answer(self._planning.explain(request), context)
