"""What happens in the demo, step by step, and what is checked at each.

Every step looks at the cell as a user can: through the client, over HTTP, at files and processes of this machine.
"""

import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from omegacell.api.bench.host import percentile
from omegacell.api.cli.exits import CommandError
from omegacell.api.client import Client
from omegacell.api.demo import jobs
from omegacell.api.figures import ConflictQuery, ConflictRow, HistoryQuery, HistoryRow
from omegacell.api.records import Health, Job, JobState, Resources, Task
from omegacell.api.records_machines import MachineState
from omegacell.api.up.ephemeral import EphemeralCell
from omegacell.core.jobs import TaskState

SIMULATED: Final = 50
STEP_LIMIT_S: Final = 30.0
POLL_S: Final = 0.05
MAX_ROUNDS: Final = 40
MEASURED_JOBS: Final = 20
DRIVER: Final = "simulated"

_Seen = TypeVar("_Seen")


class Teller(Protocol):
    """Who tells the user how it goes."""

    def begin(self, title: str) -> None:
        """Say what happens now."""
        ...

    def check(self, name: str, detail: str, *, is_held: bool) -> None:
        """Say whether something that must hold does."""
        ...

    def tell(self, line: str) -> None:
        """Say something."""
        ...


@dataclass(slots=True)
class Record:
    """What the demo saw, for the table and for programs."""

    checks: list[dict[str, Any]] = field(default_factory=list)
    race: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def is_held(self) -> bool:
        """Whether everything that was checked held, and something was."""
        return bool(self.checks) and all(each["is_held"] for each in self.checks)


