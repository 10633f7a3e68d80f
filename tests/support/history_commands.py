"""Random commands that nearly make sense, read off the slow twin's state at the time."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from omegacell.core.commands import (
    ActivateRules,
    CloseSession,
    Command,
    Evict,
    ExpireSession,
    ForgetJob,
    Genesis,
    Lack,
    Place,
    Reincarnate,
    Renew,
    Scheduling,
    StopJob,
    SubmitJob,
    Unplaced,
)  # fmt: skip
from omegacell.core.drains import Eligibility, EvictCause
from omegacell.core.jobs import Gang, JobSpec, Kind, Port, StopCause, TaskState
from omegacell.core.outcomes import Reason
from omegacell.core.placement import NO_RULES
from omegacell.core.units import FORMAT, RESOURCE_NAMES, RULES, SECOND_US, Band, JobId
from tests.support.history_allocs import SET_NAME, draw_alloc, find_busy, find_machines
from tests.support.history_devices import EAGER, draw_requests
from tests.support.history_drains import find_drained
from tests.support.history_holds import as_system, draw_after, draw_grow, draw_hold, draw_release
from tests.support.history_limits import draw_caps, draw_quota
from tests.support.history_machines import HAPPENED_AT_US, MachineWriter
from tests.support.history_placement import draw_placement
from tests.support.history_preemption import draw_preempting, find_pressing, write_cascade, write_contest
from tests.support.history_templates import draw_spawn, draw_template
from tests.support.history_updates import draw_policy, draw_step
from tests.support.oracle_state import Job, State
from tests.support.oracle_tasks import ACTIVE

JOB_NAMES = ("web", "sort", "a.b_c-1")
DRIVERS = ("exec", "simulated")
GANGS = (Gang(), Gang(), Gang(least=2), Gang(size=2), Gang(size=3, least=2), Gang(size=4, least=1))
STATIC_PORTS = (80, 80, 81, 8001)


class CommandWriter(MachineWriter):
    """Writes commands for one history."""

    def __init__(self, rng: random.Random, state: State) -> None:
        super().__init__(rng, state)
        self.writers: list[Callable[[], tuple[Command, ...]]] = [
            self.scheduling,
            lambda: (self.submit(),),
            lambda: (self.report(),),
            lambda: (self.tick(),),
            lambda: (self.register(),),
            lambda: (self.inventory(),),
            lambda: (self.lose(),),
            lambda: (self.taints(),),
            lambda: (self.set_eligibility(),),
            lambda: (StopJob(job=self.job_id(), cause=rng.choice((StopCause.ASKED, StopCause.DEADLINE))),),
            lambda: (ForgetJob(job=self.job_id()),),
            lambda: (Renew(),),
            lambda: (CloseSession(),),
            lambda: (ExpireSession(session=self.session()),),
            lambda: (Reincarnate(incarnation=f"{rng.getrandbits(64):032x}"),),
            lambda: (ActivateRules(rules=rng.choice((1, 2))),),
            lambda: (draw_quota(rng),),
            lambda: (draw_caps(rng),),
            lambda: (draw_release(rng, self.state, self.job_id()),),
            lambda: (draw_step(rng, self.state, self.job_id()),),
            lambda: (draw_spawn(rng, self.state, self.job_id(), at_us=HAPPENED_AT_US),),
            lambda: (draw_hold(rng, self.state, self.job_id()),),
            lambda: (draw_grow(rng, self.state, self.job_id()),),
            lambda: (self.press(),),
        ]
        self.weights = [40, 12, 18, 10, 4, 4, 4, 3, 9, 4, 4, 1, 1, 2, 0.5, 0.5, 4, 4, 6, 8, 5, 4, 4, 8]

    def genesis(self) -> Genesis:
        """Begin a cell, in which sessions, jobs and losses grow old fast or slowly."""
        return Genesis(
            format=FORMAT,
            rules=RULES,
            features=(),
            resource_names=RESOURCE_NAMES,
            cell="test",
            incarnation="0" * 31 + "1",
            tick_period_us=self.rng.choice((2, 2, 90)) * SECOND_US,
            session_ttl_us=self.rng.choice((5, 60, 400)) * SECOND_US,
            forget_after_us=self.rng.choice((1, 3 * SECOND_US, 100 * SECOND_US)),
        )

    def any(self) -> tuple[Command, ...]:
        """Write the commands of a transaction."""
        return self.rng.choices(self.writers, self.weights)[0]()

    def spec(self, name: str) -> JobSpec:
        """Write a job that wants little, but there is not much."""
        rng = self.rng
        names = rng.sample(("http", "admin", "x"), rng.choice((0, 0, 0, 1, 2, 3)))
        numbers = [rng.choice((0, 0, *STATIC_PORTS)) for _ in names]
        ports = [
            Port(name=each, number=number if number not in numbers[:at] else 0)
            for at, (each, number) in enumerate(zip(names, numbers, strict=True))
        ]
        spec = JobSpec(
            name=name,
            owner=rng.choice(("ada", "ada", "bob")),
            kind=rng.choice((Kind.BATCH, Kind.SERVICE)),
            scheduler=rng.choice(("batch", "batch", "service")),
            band=rng.choice((Band.BATCH, Band.BATCH, Band.BATCH, Band.PRODUCTION, Band.BEST_EFFORT, Band.MONITORING)),
            priority=rng.choice((0, 0, 1, 2)),
            count=rng.randint(1, 5),
            resources=(rng.randint(0, 3), rng.randint(0, 2), rng.choice((0, 0, 1))),
            driver=rng.choices(DRIVERS, (9, 1))[0],
            ports=tuple(ports),
            max_restarts=rng.choice((-1, 0, 1, 2)),
            placement=draw_placement(rng) if rng.random() < 0.35 else NO_RULES,
            devices=draw_requests(rng),
            max_unavailable=rng.choice((-1, 0, 1, 1, 2)),
            is_health_checked=rng.random() < 0.3,
            after=draw_after(rng, JOB_NAMES),
            update=draw_policy(rng),
            max_run_us=rng.choice((0, 0, 5_000_000)),
            deadline_us=rng.choice((0, 0, 3_000_000, 20_000_000)),
            gang=rng.choice(GANGS) if rng.random() < 0.3 else None,
        )
        if rng.random() < 0.15:
            return as_system(rng, spec)
        return (
            draw_alloc(rng, self.state, spec)
            if spec.name == SET_NAME or rng.random() < 0.6
            else draw_template(rng, spec)
        )

    def submit(self) -> SubmitJob:
        """Submit a new job, or one that is there again: the same, scaled, or another under its name."""
        rng = self.rng
        known = [job for job in self.state.jobs.values() if self.state.names.get(job.spec.name) == job.id]
        if known and rng.random() < 0.7:
            job = rng.choice(known)
            spec = replace(job.spec, count=rng.choice((job.count, rng.randint(1, 7), rng.randint(1, 7))))
            if spec.kind == Kind.SYSTEM:
                spec = as_system(rng, spec)
            if rng.random() < 0.2:
                spec = self.spec(job.spec.name)
            elif rng.random() < 0.1:
                spec = replace(spec, max_unavailable=rng.choice((-1, 0, 1, 2)))
            elif rng.random() < 0.2:
                spec = replace(spec, resources=self.spec(job.spec.name).resources)
            elif rng.random() < 0.1:
                spec = replace(spec, max_restarts=rng.choice((0, 1)), update=draw_policy(rng))
        else:
            spec = self.spec(SET_NAME if rng.random() < 0.15 else rng.choice(JOB_NAMES))
        stamp = HAPPENED_AT_US - rng.randint(-2_000_000, 2_000_000)
        chance = rng.random()
        return SubmitJob(spec=spec, submitted_at_us=stamp, replace=chance < 0.15, update=chance > 0.5)

    def scheduling(self) -> tuple[Command, ...]:
        """Write a transaction of a scheduler: claims mostly."""
        chance = self.rng.random()
        if find_drained(self.state) and self.rng.random() < 0.5:
            return (self.evict(),)
        busy = find_busy(self.state)
        if busy and self.rng.random() < 0.15:
            return self.evict_alloc(*self.rng.choice(busy))
        if chance < 0.6:
            return (self.place(),)
        if chance < 0.7:
            return (self.evict(),)
        if chance < 0.75:
            return (self.unplaced(),)
        makers: tuple[Callable[[], Scheduling], ...] = (self.place, self.place, self.place, self.evict, self.unplaced)
        return tuple(self.rng.choice(makers)() for _ in range(self.rng.randint(2, 3)))

    def evict_alloc(self, box: Job, index: int, guest: Job) -> tuple[Command, ...]:
        """Evict an alloc that has something inside, and claim room in it in the same transaction."""
        task, count = box.tasks[index], len(guest.tasks)
        evict = Evict(
            job=JobId(box.id), indices=np.array([index], np.int32), attempts=np.array([task.attempt], np.int32)
        )
        indices = np.array([self.rng.randrange(count)], np.int32)
        place = Place(job=JobId(guest.id), indices=indices, machines=np.array([max(0, task.machine)], np.int32))
        return self.rng.choice(((evict, place), (place, evict), (place, evict, place), (evict,)))

    def place(self) -> Place:
        """Claim machines for tasks, pending ones mostly; twice the same now and then."""
        rng = self.rng
        job_id = self.job_id()
        job = self.state.jobs.get(job_id)
        pending = [index for index, task in enumerate(job.tasks) if task.state == TaskState.PENDING] if job else []
        count = rng.choice((1, 1, 2, 3, 5))
        indices = rng.sample(pending, min(count, len(pending))) if rng.random() < 0.9 else []
        while len(indices) < count and (not indices or rng.random() < 0.1):
            indices.append(rng.randint(0, len(job.tasks) if job else 2))
        allocs = find_machines(self.state, job) if rng.random() < 0.85 else []
        only = rng.choice(allocs) if allocs else self.row()
        rows = [only if rng.random() < 0.5 else rng.choice(allocs) if allocs else self.row() for _ in indices]
        if job is not None and job.spec.kind == Kind.SYSTEM and rng.random() < 0.9:
            rows = indices
        place = Place(job=job_id, indices=np.array(indices, np.int32), machines=np.array(rows, np.int32))
        return draw_preempting(rng, self.state, place) if rng.random() < 0.4 else place

    def press(self) -> Command:
        """Let a task that waits push others away; when nobody gives way, submit a job to which some would."""
        place = find_pressing(self.rng, self.state)
        if place is not None:
            return draw_preempting(self.rng, self.state, place)
        spec = self.spec(self.rng.choice(JOB_NAMES))
        band, priority = self.rng.choice(
            ((Band.BEST_EFFORT, 0), (Band.BATCH, 0), (Band.BATCH, 2), (Band.PRODUCTION, 0), (Band.MONITORING, 0))
        )
        eager = replace(spec, band=band, priority=priority, driver="exec", placement=NO_RULES, ports=())
        devices = () if spec.alloc else self.rng.choice(EAGER)
        eager = replace(eager, devices=devices, resources=(self.rng.randint(1, 2 if devices else 4), 1, 0))
        return SubmitJob(spec=eager, submitted_at_us=HAPPENED_AT_US)

    def cascade(self) -> Iterator[Command]:
        """Give commands that chain evictions; each is made when the ones before it have been folded."""
        return write_cascade(self.state, self.spec("chain"), self.register())

    def contest(self) -> Iterator[Command]:
        """Give commands by which tasks push others from devices; each is made when the ones before it were folded."""
        return write_contest(self.rng, self.state, self.spec("chain"), self.register())

    def evict(self) -> Evict:
        """Evict tasks, active ones mostly, by an attempt that is stale now and then."""
        rng = self.rng
        active = self.active()
        if not active or rng.random() < 0.1:
            return Evict(
                job=self.job_id(), indices=np.array([rng.randint(0, 5)], np.int32), attempts=np.array([1], np.int32)
            )
        job = rng.choice(find_drained(self.state) or active)[0]
        mine = [(index, task) for other, index, task in active if other is job and rng.random() < 0.7][:3]
        mine = mine or [(len(job.tasks) - 1, job.tasks[-1])]
        attempts = [max(0, task.attempt + rng.choice((0, 0, 0, 0, -1, 1))) for _, task in mine]
        indices = [index for index, _ in mine]
        on = [self.state.machines[task.machine] for _, task in mine if task.state in ACTIVE]
        is_drain = any(machine.eligibility == Eligibility.DRAINING for machine in on) or rng.random() < 0.2
        return Evict(
            job=JobId(job.id),
            indices=np.array(indices, np.int32),
            attempts=np.array(attempts, np.int32),
            cause=EvictCause.DRAIN if is_drain else rng.choice((EvictCause.OPERATOR, EvictCause.UNHEALTHY)),
        )

    def unplaced(self) -> Unplaced:
        """Say why tasks found no room."""
        lacks = (
            Lack(reason=Reason.RESOURCES, dimension=1, machine_count=2),
            Lack(reason=Reason.MACHINE_NOT_UP, dimension=-1, machine_count=1),
        )
        count = self.rng.randint(1, 3)
        return Unplaced(
            job=self.job_id(),
            task_count=count,
            lacks=lacks[: self.rng.randint(0, 2)],
            note="no room" * self.rng.randint(0, 1),
        )
