"""The conformance kit: try a scheduler on a real cell in memory, through the real loop, against itself.

    from omegacell.schedulers.testing import TestCell, check_conformance

    def test_my_scheduler():
        check_conformance(Mine)

`TestCell` is for tests of one's own; `check_conformance` holds any scheduler to what the loop expects: claims that the
judge grants when nothing else changed, gangs placed whole or not at all, nothing spins, one seed gives one run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.commands import StopJob, SubmitJob
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.errors import InvariantError, PluginError
from omegacell.core.invariants import check
from omegacell.core.jobs import WHOLE_JOB, Gang, JobSpec, Kind, Port, Stopping, TaskState
from omegacell.core.machine_commands import Report, ReportKind
from omegacell.core.outcomes import Reason
from omegacell.core.snapshots import digest
from omegacell.core.units import SECOND_US, Band, JobId, SessionId
from omegacell.core.waits import find_waiting
from omegacell.schedulers.actions import Action, Append, Folded, Wait
from omegacell.schedulers.interface import Scheduler, TaskGroup
from omegacell.schedulers.loop import Limits, Loop, LoopSettings
from omegacell.schedulers.memorycell import ManualClock, MemoryLog, MemoryPort, Operator
from omegacell.schedulers.runner import Runner
from omegacell.schedulers.statistics import LoopStatistics

GIB: Final = 1 << 30
MAX_STEPS: Final = 20_000
"""A run that takes more steps than this spins."""


@dataclass(slots=True, eq=False)
class Instance:
    """One instance of a scheduler in a run: its runner, what it wants to do next, and from when."""

    runner: Runner
    port: MemoryPort
    action: Action
    due_us: int | None = None

    @property
    def statistics(self) -> LoopStatistics:
        """What its loop has done."""
        return self.runner.loop.statistics


class TestCell:
    """A cell in memory with a few machines, virtual time, and schedulers that race on it.

    >>> from omegacell.schedulers.batch import BatchScheduler
    >>> test = TestCell(machines=2, cpu_milli=1_000)
    >>> job = test.submit("sums", count=3, cpu_milli=1_000)
    >>> test.run(BatchScheduler(), BatchScheduler())
    >>> test.placed(job), test.why(job)
    (2, '1 unplaced: 2 machines RESOURCES')
    """

    __test__ = False
    SCHEDULER: ClassVar[str] = "test"

    def __init__(
        self, *, machines: int = 4, cpu_milli: int = 4_000, memory_bytes: int = 16 * GIB, seed: int = 1
    ) -> None:
        """Begin a cell of equal machines ``m0``, ``m1``, ...; every random number of a run follows from ``seed``."""
        self.clock = ManualClock()
        self.log = MemoryLog()
        self.operator = Operator(self.log, self.clock)
        self.instances: list[Instance] = []
        self._seed = seed
        self._order = np.random.default_rng(seed)
        self._capacity = (cpu_milli, memory_bytes, 100 * GIB)
        for number in range(machines):
            self.add_machine(f"m{number}")

    def add_machine(
        self,
        name: str,
        *,
        cpu_milli: int | None = None,
        drivers: tuple[str, ...] = ("exec",),
        devices: tuple[DeviceOffer, ...] = (),
    ) -> int:
        """Add a machine like the others, or with another amount of CPU and with devices, and return its row."""
        cpu, *rest = self._capacity
        capacity = (cpu if cpu_milli is None else cpu_milli, *rest)
        return self.operator.add_machine(name, capacity=capacity, drivers=drivers, devices=devices)

    def submit(self, name: str, *, count: int = 1, cpu_milli: int = 100, **fields: Any) -> JobId:
        """Submit a job; ``fields`` are those of `JobSpec`."""
        spec = make_spec(name, count=count, cpu_milli=cpu_milli, **fields)
        return JobId(self.operator.must(SubmitJob(spec=spec, submitted_at_us=self.clock.wall_us())).value)

    def stop(self, job: JobId) -> None:
        """Stop a job."""
        self.operator.must(StopJob(job=job))

    def end(self, job: JobId, *, exit_code: int = 0, skew_us: int = 0) -> int:
        """Let every placed or running task of a job end with an exit code; return how many there were.

        Tasks that wait for room have not begun, and go on waiting. ``skew_us`` is by how much the clock of their
        machines is ahead.
        """
        self.operator.port.catch_up()
        cell = self.operator.cell
        row = cell.jobs.row_of(job)
        if row is None:
            return 0
        first = int(cell.jobs.offset[row])
        tasks = first + np.flatnonzero(cell.tasks.machine[first : first + int(cell.jobs.extent[row])] >= 0)
        tasks = tasks[~find_waiting(cell, tasks)]
        self._end_tasks(tasks, exit_code=exit_code, at_us=self.clock.wall_us() + skew_us)
        return len(tasks)

    def end_stopping(self) -> int:
        """Let every task end that was asked to, as after its grace period; return how many there were."""
        self.operator.port.catch_up()
        tasks = np.flatnonzero(self.operator.cell.tasks.stopping != Stopping.NO)
        self._end_tasks(tasks, exit_code=143, at_us=self.clock.wall_us())
        return len(tasks)

    def waiting(self, job: JobId) -> int:
        """Return how many placed tasks of a job wait until others have ended on their machine."""
        self.operator.port.catch_up()
        cell = self.operator.cell
        row = cell.jobs.row_of(job)
        if row is None:
            return 0
        first = int(cell.jobs.offset[row])
        return sum(first <= task < first + int(cell.jobs.extent[row]) for task in cell.tasks.waits)

    def _end_tasks(self, tasks: NDArray[np.int64], *, exit_code: int, at_us: int) -> None:
        cell, count = self.operator.cell, len(tasks)
        if not count:
            return
        machines, rows = cell.tasks.machine[tasks], cell.tasks.job[tasks]
        self.operator.must(
            Report(
                machines=machines.astype(np.int32),
                epochs=cell.machines.epoch[machines].astype(np.int32),
                jobs=cell.jobs.id[rows].astype(np.int64),
                indices=(tasks - cell.jobs.offset[rows]).astype(np.int32),
                attempts=cell.tasks.attempt[tasks].astype(np.int32),
                kinds=np.full(count, ReportKind.EXITED, np.uint8),
                exit_codes=np.full(count, exit_code, np.int32),
                signals=np.zeros(count, np.uint8),
                notes=np.zeros(count, np.uint8),
                at_us=np.full(count, at_us, np.int64),
            )
        )

    def join(
        self, scheduler: Scheduler, *, name: str | None = None, queue: str = SCHEDULER, limits: Limits | None = None
    ) -> Instance:
        """Let an instance of a scheduler join the cell; it does nothing until `go` or `turn`.

        Args:
            scheduler: what decides.
            name: the instance's name; one of its own when None.
            queue: the scheduler's name, as jobs give it in ``scheduler``.
            limits: the loop's limits, the usual ones when None.
        """
        number = len(self.instances)
        port = MemoryPort(self.log)
        delta = port.catch_up()
        settings = LoopSettings(
            instance=name or f"{queue}-{number}",
            scheduler=queue,
            seed=self._seed * 1_000 + number,
            limits=limits or Limits(),
        )
        draw_session = self._session_drawer(number)
        loop = Loop(scheduler, port.cell, settings=settings, clock=self.clock, draw_session=draw_session)
        instance = Instance(Runner(loop, port), port, loop.step(Folded(delta=delta)))
        self.instances.append(instance)
        return instance

    def go(self, *, for_us: int = 10 * SECOND_US) -> None:
        """Let all instances run, in a seeded order, until none has anything to do or the virtual time is over.

        An instance that has decided appends only when its next turn comes: in between others commit, and it may lose.

        Raises:
            InvariantError: they take more steps than any sane run, or what they made of the cell contradicts itself.
        """
        end_us = self.clock.monotonic_us() + for_us
        for _ in range(MAX_STEPS):
            ready = [each for each in self.instances if self._is_ready(each)]
            if ready:
                self.turn(ready[int(self._order.integers(len(ready)))])
                continue
            dues = [each.due_us for each in self.instances if each.due_us is not None]
            if not dues or min(dues) > end_us:
                self._check()
                return
            self.clock.advance(max(0, min(dues) - self.clock.monotonic_us()))
        raise InvariantError(f"still not at rest after {MAX_STEPS} steps: a scheduler or the loop spins")

    def turn(self, instance: Instance) -> None:
        """Let one instance perform what it wanted to, fold, and decide what it wants next."""
        assert isinstance(instance.action, Append | Wait), "a loop that is done takes no turn"
        instance.action = action = instance.runner.perform(instance.action)
        timeout_us = action.timeout_us if isinstance(action, Wait) else None
        instance.due_us = None if timeout_us is None else self.clock.monotonic_us() + timeout_us

    def run(self, *schedulers: Scheduler) -> None:
        """Let instances of schedulers join, and go."""
        for scheduler in schedulers:
            self.join(scheduler)
        self.go()

    def placed(self, job: JobId) -> int:
        """Return how many tasks of a job are placed or running."""
        return self.counts(job)[TaskState.PLACED] + self.counts(job)[TaskState.RUNNING]

    def counts(self, job: JobId) -> list[int]:
        """Return how many tasks of a job are in each state."""
        self.operator.port.catch_up()
        row = self.operator.cell.jobs.row_of(job)
        return [0] * len(TaskState) if row is None else [int(count) for count in self.operator.cell.jobs.counts[row]]

    def why(self, job: JobId) -> str:
        """Return why tasks of a job wait, as the log has it; empty when nothing is known."""
        self.operator.port.catch_up()
        row = self.operator.cell.jobs.row_of(job)
        said = None if row is None else self.operator.cell.jobs.why[row]
        if said is None:
            return ""
        reasons = [f"{lack.machine_count} machines {_reason_name(lack.reason)}" for lack in said.lacks]
        return f"{said.task_count} unplaced: " + ", ".join([*reasons, said.note] if said.note else reasons)

    def digest(self) -> bytes:
        """Return the digest of the cell at the head of the log."""
        self.operator.port.catch_up()
        return digest(self.operator.cell)

    def _is_ready(self, instance: Instance) -> bool:
        is_due = instance.due_us is not None and instance.due_us <= self.clock.monotonic_us()
        return isinstance(instance.action, Append) or instance.port.is_behind or is_due

    def _check(self) -> None:
        expected = self.digest()
        check(self.operator.cell)
        for instance in self.instances:
            if digest(instance.port.cell) != expected:
                raise InvariantError(f"the copy of {instance.runner.loop.settings.instance} differs from the others")

    def _session_drawer(self, number: int) -> Callable[[], SessionId]:
        drawn = iter(range(1_000 * (number + 1), 1_000 * (number + 2)))
        return lambda: SessionId(next(drawn))


def make_spec(name: str, *, count: int = 1, cpu_milli: int = 100, memory_bytes: int = 0, **fields: Any) -> JobSpec:
    """Return the spec of a job for `TestCell`; ``fields`` are those of `JobSpec`, ``is_gang`` for a whole job."""
    values: dict[str, Any] = {
        "owner": "tester",
        "kind": Kind.BATCH,
        "scheduler": TestCell.SCHEDULER,
        "band": Band.BATCH,
        "priority": 0,
        "driver": "exec",
        "resources": (cpu_milli, memory_bytes, 0),
    }
    if "is_gang" in fields:
        values["gang"] = WHOLE_JOB if fields.pop("is_gang") else None
    return JobSpec(name=name, count=count, **(values | fields))


def make_group(*, count: int = 1, job: int = 1, **fields: Any) -> TaskGroup:
    """Return a group of fresh pending tasks, for trying a scheduler by hand."""
    spec = make_spec("group", count=count, **fields)
    zeros = np.zeros(count, np.int32)
    indices = np.arange(count, dtype=np.int32)
    least = 1 if spec.gang is None else spec.gang.least_of(count)
    return TaskGroup(number=0, job=JobId(job), spec=spec, indices=indices, attempts=zeros, least=least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """What a scheduler did in the kit's scenarios, over all seeds.

    Attributes:
        decisions: how often it was asked.
        placed: tasks that it got placed.
        conflicts: decisions that lost to another instance.
    """

    decisions: int
    placed: int
    conflicts: int


def check_conformance(make: Callable[[], Scheduler], *, seeds: Sequence[int] = (1, 2, 3)) -> Conformance:
    """Hold a scheduler to what the loop expects of it.

    Args:
        make: makes an instance of it: the class.
        seeds: each is run twice and must give the same log.

    Returns:
        What it did, as numbers.

    Raises:
        PluginError: it failed, claimed what could not be granted, split a gang, or is not deterministic.
        InvariantError: it spins, or the cell contradicts itself.

    >>> from omegacell.schedulers.service import ServiceScheduler
    >>> check_conformance(ServiceScheduler).placed > 0
    True
    """
    decisions = placed = conflicts = 0
    for seed in seeds:
        first, again = _race(make, seed), _race(make, seed)
        if first.digest() != again.digest():
            raise PluginError(f"seed {seed} gave two different runs: take random numbers from ctx.rng only")
        _check_run(first, seed)
        decisions += sum(each.statistics.decisions for each in first.instances)
        conflicts += sum(each.statistics.conflicts for each in first.instances)
        placed += sum(each.statistics.granted for each in first.instances)
    return Conformance(decisions=decisions, placed=placed, conflicts=conflicts)


def _race(make: Callable[[], Scheduler], seed: int) -> TestCell:
    """Run three instances over more work than there is room for; jobs end, machines come, a gang is too large."""
    test = TestCell(machines=6, cpu_milli=4_000, seed=seed)
    test.add_machine("odd", drivers=("other",))
    test.add_machine("learns", devices=(DeviceOffer(name="gpu", count=3, attributes=(("model", "a100"),)),))
    for _ in range(3):
        test.join(make())
    jobs = [test.submit(f"job-{number}", count=1 + number % 5, cpu_milli=700 + 100 * number) for number in range(9)]
    jobs.append(test.submit("ports", count=2, ports=(Port(name="http"), Port(name="fixed", number=80))))
    for name, count in (("learn-0", 1), ("learn-1", 2)):
        jobs.append(test.submit(name, count=2, devices=(DeviceRequest(name="gpu", count=count),)))
    jobs.append(test.submit("gang", count=4, cpu_milli=900, is_gang=True, band=Band.PRODUCTION))
    jobs.append(test.submit("teams", count=5, cpu_milli=700, gang=Gang(size=3, least=2)))
    jobs.append(test.submit("vip", count=3, cpu_milli=1_500, band=Band.MONITORING))
    test.submit("too-large", count=99, cpu_milli=900, is_gang=True)
    test.go()
    for number, job in enumerate(jobs):
        test.end(job, exit_code=number % 2)
        test.end_stopping()
        test.add_machine(f"late-{number}")
        test.go()
    return test


def _check_run(test: TestCell, seed: int) -> None:
    for instance in test.instances:
        statistics, name = instance.statistics, instance.runner.loop.settings.instance
        if statistics.failures:
            reasons = {test.why(job) for job in test.operator.cell.jobs.ids()}
            failure = next((reason for reason in sorted(reasons) if "PLUGIN_FAILED" in reason), "see ctx.explain")
            raise PluginError(f"seed {seed}, {name}: failed {statistics.failures} times: {failure}")
        if statistics.disagreements or statistics.refused:
            raise PluginError(f"seed {seed}, {name}: {statistics.disagreements} disagreements with the judge")
    too_large = test.operator.cell.jobs.by_name("too-large")
    if too_large is not None and test.placed(too_large):
        raise PluginError(f"seed {seed}: placed {test.placed(too_large)} of a gang of 99 that has no room")


def _reason_name(reason: int) -> str:
    return Reason(reason).name