class Story:
    """The demo on one cell."""

    def __init__(self, cell: EphemeralCell, results: Path, teller: Teller) -> None:
        self.record = Record()
        self._cell = cell
        self._results = results
        self._teller = teller

    @property
    def _client(self) -> Client:
        return self._cell.client

    def check(self, name: str, *, is_held: bool, detail: str = "") -> None:
        """Note a check, and tell it."""
        self.record.checks.append({"name": name, "is_held": is_held, "detail": detail})
        self._teller.check(name, detail, is_held=is_held)

    def run(self) -> None:
        """Play all steps."""
        self._teller.begin("the machines join")
        self._see_machines()
        self._teller.begin("a service of 3 replicas and a batch job of 300 tasks, placed by two schedulers")
        self._client.submit(jobs.service_job())
        self._client.submit(jobs.batch_job(self._results))
        self._teller.begin("kill -9 of a scheduler while work goes on")
        self._kill_scheduler()
        self._teller.begin("results of 300 tasks")
        self._collect()
        self._teller.begin("the service answers HTTP; one replica is killed")
        self._kill_replica()
        self._teller.begin("two schedulers race for the last room")
        self._race()
        self._teller.begin(f"{MEASURED_JOBS} jobs of one task, one after the other")
        self._measure()
        self._teller.begin("the books")
        self._count()

    def _see_machines(self) -> None:
        machines = self._client.machines().machines
        up = sum(1 for machine in machines if machine.state is MachineState.UP)
        self.check("machines are up", is_held=up == SIMULATED + 1, detail=f"{up}: this one and {up - 1} simulated")

    def _kill_scheduler(self) -> None:
        """Kill the batch scheduler that works on the batch job, in the middle of it."""
        job = self._wait(jobs.BATCH_NAME, lambda job: _count(job, TaskState.SUCCEEDED) >= 30)
        places = self._client.history(HistoryQuery(job=jobs.BATCH_NAME, kind="place", limit=1)).rows
        name = places[0].author if places else "batch-0"
        before = self._cell.processes()[name]
        os.kill(before, signal.SIGKILL)
        done = _count(job, TaskState.SUCCEEDED)
        after = await_seen(lambda: self._cell.processes().get(name, before), lambda pid: pid != before)
        self.check(
            f"scheduler {name} was killed and started again",
            is_held=after != before and done < jobs.BATCH_COUNT,
            detail=f"pid {before}, then {after}, with {done} of {jobs.BATCH_COUNT} tasks done",
        )

    def _collect(self) -> None:
        job = self._wait(jobs.BATCH_NAME, lambda job: job.state.is_ended, limit_s=2 * STEP_LIMIT_S)
        succeeded = _count(job, TaskState.SUCCEEDED)
        self.check(
            "every task succeeded", is_held=succeeded == jobs.BATCH_COUNT, detail=f"{succeeded} of {jobs.BATCH_COUNT}"
        )
        found = {int(path.name): int(path.read_text()) for path in self._results.iterdir() if path.name.isdigit()}
        wrong = [index for index in range(jobs.BATCH_COUNT) if found.get(index) != jobs.expected_result(index)]
        self.check(
            "every result is right",
            is_held=not wrong and len(found) == jobs.BATCH_COUNT,
            detail=f"{sum(found.values())} primes below {jobs.BATCH_COUNT * jobs.NUMBERS_PER_TASK}"
            if not wrong
            else f"wrong or missing: {wrong[:5]}",
        )
        text = b"".join(part.data for part in self._client.logs(f"{jobs.BATCH_NAME}/7")).decode()
        self.check("a task's output can be read", is_held=text.startswith("task 7: "), detail=text.strip())

    def _kill_replica(self) -> None:
        self._wait(jobs.SERVICE_NAME, lambda job: job.healthy_count == jobs.SERVICE_COUNT)
        pids = self._ask_replicas(range(jobs.SERVICE_COUNT))
        detail = f"pids {sorted(pids.values())}"
        self.check("every replica answers HTTP", is_held=len(pids) == jobs.SERVICE_COUNT, detail=detail)
        victim = 1
        before = self._task(victim)
        os.kill(pids[victim], signal.SIGKILL)
        task = await_seen(lambda: self._task(victim), lambda task: _is_replaced(before, task))
        self._wait(jobs.SERVICE_NAME, lambda job: job.healthy_count == jobs.SERVICE_COUNT)
        again = self._ask_replicas([victim])
        detail = "not replaced"
        if task.last is not None and task.past:
            first = task.past[-1]
            gap_ms = (task.last.started_at_us - first.ended_at_us) // 1_000
            detail = f"attempt {first.attempt} ended by signal {first.signal}, the next one ran {gap_ms} ms later"
        is_replaced = _is_replaced(before, task) and task.past[-1].signal == signal.SIGKILL
        is_other = again.get(victim, pids[victim]) != pids[victim]
        self.check("a killed replica is replaced", is_held=is_replaced and is_other, detail=detail)

    def _task(self, index: int) -> Task:
        return self._client.job(jobs.SERVICE_NAME).tasks[index]

    def _ask_replicas(self, indices: Iterable[int]) -> dict[int, int]:
        """Ask replicas over HTTP for their process ids."""
        found = {}
        for index in indices:
            port = self._task(index).ports.get("http", 0)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5.0) as answer:
                name, pid = answer.read().decode().split()
            if name == f"{jobs.SERVICE_NAME}/{index}":
                found[index] = int(pid)
        return found

    def _race(self) -> None:
        """Leave room on one machine, and let two schedulers want it at the same moment, until they do."""
        machines = [each for each in self._client.machines().machines if DRIVER in each.drivers]
        room = Resources(cpu_milli=machines[0].capacity.cpu_milli, memory_bytes=machines[0].capacity.memory_bytes)
        self._client.submit(jobs.filler_job(room, len(machines) - 1))
        self._wait(jobs.FILLER_NAME, lambda job: _count(job, TaskState.RUNNING) == len(machines) - 1)
        conflict: ConflictRow | None = None
        for number in range(1, MAX_ROUNDS + 1):
            pair = jobs.racing_jobs(room, number)
            for submitted in self._client.submit_many(pair):
                if submitted.is_refused:
                    raise CommandError(f"{submitted.name} was refused: {submitted.message}")
            for each in pair:
                self._wait(each.spec.name, lambda job: job.state.is_ended)
            rows = self._client.conflicts(ConflictQuery(limit=100)).rows
            names = {each.spec.name for each in pair}
            conflict = next((row for row in rows if row.is_conflict and row.job in names), None)
            if conflict is not None:
                break
        self._client.stop(jobs.FILLER_NAME)
        if conflict is None:
            self.check("a conflict was refused and retried", is_held=False, detail=f"none in {MAX_ROUNDS} rounds")
            return
        self._show_race(conflict, number)

    def _show_race(self, conflict: ConflictRow, rounds: int) -> None:
        """Print winner, loser and retry from the log."""
        rows = self._client.history(HistoryQuery(kind="place", limit=1_000)).rows
        winner = next((row for row in rows if row.revision == conflict.taken_at), None)
        loser = next((row for row in rows if row.revision == conflict.revision), None)
        retries = [row for row in rows if row.revision > conflict.revision and conflict.job in row.jobs and row.granted]
        retry = min(retries, key=lambda row: row.revision, default=None)
        for role, row in (("wins", winner), ("loses", loser), ("tries again", retry)):
            if row is not None:
                self.record.race.append({"role": role, **_race_facts(row)})
                self._teller.tell(_describe(role, row, conflict))
        is_held = None not in (winner, loser, retry)
        self.check(
            "a conflict was refused and retried",
            is_held=is_held,
            detail=f"round {rounds}: {conflict.job} lost {conflict.machine} to {conflict.taken_by}",
        )

    def _measure(self) -> None:
        waits = []
        for number in range(MEASURED_JOBS):
            name = f"quick-{number}"
            submission = jobs.one_task_job(name)
            start = time.perf_counter()
            self._client.submit(submission)
            self._client.wait_job(name, until=_has_run, timeout_s=STEP_LIMIT_S)
            waits.append(1_000 * (time.perf_counter() - start))
            job = self._wait(name, lambda job: job.state.is_ended)
            if job.state is not JobState.SUCCEEDED:
                self.check(f"job {name} succeeds", is_held=False, detail=job.state.name.lower())
        self.record.figures["submit_to_running_p50_ms"] = round(percentile(waits, 50), 1)
        self.record.figures["submit_to_running_p99_ms"] = round(percentile(waits, 99), 1)

    def _count(self) -> None:
        schedulers = self._client.schedulers().schedulers
        reasons: dict[str, int] = {}
        for row in schedulers:
            for reason, count in row.refusals.items():
                reasons[reason.lower()] = reasons.get(reason.lower(), 0) + count
        self.record.figures |= {
            "placements": sum(row.placements for row in schedulers),
            "commits": sum(row.committed for row in schedulers),
            "conflicts": sum(row.conflicted for row in schedulers),
            "refused_claims_by_reason": reasons,
            "disagreements": sum(row.disagreed for row in schedulers),
        }
        workers = sorted(row.author for row in schedulers if row.placements)
        self.check(
            "batch and service work came from different schedulers",
            is_held=len({name.rpartition("-")[0] for name in workers}) >= 2,
            detail=", ".join(f"{row.author} {row.placements}" for row in schedulers if row.placements),
        )
        disagreements = self.record.figures["disagreements"]
        self.check("no claim was refused without a cause", is_held=not disagreements, detail=f"{disagreements} were")
        lost = [
            f"{job.name}/{task.index}"
            for job in self._client.jobs().jobs
            for task in self._client.job(job.name).tasks
            if any(each.state is TaskState.LOST for each in task.past)
        ]
        self.record.figures["lost_tasks"] = len(lost)
        self.check("nothing was lost", is_held=not lost, detail=f"{len(lost)} attempts")

    def _wait(self, name: str, until: Callable[[Job], bool], *, limit_s: float = STEP_LIMIT_S) -> Job:
        return self._client.wait_job(name, until=until, timeout_s=limit_s)


