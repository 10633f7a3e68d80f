"""The other proposers: ticks with changes of contact, losses within the rule, expiries and forgetting, all bounded."""

import numpy as np

from omegacell.controllers.forgetting import JOBS_PER_STEP, find_forgettable
from omegacell.controllers.keeper import Keeper
from omegacell.controllers.losses import Losses, find_losses
from omegacell.controllers.sessions import SESSIONS_PER_STEP, find_expired
from omegacell.controllers.ticks import Ticker
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, ExpireSession, ForgetJob, OpenSession, Transaction
from omegacell.core.machine_commands import LoseMachines, Tick
from omegacell.core.machines import MachineState
from omegacell.core.outcomes import Outcome, Reason, Status
from omegacell.core.units import SECOND_US, SESSION_TTL_US, TICK_PERIOD_US, Revision, Role, SessionId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.testing import TestCell

SILENT_US = 6 * SECOND_US


class Server:
    """An API server: a session of its own on a test's log, and a ticker."""

    def __init__(self, test: TestCell, number: int = 100) -> None:
        self.test = test
        self.session = SessionId(number)
        self.seq = 0
        self.ticker = Ticker(period_us=TICK_PERIOD_US, silent_after_us=SILENT_US, now_us=self.now_us)
        self.do(OpenSession(author=f"api-{number}", role=Role.API))
        self.step()

    @property
    def cell(self) -> Cell:
        return self.test.operator.cell

    @property
    def now_us(self) -> int:
        return self.test.clock.monotonic_us()

    def do(self, command: Command) -> Outcome:
        self.seq += 1
        transaction = Transaction(session=self.session, seq=self.seq, seen=self.cell.revision, commands=(command,))
        [outcome] = self.test.operator.port.append([transaction])
        assert outcome is not None
        return outcome

    def hear(self, *machines: int) -> None:
        epochs = self.cell.machines.epoch[list(machines)]
        self.ticker.note_heard(machines, epochs=epochs, now_us=self.now_us)

    def step(self) -> Tick | None:
        self.test.operator.port.catch_up()
        return self.ticker.step(self.cell, session=self.session, now_us=self.now_us)

    def tick(self) -> Tick:
        """Let a period pass, and have the tick accepted."""
        self.test.clock.advance(TICK_PERIOD_US)
        tick = self.step()
        assert tick is not None
        assert self.do(tick).status is Status.COMMITTED
        assert self.step() is None
        return tick

    def contacts(self) -> list[int]:
        return [int(session) for session in self.cell.machines.contact_session]


def test_a_tick_is_due_once_a_period() -> None:
    """Not earlier; the next counts from when this one was folded; its duration is what passed here."""
    server = Server(TestCell(machines=0))
    assert server.step() is None
    server.test.clock.advance(TICK_PERIOD_US - 1)
    assert server.step() is None
    server.test.clock.advance(1)
    tick = server.step()
    assert tick is not None
    assert (tick.after, tick.dt_us) == (0, TICK_PERIOD_US)
    server.do(tick)
    assert server.step() is None
    assert server.ticker.next_due_us() == server.now_us + TICK_PERIOD_US
    assert server.cell.elapsed == TICK_PERIOD_US


def test_contact_is_named_when_it_begins_and_when_it_ends() -> None:
    """Machines heard all the time are named once; a silent one once more."""
    server = Server(TestCell(machines=3))
    server.hear(0, 1)
    tick = server.tick()
    assert (tick.gained.tolist(), tick.gained_epochs.tolist(), tick.lost_contact.tolist()) == ([0, 1], [1, 1], [])
    for _ in range(4):
        server.hear(0)
        tick = server.tick()
        if tick.lost_contact.tolist():
            break
        assert tick.gained.tolist() == []
    assert tick.lost_contact.tolist() == [1]
    assert server.contacts() == [server.session, 0, 1]
    server.hear(0)
    assert server.tick().lost_contact.tolist() == []


def test_a_stream_that_ended_is_lost_with_the_next_tick() -> None:
    """There is no need to wait for silence then."""
    server = Server(TestCell(machines=2))
    server.hear(0, 1)
    server.tick()
    server.ticker.note_gone([1, 17])
    assert server.tick().lost_contact.tolist() == [1]


