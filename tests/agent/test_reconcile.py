"""The pure reconciliation: whatever is dropped, restarted or said twice, its promises hold.

The machine below is a world around one `Reconciler`: a cell that wants attempts and folds reports, a supervisor that
runs them, and the two queues between. Hypothesis chooses what happens next: messages arrive late, twice or never, the
link breaks, agent and supervisor die and come back. At the end the world is left alone and must come to rest.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.agent.events import (
    Action,
    DropLink,
    End,
    Ended,
    Event,
    ForgetAttempt,
    HealthChanged,
    Held,
    Inventory,
    LinkClosed,
    LinkOpened,
    Persist,
    Remembered,
    RenewDeadline,
    SendRegister,
    SendReports,
    StartAttempt,
    Started,
    StopAttempt,
    SupervisorLost,
)
from omegacell.agent.messages import (
    ENDS,
    NO_LEASE,
    AttemptKey,
    Lease,
    Registered,
    Rejected,
    ReportKind,
    Reports,
    ReportsFolded,
    TaskShape,
    Wanted,
    WantedTask,
)
from omegacell.agent.reconcile import Reconciler
from omegacell.core.units import JobId, Revision
from tests.agent.cell_end import key_of

SHAPE = TaskShape(job_name="j", driver="exec", payload=b"", resources=(0, 0, 0))
ROW = 3


def registered(incarnation: str = "a", epoch: int = 1, lease_us: int = 1_000) -> Registered:
    return Registered(
        incarnation=incarnation, names=("m",), rows=(ROW,), epochs=(epoch,), lease_us=lease_us, heartbeat_us=100
    )


def wanted(
    revision: int,
    starts: tuple[AttemptKey, ...] = (),
    stops: tuple[AttemptKey, ...] = (),
    *,
    complete: bool = False,
    incarnation: str = "a",
) -> Wanted:
    return Wanted(
        incarnation=incarnation,
        revision=Revision(revision),
        complete=(ROW,) if complete else (),
        shapes=(SHAPE,),
        start_rows=(ROW,) * len(starts),
        start_shapes=(0,) * len(starts),
        start_job_ids=tuple(key.job_id for key in starts),
        start_indexes=tuple(key.index for key in starts),
        start_attempts=tuple(key.attempt for key in starts),
        stop_rows=(ROW,) * len(stops),
        stop_job_ids=tuple(key.job_id for key in stops),
        stop_indexes=tuple(key.index for key in stops),
        stop_attempts=tuple(key.attempt for key in stops),
    )


def ready(*held: Held, remembered: Remembered | None = None) -> Reconciler:
    """Return a reconciler that is registered and has an inventory."""
    reconciler = Reconciler("m", remembered or Remembered(incarnation="a"))
    for event in (Inventory(held=held), LinkOpened(), registered(), Lease(sent_boot_us=0)):
        reconciler.step(event)
    return reconciler


def steps(reconciler: Reconciler, *events: Event) -> list[Action]:
    return [action for event in events for action in reconciler.step(event)]


def names(actions: list[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


A1, A2, B1 = key_of(1, 0, 1), key_of(1, 0, 2), key_of(2, 0, 1)
EXIT = End(kind=ReportKind.EXITED, code=0, at_us=5)
RUNS = Held(key=A1, task=None, started_at_us=1, end=None)

# What has happened, and the names of the actions that the last event brings.
ROWS: list[tuple[str, tuple[Event, ...], list[str]]] = [
    ("a start is remembered first", (wanted(2, (A1,), complete=True),), ["Persist", "StartAttempt"]),
    ("a start said twice", (wanted(2, (A1,), complete=True), wanted(2, (A1,))), []),
    ("a change before the whole is known", (wanted(2, (A1,)),), []),
    ("another incarnation's", (wanted(2, (A1,), complete=True, incarnation="b"),), []),
    ("older than what is remembered", (wanted(5, complete=True), wanted(4, (A1,))), []),
    ("a stop", (wanted(2, (A1,), complete=True), wanted(3, (), (A1,))), ["Persist", "StopAttempt"]),
    (
        "a stop said twice",
        (wanted(2, (A1,), complete=True), wanted(3, (), (A1,)), wanted(3, (), (A1,))),
        [],
    ),
    (
        "a newer attempt waits for the older to end",
        (wanted(2, (A1,), complete=True), wanted(3, (A2,), (A1,))),
        ["Persist", "StopAttempt"],
    ),
    (
        "a newer attempt starts when the older has ended",
        (wanted(2, (A1,), complete=True), wanted(3, (A2,), (A1,)), Ended(key=A1, end=EXIT)),
        ["StartAttempt", "SendReports"],
    ),
    ("an older attempt never starts", (wanted(2, (A2,), complete=True), wanted(3, (A1,))), ["Persist"]),
    ("an end is reported", (wanted(2, (A1,), complete=True), Ended(key=A1, end=EXIT)), ["SendReports"]),
    (
        "an end said twice",
        (wanted(2, (A1,), complete=True), Ended(key=A1, end=EXIT), Ended(key=A1, end=EXIT)),
        [],
    ),
    (
        "folded and still wanted is kept",
        (wanted(2, (A1,), complete=True), Ended(key=A1, end=EXIT), ReportsFolded(batch=1)),
        [],
    ),
    (
        "folded and unwanted is forgotten",
        (wanted(2, (A1,), complete=True), Ended(key=A1, end=EXIT), ReportsFolded(batch=1), wanted(3, (), (A1,))),
        ["Persist", "ForgetAttempt"],
    ),
    (
        "folded and wanted again is reported again",
        (wanted(2, (A1,), complete=True), Ended(key=A1, end=EXIT), ReportsFolded(batch=1), wanted(3, (A1,))),
        ["Persist", "SendReports"],
    ),
    ("a lease moves the deadline", (Lease(sent_boot_us=50),), ["RenewDeadline"]),
    (
        "a fenced task waits for the first lease of a link",
        (LinkClosed(), LinkOpened(), registered(), wanted(2, (A1,), complete=True)),
        ["Persist"],
    ),
    (
        "the deadline is renewed before the fenced task starts",
        (LinkClosed(), LinkOpened(), registered(), wanted(2, (A1,), complete=True), Lease(sent_boot_us=50)),
        ["RenewDeadline", "StartAttempt"],
    ),
    ("a rejection drops the link", (Rejected(names=("m",), reason="no"),), ["DropLink"]),
    ("somebody else's rejection", (Rejected(names=("other",), reason="no"),), []),
    ("without a supervisor nothing starts", (SupervisorLost(), wanted(2, (A1,), complete=True)), ["Persist"]),
    (
        "a start that never reached the supervisor is made again",
        (wanted(2, (A1,), complete=True), SupervisorLost(), Inventory(held=())),
        ["RenewDeadline", "StartAttempt"],
    ),
    (
        "a running attempt whose record is gone has ended, nobody knows how",
        (wanted(2, (A1,), complete=True), Started(key=A1, at_us=1), SupervisorLost(), Inventory(held=())),
        ["RenewDeadline", "SendReports"],
    ),
    (
        "an unwanted attempt that was found is stopped",
        (Inventory(held=(RUNS,)), wanted(2, complete=True)),
        ["Persist", "StopAttempt"],
    ),
]


@pytest.mark.parametrize(("name", "events", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_decisions(name: str, events: tuple[Event, ...], expected: list[str]) -> None:
    """The last event of each row brings exactly these actions."""
    reconciler = ready()
    steps(reconciler, *events[:-1])
    assert names(reconciler.step(events[-1])) == expected


def test_registration_waits_for_the_inventory() -> None:
    """An agent registers only once it can say what it holds."""
    reconciler = Reconciler("m", Remembered())
    assert reconciler.step(LinkOpened()) == []
    (action,) = reconciler.step(Inventory(held=(RUNS,)))
    assert isinstance(action, SendRegister)
    assert [key for key, _ in action.held] == [A1]


def test_a_retired_incarnation_never_comes_back() -> None:
    """A server of a log that was left for another one is refused, by an agent restarted meanwhile as well."""
    reconciler = ready()
    actions = steps(reconciler, LinkClosed(), LinkOpened(), registered("b"))
    remembered = [action.remembered for action in actions if isinstance(action, Persist)][-1]
    assert remembered == Remembered(incarnation="b", revision=0, retired=("a",))
    again = Reconciler("m", remembered)
    assert names(steps(again, Inventory(held=()), LinkOpened(), registered("a"))) == ["SendRegister", "DropLink"]


def test_without_a_lease_there_is_no_deadline() -> None:
    """A registration without a lease lifts whatever deadline there is, and no heartbeat's answer sets one."""
    reconciler = Reconciler("m", Remembered(incarnation="a"))
    actions = steps(reconciler, Inventory(held=()), LinkOpened(), registered(lease_us=NO_LEASE), Lease(sent_boot_us=5))
    deadlines = [action.deadline_boot_us for action in actions if isinstance(action, RenewDeadline)]
    assert deadlines == [None]


