"""A simulation of jobs as users submit them: constraints, spreads, devices, ports, bands, gangs, what they wait for.

The judge, the scheduling loop, the schedulers and the controllers are those of a real cell, on an agenda in integer
microseconds; only machines are played (`hands`), and people. Claims may name victims, which take their grace period and
wait again. Nothing here decides: it submits what arrives, tells machines and controllers what was committed, applies
what they say, and wakes whoever may have something to do.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.controllers.keeper import Keeper
from omegacell.controllers.releases import Releases
from omegacell.core.commands import Command, Place, StopJob, SubmitJob
from omegacell.core.deltas import Delta
from omegacell.core.errors import InvariantError, UsageError
from omegacell.core.hold_commands import ReleaseTasks
from omegacell.core.jobs import Kind, StopCause
from omegacell.core.outcomes import Outcome
from omegacell.core.snapshots import digest
from omegacell.core.units import SECOND_US, TICK_PERIOD_US, JobId
from omegacell.schedulers.interface import TaskGroup, Traits
from omegacell.schedulers.loop import LoopSettings
from omegacell.simulator.agenda import Agenda
from omegacell.simulator.instances import Instance
from omegacell.simulator.labcell import OPERATOR, LabCell
from omegacell.simulator.machines import CORE
from omegacell.simulator.metrics import Tally, summarise_scheduler
from omegacell.simulator.ruled.arrivals import Arrival, draw_arrivals
from omegacell.simulator.ruled.hands import Hands, Run
from omegacell.simulator.ruled.measures import JobRecord, Measures, RuledMetrics, summarise_refusals
from omegacell.simulator.ruled.settings import Deciders, RuledSetup
from omegacell.simulator.thinking import Path, Thinking

Progress = Callable[[float, int], None]
"""Is told now and then how many seconds were simulated, and how many jobs came."""

MAX_ROUNDS: Final = 1_000
"""Machines and controllers that answer each other so often while no time passes go round in circles."""


class RuledSimulation:
    """One run; see the module's docstring.

    >>> from omegacell.core.jobs import JobSpec, Kind
    >>> from omegacell.core.units import Band
    >>> from omegacell.schedulers.batch import BatchScheduler
    >>> from omegacell.simulator.machines import DRIVER, GIB, make_mixed
    >>> from omegacell.simulator.ruled.settings import Template
    >>> spec = JobSpec(
    ...     name="sums", owner="lab", kind=Kind.BATCH, scheduler="batch", band=Band.BATCH, priority=0, count=8,
    ...     resources=(1_000, GIB, 0), driver=DRIVER,
    ... )
    >>> setup = RuledSetup(
    ...     machines=tuple(make_mixed(4, seed=0)),
    ...     templates=(Template(spec=spec, run_us=60 * SECOND_US),),
    ...     schedulers={"batch": Deciders(plugin=BatchScheduler)},
    ...     load=0.5,
    ... )
    >>> metrics = RuledSimulation(setup).run()
    >>> metrics.templates[0].jobs, metrics.templates[0].begun, metrics.templates[0].waiting
    (480, 3840, 0)
    """

    def __init__(
        self,
        setup: RuledSetup,
        *,
        arrivals: Sequence[Arrival] | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        """Begin the cell and open sessions; what arrives is drawn unless it is given.

        Raises:
            UsageError: the setup makes no simulation.
        """
        setup.check()
        self.setup = setup
        self.agenda: Agenda[int] = Agenda(0)
        self.lab = LabCell(setup.machines, tick_us=TICK_PERIOD_US)
        self.measures = Measures(self.lab.cell, lambda: self.agenda.now)
        self._end_us = round(setup.run_s * SECOND_US)
        self._on_progress = on_progress
        self._hands = Hands(self.lab, self.agenda, self.measures, on_end=self._settle)
        self._releases = Releases()
        self._keeper = Keeper(period_us=TICK_PERIOD_US, now_us=0)
        self._follower = self.lab.follow()
        self.instances = self._make_instances()
        for instance in self.instances:
            instance.start()
        self._arrivals = draw_arrivals(setup) if arrivals is None else arrivals

    def run(self) -> RuledMetrics:
        """Let everything happen until the end, and return what was measured.

        Raises:
            UsageError: a job was refused.
        """
        for arrival in self._arrivals:
            self.agenda.enter(arrival.at_us, self._arrive, arrival)
        self._tick(None)
        self.agenda.run(until=self._end_us)
        cell, measures = self.lab.cell, self.measures
        capacity = int(cell.machines.capacity[:, 0].sum()) * self._end_us
        used = measures.find_cpu_time()
        templates = measures.by_template([each.spec.name for each in self.setup.templates])
        wasted = sum(each.wasted_cpu_s for each in templates) * SECOND_US * CORE
        return RuledMetrics(
            simulated_s=self._end_us / SECOND_US,
            schedulers=tuple(summarise_scheduler(instance.tally) for instance in self.instances),
            refusals=tuple(summarise_refusals(each) for each in cell.authors.rows if each.scheduler),
            templates=templates,
            bands=measures.by_band(),
            transactions=cell.revision,
            mean_utilisation=used / capacity,
            wasted_share=wasted / used if used else 0.0,
            digest=digest(cell).hex(),
        )

    # --- what instances need (`instances.Host`) ---

    def before_turn(self) -> None:
        """Nothing waits for a turn here."""

    def note_granted(self, instance: Instance, place: Place, granted: NDArray[np.intp]) -> None:
        """Leave it to the machines, which read the cell."""

    def after_answer(self, instance: Instance) -> None:
        """Let the cell settle, and an instance go on."""
        self._settle()
        if instance.has_more:
            instance.turn()
        else:
            instance.rest()

    # --- events ---

    def _arrive(self, arrival: Arrival) -> None:
        self.lab.wall_us = self.agenda.now
        outcome = self.lab.propose(SubmitJob(spec=arrival.spec, submitted_at_us=self.agenda.now))
        if not outcome.granted:
            raise UsageError(f"job {arrival.spec.name} was refused: {outcome.reason.name}")
        job, template = JobId(outcome.value), self.setup.templates[arrival.template]
        self._hands.note_job(job, Run(run_us=arrival.run_us, exit_code=template.exit_code))
        self.measures.records[job] = JobRecord(arrival.template, arrival.spec, self.agenda.now)
        self._settle()

    def _tick(self, _: None) -> None:
        """Let the cell's own time go on, and the controllers propose what is due."""
        now_us = self.lab.wall_us = self.agenda.now
        machines = self.lab.cell.machines
        self._keeper.ticker.note_heard(np.arange(machines.count), epochs=machines.epoch, now_us=now_us)
        while commands := self._keeper.step(self.lab.cell, session=OPERATOR, now_us=now_us):
            self._propose(commands)
        self._settle()
        if self._on_progress is not None:
            self._on_progress(now_us / SECOND_US, len(self.measures.records))
        self.agenda.enter(now_us + TICK_PERIOD_US, self._tick)

    def _settle(self) -> None:
        """Let machines and controllers follow until nothing more follows, then wake all who rest."""
        self.lab.wall_us = self.agenda.now
        delta, rounds = self._follower.catch_up(), 0
        while _says_anything(delta):
            rounds += 1
            if rounds > MAX_ROUNDS:
                raise InvariantError(f"the cell does not settle in {MAX_ROUNDS} rounds")
            self._hands.follow(delta)
            self._releases.note(self.lab.cell, delta)
            self._propose(self._releases.step(self.lab.cell))
            delta = self._follower.catch_up()
        if rounds:
            for instance in self.instances:
                instance.wake()

    def _propose(self, commands: Sequence[Command]) -> None:
        """Apply what controllers say; what is refused they find again when it is due."""
        for command in commands:
            outcome = self.lab.propose(command)
            if isinstance(command, ReleaseTasks | StopJob):
                self._note(command, outcome)

    def _note(self, command: ReleaseTasks | StopJob, outcome: Outcome) -> None:
        record = self.measures.records[command.job]
        if isinstance(command, StopJob):
            record.is_late |= bool(outcome.granted) and command.cause is StopCause.DEADLINE
        elif not outcome.granted:
            self._releases.look_again([command.job])
        elif record.first_us is None:
            record.due_us = self.agenda.now

    def _note_attempt(self, group: TaskGroup, began_us: int) -> None:
        record = self.measures.records[group.job]
        record.first_us = began_us if record.first_us is None else record.first_us

    # --- setting up ---

    def _make_instances(self) -> list[Instance]:
        pairs = [(name, deciders) for name, deciders in self.setup.schedulers.items() for _ in range(deciders.count)]
        firsts: dict[str, int] = {}
        for number, (name, _) in enumerate(pairs):
            firsts.setdefault(name, number)
        return [
            self._make_instance(f"{name}-{number - firsts[name]}", name, deciders, number=number)
            for number, (name, deciders) in enumerate(pairs)
        ]

    def _make_instance(self, instance: str, name: str, deciders: Deciders, *, number: int) -> Instance:
        plugin = deciders.plugin()
        path = Path(plugin=plugin, decision=deciders.decision)
        tally = Tally(instance, (), self._end_us)
        thinking = Thinking(dict.fromkeys(Kind, path), tally, on_attempt=self._note_attempt)
        thinking.detection = self.setup.detection
        thinking.preempts = Traits.of(plugin).preempts
        settings = LoopSettings(instance=instance, scheduler=name, seed=self.setup.seed * 1_000 + number + 1)
        return Instance(self, thinking, settings, tally)


def _says_anything(delta: Delta) -> bool:
    """Tell whether anything happened that somebody may have to act on."""
    is_known = delta.jobs or delta.task_parts or delta.machine_parts
    return bool(is_known) or delta.is_ticked or delta.is_sessions_changed
