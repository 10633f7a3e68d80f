"""What users ask of machines: list, get, cordon and drain, declare lost; and the output that machines keep of tasks."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final, cast

import grpc
import numpy as np

from omegacell.agent import messages as agent
from omegacell.api.grpc_errors import REASON_NOT_STARTED
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.records import ExitNote
from omegacell.api.rule_text import parse_taint
from omegacell.api.server.agents import AgentDesk
from omegacell.api.server.drains import view_drains
from omegacell.api.server.hold_words import view_held, word_template
from omegacell.api.server.host import CellHost
from omegacell.api.server.link_columns import find_active
from omegacell.api.server.refusals import RefusalError, find_refusal, not_found
from omegacell.api.server.system_words import word_mismatches
from omegacell.api.server.views import find_job, find_task, view_at, view_resources
from omegacell.core.cell import Cell
from omegacell.core.drains import NO_DEADLINE, Eligibility, SetEligibility
from omegacell.core.errors import MalformedError, UsageError
from omegacell.core.jobs import TaskState
from omegacell.core.machine_commands import LoseMachines, SetTaints
from omegacell.core.units import BAND_COUNT, MAX_QUANTITY, JobId
from omegacell.core.validate_placement import check_taints
from omegacell.store.proposer import Proposal

MACHINES_PER_PART: Final = 200
MAX_LOG_BYTES: Final = 64 << 20


class MachineCalls:
    """The calls about machines, and those that only a machine can answer.

    Args:
        host: The cell.
        desk: The agents' streams.
    """

    def __init__(self, host: CellHost, desk: AgentDesk) -> None:
        self._host = host
        self._desk = desk

    async def find_all(self, request: pb.ListMachinesRequest) -> AsyncIterator[pb.ListMachinesResponse]:
        """Return machines in parts; `at` is where it began, and what changed meanwhile may show already."""
        if not request.stale:
            await self._host.refresh()
        at = view_at(self._host.cell)
        wanted = self._rows_of(request.names) if request.names else range(self._host.cell.machines.count)
        for first in range(0, max(1, len(wanted)), MACHINES_PER_PART):
            rows = wanted[first : first + MACHINES_PER_PART]
            yield pb.ListMachinesResponse(at=at, machines=view_machines(self._host.cell, rows))
            await asyncio.sleep(0)

    async def get(self, request: pb.GetMachineRequest) -> pb.GetMachineResponse:
        """Return a machine with what is placed on it."""
        if not request.stale:
            await self._host.refresh()
        cell = self._host.cell
        row = self._row_of(request.name)
        return pb.GetMachineResponse(
            at=view_at(cell), machine=view_machines(cell, [row])[0], tasks=view_machine_tasks(cell, row)
        )

    async def lose(self, request: pb.LoseMachineRequest) -> pb.LoseMachineResponse:
        """Declare a machine lost, as an operator."""
        await self._host.refresh()
        command = LoseMachines(machines=(self._row_of(request.name),), by_operator=True)
        outcome = await self._host.propose(Proposal(commands=(command,)))
        refusal = find_refusal(outcome, f"machine {request.name!r} was not declared lost")
        if refusal is not None:
            raise refusal
        return pb.LoseMachineResponse(at=pb.At(revision=outcome.revision, incarnation=self._host.cell.incarnation))

    async def taint(self, request: pb.TaintMachinesRequest) -> pb.TaintMachinesResponse:
        """Put taints on machines and take others off, all of them in one transaction."""
        await self._host.refresh()
        rows = sorted({self._row_of(name) for name in request.names})
        try:
            add = tuple(parse_taint(text) for text in request.add)
            check_taints(add, request.remove)
        except (ValueError, MalformedError) as error:
            raise UsageError(str(error)) from error
        if not rows:
            raise UsageError("expected at least one machine")
        command = SetTaints(machines=tuple(rows), add=add, remove=tuple(request.remove))
        now_us = time.time_ns() // 1_000
        outcome = await self._host.propose(Proposal(commands=(command,), decided_from_us=now_us, decided_to_us=now_us))
        refusal = find_refusal(outcome, "the machines were not marked")
        if refusal is not None:
            raise refusal
        at = pb.At(revision=outcome.revision, incarnation=self._host.cell.incarnation)
        return pb.TaintMachinesResponse(at=at, changed_count=outcome.value)

    async def set_eligibility(self, request: pb.SetEligibilityRequest) -> pb.SetEligibilityResponse:
        """Cordon, drain or open machines; what is so already is left alone."""
        if not request.names:
            raise UsageError("no machine is named; expected at least one")
        await self._host.refresh()
        cell = self._host.cell
        eligibility = _read_eligibility(request)
        rows = self._rows_of(request.names)
        is_draining = cell.machines.eligibility == Eligibility.DRAINING
        keeps_deadline = eligibility is Eligibility.DRAINING and not request.HasField("deadline_us")
        changing = [row for row in rows if not (keeps_deadline and is_draining[row])]
        at = view_at(cell)
        if changing:
            has_deadline = request.HasField("deadline_us") and request.deadline_us >= 0
            deadline_us = min(cell.elapsed + request.deadline_us, MAX_QUANTITY) if has_deadline else NO_DEADLINE
            command = SetEligibility(machines=tuple(changing), eligibility=eligibility, deadline_us=deadline_us)
            now_us = time.time_ns() // 1_000
            outcome = await self._host.propose(
                Proposal(commands=(command,), decided_from_us=now_us, decided_to_us=now_us)
            )
            refusal = find_refusal(outcome, "the machines were not changed")
            if refusal is not None:
                raise refusal
            at = pb.At(revision=outcome.revision, incarnation=cell.incarnation)
        return pb.SetEligibilityResponse(at=at, machines=view_machines(self._host.cell, rows))

    async def read_log(self, request: pb.LogsRequest) -> AsyncIterator[pb.LogsResponse]:
        """Return the output of a task's attempt, from the machine that keeps it."""
        await self._host.refresh()
        machine, key, note = self._find_attempt(request)
        at = view_at(self._host.cell)
        name = self._host.cell.machines.names[machine]
        limit = None if request.follow else request.limit_bytes or MAX_LOG_BYTES
        log = agent.LogStream.STDERR if request.stream else agent.LogStream.STDOUT
        what = f"output of {request.job}/{request.index}, attempt {key.attempt}, on machine {name}"
        is_empty = True
        async for chunk in self._desk.read_log(machine, key, log, offset=request.offset, limit=limit):
            if chunk.error and note != ExitNote.START_FAILED:
                if self._is_placed(key):
                    raise not_found(what, "the task is being started", reason=REASON_NOT_STARTED)
                raise RefusalError(grpc.StatusCode.UNAVAILABLE, f"{what}: {chunk.error}", reason="MACHINE")
            if chunk.data:
                is_empty = False
                yield pb.LogsResponse(at=at, offset=chunk.offset, data=chunk.data, attempt=key.attempt, machine=name)
        if is_empty and note == ExitNote.START_FAILED:
            text = self._desk.text_of(key.job_id, key.index, key.attempt)
            raise not_found(what, f"it could not be started: {text or 'its machine said no more'}")

    def _is_placed(self, key: agent.AttemptKey) -> bool:
        """Return whether an attempt is placed and its machine has not said yet that it runs."""
        cell = self._host.cell
        row = cell.jobs.row_of(key.job_id)
        task = None if row is None else find_task(cell, row, key.index)
        if task is None or int(cell.tasks.attempt[task]) != key.attempt:
            return False
        return int(cell.tasks.state[task]) == TaskState.PLACED

    def _row_of(self, name: str) -> int:
        row = self._host.cell.machines.row_of(name)
        if row is None:
            raise not_found(f"machine {name[:80]!r}", "`omega machine list` shows those there are")
        return row

    def _rows_of(self, names: Sequence[str]) -> list[int]:
        """Return the rows of machines by name, ascending, each once."""
        known = {name: self._host.cell.machines.row_of(name) for name in names}
        missing = [name[:80] for name, row in known.items() if row is None]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            what = ", ".join(repr(name) for name in missing[:3]) + more
            raise not_found(f"machine {what}", "`omega machine list` shows those there are")
        return sorted(row for row in known.values() if row is not None)

    def _find_attempt(self, request: pb.LogsRequest) -> tuple[int, agent.AttemptKey, int]:
        """Return the machine of an attempt, its key, and the note about how it ended."""
        cell = self._host.cell
        row = find_job(cell, request.job)
        if row is None:
            raise not_found(f"job {request.job[:80]!r}", "`omega job list` shows those there are")
        task = find_task(cell, row, request.index)
        if task is None:
            last = int(cell.jobs.extent[row]) - 1
            raise not_found(f"task {request.job}/{request.index}", f"the job's tasks are 0 to {last}")
        if cell.jobs.template[row]:
            raise not_found(f"output of {request.job}/{request.index}", word_template(cell.jobs.spec_of(row)))
        if cell.jobs.spec_of(row).driver == "simulated":
            raise not_found(f"output of {request.job}/{request.index}", "a simulated task writes none")
        attempts = {past.attempt: (past.machine, int(past.note)) for past in cell.tasks.past.get(task, ())}
        newest = int(cell.tasks.attempt[task])
        if newest:
            attempts[newest] = (int(cell.tasks.last_machine[task]), int(cell.tasks.note[task]))
        if not attempts:
            what = f"output of {request.job}/{request.index}"
            held = f": it is held: {_word_held(cell, row, task)}" if cell.tasks.state[task] == TaskState.HELD else ""
            raise not_found(what, f"the task has not been placed yet{held}", reason=REASON_NOT_STARTED)
        wanted = request.attempt or newest
        if wanted not in attempts:
            known = ", ".join(str(number) for number in sorted(attempts))
            raise not_found(f"attempt {wanted} of {request.job}/{request.index}", f"those remembered are {known}")
        job = JobId(int(cell.jobs.id[row]))
        machine, note = attempts[wanted]
        return machine, agent.AttemptKey(job_id=job, index=request.index, attempt=wanted), note


