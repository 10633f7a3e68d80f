"""Agents' streams as a pure machine, driven with the real judge and agents that do what they are told."""

import random
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.agent import messages as agent
from omegacell.api.server.link_columns import to_report
from omegacell.api.server.link_events import (
    Action,
    CellFolded,
    Closed,
    Drop,
    Hear,
    Opened,
    Propose,
    Said,
    Settled,
    Tell,
)
from omegacell.api.server.links import Links
from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import (
    Command,
    Evict,
    Genesis,
    OpenSession,
    Place,
    StopJob,
    SubmitJob,
    Transaction,
)
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import JobSpec, Kind, Port, Stopping, TaskState
from omegacell.core.machine_commands import ExitNote, LoseMachines, RegisterMachine, ReportKind
from omegacell.core.machines import MachineState
from omegacell.core.outcomes import Outcome, Status
from omegacell.core.units import FORMAT, RESOURCE_NAMES, RULES, Band, JobId, Revision, Role, SessionId

SESSION = SessionId(7)
INCARNATION = "ab" * 16
PAYLOAD = b"what it runs"


@dataclass(slots=True)
class FakeAgent:
    """An agent that does at once what it is told, and remembers what the cell has not folded yet.

    It passes for the real one in what `omegacell.agent.messages` promises: whole wanted states replace what it has,
    stops end what runs and forget what ended, ends are reported until they are folded.
    """

    stream: int
    names: tuple[str, ...]
    inbox: deque[agent.Down] = field(default_factory=deque)
    outbox: deque[agent.Up] = field(default_factory=deque)
    rows: dict[int, int] = field(default_factory=dict)
    running: dict[int, set[agent.AttemptKey]] = field(default_factory=dict)
    ended: dict[int, set[agent.AttemptKey]] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)
    folded_upto: int = 0
    batch: int = 0
    rejected: list[str] = field(default_factory=list)

    def register(self) -> None:
        self.outbox.append(agent.Register(machines=tuple(offer(name) for name in self.names)))

    def take(self, message: agent.Down) -> None:
        match message:
            case agent.Registered():
                self.rows.update(zip(message.rows, message.epochs, strict=True))
            case agent.Wanted():
                self.take_wanted(message)
            case agent.ReportsFolded():
                assert message.batch > self.folded_upto, "batches are acknowledged once, in order"
                self.folded_upto = message.batch
            case agent.Rejected():
                self.rejected += message.names
            case _:
                raise AssertionError(f"{message} was not expected")

    def take_wanted(self, wanted: agent.Wanted) -> None:
        starts = list(wanted.starts())
        for row in wanted.complete:
            self.told.add(row)
            wanted_here = {task.key for its_row, task in starts if its_row == row}
            for key in self.running.get(row, set()) - wanted_here:
                self.end(row, key, agent.ReportKind.SIGNALED, 15)
            self.ended[row] = self.ended.get(row, set()) & wanted_here
        for row, task in starts:
            assert row in self.told, "a machine is told everything before it is told changes"
            assert task.shape.payload == PAYLOAD
            assert [name for name, _ in task.ports] == list(task.shape.port_names)
            if task.key not in self.running.setdefault(row, set()) | self.ended.setdefault(row, set()):
                self.running[row].add(task.key)
                self.report(row, task.key, agent.ReportKind.STARTED, 0)
        for row, key in wanted.stops():
            if key in self.running.get(row, set()):
                self.end(row, key, agent.ReportKind.SIGNALED, 15)
            else:
                self.ended.get(row, set()).discard(key)

    def end(self, row: int, key: agent.AttemptKey, kind: agent.ReportKind, code: int) -> None:
        self.running[row].discard(key)
        self.ended.setdefault(row, set()).add(key)
        self.report(row, key, kind, code)

    def report(self, row: int, key: agent.AttemptKey, kind: agent.ReportKind, code: int) -> None:
        self.batch += 1
        one = agent.TaskReport(row=row, epoch=self.rows[row], key=key, kind=kind, code=code, at_us=5, message="")  # type: ignore[arg-type]
        self.outbox.append(agent.Reports.of(self.batch, [one]))


def offer(name: str) -> agent.MachineOffer:
    """Return what a machine offers."""
    return agent.MachineOffer(
        name=name, boot_id=f"boot of {name}", capacity=(4_000, 1 << 34, 1 << 34), drivers=("exec",)
    )


