"""Random operators, agents and rogue schedulers of a soak: what random histories write, in a larger and busier cell.

Every command that histories know how to write is written here too: a feature that adds its generator to
`CommandWriter` is soaked from then on. `BUSINESS` lists what only a soak needs, so that work comes and goes.
"""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from omegacell.core.commands import Command, Evict, Genesis, OpenSession, SubmitJob, Transaction
from omegacell.core.drains import Eligibility, EvictCause, SetEligibility
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import JobSpec, Kind, Stopping, TaskState
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.machine_commands import RegisterMachine, Report, ReportKind, SetTaints
from omegacell.core.placement import NO_RULES
from omegacell.core.units import RESOURCE_COUNT, SECOND_US, Band, JobId, Role
from omegacell.store.codec import to_append
from omegacell.store.log import Append, Store
from tests.support.histories import HistoryWriter
from tests.support.history_allocs import SET_NAME, draw_sets
from tests.support.history_commands import JOB_NAMES, CommandWriter
from tests.support.history_drains import Held
from tests.support.history_placement import TAINTS
from tests.support.oracle import Oracle
from tests.support.oracle_allocs import find_set
from tests.support.oracle_state import DOWN, JOINING, UP, Job, State
from tests.support.transcript_commands import report_of

QUEUES = ("batch", "batch", "service", "policy", "greedy", "gang", "reckless")
SYSTEM_QUEUES = ("system", "system", "system", "reckless")
NAMES = (*JOB_NAMES, *(f"job-{number}" for number in range(21)))
MACHINES = tuple(f"m{number}" for number in range(20))
AUTHORS = ("api-1", "rogue-0", "rogue-1")
PLAIN = 0.6
LEAST_WEIGHT = 2
"""How often the rarest commands come: in a short soak too each comes at least once."""
SCHEDULING_WEIGHT = 15
"""How often rogues schedule: seldom, for what they place is lost to the schedulers."""
MOST_CLOSED, FEWEST_JOBS, MOST_ACTIVE, DISRUPTED = 4, 30, 10, 16
MOST_STOPPING = 4
LASTING = 0.9
"""How often an alloc is left alone when tasks end: what lasts is what others can be inside of."""
RAW_SESSION, UNKNOWN_SESSION = 98, 99


