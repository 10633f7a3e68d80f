"""System jobs: a task on every matching machine, also on those that join later, and the controller that keeps it so."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from omegacell.controllers import system_jobs
from omegacell.controllers.keeper import Keeper
from omegacell.controllers.system_jobs import SystemJobs, find_due
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, SubmitJob
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.errors import PluginError
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import Kind, TaskState
from omegacell.core.machine_commands import LoseMachines, SetTaints
from omegacell.core.outcomes import Change
from omegacell.core.overlays import Overlay
from omegacell.core.placement import Neighbour, PlacementRules, Taint
from omegacell.core.units import TICK_PERIOD_US, JobId, SessionId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.claims import check_placement
from omegacell.schedulers.forking import Fork
from omegacell.schedulers.interface import Context, Placement, TaskGroup
from omegacell.schedulers.planning import Action, JobPlan, make_plan
from omegacell.schedulers.system import SystemScheduler
from omegacell.schedulers.testing import GIB, TestCell, make_group, make_spec
from omegacell.schedulers.view import CellView

IN_ZONE_A = PlacementRules(constraints=(Constraint(attribute="zone", operator=Operator.EQUAL, values=("a",)),))
DRAIN_KEY = Taint(key="dedicated", value="db")


class World:
    """A cell whose scheduler is the system scheduler, and the controller, which steps when told."""

    def __init__(self, *, machines: int = 3) -> None:
        self.test = TestCell(machines=machines, cpu_milli=1_000)
        self.test.join(SystemScheduler())
        self.controller = SystemJobs()

    @property
    def cell(self) -> Cell:
        return self.test.operator.cell

    def submit(self, name: str = "watch", **fields: Any) -> JobId:
        job = self.test.submit(name, **({"kind": Kind.SYSTEM, "cpu_milli": 400, "max_restarts": -1} | fields))
        self.test.go()
        return job

    def join(self, name: str, **attributes: str) -> int:
        pairs = tuple(sorted(attributes.items()))
        return self.test.operator.add_machine(name, capacity=(1_000, GIB, GIB), attributes=pairs)

    def set(self, eligibility: Eligibility, *rows: int) -> None:
        self.test.operator.must(SetEligibility(machines=rows, eligibility=eligibility, deadline_us=-1))

    def settle(self) -> list[Command]:
        """Let the controller and the scheduler go on until there is nothing to do; return what was proposed."""
        proposed: list[Command] = []
        for _ in range(10):
            self.test.operator.port.catch_up()
            commands = self.controller.step(self.cell)
            for command in commands:
                self.test.operator.must(command)
            proposed += commands
            self.test.go()
            if not commands:
                return proposed
        raise AssertionError(f"the controller never rests: {proposed[-3:]}")

    def states(self, job: JobId) -> str:
        """Give the states of a job's tasks, a letter each."""
        self.test.operator.port.catch_up()
        row = self.cell.jobs.row_of(job)
        assert row is not None
        first, extent = int(self.cell.jobs.offset[row]), int(self.cell.jobs.extent[row])
        letters = {TaskState.PENDING: "w", TaskState.PLACED: "P", TaskState.RUNNING: "R", TaskState.HELD: "h"}
        states = self.cell.tasks.state[first : first + extent].tolist()
        on = self.cell.tasks.machine[first : first + extent].tolist()
        assert all(machine in (-1, index) for index, machine in enumerate(on))
        return "".join(letters.get(TaskState(state), "-") for state in states)


def test_machines_that_join_later_get_the_task() -> None:
    """A task on each machine there is; a new machine gets one as soon as it is up, and only where it matches."""
    world = World()
    job, zoned = world.submit(), world.submit("zoned", placement=IN_ZONE_A)
    assert (world.states(job), world.states(zoned)) == ("PPP", "hhh")
    world.join("late-a", zone="a")
    world.join("late-b", zone="b")
    assert [type(each) for each in world.settle()].count(GrowSystemJob) == 2
    assert (world.states(job), world.states(zoned)) == ("PPPPP", "hhhPh")


def test_a_cell_without_machines_takes_a_system_job() -> None:
    """It has one task, held for a machine that is not there yet."""
    world = World(machines=0)
    job = world.submit()
    assert world.states(job) == "h"
    assert world.settle() == []
    world.join("first")
    world.settle()
    assert world.states(job) == "P"


