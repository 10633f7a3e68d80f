"""The `simulated` driver: one process plays thousands of machines, and tasks that only take time.

The rules are those of `reconcile`, on plain dicts and columns: nothing older than what was seen is obeyed, of one task
one attempt runs, ends are reported until they are folded. A task runs for as long as its payload says, ends with the
exit code it says, and is healthy at once. Starting one costs a few microseconds, because a thousand machines' starts
come in one `Wanted` and leave in one `Reports`.

What a real machine does and this does not: remember anything after its process ended. Then all of its tasks are gone,
its boot id is new, and the cell hears of empty machines.

Pure: `Fleet` takes messages and times, and returns messages. The shell is `simulated_agent`.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from omegacell.agent.drivers.simulated_columns import Columns, SimulatedAttempt, Task, pick
from omegacell.agent.messages import (
    ENDS,
    MAX_REPORTS_PER_MESSAGE,
    NO_LEASE,
    AttemptKey,
    Down,
    HeldState,
    Lease,
    MachineOffer,
    Register,
    Registered,
    ReportKind,
    Reports,
    ReportsFolded,
    TaskShape,
    Up,
    Wanted,
)
from omegacell.agent.payload import SimulatedConfig, parse_payload
from omegacell.agent.supervisor.time_limits import describe_limit
from omegacell.core.errors import MalformedError
from omegacell.core.units import JobId, MachineRow

DRIVER_NAME: Final = "simulated"
_SIGTERM: Final = 15
_BUCKET_US: Final = 10_000
_OFFERS_PER_MESSAGE: Final = 1_000
_ENDS: Final = frozenset(int(kind) for kind in ENDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a shape's tasks will do: after a time, if ever, they end in a way."""

    duration_us: int
    end_kind: int
    end_code: int
    end_message: str
    has_health: bool
    failure: str


def _plan_end(config: SimulatedConfig, max_run_us: int, *, has_health: bool, failure: str) -> _Plan:
    """Return how tasks end: by themselves, or at their time limit, when they obey at once."""
    duration_us = config.duration_ms * 1000
    is_overtime = max_run_us > 0 and (duration_us < 0 or duration_us > max_run_us)
    return _Plan(
        duration_us=max_run_us if is_overtime else duration_us,
        end_kind=ReportKind.TIME_LIMIT if is_overtime else ReportKind.EXITED,
        end_code=_SIGTERM if is_overtime else config.exit_code,
        end_message=describe_limit(max_run_us) if is_overtime else "",
        has_health=has_health,
        failure=failure,
    )