class SoakCommands(CommandWriter):
    """Writes commands for a cell of twenty machines, some twenty jobs and six schedulers."""

    def __init__(self, rng: random.Random, state: State) -> None:
        super().__init__(rng, state)
        # (how often in a thousand, whether it makes sense now, what is written then)
        self.business: tuple[tuple[int, Callable[[], bool], Callable[[], tuple[Command, ...]]], ...] = (
            (300, self.has_joining, lambda: (self.inventory(),)),
            (200, self.has_few_up, lambda: (self.register(),)),
            (150, self.has_closed, lambda: (self.open_all(),)),
            (500, self.has_placed_alloc, lambda: tuple(self.starts()[:1])),
            (200, lambda: find_set(self.state, SET_NAME) is None, lambda: (self.submit_set(),)),
            (300, self.has_few_jobs, lambda: (self.submit(),)),
            (600, lambda: len(self.stopping()) > MOST_STOPPING, lambda: (self.end(self.stopping()),)),
            (800, self.has_many_active, self.disrupt),
            (80, lambda: bool(self.active()), lambda: tuple(self.starts()[:1]) or (self.ends(),)),
            (80, lambda: bool(self.active()), lambda: (self.ends(),)),
            (150, lambda: bool(self.state.quotas or self.state.caps), self.lift),
        )
        self.weights = [SCHEDULING_WEIGHT, *(max(weight, LEAST_WEIGHT) for weight in self.weights[1:])]

    def any(self) -> tuple[Command, ...]:
        """Write the commands of a transaction."""
        for thousandths, is_due, write in self.business:
            if self.rng.randrange(1_000) < thousandths and is_due():
                return write()
        return super().any()

    def has_joining(self) -> bool:
        """Say whether a machine waits for its inventory."""
        return any(machine.state == JOINING for machine in self.state.machines)

    def has_few_up(self) -> bool:
        """Say whether less than three quarters of the machines are up."""
        return sum(machine.state == UP for machine in self.state.machines) < len(MACHINES) * 3 // 4

    def has_closed(self) -> bool:
        """Say whether more than four machines are marked or take no work."""
        closed = [each for each in self.state.machines if each.eligibility != Eligibility.OPEN or each.taints]
        return len(closed) > MOST_CLOSED

    def has_placed_alloc(self) -> bool:
        """Say whether an alloc of the set that jobs name is placed and has not begun."""
        box = find_set(self.state, SET_NAME)
        return box is not None and any(task.state == TaskState.PLACED for task in box.tasks)

    def has_many_active(self) -> bool:
        """Say whether much is placed or runs, and is to go on."""
        return len(self.active()) - len(self.stopping()) > MOST_ACTIVE

    def stopping(self) -> list[Held]:
        """Give the tasks that were told to stop and have not ended yet."""
        return [each for each in self.active() if each[2].stopping != Stopping.NO]

    def has_few_jobs(self) -> bool:
        """Say whether there is little left to do."""
        return sum(self.is_alive(job) for job in self.state.jobs.values()) < FEWEST_JOBS

    def is_alive(self, job: Job) -> bool:
        """Say whether a job has tasks that have not ended, and is not stopping."""
        return job.ended_elapsed is None and not job.is_stopping

    def open_all(self) -> SetEligibility | SetTaints:
        """Open machines, or take all marks from them."""
        tainted = tuple(row for row, machine in enumerate(self.state.machines) if machine.taints)
        if tainted and self.rng.random() < 0.5:
            return SetTaints(machines=tainted, remove=tuple(sorted({each.key for each in TAINTS})))
        rows = [row for row, each in enumerate(self.state.machines) if each.eligibility != Eligibility.OPEN]
        return SetEligibility(machines=tuple(rows) or (0,), eligibility=Eligibility.OPEN)

    def genesis(self) -> Genesis:
        """Begin a cell whose sessions last, and which forgets what has ended soon."""
        return replace(
            super().genesis(),
            tick_period_us=2 * SECOND_US,
            session_ttl_us=60 * SECOND_US,
            forget_after_us=4 * SECOND_US,
        )

    def register(self) -> RegisterMachine:
        """Register a machine, most often one that is lost or new."""
        names = {machine.name: machine.state for machine in self.state.machines}
        gone = [name for name in MACHINES if names.get(name, DOWN) == DOWN]
        name = self.rng.choice(gone if gone and self.rng.random() < 0.9 else MACHINES)
        drivers = ("exec", "simulated") if self.rng.random() < PLAIN else ("exec",)
        return replace(super().register(), name=name, drivers=drivers)

    def spec(self, name: str) -> JobSpec:
        """Write a job for one of the soak's schedulers; most are plain, so that there is much that can be placed."""
        spec = super().spec(name)
        if spec.kind == Kind.SYSTEM:
            return replace(spec, scheduler=self.rng.choice(SYSTEM_QUEUES))
        spec = replace(spec, scheduler=self.rng.choice(QUEUES))
        if self.rng.random() < PLAIN:
            spec = replace(spec, placement=NO_RULES, devices=(), driver="exec", ports=(), after=())
        return spec

    def submit(self) -> SubmitJob:
        """Submit a job under one of many names."""
        submit = super().submit()
        if submit.spec.name in self.state.names or submit.spec.name == SET_NAME:
            return submit
        return replace(submit, spec=replace(submit.spec, name=self.rng.choice(NAMES)))

    def ends(self) -> Report:
        """Report that some of what runs has ended."""
        active = self.active()
        return self.end(self.rng.sample(active, min(len(active), self.rng.choice((1, 3, 6)))))

    def submit_set(self) -> SubmitJob:
        """Submit the alloc set that jobs name; whichever schedulers they have, they meet in it."""
        box = replace(draw_sets(self.rng, self.spec)[0], count=3, scheduler="batch", band=Band.PRODUCTION)
        lasting = replace(box, max_restarts=-1, gang=None, after=(), max_run_us=0, deadline_us=0)
        return SubmitJob(spec=lasting, submitted_at_us=1)

    def end(self, tasks: list[Held]) -> Report:
        """Report that tasks have ended, one way or another."""
        rows: list[tuple[int, ...]] = []
        for job, index, task in tasks:
            if job.spec.kind == Kind.ALLOC and task.stopping == Stopping.NO and self.rng.random() < LASTING and rows:
                continue
            epoch = self.state.machines[task.machine].epoch
            said = (ReportKind.EXITED, *self.exit(ReportKind.EXITED))
            rows.append((task.machine, epoch, job.id, index, task.attempt, *said))
        return report_of(rows)

    def disrupt(self) -> tuple[Command, ...]:
        """Evict all tasks of several jobs, so that the schedulers have much to do at once."""
        held: dict[JobId, list[tuple[int, int]]] = {}
        for job, index, task in self.active():
            if task.stopping == Stopping.NO:
                held.setdefault(JobId(job.id), []).append((index, task.attempt))
        chosen = self.rng.sample(sorted(held), min(len(held), DISRUPTED))
        return tuple(
            Evict(
                job=job,
                indices=np.array([index for index, _ in held[job]], np.int32),
                attempts=np.array([attempt for _, attempt in held[job]], np.int32),
                cause=EvictCause.OPERATOR,
            )
            for job in chosen
        )

    def lift(self) -> tuple[Command, ...]:
        """Take a limit away again, so that no owner and no scheduler stands still for the rest of the soak."""
        limits: list[Command] = [SetCaps(scheduler=name, amounts=(-1, -1, -1)) for name in sorted(self.state.caps)]
        limits += [
            SetQuota(owner=owner, band=Band(band), amounts=(-1,) * RESOURCE_COUNT)
            for owner, band in sorted(self.state.quotas)
        ]
        return (self.rng.choice(limits),)


