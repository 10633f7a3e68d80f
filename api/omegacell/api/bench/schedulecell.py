"""The cell of `omega bench schedule`: machines in zones and racks, some of them tainted, about 60 % of them taken.

For preemption what is left of it is filled with best-effort tasks.

It is a real cell in memory, changed only through `apply`. Everything in it follows from one seed. What is measured on
it stands in `schedule`.
"""

from collections.abc import Iterator
from dataclasses import replace
from signal import SIGTERM
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.api.bench.cellmaking import DRIVER, Author, genesis
from omegacell.api.cli.exits import CommandError
from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, ForgetJob, Place, StopJob, SubmitJob, Transaction
from omegacell.core.constraints import Constraint, Operator
from omegacell.core.jobs import JobSpec, Kind, Stopping
from omegacell.core.machine_commands import Inventory, RegisterMachine, Report, ReportKind, SetTaints, Tick
from omegacell.core.outcomes import Outcome
from omegacell.core.placement import NO_RULES, Affinity, Effect, PlacementRules, Spread, Taint
from omegacell.core.units import Band, JobId, Role, SessionId
from omegacell.schedulers.view import Tentative

SEED: Final = 1
FILL_PERCENT: Final = 60
ZONES: Final = 3
RACK: Final = 40
"""Machines in a rack."""

SPARED: Final = (1_000, 2 << 30, 0)
"""What each best-effort task holds of a cell that is full."""

PRESSING: Final = (1_500, 1 << 30, 0)
"""What a task asks for that finds no room there: two have to give way to it."""

CAPACITY: Final = (32_000, 128 << 30, 1 << 40)
TASK: Final = (100, 256 << 20, 0)
FILLERS: Final = ((1_000, 2 << 30, 0), (2_000, 12 << 30, 0), (4_000, 8 << 30, 0), (6_000, 16 << 30, 1 << 30))
TASKS_PER_FILLER: Final = 1_000
MOST_FILLERS: Final = 4_000
FORGET_AT: Final = 32
"""So many ended jobs are in the cell before they are forgotten."""

CONSTRAINTS: Final = (
    Constraint(attribute="arch", operator=Operator.EQUAL, values=("amd64",)),
    Constraint(attribute="kernel", operator=Operator.VERSION_GREATER_OR_EQUAL, values=("5.15",)),
    Constraint(attribute="rack", operator=Operator.NOT_GLOB, values=("r9*",)),
)
WISHES: Final = (
    Affinity(constraint=Constraint(attribute="disk", operator=Operator.EQUAL, values=("ssd",)), weight=50),
    Affinity(constraint=Constraint(attribute="rack", operator=Operator.GLOB, values=("r1*",)), weight=-20),
)


