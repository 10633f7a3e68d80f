"""Says why jobs that are waited for have pending or held tasks: one line on stderr at each change of the reason."""

import re
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from omegacell.api.cli.output import warn
from omegacell.api.client import Client
from omegacell.api.records import HeldReason, Job, PendingReason
from omegacell.core.errors import OmegaError
from omegacell.core.jobs import TaskState

PATIENCE_S = 1.5
"""Tasks that are pending for less are not worth a line: most are placed within milliseconds."""
PERIOD_S = 0.5
MAX_JOBS = 12
"""So many jobs at a time are asked for their reasons."""


class Waiting:
    """Watches the jobs it is told of, from a thread of its own, while the context is open.

    Args:
        client: Answers why tasks are pending.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._told: dict[str, set[tuple[str, str]]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pending-reasons", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(PERIOD_S)

    def update(self, job: Job) -> None:
        """Take note of a job as it is now."""
        with self._lock:
            if job.counts.get(TaskState.PENDING, 0) or job.counts.get(TaskState.HELD, 0):
                self._since.setdefault(job.name, time.monotonic())
            else:
                self._since.pop(job.name, None)

    def describe(self, names: Iterable[str]) -> str:
        """Return why the first of some jobs waits, as the middle of a sentence; empty when none does."""
        with self._lock:
            pending = [name for name in names if name in self._since]
        for name in pending[:MAX_JOBS]:
            reason = self._ask(name)
            if reason is not None:
                return _line(name, reason)
        return ""

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_S):
            now = time.monotonic()
            with self._lock:
                late = [name for name, since in self._since.items() if now - since >= PATIENCE_S][:MAX_JOBS]
            for name in late:
                reason = self._ask(name)
                told = self._told.get(name, set())
                if reason is not None and _key(reason) not in told and not self._stopping.is_set():
                    # the steps of an update wait for the same again and again
                    self._told[name] = {_key(reason)} | (told if _is_turn(reason) else set())
                    warn(_line(name, reason))

    def _ask(self, name: str) -> PendingReason | HeldReason | None:
        with suppress(OmegaError):  # who waits for the job is told of a lost cell by the watch
            detail = self._client.job(name, limit=1, stale=True)
            if detail.job.update is not None and detail.job.held is not None:
                return detail.job.held  # it says of the others, too, why they are not there
            return detail.pending or detail.job.held
        return None


def _key(reason: PendingReason | HeldReason) -> tuple[str, str]:
    """Return what makes a reason another one: not that it counts other machines, or more tasks that are done."""
    if isinstance(reason, HeldReason):
        waits = " ".join(f"{wait.job}#{wait.job_id} {wait.is_stuck}" for wait in reason.waits)
        return ("held", re.sub(r"\d+", "", reason.summary) if _is_turn(reason) else waits)
    return (reason.lacks[0].reason, reason.lacks[0].dimension) if reason.lacks else ("", reason.summary)


def _is_turn(reason: PendingReason | HeldReason) -> bool:
    """Whether it is held in an update, until its turn comes."""
    return isinstance(reason, HeldReason) and not reason.waits and not reason.lacks


def _line(name: str, reason: PendingReason | HeldReason) -> str:
    state = "held" if isinstance(reason, HeldReason) else "pending"
    return f"{name}: {reason.task_count} {state}: {reason.summary}"
