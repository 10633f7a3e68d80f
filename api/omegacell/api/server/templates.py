"""Templates on the server: runs them when somebody asks, proposes what their schedules say, and shows how they are."""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import secrets
import time
from typing import Final

import grpc

from omegacell.agent.payload import InlineFile, encode_payload, parse_payload
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.admission import Admission
from omegacell.api.server.host import CellHost
from omegacell.api.server.limit_words import word_quota
from omegacell.api.server.refusals import RefusalError, find_refusal, not_found
from omegacell.api.server.views import find_job, view_job
from omegacell.api.spec_templates import INPUT_FILE, INPUT_VARIABLE, MAX_INPUT_BYTES, variable_of, with_variables
from omegacell.controllers.schedules import Schedules, Standing
from omegacell.core.cell import Cell
from omegacell.core.children import find_active_children, find_children, spec_of_child
from omegacell.core.errors import DivergedError, InvariantError, OmegaError, UsageError
from omegacell.core.jobs import JobSpec
from omegacell.core.outcomes import Outcome, Reason, Spawning, Status
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.templates import InputRule
from omegacell.core.units import JobId
from omegacell.store.proposer import Proposal
from omegacell.store.replica import Folded

_LOG = logging.getLogger(__name__)

CHILDREN_SHOWN: Final = 10
INSTANTS_SHOWN: Final = 3
RETRY_S: Final = 1.0
MAX_TOKEN_LENGTH: Final = 256
_LONGEST_SLEEP_S: Final = 3_600.0