class World:
    """A cell, its links, and agents; proposals are applied when the world says so."""

    def __init__(self) -> None:
        self.cell = Cell()
        self.links = Links(payload_of=lambda spec: PAYLOAD, lease_us=1, heartbeat_us=1)
        self.agents: dict[int, FakeAgent] = {}
        self.proposals: deque[Propose] = deque()
        self.heard: list[tuple[int, int]] = []
        self.dropped: list[str] = []
        self.seq = 1
        self.next_stream = 1
        genesis = Genesis(
            format=FORMAT,
            rules=RULES,
            features=(),
            resource_names=RESOURCE_NAMES,
            cell="test",
            incarnation=INCARNATION,
            tick_period_us=1,
            session_ttl_us=10,
            forget_after_us=10,
        )
        apply(self.cell, Transaction(session=SessionId(1), seq=1, seen=Revision(0), commands=(genesis,)))
        opening = OpenSession(author="api-0", role=Role.API)
        apply(self.cell, Transaction(session=SESSION, seq=1, seen=Revision(1), commands=(opening,)))
        self.cell.drain_delta()

    def commit(self, command: Command) -> Outcome:
        self.seq += 1
        transaction = Transaction(session=SESSION, seq=self.seq, seen=self.cell.revision, commands=(command,))
        outcome = apply(self.cell, transaction)
        assert outcome.status is not Status.MALFORMED, command
        self.perform(self.links.step(CellFolded(delta=self.cell.drain_delta()), self.cell))
        return outcome

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell():
                    if action.stream in self.agents:
                        self.agents[action.stream].inbox.append(action.message)
                case Propose():
                    self.proposals.append(action)
                case Hear():
                    self.heard += action.machines
                case Drop():
                    self.dropped.append(action.reason)
                    self.close(action.stream)
                case _:
                    continue

    def settle(self) -> None:
        proposal = self.proposals.popleft()
        outcomes = tuple(self.commit(command) for command in proposal.commands)
        self.perform(self.links.step(Settled(token=proposal.token, outcomes=outcomes), self.cell))

    def open(self, *names: str) -> FakeAgent:
        opened = FakeAgent(self.next_stream, names)
        self.next_stream += 1
        self.agents[opened.stream] = opened
        self.perform(self.links.step(Opened(stream=opened.stream), self.cell))
        opened.register()
        return opened

    def close(self, stream: int) -> None:
        if self.agents.pop(stream, None) is not None:
            self.perform(self.links.step(Closed(stream=stream), self.cell))

    def send(self, sender: FakeAgent) -> None:
        message = sender.outbox.popleft()
        assert isinstance(message, agent.Register | agent.Heartbeat | agent.Reports)
        self.perform(self.links.step(Said(stream=sender.stream, message=message, can_append=True), self.cell))

    def deliver(self, receiver: FakeAgent) -> None:
        receiver.take(receiver.inbox.popleft())

    def run(self) -> None:
        """Let everything under way arrive."""
        for _ in range(10_000):
            agents = list(self.agents.values())
            if self.proposals:
                self.settle()
            elif talking := [each for each in agents if each.outbox]:
                self.send(talking[0])
            elif listening := [each for each in agents if each.inbox]:
                self.deliver(listening[0])
            else:
                return
        raise AssertionError("it does not come to rest")

    def submit(self, name: str, count: int, *, ports: int = 0) -> JobId:
        spec = JobSpec(
            name=name,
            owner="me",
            kind=Kind.SERVICE,
            scheduler="service",
            band=Band.BATCH,
            priority=0,
            count=count,
            resources=(100, 1 << 20, 0),
            driver="exec",
            ports=tuple(Port(name=f"p{number}") for number in range(ports)),
            max_restarts=-1,
        )
        return JobId(self.commit(SubmitJob(spec=spec, submitted_at_us=1)).value)

    def place(self, job: JobId, index: int, machine: int) -> Outcome:
        return self.commit(Place(job=job, indices=np.array([index], np.int32), machines=np.array([machine], np.int32)))

    def wanted(self, row: int) -> set[agent.AttemptKey]:
        """Return what the cell has on a machine."""
        found = set()
        for task in np.flatnonzero(self.cell.tasks.machine == row).tolist():
            job = int(self.cell.tasks.job[task])
            found.add(
                agent.AttemptKey(
                    job_id=JobId(int(self.cell.jobs.id[job])),
                    index=task - int(self.cell.jobs.offset[job]),
                    attempt=int(self.cell.tasks.attempt[task]),
                )
            )
        return found