def rules_of(tasks: int, machines: int) -> dict[str, PlacementRules]:
    """Return the placement rules that are measured by name, for a job of so many tasks."""
    per_machine = max(2, -(-8 * tasks // machines))
    return {
        "plain": NO_RULES,
        "constraints": PlacementRules(constraints=CONSTRAINTS),
        "all rules": PlacementRules(
            constraints=CONSTRAINTS,
            max_per_machine=per_machine,
            spreads=(Spread(attribute="zone", max_skew=1),),
            affinities=WISHES,
        ),
    }


class BenchCell:
    """A cell, and who changes it: the API that takes jobs and reports, and one scheduler."""

    def __init__(self, machines: int) -> None:
        """Make machines, and place tasks until the cell is as full as it should be."""
        self.cell = Cell()
        self.rng = np.random.default_rng(SEED)
        self._api = Author("api-0", role=Role.API)
        self._scheduler = Author("batch-0")
        self._ended: list[JobId] = []
        first = replace(genesis(), forget_after_us=1)
        begin = Transaction(session=SessionId(1), seq=1, seen=self.cell.revision, commands=(first,))
        apply(self.cell, begin)
        for command in _machines(machines, self.rng):
            self.must(command)
        self._fill()
        self.cell.drain_delta()

    def must(self, command: Command) -> Outcome:
        """Change the cell as an API server does; what is refused ends the bench."""
        outcome = apply(self.cell, self._api.write(command, seen=self.cell.revision))
        if outcome.reason or len(outcome.refusals):
            raise CommandError(f"the cell of the bench refused {type(command).__name__}: {outcome.reason.name}")
        return outcome

    def submit(self, spec: JobSpec) -> JobId:
        """Submit a job and return its id."""
        return JobId(self.must(SubmitJob(spec=spec, submitted_at_us=1)).value)

    def write(self, place: Place) -> Transaction:
        """Return the transaction in which the scheduler claims machines."""
        return self._scheduler.write(place, seen=self.cell.revision)

    def fill_up(self) -> None:
        """Fill what is left of every machine with best-effort tasks, so that nothing finds room any more."""
        for number in range(MOST_FILLERS):
            spec = replace(make_job(f"spare-{number}", 1, NO_RULES, resources=SPARED), band=Band.BEST_EFFORT)
            room = Tentative(self.cell).overlay.room(spec)
            rows = np.repeat(np.arange(len(room)), room)[:TASKS_PER_FILLER].astype(np.int32)
            if not len(rows):
                return
            job = self.submit(replace(spec, count=len(rows)))
            indices = np.arange(len(rows), dtype=np.int32)
            apply(self.cell, self.write(Place(job=job, indices=indices, machines=rows)))
        raise CommandError(f"{MOST_FILLERS} jobs did not fill the cell of the bench: choose fewer --machines")

    def take_back(self, job: JobId) -> None:
        """Undo a job that pressed others: it stops before it began, and those who gave way end and begin again."""
        self.must(StopJob(job=job))
        tasks, jobs = self.cell.tasks, self.cell.jobs
        rows = np.flatnonzero(tasks.stopping != Stopping.NO)
        machines = tasks.machine[rows].astype(np.int32)
        self.must(self._report(rows, exit_code=-1, signal=SIGTERM))
        for row in np.unique(tasks.job[rows]).tolist():
            mine = tasks.job[rows] == row
            indices = (rows[mine] - int(jobs.offset[row])).astype(np.int32)
            place = Place(job=JobId(int(jobs.id[row])), indices=indices, machines=machines[mine])
            outcome = apply(self.cell, self.write(place))
            assert outcome.granted == len(indices), "what gave way has its room again"
        self._forget(job)

    def _report(self, rows: NDArray[np.int64], *, exit_code: int, signal: int = 0) -> Report:
        tasks, jobs, count = self.cell.tasks, self.cell.jobs, len(rows)
        machines, job_rows = tasks.machine[rows], tasks.job[rows]
        return Report(
            machines=machines.astype(np.int32),
            epochs=self.cell.machines.epoch[machines].astype(np.int32),
            jobs=jobs.id[job_rows].astype(np.int64),
            indices=(rows - jobs.offset[job_rows]).astype(np.int32),
            attempts=tasks.attempt[rows].astype(np.int32),
            kinds=np.full(count, ReportKind.EXITED, np.uint8),
            exit_codes=np.full(count, exit_code, np.int32),
            signals=np.full(count, signal, np.uint8),
            notes=np.zeros(count, np.uint8),
            at_us=np.full(count, 1, np.int64),
        )

    def end(self, job: JobId) -> None:
        """Let all tasks of a job that run succeed, so that the cell stays as full as it was."""
        cell = self.cell
        row = cell.jobs.row_of(job)
        assert row is not None, "the bench submitted it"
        first = int(cell.jobs.offset[row])
        extent = cell.tasks.machine[first : first + int(cell.jobs.extent[row])]
        rows = first + np.flatnonzero(extent >= 0)
        if len(rows):
            self.must(self._report(rows, exit_code=0))
        self._forget(job)

    def _forget(self, job: JobId) -> None:
        """Let jobs that ended leave the cell after a while, as they leave every cell: else it would only grow."""
        self._ended.append(job)
        if len(self._ended) < FORGET_AT:
            return
        machines, nobody = self.cell.machines, np.empty(0, np.int32)
        every = np.arange(machines.count, dtype=np.int32)
        epochs = machines.epoch.astype(np.int32)
        tick = Tick(after=self.cell.tick, dt_us=1, gained=every, gained_epochs=epochs, lost_contact=nobody)
        self.must(tick)
        for ended in self._ended:
            self.must(ForgetJob(job=ended))
        self._ended.clear()

    def _fill(self) -> None:
        """Place jobs of several shapes on random machines, one task on each at a time."""
        machines = self.cell.machines
        limit = int(machines.capacity[:, 0].sum()) * FILL_PERCENT // 100
        for number in range(MOST_FILLERS):
            taken = int(machines.capacity[:, 0].sum() - machines.free[:, 0].sum())
            resources = FILLERS[number % len(FILLERS)]
            count = min(TASKS_PER_FILLER, machines.count // 4, (limit - taken) // resources[0])
            if count < 1:
                return
            spec = make_job(f"filler-{number}", count, NO_RULES, resources=resources)
            job = self.submit(spec)
            room = Tentative(self.cell).overlay.room(spec)
            rows = self.rng.permutation(np.flatnonzero(room))[:count]
            indices = np.arange(len(rows), dtype=np.int32)
            outcome = apply(self.cell, self.write(Place(job=job, indices=indices, machines=rows.astype(np.int32))))
            assert outcome.granted == count, "there is room for a task on four machines of ten, and more"
        raise CommandError(f"{MOST_FILLERS} jobs did not fill the cell of the bench: choose fewer --machines")


def make_job(
    name: str, count: int, rules: PlacementRules, *, scheduler: str = "batch", resources: tuple[int, ...] = TASK
) -> JobSpec:
    """Return a job of the bench."""
    is_service = scheduler == "service"
    return JobSpec(
        name=name,
        owner="bench",
        kind=Kind.SERVICE if is_service else Kind.BATCH,
        scheduler=scheduler,
        band=Band.PRODUCTION if is_service else Band.BATCH,
        priority=0,
        count=count,
        resources=resources,
        driver=DRIVER,
        placement=rules,
    )


def _machines(count: int, rng: np.random.Generator) -> Iterator[Command]:
    """Yield what makes machines that are up: three zones, racks of `RACK`, a few taints."""
    none32, none64 = np.empty(0, np.int32), np.empty(0, np.int64)
    is_ssd, is_arm = rng.random(count) < 0.5, rng.random(count) < 0.1
    kernels = rng.choice(np.array(("5.10.0", "5.15.3", "6.1.0")), count)
    for row in range(count):
        attributes = (
            ("arch", "arm64" if is_arm[row] else "amd64"),
            ("disk", "ssd" if is_ssd[row] else "hdd"),
            ("kernel", str(kernels[row])),
            ("rack", f"r{row // RACK}"),
            ("zone", f"z{row // RACK % ZONES}"),
        )
        yield RegisterMachine(
            name=f"m{row}",
            boot_id="boot",
            capacity=CAPACITY,
            drivers=(DRIVER,),
            attributes=attributes,
            port_first=20_000,
            port_last=29_999,
        )
        yield Inventory(machine=row, epoch=1, jobs=none64, indices=none32, attempts=none32)
    marks = rng.permutation(count)
    kept, unloved = np.sort(marks[: count // 50]), np.sort(marks[count // 50 : count // 20])
    for rows, taint in (
        (kept, Taint(key="dedicated", value="gpu")),
        (unloved, Taint(key="old", effect=Effect.PREFER_NOT)),
    ):
        if len(rows):
            yield SetTaints(machines=tuple(rows.tolist()), add=(taint,))
