"""Cordons and drains over the API: what is asked for, what is answered, and what is said of a drain that is kept."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest

from omegacell.api.client import Client
from omegacell.api.errors import ExitCode, NotFoundError, exit_code_of
from omegacell.api.figures import HistoryQuery
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.proto.api_v1_pb2_grpc import CellStub
from omegacell.api.records import Change
from omegacell.api.server.app import begin_cell
from omegacell.api.server.drains import view_drains
from omegacell.controllers.drain_progress import Hold, find_progress
from omegacell.core.commands import OpenSession
from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.jobs import Kind
from omegacell.core.machine_commands import Report, ReportKind
from omegacell.core.units import SECOND_US, JobId, Role
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell
from omegacell.store.engines import open_store
from omegacell.store.proposer import Proposal, Session
from omegacell.store.replica import Replica
from tests.api.serving import TOKEN, Served, job, serving, store_url
from tests.support.transcript_commands import read_command


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Give a server of a cell with three machines that nobody plays."""
    url = store_url(tmp_path)
    with open_store(url) as store:
        begin_cell(store, "cell")
        session = Session(Replica(store), OpenSession(author="setup", role=Role.API))
        machines = [read_command(f"register m{number} cpu=4000 memory=1000000000") for number in range(3)]
        session.submit([Proposal(commands=(machine,)) for machine in machines])
    with serving(url) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """Give a client of it."""
    with served.client() as opened:
        yield opened


def eligibilities(client: Client) -> list[Eligibility]:
    return [machine.eligibility for machine in client.machines().machines]


def test_machines_are_cordoned_drained_and_opened(client: Client) -> None:
    """All named ones at once, in one transaction; the others stay as they are; the answer shows them by row."""
    answer = client.set_eligibility(["m2", "m0", "m2"], Eligibility.CORDONED)
    assert [machine.name for machine in answer.machines] == ["m0", "m2"]
    assert eligibilities(client) == [Eligibility.CORDONED, Eligibility.OPEN, Eligibility.CORDONED]
    client.set_eligibility(["m0"], Eligibility.DRAINING)
    drain = client.machine("m0").machine.drain
    assert drain is not None
    assert (drain.is_done, drain.left_us, drain.blocks) == (True, -1, ())
    client.set_eligibility(["m0", "m2"], Eligibility.OPEN)
    assert eligibilities(client) == [Eligibility.OPEN] * 3
    assert client.machine("m0").machine.drain is None
    rows = client.history(HistoryQuery(kind="eligibility")).rows
    assert [row.summary for row in rows] == ["open: m0, m2", "draining: m0", "cordoned: m0, m2"]


def test_a_machine_that_is_not_there_refuses_all(client: Client) -> None:
    """Nothing is changed when one name is wrong, and it is named."""
    with pytest.raises(NotFoundError, match="no machine 'nope'") as raised:
        client.set_eligibility(["m0", "nope"], Eligibility.DRAINING)
    assert exit_code_of(raised.value) is ExitCode.NOT_FOUND
    assert eligibilities(client) == [Eligibility.OPEN] * 3
    with pytest.raises(NotFoundError, match="nope"):
        client.machines(["nope"])


def test_a_deadline_is_kept_set_and_taken_away(client: Client) -> None:
    """Draining again without a word about it leaves the deadline alone."""

    def left(deadline_us: int | None) -> int:
        [machine] = client.set_eligibility(["m1"], Eligibility.DRAINING, deadline_us=deadline_us).machines
        assert machine.drain is not None
        return machine.drain.left_us

    assert left(None) == -1
    assert left(3_600 * SECOND_US) == 3_600 * SECOND_US
    assert 3_500 * SECOND_US < left(None) <= 3_600 * SECOND_US
    assert left(-1) == -1
    assert left(0) == 0


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (pb.SetEligibilityRequest(eligibility=pb.ELIGIBILITY_CORDONED), "no machine is named"),
        (pb.SetEligibilityRequest(names=["m0"], eligibility=7), "eligibility 7"),  # type: ignore[arg-type]
        (pb.SetEligibilityRequest(names=["m0"], deadline_us=5), "only a drain has one"),
    ],
)
def test_what_makes_no_sense_is_refused(served: Served, request_: pb.SetEligibilityRequest, words: str) -> None:
    """A program that asks for it is told what is wrong."""
    with grpc.insecure_channel(served.running.address) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            CellStub(channel).SetEligibility(request_, metadata=(("authorization", f"Bearer {TOKEN}"),), timeout=10)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert words in str(raised.value.details())