def test_a_machine_registers_and_is_told_what_to_run() -> None:
    """A registration gives a row and an epoch; after its inventory the machine is up and told everything."""
    world = World()
    one = world.open("alpha")
    world.run()
    assert one.rows == {0: 1}
    assert world.cell.machines.state[0] == MachineState.UP
    assert one.told == {0}
    assert world.heard == [(0, 1)]


def test_a_placement_starts_and_its_end_is_let_go() -> None:
    """A placed task is started with its ports, its reports reach the cell, and its folded end is forgotten."""
    world = World()
    one = world.open("alpha")
    world.run()
    job = world.submit("a", 1, ports=2)
    world.place(job, 0, 0)
    world.run()
    key = agent.AttemptKey(job_id=job, index=0, attempt=1)
    assert one.running[0] == {key}
    assert world.cell.tasks.state[0] == TaskState.RUNNING
    one.end(0, key, agent.ReportKind.EXITED, 3)
    world.run()
    assert world.cell.tasks.exit_code[0] == 3
    assert one.ended[0] == set()
    assert one.folded_upto == one.batch


def test_a_task_stopped_before_its_machine_heard_of_it_ends() -> None:
    """A task that is placed and stopped in one fold is started and stopped, so that its end is reported."""
    world = World()
    world.open("alpha")
    world.run()
    job = world.submit("a", 1)
    for command in (
        Place(job=job, indices=np.array([0], np.int32), machines=np.array([0], np.int32)),
        StopJob(job=job),
    ):
        world.seq += 1
        apply(world.cell, Transaction(session=SESSION, seq=world.seq, seen=world.cell.revision, commands=(command,)))
    world.perform(world.links.step(CellFolded(delta=world.cell.drain_delta()), world.cell))
    world.run()
    assert world.cell.tasks.state[0] == TaskState.STOPPED


def test_a_lost_machine_registers_again() -> None:
    """A machine that is connected and declared lost is told to register, and what it ran elsewhere is stopped."""
    world = World()
    one = world.open("alpha")
    world.run()
    job = world.submit("a", 1)
    world.place(job, 0, 0)
    world.run()
    world.commit(LoseMachines(machines=(0,), by_operator=True))
    world.run()
    assert one.rejected == ["alpha"]
    assert world.cell.tasks.state[0] == TaskState.PENDING
    one.register()
    world.run()
    assert world.cell.machines.state[0] == MachineState.UP
    assert one.running[0] == set()


def test_a_second_registration_takes_the_machine() -> None:
    """A machine listens on the stream that registered it last; the older stream is told nothing of it any more."""
    world = World()
    old = world.open("alpha")
    world.run()
    new = world.open("alpha")
    world.run()
    job = world.submit("a", 1)
    world.place(job, 0, 0)
    world.run()
    assert not old.running.get(0)
    assert len(new.running[0]) == 1
    world.close(old.stream)
    assert world.links.stream_of(0) == new.stream


def test_what_was_held_of_another_log_does_not_count() -> None:
    """Attempts of another incarnation are no inventory: the cell's running attempts on that machine are lost."""
    world = World()
    world.open("alpha")
    world.run()
    job = world.submit("a", 1)
    world.place(job, 0, 0)
    world.run()
    key = agent.AttemptKey(job_id=job, index=0, attempt=1)
    for incarnation, expected in ((INCARNATION, TaskState.RUNNING), ("cd" * 16, TaskState.PENDING)):
        again = world.open("alpha")
        again.outbox.clear()
        held = agent.MachineOffer(
            name="alpha",
            boot_id="boot of alpha",
            capacity=(4_000, 1 << 34, 1 << 34),
            drivers=("exec",),
            held=(key,),
            held_states=(agent.HeldState.RUNNING,),
            incarnation=incarnation,
        )
        again.running[0] = {key}
        again.outbox.append(agent.Register(machines=(held,)))
        world.run()
        assert world.cell.tasks.state[0] == expected


def test_heartbeats_are_answered_only_by_who_can_append() -> None:
    """A heartbeat notes contact in any case, and is answered with a lease only while the server reaches the log."""
    world = World()
    one = world.open("alpha", "beta")
    world.run()
    world.heard.clear()
    beat = agent.Heartbeat(sent_boot_us=17, missing=(1,))  # type: ignore[arg-type]
    for can_append, answers in ((False, []), (True, [agent.Lease(sent_boot_us=17)])):
        world.perform(world.links.step(Said(stream=one.stream, message=beat, can_append=can_append), world.cell))
        assert list(one.inbox) == answers
    assert world.heard == [(0, 1), (0, 1)]