def test_a_machine_that_is_lost_and_comes_back_gets_its_task_again() -> None:
    """While it is away its task is held, and nobody tries to place it."""
    world = World()
    job = world.submit()
    world.test.operator.must(LoseMachines(machines=(1,), by_operator=True))
    assert [type(each) for each in world.settle()] == [HoldTasks]
    assert world.states(job) == "PhP"
    world.join("m1")
    assert [type(each) for each in world.settle()] == [ReleaseTasks]
    assert world.states(job) == "PPP"


@pytest.mark.parametrize("eligibility", [Eligibility.CORDONED, Eligibility.DRAINING])
def test_a_closed_machine_begins_no_task_and_keeps_the_one_it_has(eligibility: Eligibility) -> None:
    """A task that runs stays until a drain evicts it; one that ended is held until the machine is open again."""
    world = World()
    job = world.submit()
    world.set(eligibility, 2)
    assert world.settle() == []
    assert world.states(job) == "PPP"
    world.test.end(job, exit_code=1)
    world.test.go()
    world.settle()
    assert world.states(job) == "PPh"
    world.set(Eligibility.OPEN, 2)
    world.settle()
    assert world.states(job) == "PPP"


def test_a_taint_keeps_away_what_waits_and_leaves_what_runs() -> None:
    """A taint that is not tolerated does not evict; a task that ended there is held until the taint is gone."""
    world = World()
    job = world.submit()
    world.test.operator.must(SetTaints(machines=(0,), add=(DRAIN_KEY,), remove=()))
    assert world.settle() == []
    world.test.end(job, exit_code=1)
    world.settle()
    assert world.states(job) == "hPP"
    world.test.operator.must(SetTaints(machines=(0,), add=(), remove=("dedicated",)))
    world.settle()
    assert world.states(job) == "PPP"


def test_what_has_no_room_says_why_of_its_own_machine_and_goes_when_that_one_has() -> None:
    """The reason counts the machines of the tasks that wait; room elsewhere wakes nobody, room there does."""
    world = World()
    world.test.join(BatchScheduler(), queue="batch")
    filler = world.test.submit("filler", count=3, cpu_milli=700, scheduler="batch")
    world.test.go()
    job = world.submit()
    assert world.states(job) == "www"
    assert world.test.why(job) == "3 unplaced: 3 machines RESOURCES"
    row = world.join("late")
    world.settle()
    assert world.states(job) == "wwwP"
    [system, *_] = world.test.instances
    decisions = system.statistics.decisions
    more = world.test.submit("more", cpu_milli=500, scheduler="batch")
    world.test.go()
    world.test.end(more)
    world.test.go()
    assert world.cell.machines.free[row, 0] > 0
    assert system.statistics.decisions == decisions
    world.test.stop(filler)
    world.test.end(filler)
    world.test.go()
    assert world.states(job) == "PPPP"
    assert world.test.why(job) == ""


def test_a_released_task_is_tried_though_another_is_held_meanwhile() -> None:
    """One task waits for room; in one delta it is held and another one released: as many wait, but not the same."""
    world = World()
    world.test.join(BatchScheduler(), queue="batch")
    world.set(Eligibility.CORDONED, 0, 1)
    world.test.submit("filler", cpu_milli=700, scheduler="batch")
    world.test.go()
    job = world.submit()
    assert world.states(job) == "hhw"
    world.set(Eligibility.OPEN, 0)
    world.set(Eligibility.CORDONED, 2)
    world.test.go()
    world.settle()
    assert world.states(job) == "Phh"


def test_a_job_that_must_stay_apart_keeps_a_system_job_away() -> None:
    """The rule of another job binds system jobs, too; their task is tried when that job has gone."""
    world = World(machines=2)
    world.test.join(BatchScheduler(), queue="batch")
    rules = PlacementRules(neighbours=(Neighbour(job="watch", is_apart=True),))
    alone = world.test.submit("alone", scheduler="batch", placement=rules)
    world.test.go()
    job = world.submit()
    assert sorted(world.states(job)) == ["P", "w"]
    assert world.test.why(job) == "1 unplaced: 1 machines NEIGHBOUR"
    world.test.stop(alone)
    world.test.end(alone)
    world.test.go()
    assert world.states(job) == "PP"


