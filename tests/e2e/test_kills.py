"""kill -9 of anything, under load: nothing acknowledged is lost, nothing runs twice, everyone folds the same.

`KILL_ROUNDS=20 pytest tests/e2e/test_kills.py` is the whole promise; the seed is fixed, so a failure comes again.
"""

import os
import random
import signal
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from omegacell.api.cli.actions.stores import fold_again
from omegacell.api.client import Client
from omegacell.api.errors import ApiError
from omegacell.api.records import Submission
from omegacell.api.spec import parse_jobs
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.jobs import TaskState
from omegacell.core.outcomes import Status
from omegacell.store.engines import open_store
from omegacell.store.replica import Replica
from omegacell.store.sqlite_database import Access
from tests.e2e.looking import KILL_ROUNDS, await_seen, task_processes, task_supervisor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

SEED = 20_261_123
SHAPE = CellShape(schedulers="batch=2,service=1", simulated=20, name="kills")
VICTIMS = ("api", "agent", "simulated", "batch-0", "batch-1", "service-0", "up", "tasks")
REAL = (
    "name: x\ncount: 2\nresources: {cpu: 5m, memory: 4Mi}\nrestarts: {max: 50, delay: 100ms}\n"
    "task:\n  exec: {command: /bin/sleep, args: ['0.7']}\n"
)
PLAYED = "name: x\ncount: 40\nresources: {cpu: 3, memory: 8Gi}\ntask:\n  simulated: {duration: 300ms}\n"
SERVICE = (
    "name: x\nkind: service\ncount: 3\nresources: {cpu: 5m, memory: 4Mi}\nrestarts: {delay: 100ms}\n"
    "task:\n  exec: {command: /bin/sleep, args: ['100000']}\n"
)


@dataclass
class Load:
    """Submits jobs for as long as it is wanted, over whatever happens to the API, and keeps what was acknowledged."""

    address: str
    token: str
    acknowledged: dict[str, tuple[int, int]] = field(default_factory=dict)
    wanted: threading.Event = field(default_factory=threading.Event)
    failures: int = 0

    def run(self) -> None:
        (real,), (played,) = parse_jobs("real", REAL.encode()), parse_jobs("played", PLAYED.encode())
        number = 0
        with Client(self.address, self.token, timeout_s=5.0) as client:
            while not self.wanted.is_set():
                pattern = real if number % 2 else played
                self.submit(client, replace(pattern, spec=replace(pattern.spec, name=f"job-{number}")))
                number += 1
                self.wanted.wait(0.25)

    def submit(self, client: Client, submission: Submission) -> None:
        """Submit until it is acknowledged: the same again is safe."""
        while not self.wanted.is_set():
            try:
                done = client.submit(submission)
            except ApiError:
                self.failures += 1
                self.wanted.wait(0.1)
            else:
                self.acknowledged[submission.spec.name] = (done.job_id, done.revision)
                return


def kill_one(cell: EphemeralCell, victim: str) -> None:
    """Kill a process with SIGKILL and wait until another one is in its place."""
    if victim == "up":
        cell.kill()
        cell.start()
        return
    if victim == "tasks":
        before = task_supervisor(cell.state.path)
        os.kill(before, signal.SIGKILL)
        await_seen(lambda: task_supervisor(cell.state.path), lambda pid: pid not in (0, before))
        return
    before = cell.processes()[victim]
    os.kill(before, signal.SIGKILL)
    await_seen(lambda: cell.processes().get(victim, before), lambda pid: pid != before)


def is_reachable(cell: EphemeralCell) -> bool:
    try:
        return cell.client.status().can_write
    except ApiError:
        return False


def test_kills_lose_nothing(place: Path) -> None:
    """After every kill each attempt has at most one process, and work goes on; at the end the log tells one story."""
    rng = random.Random(SEED)
    cell = EphemeralCell(place / "kills", SHAPE)
    with cell:
        (service,) = parse_jobs("service", SERVICE.encode())
        cell.client.submit(replace(service, spec=replace(service.spec, name="steady")))
        load = Load(cell.client.address, (cell.state.path / "token").read_text().strip())
        thread = threading.Thread(target=load.run)
        thread.start()
        try:
            victims = [victim for _ in range(KILL_ROUNDS) for victim in rng.sample(VICTIMS, len(VICTIMS))][:KILL_ROUNDS]
            for victim in victims:
                count = len(load.acknowledged)
                kill_one(cell, victim)
                await_seen(lambda: is_reachable(cell), bool)
                await_seen(lambda: len(load.acknowledged), lambda now: now > count + 3)  # noqa: B023 -- called at once
                twice = {key: found for key, found in task_processes(cell.state.path).items() if found > 1}
                assert twice == {}, f"after {victim}"
        finally:
            load.wanted.set()
            thread.join()
        for name in load.acknowledged:
            job = cell.client.wait_job(name, until=lambda job: job.state.is_ended, timeout_s=120)
            assert job.counts.get(TaskState.SUCCEEDED, 0) == job.spec.count, job
        steady = cell.client.wait_job(
            "steady", until=lambda job: job.counts.get(TaskState.RUNNING, 0) == 3, timeout_s=60
        )
        assert steady.spec.count == 3
        await_seen(lambda: task_processes(cell.state.path).total(), lambda count: count == 3)
        live = cell.client.status()
        assert cell.stop() == 0
    check_log(cell, load, chain=live.chain, revision=live.at.revision)


def check_log(cell: EphemeralCell, load: Load, *, chain: bytes, revision: int) -> None:
    """Fold the log anew: everything acknowledged is in it, nothing is over-committed, every chain is the same."""
    with open_store(cell.state.store_url, access=Access.READ_ONLY) as store:
        facts, faults = fold_again(store)
        assert faults == []
        replica = Replica.at_oldest(store)
        seen_chain = None
        while (folded := replica.catch_up(1)).applied:
            machines = replica.cell.machines
            assert bool(np.all(machines.free[: machines.count] >= 0)), f"over-committed at {replica.revision}"
            assert [each.outcome.status for each in folded.applied if each.outcome.status is Status.MALFORMED] == []
            if replica.revision == revision:
                seen_chain = replica.chain
        assert seen_chain == chain, "the API folded another chain"
        assert replica.chain == Replica(store).chain == bytes.fromhex(str(facts["chain"]))
        assert replica.divergences == 0
        known = {replica.cell.jobs.by_name(name) for name in load.acknowledged}
        assert known == {job_id for job_id, _ in load.acknowledged.values()}
    assert len(load.acknowledged) >= 4 * KILL_ROUNDS