def await_seen(look: Callable[[], _Seen], until: Callable[[_Seen], bool]) -> _Seen:
    """Look until it is as wanted; return what was seen last, when it does not come to that."""
    deadline = time.monotonic() + STEP_LIMIT_S
    seen = look()
    while not until(seen) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        seen = look()
    return seen


def _count(job: Job, state: TaskState) -> int:
    return job.counts.get(state, 0)


def _has_run(job: Job) -> bool:
    return not _count(job, TaskState.PENDING) and not _count(job, TaskState.PLACED)


def _is_replaced(before: Task, now: Task) -> bool:
    """Whether another attempt than before is at work, and well."""
    is_well = now.state is TaskState.RUNNING and now.health is Health.HEALTHY
    return is_well and now.last is not None and before.last is not None and now.last.attempt > before.last.attempt


def _race_facts(row: HistoryRow) -> Mapping[str, Any]:
    return {
        "revision": row.revision,
        "author": row.author,
        "jobs": list(row.jobs),
        "seen": row.seen,
        "status": row.status.lower(),
        "granted": row.granted,
        "conflicts": row.conflicts,
    }


def _describe(role: str, row: HistoryRow, conflict: ConflictRow) -> str:
    words = f"revision {row.revision}: {row.author} {role}: {row.summary}, seen {row.seen}: {row.status.lower()}"
    if row.revision == conflict.revision:
        words += (
            f" ({conflict.reason.lower()}; {conflict.machine} was taken by {conflict.taken_by} at {conflict.taken_at})"
        )
    return words
