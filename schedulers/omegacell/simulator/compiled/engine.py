"""One run on the compiled path: makes the columns, lets the kernels work, and says what was measured."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from omegacell.core.errors import InvariantError
from omegacell.core.units import JobId
from omegacell.simulator.compiled.building import build_world, find_seats
from omegacell.simulator.compiled.entry import BEGIN, PROCEED, START, Prepared, prepare
from omegacell.simulator.compiled.world import Stop, World
from omegacell.simulator.metrics import (
    SECOND,
    Day,
    JobRecord,
    Metrics,
    Tally,
    WorkloadMetrics,
    summarise_scheduler,
    summarise_waits,
)
from omegacell.simulator.settings import Setup
from omegacell.simulator.workloads import KINDS, Kind, Workload

_LEFT: Final = np.int64(1) << 62
"""Where an instance stands in the log that does not read it any more."""


class CompiledSimulation:
    """One run; what it yields is what `simulation.Simulation` yields for the same setup and workload.

    Attributes:
        setup: what the run was told.
        world: the columns; ``world.cell[0]`` holds revision, elapsed and the number of events.
        compile_s: CPU-seconds that went into compiling the kernels, or into loading them.
    """

    def __init__(
        self,
        setup: Setup,
        workload: Workload,
        prefill: Workload | None = None,
        *,
        compiling: AbstractContextManager[object] | None = None,
    ) -> None:
        """Make the columns, open sessions, and place the prefill before time begins.

        The caller has asked `paths.find_obstacle` whether this path knows such a run. It compiles, or loads what was
        kept, inside of ``compiling``.

        Raises:
            UsageError: the setup makes no simulation.
        """
        setup.check()
        self.setup = setup
        before = Workload.of([]) if prefill is None else prefill
        self.world: World = build_world(setup, workload, before)
        self._prefilled = len(before)
        with compiling or nullcontext():
            prepared: Prepared = prepare(self.world)
        self._run, self.compile_s = prepared.run, prepared.cpu_s
        with np.errstate(over="ignore"):
            self._set_up()

    def run(self) -> Metrics:
        """Let everything happen until the end, and return what was measured."""
        cell = self.world.cell[0]
        with np.errstate(over="ignore"):
            self._act(BEGIN, 0)
            self._act(PROCEED, 0)
        capacity = int(self.world.capacity[:, 0].sum()) * int(cell.end_us)
        cpu_time = (int(cell.cpu_time_high) << 60) + int(cell.cpu_time_low)
        return Metrics(
            simulated_s=int(cell.end_us) / SECOND,
            schedulers=tuple(summarise_scheduler(tally) for tally in self.tallies()),
            workloads=tuple(self._summarise(kind) for kind in (Kind.BATCH, Kind.SERVICE)),
            tasks_placed=int(cell.tasks_placed),
            transactions=int(cell.revision),
            mean_utilisation=cpu_time / capacity if capacity else 0.0,
        )

    def tallies(self) -> list[Tally]:
        """Return what each scheduler did, by day and in all."""
        tallies = []
        for place, seat in enumerate(find_seats(self.setup)[:-1]):
            row, days = self.world.instances[place], self.world.days[place]
            tally = Tally(seat.name, seat.kinds, int(self.world.cell[0].end_us))
            tally.attempts, tally.no_room = int(row.attempts), int(row.no_room)
            tally.claims, tally.granted = int(row.claims), int(row.granted)
            for number in np.flatnonzero(days.is_known).tolist():
                day = days[number]
                tally.days[number] = Day(int(day.busy_us), int(day.successes), int(day.conflicts))
            tallies.append(tally)
        return tallies

    def records(self) -> dict[JobId, JobRecord]:
        """Return what became of each job that was submitted, by its id."""
        return {
            JobId(self._prefilled + place + 1): JobRecord(
                KINDS[row.kind],
                int(row.submitted_us),
                _known(row.first_us),
                int(row.attempts),
                _known(row.scheduled_us),
                bool(row.is_abandoned),
            )
            for place, row in enumerate(self._submitted())
        }

    def _submitted(self) -> Any:
        return self.world.jobs[self._prefilled : int(self.world.cell[0].jobs)]

    def _set_up(self) -> None:
        """Open the instances' sessions, and place what stands in the cell before time begins."""
        cell = self.world.cell[0]
        for place in range(int(cell.queues_end)):
            self._act(START, place)
        if not self._prefilled:
            return
        place = int(cell.queues_end)
        self._submit_prefill()
        self._act(START, place)
        self.world.instances[place].log_place = _LEFT
        self.world.instances[place].is_resting = 0
        free = self.world.free[:, 0]
        cell.cpu_held = int((self.world.capacity[:, 0] - free).sum())

    def _submit_prefill(self) -> None:
        """Submit all of it at time zero: what `judging.submit` does, on whole columns."""
        cell, jobs = self.world.cell[0], self.world.jobs[: self._prefilled]
        jobs.pending = jobs.count
        jobs.created_at = int(cell.revision) + 1 + np.arange(self._prefilled)
        jobs.changed_at = jobs.created_at
        jobs.submit_place = int(cell.log_count) + np.arange(self._prefilled)
        cell.revision += self._prefilled
        cell.jobs = self._prefilled
        cell.arrived = self._prefilled
        self._make_room_in_log(self._prefilled)
        first = int(cell.log_count - cell.log_first)
        self.world.log[first : first + self._prefilled] = np.arange(self._prefilled)
        cell.log_count += self._prefilled

    def _act(self, what: int, number: int) -> None:
        """Let a kernel work, making room whenever a column is full.

        Raises:
            InvariantError: an instance takes turns and no time.
        """
        while True:
            stop = self._run(self.world, what, number)
            if stop == Stop.DONE:
                return
            if stop == Stop.SPINS:
                raise InvariantError(f"an instance spins at {int(self.world.cell[0].now_us)} us")
            if stop == Stop.AGENDA_FULL:
                self.world = self.world._replace(events=_double(self.world.events))
            else:
                self._make_room_in_log(len(self.world.log) // 2)

    def _make_room_in_log(self, wanted: int) -> None:
        """Forget what every instance has read, and let the log grow if that was too little."""
        cell, log = self.world.cell[0], self.world.log
        read = min(int(self.world.instances.log_place.min()), int(cell.log_count))
        kept = log[read - int(cell.log_first) : int(cell.log_count - cell.log_first)].copy()
        cell.log_first = read
        while len(log) < len(kept) + wanted + 2_048:
            log = _double(log)
        log[: len(kept)] = kept
        self.world = self.world._replace(log=log)

    def _summarise(self, kind: Kind) -> WorkloadMetrics:
        """Return the metrics of the jobs of one kind."""
        jobs = self._submitted()
        own = jobs[jobs.kind == KINDS.index(kind)]
        tried, scheduled = own[own.first_us >= 0], own[own.scheduled_us >= 0]
        return summarise_waits(
            kind,
            jobs=len(own),
            abandoned=int(own.is_abandoned.sum()),
            waits=((tried.first_us - tried.submitted_us) / SECOND).tolist(),
            whole=((scheduled.scheduled_us - scheduled.submitted_us) / SECOND).tolist(),
        )


def _known(time_us: NDArray[np.int64]) -> int | None:
    return None if time_us < 0 else int(time_us)


def _double(array: Any) -> Any:
    """Return the array with twice the room, as the same kind of array."""
    doubled = np.zeros(2 * len(array), array.dtype).view(type(array))
    doubled[: len(array)] = array
    return doubled
