"""Turns submitted jobs into transactions: checks them, salts and hashes what their tasks run.

A payload stands beside the log under a salted hash, and its salt in front of it; both are erased together. The same
job submitted again must give the same hash, so the salt of the current job of that name is taken before any other;
and jobs that run the same share one payload. Where another server's salt came first, `resubmission` finds out.
"""

import asyncio
import secrets
from collections import OrderedDict
from typing import Final

from omegacell.agent.payload import parse_payload
from omegacell.api import wire
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.server.host import CellHost
from omegacell.api.spec import MAX_PAYLOAD_BYTES, SALT_BYTES, salted_hash
from omegacell.api.spec_placement import check_contradiction
from omegacell.api.spec_templates import check_schedule
from omegacell.core.commands import SubmitJob
from omegacell.core.errors import MalformedError, UsageError
from omegacell.core.jobs import JobSpec
from omegacell.core.validate_jobs import check_spec
from omegacell.store.proposer import Proposal

KEPT_SALTS: Final = 1_024
KEPT_SALT_BYTES: Final = 16 << 20


class Admission:
    """What stands between a request to submit and the log.

    Args:
        host: The cell.
    """

    def __init__(self, host: CellHost) -> None:
        self._host = host
        # Checked payloads to their salts: a stream of jobs that run the same is checked and stored once.
        self._salts: OrderedDict[bytes, bytes] = OrderedDict()
        self._salts_bytes = 0

    async def admit(self, request: pb.SubmitJobRequest, *, now_us: int) -> Proposal:
        """Return the transaction that submits a job.

        Raises:
            UsageError: The spec is not right; the message names the field.
        """
        payload = request.spec.payload
        salt = await self._salt_of_current(request.spec.name) or self._salt_of(payload)
        return self._propose(request, salt, now_us=now_us)

    async def resubmission(self, request: pb.SubmitJobRequest, *, now_us: int) -> Proposal | None:
        """Return another transaction for a job that was refused because one of that name exists, if that is the same.

        Two servers, or two callers of one, may have drawn different salts for the same job at the same time.
        """
        salt = await self._salt_of_current(request.spec.name)
        return None if salt is None else self._propose(request, salt, now_us=now_us)

    def store_payload(self, payload: bytes) -> tuple[bytes, bytes]:
        """Return the hash under which a checked payload is to be stored, with a salt of its own, and what is stored.

        Raises:
            UsageError: It is too large or not right.
        """
        _check_payload(payload)
        salt = secrets.token_bytes(SALT_BYTES)
        return salted_hash(salt, payload), salt + payload

    def payload_of(self, spec: JobSpec) -> bytes | None:
        """Return what the tasks of a job run; None when it has none or it was erased. Asks the store."""
        stored = self._host.store.payloads.get(spec.payload) if spec.payload else None
        return None if stored is None else stored[SALT_BYTES:]

    def forget(self, hashes: frozenset[bytes]) -> None:
        """Draw new salts from now on for payloads that are about to be erased. Cost: hashes all that is remembered."""
        for payload, salt in list(self._salts.items()):
            if salted_hash(salt, payload) in hashes:
                del self._salts[payload]
                self._salts_bytes -= len(payload)

    def _propose(self, request: pb.SubmitJobRequest, salt: bytes, *, now_us: int) -> Proposal:
        payload = request.spec.payload
        payload_hash = salted_hash(salt, payload)
        try:
            spec = wire.read_spec(request.spec, payload_hash)
            check_spec(spec)
            check_contradiction(spec.placement.constraints)
            check_schedule(spec)
        except (ValueError, MalformedError) as error:
            raise UsageError(f"job {request.spec.name[:80]!r}: {error}") from error
        command = SubmitJob(spec=spec, submitted_at_us=now_us, replace=request.replace, update=not request.replace)
        return Proposal(
            commands=(command,),
            decided_from_us=now_us,
            decided_to_us=now_us,
            payloads={payload_hash: salt + payload},
        )

    async def _salt_of_current(self, name: str) -> bytes | None:
        jobs = self._host.cell.jobs
        job = jobs.by_name(name)
        row = None if job is None else jobs.row_of(job)
        if row is None:
            return None
        payload_hash = jobs.spec_of(row).payload
        stored = await asyncio.to_thread(self._host.store.payloads.get, payload_hash) if payload_hash else None
        return None if stored is None else stored[:SALT_BYTES]

    def _salt_of(self, payload: bytes) -> bytes:
        """Check a payload and return its salt; a new one unless it came lately."""
        salt = self._salts.get(payload)
        if salt is not None:
            self._salts.move_to_end(payload)
            return salt
        _check_payload(payload)
        salt = secrets.token_bytes(SALT_BYTES)
        self._salts[payload] = salt
        self._salts_bytes += len(payload)
        while len(self._salts) > KEPT_SALTS or self._salts_bytes > KEPT_SALT_BYTES:
            old, _ = self._salts.popitem(last=False)
            self._salts_bytes -= len(old)
        return salt


def _check_payload(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise UsageError(f"task: {len(payload)} bytes; expected at most {MAX_PAYLOAD_BYTES}")
    try:
        parsed = parse_payload(payload)
    except MalformedError as error:
        raise UsageError(f"task: {error}") from error
    if (parsed.exec is None) == (parsed.simulated is None):
        raise UsageError("task: expected exactly one of exec and simulated")