class TemplateCalls:
    """The calls about templates.

    Args:
        host: The cell.
        admission: Knows what jobs run.
        schedules: Reads their schedules.
    """

    def __init__(self, host: CellHost, admission: Admission, schedules: Schedules) -> None:
        self._host = host
        self._admission = admission
        self._schedules = schedules

    async def dispatch(self, request: pb.DispatchJobRequest) -> pb.DispatchJobResponse:
        """Make a child of a template now."""
        await self._host.refresh()
        cell = self._host.cell
        row = find_job(cell, request.job)
        if row is None:
            raise not_found(f"job {request.job[:80]!r}", "`omega job list` shows those there are")
        spec, template = cell.jobs.spec_of(row), JobId(int(cell.jobs.id[row]))
        _check_kind(request, spec)
        if len(request.token) > MAX_TOKEN_LENGTH:
            raise UsageError(f"a token of {len(request.token)} characters; expected at most {MAX_TOKEN_LENGTH}")
        now_us = time.time_ns() // 1_000
        payload_hash, payloads = b"", {}
        if spec.parameters is not None:
            payload_hash, stored = await self._payload_of(request, spec)
            payloads = {payload_hash: stored}
        name = request.name or _name_child(spec.name, request.token, now_us)
        command = SpawnJob(template=template, name=name, instant_us=0, submitted_at_us=now_us, payload=payload_hash)
        proposal = Proposal(commands=(command,), decided_from_us=now_us, decided_to_us=now_us, payloads=payloads)
        outcome = await self._host.propose(proposal)
        self._check(request, command, outcome, spec)
        is_known = outcome.detail == Spawning.EXISTED
        return pb.DispatchJobResponse(
            at=pb.At(revision=outcome.revision, incarnation=self._host.cell.incarnation),
            job_id=outcome.value,
            name=name,
            existed=is_known,
        )

    def view(self, cell: Cell, row: int) -> pb.TemplateStatus:
        """Return how it is with a template. Cost: O(jobs)."""
        jobs, job, spec = cell.jobs, int(cell.jobs.id[row]), cell.jobs.spec_of(row)
        children = find_children(jobs, job)
        newest = children[jobs.id[children].argsort(kind="stable")][::-1][:CHILDREN_SHOWN]
        message = pb.TemplateStatus(
            made_count=int(jobs.made_count[row]),
            skipped_count=int(jobs.skipped_count[row]),
            missed_count=int(jobs.missed_count[row]),
            child_count=len(children),
            active_child_count=len(find_active_children(jobs, job)),
            children=[view_job(cell, child) for child in newest.tolist()],
        )
        if spec.schedule is not None:
            now_us = time.time_ns() // 1_000
            standing = self._schedules.find_standing(cell, row, now_us=now_us, count=INSTANTS_SHOWN)
            is_begun = int(jobs.instant_us[row]) != int(jobs.submitted_at_us[row])
            message.last_us = int(jobs.instant_us[row]) if is_begun else 0
            message.next_us.extend(standing.next_us)
            message.due_us = standing.due_us
            message.hindrance = _word_hindrance(cell, row, standing)
        return message

    async def _payload_of(self, request: pb.DispatchJobRequest, spec: JobSpec) -> tuple[bytes, bytes]:
        """Return the hash of what the child runs, and what is stored under it.

        Raises:
            UsageError: The parameters or the input are not what the template asks for.
        """
        stored = await asyncio.to_thread(self._admission.payload_of, spec)
        if stored is None:
            raise not_found(f"payload of job {spec.name!r}", "it was erased: submit the job again")
        payload = parse_payload(stored)
        assert payload.exec is not None, "a template with parameters runs a program"
        variables = _find_variables(request, spec)
        config, is_given = payload.exec, request.HasField("payload")
        if len(request.payload) > MAX_INPUT_BYTES:
            raise UsageError(f"a payload of {len(request.payload)} bytes; expected at most {MAX_INPUT_BYTES}")
        if is_given:
            files = tuple(file for file in config.files if file.path != INPUT_FILE)
            handed = InlineFile(path=INPUT_FILE, content=request.payload)
            config = dataclasses.replace(config, files=(*files, handed))
            variables[INPUT_VARIABLE] = INPUT_FILE
        made = dataclasses.replace(payload, exec=with_variables(config, variables))
        return self._admission.store_payload(encode_payload(made))

    def _check(self, request: pb.DispatchJobRequest, command: SpawnJob, outcome: Outcome, spec: JobSpec) -> None:
        """Raise what stands in the way of a child; a child of that name does unless a token asked for it."""
        what = f"job {spec.name!r} was not {'triggered' if request.is_trigger else 'dispatched'}"
        if outcome.status is Status.COMMITTED:
            if outcome.detail == Spawning.EXISTED and not request.token:
                raise RefusalError(
                    grpc.StatusCode.ALREADY_EXISTS,
                    f"{what}: it has a run named {command.name!r} already (#{outcome.value}); give another name, or a"
                    " token to get the same run again",
                    reason=Reason.JOB_EXISTS.name,
                )
            return
        details = ""
        if outcome.reason is Reason.QUOTA_EXCEEDED:
            child = spec_of_child(spec, name=command.name, payload=b"")
            details = word_quota(self._host.cell, child, outcome)
        elif outcome.reason is Reason.JOB_EXISTS:
            details = f"another job is named {command.name!r}; give another name"
        elif outcome.reason is Reason.JOB_STOPPING:
            details = "it was stopped, and has no more runs; `omega run --replace` submits it anew"
        refusal = find_refusal(outcome, what, details=details)
        assert refusal is not None, outcome
        raise refusal


async def run_schedules(host: CellHost, schedules: Schedules) -> None:
    """Propose what schedules say until cancelled.

    It sleeps until the next instant, and wakes before when a job was submitted, scaled or stopped, and with each tick:
    whatever a clock that was set did to the sleep, it is found out then.
    """
    news = asyncio.Event()

    def listen(folded: Folded) -> None:
        if folded.is_reloaded or folded.delta.is_ticked or folded.delta.reshaped:
            news.set()

    host.listeners.append(listen)
    while True:
        news.clear()
        now_us = time.time_ns() // 1_000
        commands = schedules.step(host.cell, now_us=now_us)
        if commands:
            await _propose(host, commands, now_us)
            continue
        due_us = schedules.next_due_us(host.cell, now_us=now_us)
        wait_s = _LONGEST_SLEEP_S if due_us is None else min(_LONGEST_SLEEP_S, (due_us - now_us) / 1e6)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), timeout=wait_s)