def test_a_thousand_full_machines_do_not_keep_the_last_one_waiting() -> None:
    """All tasks of a system job are decided on together, however few the loop takes of another job."""
    world = World(machines=0)
    for number in range(60):
        world.test.add_machine(f"m{number}", cpu_milli=100 if number < 59 else 1_000)
    [instance] = world.test.instances
    assert instance.runner.loop.settings.limits.claims > 0
    instance.runner.loop._limits = type(instance.runner.loop._limits)(claims=10)
    job = world.submit()
    assert world.states(job) == "w" * 59 + "P"


def test_a_plugin_that_puts_a_task_on_another_machine_is_named() -> None:
    """The slip is told before it becomes a refusal in the log."""

    class Rotating:
        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            [group] = pending
            machines = np.roll(group.indices, 1)
            return Placement(groups=np.zeros(group.count, np.int32), indices=group.indices, machines=machines)

    test = TestCell(machines=3)
    job = test.submit("watch", kind=Kind.SYSTEM)
    test.run(Rotating())
    assert "claims machine row 2 for watch/0, a task of a system job: it belongs to row 0" in test.why(job)


def test_the_system_scheduler_says_that_it_places_nothing_else() -> None:
    """A job of another kind that names it waits, with the reason."""
    test = TestCell(machines=3)
    job = test.submit("sort")
    test.run(SystemScheduler())
    assert "places system jobs only" in test.why(job)


def test_what_was_settled_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between changes a step costs no look at tasks; a proposal that came to nothing is made again."""
    world = World()
    world.submit()
    world.settle()
    looks: list[int] = []

    def note(cell: Cell, row: int) -> list[system_jobs.Proposed]:
        looks.append(row)
        return find_due(cell, row)

    monkeypatch.setattr(system_jobs, "find_due", note)
    assert world.controller.step(world.cell) == []
    assert not looks
    world.join("late")
    world.test.operator.port.catch_up()
    first = world.controller.step(world.cell)
    assert len(first) == 1
    assert len(world.controller.step(world.cell)) == len(first)
    assert len(looks) == 2


def test_a_plan_counts_the_machines_that_match() -> None:
    """On a fork the job has its tasks, those that match placed; the count is the cell's, also submitted again."""
    world = World()
    world.join("late-a", zone="a")
    world.test.operator.port.catch_up()
    submit = SubmitJob(spec=make_spec("watch", kind=Kind.SYSTEM, placement=IN_ZONE_A), submitted_at_us=1)

    def plan() -> JobPlan:
        world.test.operator.port.catch_up()
        fork = Fork(world.cell.clone(), clock=world.test.clock)
        clock = world.test.clock
        until_us = clock.monotonic_us() + 1_000_000
        return make_plan(fork, [submit], scheduler_of=lambda _: SystemScheduler(), clock=clock, until_us=until_us).jobs[
            0
        ]

    assert (plan().spec.count, plan().change) == (4, Change.CREATED)
    actions = [Action.HELD, Action.HELD, Action.HELD, Action.ADDED]
    assert (plan().tasks.actions.tolist(), plan().tasks.after.tolist()) == (actions, [-1, -1, -1, 3])
    world.test.operator.must(submit)
    world.test.go()
    world.join("late-b", zone="b")
    assert (plan().spec.count, plan().change, plan().before) == (4, Change.UNCHANGED, plan().spec)


def test_the_keeper_steps_system_jobs() -> None:
    """What an API server proposes once a tick includes what system jobs are due."""
    world = World()
    world.submit()
    keeper = Keeper(period_us=TICK_PERIOD_US, now_us=world.test.clock.monotonic_us())
    world.join("late")
    world.test.operator.port.catch_up()
    now_us = world.test.clock.monotonic_us()
    commands = keeper.step(world.cell, session=SessionId(1), now_us=now_us)
    assert [type(each) for each in commands] == [GrowSystemJob]


def test_checked_claims_of_a_system_job_may_leave_some_out() -> None:
    """Claims on own machines pass, in any number."""
    test = TestCell(machines=3)
    group = make_group(count=3, kind=Kind.SYSTEM)
    indices = np.array([0, 2], np.int32)
    placement = Placement(groups=np.zeros(2, np.int32), indices=indices, machines=indices)
    test.operator.port.catch_up()
    cell = test.operator.cell
    [claims] = check_placement(placement, [group], cell=cell, overlay=Overlay(cell))
    assert claims.machines.tolist() == [0, 2]
    moved = Placement(groups=np.zeros(2, np.int32), indices=indices, machines=indices[::-1].copy())
    with pytest.raises(PluginError, match="belongs to row 0"):
        check_placement(moved, [group], cell=cell, overlay=Overlay(cell))