def test_machines_of_the_own_host_have_no_lease() -> None:
    """The boot that the server was told is its own gets no lease; every other machine gets the server's."""
    world = World()
    world.links = Links(payload_of=lambda spec: PAYLOAD, lease_us=9, heartbeat_us=1, own_boot_id="boot of alpha")
    leases = {}
    for name in ("alpha", "beta"):
        one = world.open(name)
        world.send(one)
        while world.proposals:
            world.settle()
        (leases[name],) = [said.lease_us for said in one.inbox if isinstance(said, agent.Registered)]
    assert leases == {"alpha": agent.NO_LEASE, "beta": 9}


def test_reports_of_many_streams_share_a_transaction() -> None:
    """While a report is under way, what others report waits, and goes into the next transaction together."""
    world = World()
    streams = [world.open(name) for name in ("alpha", "beta", "gamma")]
    world.run()
    job = world.submit("a", 3)
    for index in range(3):
        world.place(job, index, index)
    for each in streams:
        while each.inbox:
            world.deliver(each)
        world.send(each)
    assert [len(proposal.commands) for proposal in world.proposals] == [1]
    world.settle()
    [second] = world.proposals
    [report] = second.commands
    assert len(report.jobs) == 2  # type: ignore[union-attr]
    world.run()
    assert [each.folded_upto for each in streams] == [1, 1, 1]


def test_what_cannot_be_appended_is_said_again() -> None:
    """When the log takes nothing, registrations are rejected with the reason, and streams with reports are dropped."""
    world = World()
    one = world.open("alpha")
    world.send(one)
    failed = world.proposals.popleft()
    world.perform(world.links.step(Settled(token=failed.token, outcomes=None, reason="disk full"), world.cell))
    world.run()
    assert one.rejected == ["alpha"]
    one.register()
    world.run()
    job = world.submit("a", 1)
    world.place(job, 0, 0)
    world.deliver(one)
    world.send(one)
    failed = world.proposals.popleft()
    world.perform(world.links.step(Settled(token=failed.token, outcomes=None, reason="disk full"), world.cell))
    assert world.dropped == ["disk full"]


# agent's kind and code, expected: core's kind, exit code, signal, note
REPORTS = [
    (agent.ReportKind.STARTED, 0, ReportKind.STARTED, -1, 0, ExitNote.NONE),
    (agent.ReportKind.EXITED, 0, ReportKind.EXITED, 0, 0, ExitNote.NONE),
    (agent.ReportKind.EXITED, 255, ReportKind.EXITED, 255, 0, ExitNote.NONE),
    (agent.ReportKind.SIGNALED, 15, ReportKind.EXITED, -1, 15, ExitNote.NONE),
    (agent.ReportKind.OUT_OF_MEMORY, 0, ReportKind.EXITED, -1, 9, ExitNote.OUT_OF_MEMORY),
    (agent.ReportKind.FENCED, 0, ReportKind.EXITED, -1, 0, ExitNote.FENCED),
    (agent.ReportKind.TIME_LIMIT, 15, ReportKind.EXITED, -1, 15, ExitNote.TIME_LIMIT),
    (agent.ReportKind.TIME_LIMIT, 0, ReportKind.EXITED, -1, 0, ExitNote.TIME_LIMIT),
    (agent.ReportKind.UNKNOWN, 0, ReportKind.EXITED, -1, 0, ExitNote.UNKNOWN),
    (agent.ReportKind.START_FAILED, 2, ReportKind.EXITED, -1, 0, ExitNote.START_FAILED),
    (agent.ReportKind.HEALTHY, 0, ReportKind.HEALTHY, -1, 0, ExitNote.NONE),
    (agent.ReportKind.UNHEALTHY, 0, ReportKind.UNHEALTHY, -1, 0, ExitNote.NONE),
]


@pytest.mark.parametrize("row", REPORTS, ids=lambda row: f"{row[0].name} {row[1]}")
def test_what_agents_say_becomes_what_the_cell_judges(
    row: tuple[agent.ReportKind, int, ReportKind, int, int, ExitNote],
) -> None:
    """Every kind of report has one meaning for the cell."""
    kind, code, *expected = row
    key = agent.AttemptKey(job_id=JobId(3), index=1, attempt=2)
    one = agent.TaskReport(row=0, epoch=1, key=key, kind=kind, code=code, at_us=9, message="")  # type: ignore[arg-type]
    report = to_report([agent.Reports.of(1, [one])])
    columns = (report.kinds, report.exit_codes, report.signals, report.notes)
    assert [int(column[0]) for column in columns] == expected


