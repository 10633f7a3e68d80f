"""A whole simulation: the workload is submitted, instances decide, tasks run for as long as they do, metrics are kept.

Everything happens on one agenda, in integer microseconds, and follows from one seed. The cell is changed by
`omegacell.core.apply` alone, and decided on by `omegacell.schedulers.loop` alone. All jobs have one priority, so that
queues are first come, first served, as in the paper's simulators; there is no preemption, no machine fails, and tasks
use what they ask for.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import Int32s
from omegacell.core.commands import Place
from omegacell.core.jobs import WHOLE_JOB, JobSpec
from omegacell.core.jobs import Kind as CoreKind
from omegacell.core.units import Atomicity, Band, JobId
from omegacell.schedulers.interface import TaskGroup
from omegacell.schedulers.loop import Limits, LoopSettings
from omegacell.schedulers.shares import owner_of
from omegacell.simulator.agenda import Agenda
from omegacell.simulator.instances import Instance
from omegacell.simulator.labcell import TICK_US, LabCell, find_task_ends
from omegacell.simulator.machines import DRIVER, amounts_of, equal_machines
from omegacell.simulator.metrics import (
    SECOND,
    JobRecord,
    Metrics,
    Tally,
    summarise_scheduler,
    summarise_workload,
)
from omegacell.simulator.offers import Allocator
from omegacell.simulator.settings import Architecture, DecisionTime, Setup
from omegacell.simulator.thinking import Path, Thinking
from omegacell.simulator.workloads import Kind, SimulatedJob, Workload

MAX_ATTEMPTS: Final = 1_000
"""A job that is not placed after so many attempts is given up (Omega, section 4)."""

COLLECTED_EVERY: Final = 100_000
"""Objects that are made during a run before Python looks for garbage among them."""

OFFER_LIMITS: Final = Limits(decide_us=3_600 * SECOND)
"""A framework answers an offer once, for as many jobs as one append takes."""

_CORE_KINDS: Final = {Kind.BATCH: CoreKind.BATCH, Kind.SERVICE: CoreKind.SERVICE, Kind.PREFILL: CoreKind.BATCH}
_INSTANT: Final = DecisionTime(job_s=0.0, task_s=0.0)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Let Python look for garbage in cycles seldom: a run makes none, and looking takes a tenth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(before[0] and max(before[0], COLLECTED_EVERY), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Running(NamedTuple):
    """Tasks of one job that began together and end together: indices and machines, int32 columns."""

    job: JobId
    indices: Int32s
    machines: Int32s
    owner: Instance


class Simulation:
    """One run; see the module's docstring.

    >>> from omegacell.simulator.settings import CellShape
    >>> job = SimulatedJob(
    ...     number=1, kind=Kind.BATCH, submitted_s=1.0, task_count=3, duration_s=10.0, cpus=1.0, memory_gb=1.0
    ... )
    >>> setup = Setup(architecture=Architecture.SHARED_STATE, shape=CellShape(machines=2), run_s=60.0)
    >>> metrics = Simulation(setup, Workload.of([job])).run()
    >>> metrics.tasks_placed, metrics.schedulers[0].busy_s
    (3, 0.115)
    """

    def __init__(self, setup: Setup, workload: Workload, prefill: Workload | None = None) -> None:
        """Begin the cell, open sessions, and place the prefill before time begins.

        Raises:
            UsageError: the setup makes no simulation.
        """
        setup.check()
        self.setup = setup
        self.agenda: Agenda[int] = Agenda(0)
        capacity = amounts_of(setup.shape.cpus, setup.shape.memory_gb)
        self.lab = LabCell(equal_machines(setup.shape.machines, capacity))
        self.records: dict[JobId, JobRecord] = {}
        self._end_us = round(setup.run_s * SECOND)
        self._specs: dict[JobId, tuple[JobSpec, int]] = {}
        self._hopeless: list[JobId] = []
        self._owners: dict[JobId, Instance] = {}
        self._queues: dict[Kind, tuple[Instance, ...]] = {}
        is_offered = setup.architecture is Architecture.TWO_LEVEL
        self._allocator = Allocator(self.lab, self.agenda, setup.offers) if is_offered else None
        self.instances = self._make_instances()
        self._by_name = {instance.name: instance for instance in self.instances}
        self._names = {kind: tuple(sorted(instance.name for instance in queue)) for kind, queue in self._queues.items()}
        for instance in self.instances:
            instance.start()
        if prefill is not None and len(prefill):
            self._place_prefill(prefill)
        self._tasks_placed = 0
        self._cpu_held = self._cpu_time = self._cpu_since = 0
        self._cpu_held = self._allocated_cpu()
        # by time, and of one time in the order of the workload
        order = np.argsort(workload.submitted_s, kind="stable")
        jobs = list(workload)
        self._arrivals = iter([jobs[place] for place in order.tolist()])

    def run(self) -> Metrics:
        """Let everything happen until the end, and return what was measured."""
        self._await_arrival()
        self.agenda.enter(TICK_US, self._tick)
        with _collecting_seldom():
            self.agenda.run(until=self._end_us)
        self._note_cpu(0)
        capacity = int(self.lab.cell.machines.capacity[:, 0].sum()) * self._end_us
        records = list(self.records.values())
        return Metrics(
            simulated_s=self._end_us / SECOND,
            schedulers=tuple(summarise_scheduler(instance.tally) for instance in self.instances),
            workloads=tuple(summarise_workload(kind, records) for kind in (Kind.BATCH, Kind.SERVICE)),
            tasks_placed=self._tasks_placed,
            transactions=self.lab.cell.revision,
            mean_utilisation=self._cpu_time / capacity if capacity else 0.0,
        )

    # --- what instances need (`instances.Host`) ---

    def before_turn(self) -> None:
        """Give up jobs that were tried too often."""
        hopeless, self._hopeless = self._hopeless, []
        for job in hopeless:
            if self.lab.pending_of(job):
                self.lab.stop(job)
                self.records[job].is_abandoned = True
                if self._allocator is not None:
                    self._allocator.note_done(self._owners[job], job)

    def note_granted(self, instance: Instance, place: Place, granted: NDArray[np.intp]) -> None:
        """Let tasks run, and end together."""
        spec, duration_us = self._specs[place.job]
        running = Running(place.job, place.indices[granted], place.machines[granted], instance)
        self.agenda.enter(self.agenda.now + duration_us, self._end, running)
        record = self.records.get(place.job)
        if record is None:
            return
        self._tasks_placed += len(granted)
        self._note_cpu(spec.resources[0] * len(granted))
        if not self.lab.pending_of(place.job):
            record.scheduled_us = self.agenda.now
        if self._allocator is not None:
            self._allocator.note_held(instance, spec.resources, len(granted))
            if record.scheduled_us is not None:
                self._allocator.note_done(instance, place.job)

    def after_answer(self, instance: Instance) -> None:
        """Let an instance go on: with the next decision, or, on an offer, with giving it back."""
        if self._allocator is not None:
            self._allocator.release(instance)
        elif instance.has_more:
            instance.turn()
        else:
            instance.rest()

    # --- events ---

    def _await_arrival(self) -> None:
        job = next(self._arrivals, None)
        if job is not None:
            self.agenda.enter(max(self.agenda.now, round(job.submitted_s * SECOND)), self._arrive, job)

    def _arrive(self, job: SimulatedJob) -> None:
        """Submit a job and wake the instance in whose share it is."""
        self._await_arrival()
        queue = self._queues[job.kind]
        spec = self._spec_of(job, queue[0].loop.settings.scheduler)
        number = self._submit(spec, job)
        self.records[number] = JobRecord(job.kind, self.agenda.now)
        owner = self._by_name[owner_of(spec.name, self._names[job.kind])]
        self._owners[number] = owner
        if self._allocator is not None:
            self._allocator.note_work(owner, number)
        else:
            owner.wake()

    def _end(self, running: Running) -> None:
        """Let tasks end, and wake whoever waits for room."""
        self.lab.wall_us = self.agenda.now
        self.lab.end_tasks(find_task_ends(self.lab.cell, running.job, running.indices, running.machines))
        spec, _ = self._specs[running.job]
        self._note_cpu(-spec.resources[0] * len(running.indices))
        if self._allocator is not None:
            if running.job in self.records:
                self._allocator.note_held(running.owner, spec.resources, -len(running.indices))
            self._allocator.plan()
            return
        for instance in self.instances:
            if instance.loop.is_waiting_for_machines:
                instance.wake()

    def _tick(self, _: None) -> None:
        self.lab.tick()
        self.agenda.enter(self.agenda.now + TICK_US, self._tick)

    def _note_attempt(self, group: TaskGroup, began_us: int) -> None:
        record = self.records.get(group.job)
        if record is None:
            return
        record.attempts += 1
        if record.first_us is None:
            record.first_us = began_us
        if record.attempts >= MAX_ATTEMPTS:
            self._hopeless.append(group.job)

    # --- setting up ---

    def _make_instances(self) -> list[Instance]:
        setup, kinds = self.setup, (Kind.BATCH, Kind.SERVICE)
        match setup.architecture:
            case Architecture.MONOLITHIC_SINGLE | Architecture.MONOLITHIC_MULTI:
                instances = [self._make_instance("monolithic", 0, kinds)]
                self._queues = dict.fromkeys(kinds, tuple(instances))
            case Architecture.TWO_LEVEL | Architecture.SHARED_STATE:
                instances = []
                for kind in kinds:
                    first = len(instances)
                    numbers = range(first, first + setup.schedulers[kind])
                    own = [self._make_instance(kind.value.lower(), number, (kind,)) for number in numbers]
                    self._queues[kind] = tuple(own)
                    instances += own
        if self._allocator is not None:
            for instance in instances:
                self._allocator.add(instance)
        return instances

    def _make_instance(self, queue: str, number: int, kinds: tuple[Kind, ...]) -> Instance:
        setup = self.setup
        slowest = Kind.SERVICE if setup.architecture is Architecture.MONOLITHIC_SINGLE else None
        paths = {
            _CORE_KINDS[kind]: Path(plugin=setup.plugins[kind](), decision=setup.decision[slowest or kind])
            for kind in kinds
        }
        tally = Tally(f"{queue}-{number}", kinds, self._end_us)
        thinking = Thinking(paths, tally, on_attempt=self._note_attempt)
        if setup.architecture is Architecture.SHARED_STATE:
            thinking.detection = setup.detection
        limits = OFFER_LIMITS if self._allocator is not None else Limits()
        settings = LoopSettings(
            instance=tally.name, scheduler=queue, seed=setup.seed * 1_000 + number + 1, limits=limits
        )
        return Instance(self, thinking, settings, tally)

    def _place_prefill(self, prefill: Workload) -> None:
        """Place what stands in the cell before time begins, by an instance of its own that takes no time."""
        path = Path(plugin=self.setup.plugins[Kind.BATCH](), decision=_INSTANT)
        tally = Tally("prefill-0", (Kind.PREFILL,), 0)
        thinking = Thinking({CoreKind.BATCH: path}, tally, on_attempt=self._note_attempt)
        settings = LoopSettings(instance=tally.name, scheduler="prefill", seed=self.setup.seed * 1_000)
        for job in prefill:
            self._submit(self._spec_of(job, "prefill"), job)
        instance = Instance(self, thinking, settings, tally)
        instance.start()
        instance.leave()

    def _submit(self, spec: JobSpec, job: SimulatedJob) -> JobId:
        self.lab.wall_us = self.agenda.now
        number = self.lab.submit(spec)
        self._specs[number] = (spec, round(job.duration_s * SECOND))
        return number

    def _spec_of(self, job: SimulatedJob, queue: str) -> JobSpec:
        is_gang = self.setup.atomicity is Atomicity.ALL_OR_NOTHING and job.kind is not Kind.PREFILL
        return JobSpec(
            name=f"{job.kind.value.lower()}-{job.number}",
            owner="lab",
            kind=_CORE_KINDS[job.kind],
            scheduler=queue,
            band=Band.BATCH,
            priority=0,
            count=job.task_count,
            resources=amounts_of(job.cpus, job.memory_gb),
            driver=DRIVER,
            gang=WHOLE_JOB if is_gang else None,
        )

    def _allocated_cpu(self) -> int:
        machines = self.lab.cell.machines
        return int((machines.capacity[:, 0] - machines.free[:, 0]).sum())

    def _note_cpu(self, change: int) -> None:
        """Add up allocated CPU over time, then let it change."""
        now_us = self.agenda.now
        self._cpu_time += self._cpu_held * (now_us - self._cpu_since)
        self._cpu_since = now_us
        self._cpu_held += change