class SoakWriter(HistoryWriter):
    """Writes to a store what random histories hold, as authors of its own.

    Args:
        rng: what everything follows from.
        store: where entries go.
        twin: knows what is in the store, as far as ``follow`` has brought it.
        follow: brings the twin up to the store's head.
    """

    def __init__(self, rng: random.Random, store: Store, twin: Oracle, follow: Callable[[], None]) -> None:
        super().__init__(rng, None)
        self.twin = twin
        self.commands = SoakCommands(rng, twin.state)
        self._store = store
        self._follow = follow
        self._numbers: list[int] = []

    def begin(self) -> None:
        """Write genesis, authors and machines."""
        self.add([self.transaction(1, (self.commands.genesis(),))])
        for author in AUTHORS:
            self.open(author)
        for _ in MACHINES:
            self.own(self.commands.register())
            self.own(self.commands.inventory())

    def step(self) -> None:
        """Write whatever comes."""
        self._follow()
        if len(self._open_numbers()) < len(AUTHORS):
            self.open(self.rng.choice(AUTHORS))
        self.add_any()

    def add(self, transactions: list[Transaction], *, skip: int = 0) -> None:
        """Append an entry, and follow; what the format cannot even hold never gets that far."""
        first = max(1, self.last_seq(transactions[0].session) + 1 + skip)
        numbered = [replace(each, seq=first + at, position=at) for at, each in enumerate(transactions)]
        try:
            append = to_append(numbered)
        except MalformedError:
            return
        self._store.append([append])
        self._follow()

    def add_raw(self, raw: bytes) -> None:
        """Append an entry of these bytes, and follow."""
        if raw:
            self._store.append([Append(entry=raw, session=RAW_SESSION, first_seq=1)])
            self._follow()

    def open(self, author: str) -> None:
        """Open a session for a scheduler that has no jobs, so that it takes no other's share of them."""
        self.next_session += 1
        self._numbers.append(self.next_session)
        opening = OpenSession(author=author, role=self.rng.choice((Role.SCHEDULER, Role.API)), scheduler="rogue")
        self.add([self.transaction(self.next_session, (opening,))])

    def pick_session(self) -> int:
        """Name a session of its own: numbers in a scheduler's session would be taken from under it."""
        return self.rng.choice(self._open_numbers() or [UNKNOWN_SESSION])

    def _open_numbers(self) -> list[int]:
        self._numbers = [number for number in self._numbers if number in self.twin.state.sessions]
        return self._numbers