def test_reports_carry_the_new_epoch_after_registering_again() -> None:
    """What was not folded is sent again under the epoch of the new registration."""
    reconciler = ready(RUNS)
    actions = steps(reconciler, LinkClosed(), LinkOpened(), registered(epoch=9))
    (sent,) = [action.reports for action in actions if isinstance(action, SendReports)]
    assert sent.epochs == (9,)


def test_only_the_last_verdict_on_health_is_kept_without_a_link() -> None:
    """An agent that is alone for days does not grow with every change of health."""
    reconciler = ready(RUNS)
    reconciler.step(ReportsFolded(batch=1))
    reconciler.step(LinkClosed())
    for number in range(100):
        reconciler.step(HealthChanged(key=A1, is_healthy=number % 2 == 0, at_us=number))
    assert reconciler.unfolded_count == 1


# --- the world


@dataclass
class Supervisor:
    """What a supervisor and the kernel keep; it survives the agent, and its own restarts."""

    records: dict[AttemptKey, End | None] = field(default_factory=dict)
    tasks: dict[AttemptKey, WantedTask] = field(default_factory=dict)
    terminated: set[AttemptKey] = field(default_factory=set)
    started: list[AttemptKey] = field(default_factory=list)

    def living(self) -> list[AttemptKey]:
        return [key for key, end in self.records.items() if end is None]