class Fleet:
    """Many simulated machines over one link.

    Args:
        machines: what they offer; names are unique, nothing is held.
    """

    def __init__(self, machines: Sequence[MachineOffer]) -> None:
        self._offers = {offer.name: offer for offer in machines}
        self._names: dict[int, str] = {}
        self._epochs: dict[int, int] = {}
        self._tasks: dict[int, dict[Task, SimulatedAttempt]] = {}
        self._complete: set[int] = set()
        self._off: set[str] = set()
        self._revision = 0
        self._incarnation = ""
        self._lease_us = 0
        self._deadline_us: int | None = None
        self._is_open = False
        self._gathered = Columns()
        self._sent: dict[int, Reports] = {}
        self._next_batch = 1
        self._plans: dict[TaskShape, _Plan] = {}
        self._buckets: dict[int, list[SimulatedAttempt]] = {}
        self._due: list[int] = []

    # --- what happens

    def on_open(self) -> list[Up]:
        """A link is open: register every machine that is switched on."""
        self._is_open = True
        return self._register([name for name in self._offers if name not in self._off])

    def on_closed(self) -> None:
        """It is gone: what was not folded is sent again on the next."""
        self._is_open = False
        self._complete = set()
        self._epochs = {}
        later, self._gathered = self._gathered, Columns()
        for batch in sorted(self._sent):
            self._gathered.extend(self._sent.pop(batch))
        self._gathered.extend(later)

    def on_message(self, message: Down, now_us: int) -> list[Up]:
        """Take a message.

        Args:
            message: what came.
            now_us: wall stamp for reports, and the clock that tasks run by.
        """
        match message:
            case Registered():
                self._on_registered(message)
            case Wanted():
                self._on_wanted(message, now_us)
            case Lease():
                self._deadline_us = message.sent_boot_us + self._lease_us if self._lease_us != NO_LEASE else None
            case ReportsFolded():
                self._on_folded(message.batch)
            case _:
                return []
        return self._flush()

    def on_time(self, now_us: int, now_boot_us: int) -> list[Up]:
        """End the tasks whose time has come, and those whose machine has lost the cell for too long."""
        bucket = now_us // _BUCKET_US
        while self._due and self._due[0] <= bucket:
            for attempt in self._buckets.pop(heapq.heappop(self._due)):
                if attempt.is_running and self._find(attempt.row, attempt.task, attempt.number) is attempt:
                    if attempt.end_message:
                        self._gathered.messages[len(self._gathered.rows)] = attempt.end_message
                    self._end(attempt, kind=attempt.end_kind, code=attempt.end_code, at_us=now_us)
        if self._deadline_us is not None and now_boot_us >= self._deadline_us:
            self._deadline_us = None
            for tasks in self._tasks.values():
                for attempt in tasks.values():
                    if attempt.is_running and attempt.is_fenced:
                        self._end(attempt, kind=ReportKind.FENCED, code=0, at_us=now_us)
        return self._flush()

    def next_time_us(self) -> int | None:
        """Return when the next task ends, on the clock of ``now_us``, or None."""
        return self._due[0] * _BUCKET_US if self._due else None

    def switch_off(self, names: Iterable[str]) -> None:
        """Let machines vanish with all that runs on them, as a power failure would."""
        self._off.update(names)
        gone = set(self.missing_rows())
        kept = [place for place, row in enumerate(self._gathered.rows) if row not in gone]
        self._gathered = pick(self._gathered, kept)
        for row in gone:
            self._tasks.pop(row, None)
            self._complete.discard(row)
            self._epochs.pop(row, None)

    def switch_on(self, names: Sequence[str]) -> list[Up]:
        """Let machines come back, empty."""
        self._off.difference_update(names)
        return self._register(names) if self._is_open else []

    def missing_rows(self) -> tuple[MachineRow, ...]:
        """Return the rows of the machines that are switched off, for `Heartbeat`."""
        return tuple(MachineRow(row) for row, name in sorted(self._names.items()) if name in self._off)

    @property
    def running_count(self) -> int:
        """How many tasks run."""
        return sum(attempt.is_running for tasks in self._tasks.values() for attempt in tasks.values())

    # --- inside

    def _find(self, row: int, task: Task, number: int) -> SimulatedAttempt | None:
        tasks = self._tasks.get(row)
        attempt = tasks.get(task) if tasks is not None else None
        return attempt if attempt is not None and attempt.number == number else None

    def _register(self, names: Sequence[str]) -> list[Up]:
        rows = {name: row for row, name in self._names.items()}
        offers = [self._offer(self._offers[name], rows.get(name)) for name in names]
        pieces = (offers[start : start + _OFFERS_PER_MESSAGE] for start in range(0, len(offers), _OFFERS_PER_MESSAGE))
        return [Register(machines=tuple(piece)) for piece in pieces]

    def _offer(self, offer: MachineOffer, row: int | None) -> MachineOffer:
        tasks = self._tasks.get(row, {}) if row is not None else {}
        if not tasks:
            return offer
        held = tuple(
            AttemptKey(job_id=JobId(task[0]), index=task[1], attempt=attempt.number) for task, attempt in tasks.items()
        )
        states = tuple(HeldState.RUNNING if one.is_running else HeldState.ENDED for one in tasks.values())
        return replace(offer, held=held, held_states=states, incarnation=self._incarnation)

    def _on_registered(self, message: Registered) -> None:
        if message.incarnation != self._incarnation:
            self._incarnation = message.incarnation
            self._revision = 0
            self._tasks = {}
            self._sent = {}
            self._names = {}
        self._lease_us = message.lease_us
        for name, row, epoch in zip(message.names, message.rows, message.epochs, strict=True):
            if name in self._offers and name not in self._off:
                self._names[row] = name
                self._epochs[row] = epoch

    def _on_wanted(self, message: Wanted, now_us: int) -> None:
        if message.incarnation != self._incarnation or message.revision < self._revision:
            return
        self._revision = message.revision
        for row in message.complete:
            if row in self._epochs:
                self._complete.add(row)
                for attempt in self._tasks.get(row, {}).values():
                    attempt.is_wanted = False
        self._start_all(message, now_us)
        stops = zip(message.stop_rows, message.stop_job_ids, message.stop_indexes, message.stop_attempts, strict=True)
        for row, job_id, index, number in stops:
            stopped = self._find(row, (job_id, index), number)
            if stopped is not None:
                stopped.is_wanted = False
                self._settle_unwanted(stopped, now_us)
        for row in message.complete:
            for attempt in list(self._tasks.get(row, {}).values()):
                if not attempt.is_wanted:
                    self._settle_unwanted(attempt, now_us)

    def _start_all(self, message: Wanted, now_us: int) -> None:
        plans = [self._plan(shape) for shape in message.shapes]
        is_fenced = [shape.stop_on_partition for shape in message.shapes]
        columns = zip(
            message.start_rows,
            message.start_shapes,
            zip(message.start_job_ids, message.start_indexes, strict=True),
            message.start_attempts,
            strict=True,
        )
        for row, shape, task, number in columns:
            if row not in self._complete:
                continue
            tasks = self._tasks.setdefault(row, {})
            known = tasks.get(task)
            if known is not None and known.number >= number:
                if known.number == number:
                    self._want_again(known)
                continue
            if known is not None and known.is_running:
                self._end(known, kind=ReportKind.SIGNALED, code=_SIGTERM, at_us=now_us)
            attempt = tasks[task] = SimulatedAttempt(row, task, number, is_fenced=is_fenced[shape])
            self._begin(attempt, plans[shape], now_us)

    def _begin(self, attempt: SimulatedAttempt, plan: _Plan, now_us: int) -> None:
        gathered = self._gathered
        if plan.failure:
            gathered.messages[len(gathered.rows)] = plan.failure
            self._end(attempt, kind=ReportKind.START_FAILED, code=0, at_us=now_us)
            return
        gathered.add(attempt, kind=ReportKind.STARTED, code=0, at_us=now_us)
        if plan.has_health:
            gathered.add(attempt, kind=ReportKind.HEALTHY, code=0, at_us=now_us)
        if plan.duration_us >= 0:
            attempt.end_kind, attempt.end_code, attempt.end_message = plan.end_kind, plan.end_code, plan.end_message
            bucket = (now_us + plan.duration_us) // _BUCKET_US + 1
            if bucket not in self._buckets:
                self._buckets[bucket] = []
                heapq.heappush(self._due, bucket)
            self._buckets[bucket].append(attempt)

    def _want_again(self, attempt: SimulatedAttempt) -> None:
        attempt.is_wanted = True
        if not attempt.is_running and attempt.is_folded:
            # Folded and wanted all the same: the cell does not know of its end.
            attempt.is_folded = False
            self._gathered.add(attempt, kind=attempt.end_kind, code=attempt.end_code, at_us=attempt.ended_at_us)

    def _settle_unwanted(self, attempt: SimulatedAttempt, now_us: int) -> None:
        if attempt.is_running:
            self._end(attempt, kind=ReportKind.SIGNALED, code=_SIGTERM, at_us=now_us)
        elif attempt.is_folded:
            del self._tasks[attempt.row][attempt.task]

    def _end(self, attempt: SimulatedAttempt, *, kind: int, code: int, at_us: int) -> None:
        attempt.is_running = False
        attempt.end_kind, attempt.end_code, attempt.ended_at_us = kind, code, at_us
        self._gathered.add(attempt, kind=kind, code=code, at_us=at_us)

    def _plan(self, shape: TaskShape) -> _Plan:
        plan = self._plans.get(shape)
        if plan is not None:
            return plan
        failure = ""
        has_health = False
        config = SimulatedConfig()
        if shape.payload:
            try:
                payload = parse_payload(shape.payload)
                config = payload.simulated or config
                has_health = payload.health is not None
            except MalformedError as error:
                failure = str(error)
        plan = _plan_end(config, shape.max_run_us, has_health=has_health, failure=failure)
        if len(self._plans) >= 10_000:
            for old in list(islice(self._plans, 5_000)):
                del self._plans[old]
        self._plans[shape] = plan
        return plan

    def _on_folded(self, batch: int) -> None:
        reports = self._sent.pop(batch, None)
        if reports is None:
            return
        columns = zip(
            reports.rows,
            zip(reports.job_ids, reports.indexes, strict=True),
            reports.attempts,
            reports.kinds,
            strict=True,
        )
        for row, task, number, kind in columns:
            if kind not in _ENDS:
                continue
            attempt = self._find(row, task, number)
            if attempt is not None:
                attempt.is_folded = True
                if not attempt.is_wanted:
                    del self._tasks[row][task]

    def _flush(self) -> list[Up]:
        """Return what was gathered about machines that are registered; the rest waits until they are."""
        gathered = self._gathered
        if not self._is_open or not gathered.rows:
            return []
        if any(row not in self._epochs for row in gathered.rows):
            ready = [place for place, row in enumerate(gathered.rows) if row in self._epochs]
            waiting = [place for place, row in enumerate(gathered.rows) if row not in self._epochs]
            self._gathered = pick(gathered, waiting)
            gathered = pick(gathered, ready)
        else:
            self._gathered = Columns()
        messages: list[Up] = []
        for start in range(0, len(gathered.rows), MAX_REPORTS_PER_MESSAGE):
            part = slice(start, start + MAX_REPORTS_PER_MESSAGE)
            rows = tuple(gathered.rows[part])
            texts = [(place - start, text) for place, text in sorted(gathered.messages.items())]
            reports = Reports(
                batch=self._next_batch,
                rows=rows,
                epochs=tuple([self._epochs[row] for row in rows]),
                job_ids=tuple(gathered.job_ids[part]),
                indexes=tuple(gathered.indexes[part]),
                attempts=tuple(gathered.attempts[part]),
                kinds=tuple(gathered.kinds[part]),
                codes=tuple(gathered.codes[part]),
                at_us=tuple(gathered.at_us[part]),
                messages=tuple((place, text) for place, text in texts if 0 <= place < len(rows)),
            )
            self._sent[self._next_batch] = reports
            self._next_batch += 1
            messages.append(reports)
        return messages