def _word_held(cell: Cell, row: int, task: int) -> str:
    """Return why a task is held: of a system job that its own machine does not match."""
    held = view_held(cell, row)
    own = "".join(word_mismatches(cell, row, np.array([task], np.int64)))
    return f"its machine does not match: {own}" if own else held.summary if held is not None else "until it is released"


def _read_eligibility(request: pb.SetEligibilityRequest) -> Eligibility:
    try:
        eligibility = Eligibility(request.eligibility)
    except ValueError as error:
        raise UsageError(f"eligibility {request.eligibility}: expected 0 to {len(Eligibility) - 1}") from error
    if request.HasField("deadline_us") and eligibility is not Eligibility.DRAINING:
        raise UsageError(f"a deadline for machines that are to be {eligibility.name.lower()}; only a drain has one")
    return eligibility


def view_machines(cell: Cell, rows: Sequence[int]) -> list[pb.Machine]:
    """Return machines, those that drain with how far they have come. Cost: O(tasks of the cell) when any drains."""
    draining = [row for row in rows if cell.machines.eligibility[row] == Eligibility.DRAINING]
    drains = view_drains(cell, draining)
    return [view_machine(cell, row, drain=drains.get(row)) for row in rows]


def view_machine(cell: Cell, row: int, *, drain: pb.DrainProgress | None = None) -> pb.Machine:
    """Return a machine."""
    machines = cell.machines
    allocated = machines.allocated[row]
    drivers = int(machines.drivers[row])
    return pb.Machine(
        row=row,
        name=machines.names[row],
        state=cast("pb.MachineState", int(machines.state[row])),
        epoch=int(machines.epoch[row]),
        capacity=view_resources(machines.capacity[row].tolist()),
        allocated=view_resources(allocated.sum(axis=0).tolist()),
        allocated_by_band=[view_resources(allocated[band].tolist()) for band in range(BAND_COUNT)],
        drivers=[name for place, name in enumerate(machines.driver_names) if drivers >> place & 1],
        attributes=machines.attribute(row),
        is_connected=bool(machines.contact_session[row]),
        silent_ticks=int(machines.silent_ticks[row]),
        changed_at=int(machines.changed_at[row]),
        port_first=int(machines.port_first[row]),
        port_last=int(machines.port_last[row]),
        port_free=int(machines.port_free[row]),
        taints=[str(taint) for taint in machines.taints[row]],
        devices=[
            pb.MachineDevice(
                name=offer.name,
                count=offer.count,
                free=free,
                attributes=[pb.Attribute(name=name, value=value) for name, value in offer.attributes],
            )
            for offer, free in machines.devices.offers(row)
        ],
        eligibility=cast("pb.Eligibility", int(machines.eligibility[row])),
        drain=drain,
    )


def view_machine_tasks(cell: Cell, row: int) -> Sequence[pb.MachineTask]:
    """Return what is placed or runs on a machine. Cost: O(tasks of the cell)."""
    tasks = find_active(cell, np.array([row], np.int64))
    jobs = cell.tasks.job[tasks]
    columns = zip(
        tasks.tolist(), jobs.tolist(), cell.tasks.attempt[tasks].tolist(), cell.tasks.state[tasks].tolist(), strict=True
    )
    return [
        pb.MachineTask(
            job=cell.jobs.spec_of(job).name,
            job_id=int(cell.jobs.id[job]),
            index=task - int(cell.jobs.offset[job]),
            attempt=attempt,
            state=cast("pb.TaskState", TaskState(state)),
        )
        for task, job, attempt, state in columns
    ]