async def _propose(host: CellHost, commands: list[SpawnJob], now_us: int) -> None:
    proposals = [Proposal(commands=(command,), decided_from_us=now_us, decided_to_us=now_us) for command in commands]
    try:
        outcomes = await host.propose_all(proposals)
    except (DivergedError, InvariantError):
        raise
    except OmegaError as error:
        _LOG.warning("%d runs of schedules were not appended: %s", len(commands), error)
        await asyncio.sleep(RETRY_S)
        return
    is_done = False
    for command, outcome in zip(commands, outcomes, strict=True):
        if outcome.status is Status.COMMITTED or outcome.reason is Reason.ALREADY_SPAWNED:
            is_done = True
        else:
            _LOG.warning("run %s was refused: %s", command.name, outcome.reason.name)
    if not is_done:
        await asyncio.sleep(RETRY_S)


def _check_kind(request: pb.DispatchJobRequest, spec: JobSpec) -> None:
    name = spec.name
    if request.is_trigger:
        if spec.schedule is None:
            hint = f"`omega job dispatch {name}` runs it" if spec.parameters else "`omega run` runs it"
            raise UsageError(f"job {name!r} has no schedule to run before its time; {hint}")
    elif spec.parameters is None:
        hint = f"`omega job trigger {name}` runs it now" if spec.schedule else "`omega run` runs it"
        raise UsageError(f"job {name!r} takes no parameters; {hint}")


def _find_variables(request: pb.DispatchJobRequest, spec: JobSpec) -> dict[str, str]:
    """Return the environment that parameters make.

    Raises:
        UsageError: One is missing, unknown or not right; the message names it.
    """
    parameters = spec.parameters
    assert parameters is not None, "a job that is dispatched has parameters"
    known = (*parameters.required, *parameters.optional)
    listed = ", ".join([*parameters.required, *(f"{name} (optional)" for name in parameters.optional)]) or "none"
    for name in sorted(request.parameters):
        if name not in known:
            raise UsageError(f"job {spec.name!r} knows no parameter {name[:80]!r}; expected {listed}")
        if "\0" in request.parameters[name]:
            raise UsageError(f"parameter {name!r}: expected text without NUL characters")
    missing = [name for name in parameters.required if name not in request.parameters]
    if missing:
        words = f"parameter {missing[0]!r} is" if len(missing) == 1 else f"parameters {', '.join(missing)} are"
        raise UsageError(f"job {spec.name!r}: {words} missing; expected {listed}")
    is_given = request.HasField("payload")
    if is_given and parameters.input is InputRule.FORBIDDEN:
        raise UsageError(f"job {spec.name!r} takes no payload; its `parameters.payload` says so")
    if not is_given and parameters.input is InputRule.REQUIRED:
        raise UsageError(f"job {spec.name!r} needs a payload: `--payload FILE`, or - for standard input")
    return {variable_of(name): request.parameters[name] for name in sorted(request.parameters)}


def _name_child(template: str, token: str, now_us: int) -> str:
    """Return a name for a child that nobody named: of the same token the same, else one that is new."""
    if token:
        return f"{template}-{hashlib.blake2b(token.encode(), digest_size=8).hexdigest()}"
    at = time.strftime("%Y%m%dt%H%M%Sz", time.gmtime(now_us // 1_000_000))
    return f"{template}-{at}-{secrets.token_hex(3)}"


def _word_hindrance(cell: Cell, row: int, standing: Standing) -> str:
    if standing.problem:
        return f"this server cannot read the schedule: {standing.problem}"
    verdict = standing.hindrance
    if verdict.reason is Reason.NONE:
        return ""
    outcome = Outcome(
        revision=cell.revision, status=Status.REFUSED, reason=verdict.reason, value=verdict.value, detail=verdict.detail
    )
    if verdict.reason is Reason.QUOTA_EXCEEDED:
        return word_quota(cell, cell.jobs.spec_of(row), outcome)
    if verdict.reason is Reason.JOB_EXISTS:
        return "another job has the name of the run"
    refusal = find_refusal(outcome, "the run is not made")
    return "" if refusal is None else str(refusal)