def test_a_heartbeat_of_an_older_registration_gains_nothing() -> None:
    """The cell would ignore it, so it is not proposed."""
    server = Server(TestCell(machines=1))
    server.ticker.note_heard([0], epochs=[0], now_us=server.now_us)
    assert server.tick().gained.tolist() == []


def test_a_tick_that_came_too_late_loses_no_change() -> None:
    """Another server's tick was first: this one is refused, and the next names the same machines."""
    test = TestCell(machines=2)
    one, two = Server(test, 100), Server(test, 200)
    one.hear(0)
    two.hear(1)
    test.clock.advance(TICK_PERIOD_US)
    mine, yours = one.step(), two.step()
    assert mine is not None
    assert yours is not None
    assert one.do(mine).status is Status.COMMITTED
    assert two.do(yours).reason is Reason.STALE_TICK
    assert two.step() is None
    assert two.tick().gained.tolist() == [1]
    assert two.contacts() == [100, 200]


def test_a_machine_that_moved_to_another_server_is_let_go() -> None:
    """Two servers do not pull it to and fro: who heard it before lets go, until it hears it again."""
    test = TestCell(machines=1)
    one, two = Server(test, 100), Server(test, 200)
    one.hear(0)
    one.tick()
    two.step()
    two.hear(0)
    two.tick()
    assert two.contacts() == [200]
    one.step()
    assert one.tick().gained.tolist() == []
    assert one.contacts() == [200]
    two.step()
    assert two.tick().gained.tolist() == []
    one.step()
    one.hear(0)
    assert one.tick().gained.tolist() == [0]


def silent_cell(machines: int, silent: list[int]) -> TestCell:
    """Return a cell in which some machines were not heard for three ticks, the others by the operator."""
    test = TestCell(machines=machines)
    server = Server(test)
    server.hear(*range(machines))
    server.tick()
    for _ in range(8):
        server.hear(*[row for row in range(machines) if row not in silent])
        server.tick()
    return test


def test_silent_machines_are_given_up_and_not_before_three_ticks() -> None:
    """The proposal is granted as it stands."""
    test = TestCell(machines=40)
    server = Server(test)
    server.hear(*range(40))
    server.tick()
    server.ticker.note_gone([7])
    server.tick()
    server.tick()
    assert find_losses(server.cell).command is None
    server.hear(*[row for row in range(40) if row != 7])
    server.tick()
    losses = find_losses(server.cell)
    assert losses.command == LoseMachines(machines=(7,))
    assert test.operator.do(losses.command).status is Status.COMMITTED
    assert find_losses(server.cell).command is None


def test_no_more_are_proposed_than_the_rule_allows() -> None:
    """Of forty machines two may be lost at once; the others wait for an operator and are not asked for in vain."""
    test = silent_cell(40, [3, 5, 8, 13])
    losses = find_losses(test.operator.cell)
    assert losses.command == LoseMachines(machines=(3, 5))
    assert losses.waiting == (8, 13)
    test.operator.must(losses.command)
    losses = find_losses(test.operator.cell)
    assert (losses.command, losses.waiting) == (None, (8, 13))
    test.operator.must(LoseMachines(machines=(8, 13), by_operator=True))
    assert find_losses(test.operator.cell).waiting == ()


def test_machines_of_the_own_host_are_never_given_up() -> None:
    """Silent or not, they are neither proposed nor said to wait; machines of other hosts are lost as ever."""
    test = silent_cell(40, [3, 5])
    losses = find_losses(test.operator.cell, own_boot_id=test.operator.cell.machines.boot_ids[3])
    assert losses == Losses(command=LoseMachines(machines=(5,)), waiting=())


def test_the_longest_silent_machines_go_first() -> None:
    """When not all may be lost, the order is by silence."""
    test = TestCell(machines=40)
    server = Server(test)
    server.hear(*range(40))
    server.tick()
    server.ticker.note_gone([9])
    server.tick()
    server.ticker.note_gone([2, 4])
    for _ in range(3):
        server.hear(*[row for row in range(40) if row not in (2, 4, 9)])
        server.tick()
    assert find_losses(server.cell).command == LoseMachines(machines=(2, 9))