class World:
    """A cell, a link, an agent and a supervisor, with anything going wrong in any order."""

    def __init__(self) -> None:
        self.revision = 1
        self.epoch = 0
        self.assigned: set[AttemptKey] = set()  # what the cell has on this machine
        self.attempts: dict[tuple[int, int], int] = {}
        self.ended_in_cell: dict[AttemptKey, ReportKind] = {}
        self.supervisor = Supervisor()
        self.durable = Remembered()
        self.agent = Reconciler("m", self.durable)
        self.has_supervisor = False
        self.link: list[Event] | None = None  # to the agent; None when it is cut
        self.is_registered = False  # in the cell's eyes
        self.up: list[Reports] = []
        self.history: list[Wanted] = []
        self.to_do: list[Action] = []
        self.connect_supervisor()
        self.open_link()

    # --- the agent's side

    def feed(self, event: Event) -> None:
        for action in self.agent.step(event):
            match action:
                case Persist():
                    self.durable = action.remembered
                case SendRegister():
                    self.on_register()
                case SendReports():
                    assert self.link is not None, "reports go only over an open link"
                    self.up.append(action.reports)
                case DropLink():
                    raise AssertionError(action.reason)
                case RenewDeadline():
                    pass
                case StartAttempt() | StopAttempt() | ForgetAttempt():
                    self.to_do.append(action)

    def connect_supervisor(self) -> None:
        """The agent's connection to the supervisor breaks, with all that was to be done on it, and is made again."""
        if self.has_supervisor:
            self.feed(SupervisorLost())
        self.to_do = []
        self.has_supervisor = True
        held = [
            Held(key=key, task=self.supervisor.tasks[key], started_at_us=1, end=end)
            for key, end in self.supervisor.records.items()
        ]
        self.feed(Inventory(held=tuple(held)))

    def restart_agent(self) -> None:
        self.cut_link()
        self.agent = Reconciler("m", self.durable)
        self.has_supervisor = False
        self.connect_supervisor()

    def work(self) -> None:
        """The supervisor does the next thing asked of it."""
        if not self.to_do:
            return
        action = self.to_do.pop(0)
        if isinstance(action, StartAttempt):
            key = action.task.key
            if key not in self.supervisor.records:
                self.supervisor.records[key] = None
                self.supervisor.tasks[key] = action.task
                self.supervisor.started.append(key)
                self.feed(Started(key=key, at_us=1))
        elif isinstance(action, StopAttempt):
            self.supervisor.terminated.add(action.key)
        elif isinstance(action, ForgetAttempt):
            assert self.supervisor.records.get(action.key, EXIT) is not None, "forgot a running attempt"
            assert action.key in self.ended_in_cell, "forgot an end that the cell never heard of"
            self.supervisor.records.pop(action.key, None)

    def terminated_tasks_end(self) -> None:
        for key in sorted(self.supervisor.terminated & set(self.supervisor.living())):
            self.end(key, ReportKind.SIGNALED)

    def task_ends(self, number: int) -> None:
        living = self.supervisor.living()
        if living:
            self.end(living[number % len(living)], ReportKind.EXITED)

    def task_ends_unheard(self, number: int) -> None:
        """A task ends while no agent listens: only the record knows."""
        living = self.supervisor.living()
        if living:
            self.feed(SupervisorLost())
            self.supervisor.records[living[number % len(living)]] = EXIT
            self.connect_supervisor()

    def end(self, key: AttemptKey, kind: ReportKind) -> None:
        self.supervisor.terminated.discard(key)
        self.supervisor.records[key] = End(kind=kind, code=0, at_us=2)
        self.feed(Ended(key=key, end=End(kind=kind, code=0, at_us=2)))

    # --- the link

    def open_link(self) -> None:
        if self.link is None:
            self.link = []
            self.feed(LinkOpened())

    def cut_link(self) -> None:
        if self.link is not None:
            self.link = None
            self.is_registered = False
            self.up = []
            self.feed(LinkClosed())

    def go_on(self, count: int) -> None:
        """Nothing goes wrong for a while."""
        for _ in range(count):
            self.deliver()
            self.deliver_reports()
            self.work()

    def deliver(self) -> None:
        if self.link:
            message = self.link.pop(0)
            if isinstance(message, Wanted):
                self.history.append(message)
            self.feed(message)

    def deliver_reports(self) -> None:
        if self.up:
            self.on_reports(self.up.pop(0))

    def deliver_an_old_one_again(self, number: int) -> None:
        if self.link is not None and self.history:
            self.feed(self.history[number % len(self.history)])

    # --- the cell

    def place(self, number: int) -> None:
        """The cell places the next attempt of a task here, if it has none anywhere."""
        task = (number % 2 + 1, number // 2 % 2)
        if any((key.job_id, key.index) == task for key in self.assigned):
            return
        self.attempts[task] = self.attempts.get(task, 0) + 1
        key = AttemptKey(job_id=JobId(task[0]), index=task[1], attempt=self.attempts[task])
        self.assigned.add(key)
        self.revision += 1
        self.tell(wanted(self.revision, (key,)))

    def take_away(self, number: int) -> None:
        """The cell evicts a task, or counts it as lost and may place it again at once."""
        keys = sorted(self.assigned)
        if keys:
            key = keys[number % len(keys)]
            self.assigned.discard(key)
            self.revision += 1
            self.tell(wanted(self.revision, (), (key,)))
            if number >= 4:
                self.place(key.job_id - 1 + 2 * key.index)

    def on_register(self) -> None:
        assert self.link is not None
        self.epoch += 1
        self.is_registered = True
        everything = wanted(self.revision, tuple(sorted(self.assigned)), complete=True)
        self.link += [registered(epoch=self.epoch), everything, Lease(sent_boot_us=0)]

    def on_reports(self, reports: Reports) -> None:
        """Fold at once; the acknowledgement may be lost with the link."""
        assert self.link is not None
        for report in reports:
            if report.epoch != self.epoch:
                continue  # refused as stale; it is sent again under the new one, or was
            if report.kind in ENDS:
                self.ended_in_cell.setdefault(report.key, report.kind)
                if report.key in self.assigned:
                    self.assigned.discard(report.key)
                    self.revision += 1
                    self.tell(wanted(self.revision, (), (report.key,)))
        if set(reports.epochs) == {self.epoch}:
            self.link.append(ReportsFolded(batch=reports.batch))

    def tell(self, message: Wanted) -> None:
        if self.link is not None and self.is_registered:
            self.link.append(message)

    # --- promises

    def no_attempt_starts_twice(self) -> None:
        assert len(self.supervisor.started) == len(set(self.supervisor.started))

    def one_attempt_of_a_task_runs(self) -> None:
        tasks = [(key.job_id, key.index) for key in self.supervisor.living()]
        assert len(tasks) == len(set(tasks))

    def come_to_rest(self) -> None:
        """Left alone, the world comes to rest: exactly what is wanted runs, and every end was heard of."""
        self.open_link()
        for _ in range(1_000):
            self.terminated_tasks_end()
            if not self.to_do and not self.link and not self.up:
                break
            self.go_on(1)
        assert not self.to_do
        assert not self.link, "it never comes to rest"
        assert set(self.supervisor.living()) == self.assigned
        ended = {key for key, end in self.supervisor.records.items() if end is not None}
        assert ended == set(), "ends that nobody will ask for are forgotten"
        for key in self.supervisor.started:
            assert key in self.assigned or key in self.ended_in_cell, "an end was never reported"
        assert self.agent.unfolded_count == 0


# What can happen next, as often as it stands here; the number says to whom.
MOVES: list[Callable[[World, int], None]] = [
    *[lambda world, number: world.go_on(number + 1)] * 6,
    *[lambda world, number: world.place(number)] * 4,
    *[lambda world, number: world.take_away(number)] * 3,
    *[lambda world, number: world.task_ends(number)] * 3,
    lambda world, number: world.task_ends_unheard(number),
    lambda world, number: world.terminated_tasks_end(),
    lambda world, number: world.work(),
    lambda world, number: world.deliver(),
    lambda world, number: world.deliver_reports(),
    lambda world, number: world.deliver_an_old_one_again(number),
    lambda world, number: world.connect_supervisor(),
    lambda world, number: world.restart_agent(),
    lambda world, number: world.cut_link(),
    *[lambda world, number: world.open_link()] * 2,
]


def play_moves(moves: Iterable[tuple[int, int]]) -> None:
    world = World()
    for move, number in moves:
        MOVES[move](world, number)
        world.no_attempt_starts_twice()
        world.one_attempt_of_a_task_runs()
    world.come_to_rest()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(MOVES) - 1), st.integers(0, 7)), min_size=20, max_size=120))
def test_whatever_happens_the_promises_hold(moves: list[tuple[int, int]]) -> None:
    """No attempt starts twice, one of a task runs, every end is heard of, and nothing unwanted goes on."""
    play_moves(moves)


def test_the_promises_hold_in_long_histories() -> None:
    """The same over 200 long seeded histories, which reach deeper than drawn ones."""
    for seed in range(200):
        dice = random.Random(seed)
        play_moves((dice.randrange(len(MOVES)), dice.randrange(8)) for _ in range(200))