def test_a_budget_is_adjusted_in_place(client: Client) -> None:
    """Another max_unavailable is no other job, even where replacing is allowed."""
    first = job("a", count=2)
    client.submit(first)
    other = replace(first, spec=replace(first.spec, max_unavailable=1), replace=True)
    done = client.submit(other)
    assert (done.change, client.job("a").job.spec.max_unavailable) == (Change.ADJUSTED, 1)
    assert client.submit(other).change is Change.UNCHANGED


# --- what is said


class Drained:
    """A cell in which the tasks of services run, and machine 0 drains."""

    def __init__(self) -> None:
        self.test = TestCell(machines=2, cpu_milli=2_000)
        self.test.join(ServiceScheduler())

    def run(self, name: str, *, count: int, cpu_milli: int, max_unavailable: int) -> JobId:
        job_id = self.test.submit(
            name, count=count, cpu_milli=cpu_milli, kind=Kind.SERVICE, max_restarts=-1, max_unavailable=max_unavailable
        )
        self.test.go()
        cell = self.test.operator.cell
        rows = np.flatnonzero((cell.tasks.machine >= 0) & (cell.tasks.state == 1))
        machines = cell.tasks.machine[rows].astype(np.int32)
        count = len(rows)
        self.test.operator.must(
            Report(
                machines=machines,
                epochs=cell.machines.epoch[machines],
                jobs=cell.jobs.id[cell.tasks.job[rows]],
                indices=(rows - cell.jobs.offset[cell.tasks.job[rows]]).astype(np.int32),
                attempts=cell.tasks.attempt[rows],
                kinds=np.full(count, ReportKind.STARTED, np.uint8),
                exit_codes=np.full(count, -1, np.int32),
                signals=np.zeros(count, np.uint8),
                notes=np.zeros(count, np.uint8),
                at_us=np.ones(count, np.int64),
            )
        )
        return job_id

    def summaries(self) -> list[str]:
        self.test.operator.port.catch_up()
        cell = self.test.operator.cell
        draining = np.flatnonzero(cell.machines.eligibility == Eligibility.DRAINING).tolist()
        return [block.summary for block in view_drains(cell, draining)[0].blocks]

    def drain(self) -> None:
        self.test.operator.must(SetEligibility(machines=(0,), eligibility=Eligibility.DRAINING))


def test_the_job_that_keeps_a_drain_for_ever_is_named() -> None:
    """With what it asks for, in the words of the job file."""
    drained = Drained()
    drained.run("rock", count=2, cpu_milli=1_000, max_unavailable=0)
    drained.drain()
    assert drained.summaries() == [
        "1 task of rock stays: the job allows no task to be unavailable (max_unavailable: 0)"
    ]


def test_a_job_with_a_task_that_fits_nowhere_says_what_machines_lack() -> None:
    """What keeps the drain is why the evicted task is pending."""
    drained = Drained()
    drained.run("web", count=4, cpu_milli=1_000, max_unavailable=1)
    drained.drain()
    assert drained.summaries() == [
        "1 task of web stays: the job allows 1 unavailable task at a time",
        "1 task of web leaves next",
    ]
    cell = drained.test.operator.cell
    index = int(np.flatnonzero(cell.tasks.machine == 0)[0])
    drained.test.operator.must(read_command(f"evict 1 {index}@1 cause=drain"))
    assert drained.summaries() == [
        "1 task of web stays: the job allows 1 unavailable task, and has 1: 1 ending",
        "1 task of web is ending, within a grace of 5 s",
    ]
    drained.test.operator.must(read_command(f"report exited,0:1,1/{index}@1,-1,15"))
    drained.test.go()
    [summary] = drained.summaries()
    assert summary == (
        "1 task of web stays: the job allows 1 unavailable task, and has 1:"
        " 1 pending (1 of 2 machines has too little cpu_milli free)"
    )


def test_a_drain_that_keeps_itself_says_so() -> None:
    """That no other machine takes the task, and why each does not."""
    drained = Drained()
    drained.test.add_machine("other", drivers=("simulated",))
    drained.test.operator.must(SetEligibility(machines=(1,), eligibility=Eligibility.CORDONED))
    drained.run("web", count=2, cpu_milli=1_000, max_unavailable=1)
    drained.drain()
    assert [block.hold for block in find_progress(drained.test.operator.cell, [0])[0].blocks] == [
        Hold.BUDGET,
        Hold.TURN,
    ]
    drained.test.operator.must(read_command("evict 1 0@1 cause=drain"))
    drained.test.operator.must(read_command("report exited,0:1,1/0@1,-1,15"))
    drained.test.go()
    assert drained.summaries() == [
        "1 task of web stays: the job allows 1 unavailable task, and no other machine takes web/0 as long as this drain"
        " lasts (of 1 open machine 1 does not offer the driver)"
    ]