def test_reports_out_of_range_are_refused() -> None:
    """Numbers that no agent sends end in an error that drops its stream, not in a wrong row."""
    key = agent.AttemptKey(job_id=JobId(3), index=1 << 40, attempt=2)
    one = agent.TaskReport(row=0, epoch=1, key=key, kind=agent.ReportKind.STARTED, code=0, at_us=9, message="")  # type: ignore[arg-type]
    with pytest.raises(MalformedError):
        to_report([agent.Reports.of(1, [one])])


def test_a_port_range_comes_from_the_machine() -> None:
    """A machine may say which ports the cell grants; a range that is none drops the stream with the reason."""
    for text, expected in (("", 20_000), ("4000-4010", 4_000)):
        world = World()
        one = world.open("alpha")
        one.outbox.clear()
        attributes = (("ports", text),) if text else ()
        one.outbox.append(
            agent.Register(
                machines=(agent.MachineOffer(name="alpha", boot_id="b", capacity=(1, 1, 1), attributes=attributes),)
            )
        )
        world.send(one)
        [registration] = world.proposals[0].commands
        assert isinstance(registration, RegisterMachine)
        assert registration.port_first == expected


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_machines_run_what_the_cell_wants(rng: random.Random) -> None:
    """Whatever happens in whatever order, once all has arrived every connected machine runs exactly what it should.

    And nothing that was asked to stop is left on a machine that is connected.
    """
    world = World()
    jobs: list[JobId] = []
    for step in range(80):
        disturb(world, rng, jobs, step)
        if rng.random() < 0.2:
            world.run()
    world.run()
    for _ in range(3):  # machines that were given up register again
        for each in list(world.agents.values()):
            if each.rejected:
                each.rejected.clear()
                each.register()
        world.run()
    for each in world.agents.values():
        for row in each.told:
            if world.links.stream_of(row) == each.stream:
                assert each.running.get(row, set()) == world.wanted(row)
                assert not each.ended.get(row), "what ended is let go"
    linked = [row for row in range(world.cell.machines.count) if world.links.stream_of(row) is not None]
    on_linked = np.isin(world.cell.tasks.machine, linked)
    assert not (on_linked & (world.cell.tasks.stopping != Stopping.NO)).any()
    assert world.dropped == []


def disturb(world: World, rng: random.Random, jobs: list[JobId], step: int) -> None:
    """Let one thing happen."""
    agents = list(world.agents.values())
    up = np.flatnonzero(world.cell.machines.state == MachineState.UP).tolist()
    match rng.randrange(12):
        case 0 if len(agents) < 4:
            world.open(*rng.sample(["alpha", "beta", "gamma", "delta"], rng.randint(1, 3)))
        case 1 if agents and rng.random() < 0.5:
            world.close(rng.choice(agents).stream)
        case 2:
            jobs.append(world.submit(f"job-{step}", rng.randint(1, 4), ports=rng.randint(0, 2)))
        case 3 | 4 if jobs and up:
            world.place(rng.choice(jobs), rng.randrange(4), rng.choice(up))
        case 5 if jobs:
            world.commit(StopJob(job=rng.choice(jobs)))
        case 6 if jobs:
            evicted = Evict(job=rng.choice(jobs), indices=np.array([0], np.int32), attempts=np.array([1], np.int32))
            world.commit(evicted)
        case 7 if up and rng.random() < 0.3:
            world.commit(LoseMachines(machines=(rng.choice(up),), by_operator=True))
        case 8 if world.proposals:
            world.settle()
        case 9 if any(each.outbox for each in agents):
            world.send(rng.choice([each for each in agents if each.outbox]))
        case 10 if any(each.inbox for each in agents):
            world.deliver(rng.choice([each for each in agents if each.inbox]))
        case 11:
            living = [(each, row, key) for each in agents for row in each.rows for key in each.running.get(row, ())]
            if living:
                each, row, key = rng.choice(sorted(living, key=lambda one: (one[0].stream, one[1], one[2])))
                each.end(row, key, agent.ReportKind.EXITED, rng.randrange(2))
        case _:
            return