def test_sessions_that_are_over_are_expired_and_ones_own_is_not() -> None:
    """Each proposal is granted; a live session is left alone."""
    test = TestCell(machines=0)
    dead, own = Server(test, 100), Server(test, 200)
    for _ in range(SESSION_TTL_US // TICK_PERIOD_US):
        test.operator.tick()
    proposed = find_expired(test.operator.cell, own=own.session)
    assert proposed == [ExpireSession(session=dead.session)]
    assert test.operator.do(proposed[0]).status is Status.COMMITTED
    assert find_expired(test.operator.cell, own=own.session) == []


def test_one_step_expires_a_bounded_number_of_sessions() -> None:
    """A thousand dead sessions take several steps."""
    test = TestCell(machines=0)
    for number in range(SESSIONS_PER_STEP + 5):
        opening = OpenSession(author="crowd", role=Role.API)
        transaction = Transaction(session=SessionId(1_000 + number), seq=1, seen=Revision(0), commands=(opening,))
        test.operator.port.append([transaction])
    for _ in range(31):
        test.operator.tick()
    proposed = find_expired(test.operator.cell, own=SessionId(1))
    assert len(proposed) == SESSIONS_PER_STEP
    assert [each.session for each in proposed[:2]] == [1_000, 1_001]


def test_ended_jobs_are_forgotten_when_they_are_old_enough() -> None:
    """Neither a running job nor one that ended a moment ago; the proposal is granted."""
    test = TestCell(machines=4)
    done, running = test.submit("done"), test.submit("running")
    test.run(BatchScheduler())
    test.end(done)
    cell = test.operator.cell
    assert cell.genesis is not None
    ended = cell.elapsed
    while cell.elapsed < ended + cell.genesis.forget_after_us:
        assert find_forgettable(cell) == []
        test.operator.tick(2 * TICK_PERIOD_US)
    assert find_forgettable(cell) == [ForgetJob(job=done)]
    assert test.operator.do(ForgetJob(job=done)).status is Status.COMMITTED
    assert find_forgettable(cell) == []
    assert cell.jobs.row_of(running) is not None


def test_forgetting_is_bounded_and_begins_with_the_oldest() -> None:
    """A crowd of old jobs leaves over several steps."""
    test = TestCell(machines=0)
    jobs = [test.submit(f"job-{number}") for number in range(JOBS_PER_STEP + 5)]
    for job in reversed(jobs):
        test.stop(job)
    cell = test.operator.cell
    assert cell.genesis is not None
    while cell.elapsed < cell.genesis.forget_after_us:
        test.operator.tick(2 * TICK_PERIOD_US)
    proposed = find_forgettable(cell)
    assert len(proposed) == JOBS_PER_STEP
    assert len(set(proposed)) == JOBS_PER_STEP


def test_the_keeper_proposes_everything_that_is_due_once_a_tick() -> None:
    """What it proposes is granted, it says what waits for an operator, and between ticks it is silent."""
    test = silent_cell(40, [3, 5, 8])
    keeper = Keeper(period_us=TICK_PERIOD_US, now_us=test.clock.monotonic_us())
    own = SessionId(1)
    commands = keeper.step(test.operator.cell, session=own, now_us=test.clock.monotonic_us())
    assert commands == [LoseMachines(machines=(3, 5))]
    assert keeper.waiting_for_operator == (8,)
    assert keeper.step(test.operator.cell, session=own, now_us=test.clock.monotonic_us()) == []
    test.operator.must(commands[0])
    assert [int(test.operator.cell.machines.state[row]) for row in (3, 5, 8)] == [
        MachineState.DOWN,
        MachineState.DOWN,
        MachineState.UP,
    ]
    test.clock.advance(TICK_PERIOD_US)
    [tick] = keeper.step(test.operator.cell, session=own, now_us=test.clock.monotonic_us())
    assert isinstance(tick, Tick)
    assert test.operator.do(tick).status is Status.COMMITTED
    assert np.array_equal(tick.lost_contact, [])
