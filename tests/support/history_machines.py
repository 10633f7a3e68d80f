"""Random commands about machines, and what machines say: the part of `history_commands` that agents would write."""

import numpy as np

from omegacell.core.drains import SetEligibility
from omegacell.core.jobs import TaskState
from omegacell.core.machine_commands import (
    ExitNote,
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    ReportKind,
    SetTaints,
    Tick,
)
from tests.support.history_devices import OFFERS
from tests.support.history_drains import write_eligibility
from tests.support.history_draws import Draws
from tests.support.history_placement import MACHINE_ATTRIBUTES, draw_taints
from tests.support.oracle_state import JOINING
from tests.support.transcript_commands import report_of

MACHINE_NAMES = ("m0", "m1", "m2", "m3", "m4", "m5")
RANGES = ((8000, 8001), (8000, 8002), (8000, 8007), (0, -1))
HAPPENED_AT_US = 1_700_000_001_000_000


class MachineWriter(Draws):
    """Writes commands about machines."""

    def register(self) -> RegisterMachine:
        """Register a machine, new or known, the same or changed."""
        rng = self.rng
        first, last = rng.choice(RANGES)
        return RegisterMachine(
            name=rng.choice(MACHINE_NAMES),
            boot_id=rng.choice(("boot-1", "boot-1", "boot-1", "boot-2")),
            capacity=(rng.randint(1, 8), rng.randint(1, 8), rng.randint(0, 4)),
            drivers=rng.choice((("exec",), ("exec",), ("exec", "simulated"), ("simulated",))),
            attributes=rng.choice(MACHINE_ATTRIBUTES),
            port_first=first,
            port_last=last,
            devices=rng.choice(OFFERS),
        )

    def taints(self) -> SetTaints:
        """Mark machines, or take marks away."""
        rng = self.rng
        rows = sorted({self.row() for _ in range(rng.choice((1, 1, 2)))})
        return draw_taints(rng, rows)

    def inventory(self) -> Inventory:
        """List what a machine runs, with something missing or wrong now and then."""
        rng = self.rng
        joining = [row for row, machine in enumerate(self.state.machines) if machine.state == JOINING]
        row = rng.choice(joining) if joining and rng.random() < 0.9 else self.row()
        machine = self.state.machine(row)
        epoch = machine.epoch if machine and rng.random() < 0.95 else rng.randint(0, 3)
        held = [(job, index, task) for job, index, task in self.active() if task.machine == row and rng.random() < 0.8]
        attempts = [task.attempt + (rng.random() < 0.05) for _, _, task in held]
        return Inventory(
            machine=row,
            epoch=epoch,
            jobs=np.array([job.id for job, _, _ in held], np.int64),
            indices=np.array([index for _, index, _ in held], np.int32),
            attempts=np.array(attempts, np.int32),
        )

    def lose(self) -> LoseMachines:
        """Give machines up, silent ones mostly."""
        rng = self.rng
        silent = [
            row for row, machine in enumerate(self.state.machines) if machine.silent_ticks >= 3 and machine.contact == 0
        ]
        count = rng.choice((1, 1, 1, 2))
        rows = rng.sample(silent, min(count, len(silent))) if rng.random() < 0.8 else []
        rows = rows or [self.row() for _ in range(count)]
        return LoseMachines(machines=tuple(sorted(set(rows))), by_operator=rng.random() < 0.4)

    def set_eligibility(self) -> SetEligibility:
        """Cordon, drain or open machines."""
        return write_eligibility(self.rng, self.state, {self.row() for _ in range(self.rng.choice((1, 1, 2)))})

    def report(self) -> Report:
        """Report on attempts, present ones mostly; something is stale now and then."""
        rng = self.rng
        active = self.active()
        rows = []
        for _ in range(rng.choice((1, 1, 2, 4))):
            if active and rng.random() < 0.92:
                job, index, task = rng.choice(active)
                row, epoch = task.machine, self.state.machines[task.machine].epoch
                values = [row, epoch, job.id, index, task.attempt]
            else:
                values = [self.row(), 1, self.job_id(), rng.randint(0, 5), rng.randint(0, 2)]
            if rng.random() < 0.1:
                at = rng.randrange(5)
                values[at] = max(0, values[at] + rng.choice((-1, 1)))
            kinds = (ReportKind.STARTED, ReportKind.EXITED) * 2 + (ReportKind.HEALTHY, ReportKind.UNHEALTHY)
            kind = rng.choice(kinds)
            rows.append([*values, kind, *self.exit(kind)])
        return report_of(rows)

    def starts(self) -> list[Report]:
        """Report that everything placed has started, if anything is."""
        placed = [each for each in self.active() if each[2].state == TaskState.PLACED]
        kinds = (ReportKind.STARTED, ReportKind.HEALTHY)
        rows = [
            (task.machine, self.state.machines[task.machine].epoch, job.id, index, task.attempt, kind, *self.exit(kind))
            for job, index, task in placed
            for kind in kinds
        ]
        return [report_of(rows)] if rows else []

    def exit(self, kind: ReportKind) -> tuple[int, int, int, int]:
        """Draw how an attempt ended: exit code, signal, note, and when."""
        at_us = HAPPENED_AT_US + self.rng.randint(0, 9)
        if kind != ReportKind.EXITED:
            return (-1, 0, ExitNote.NONE, at_us)
        ends = ((0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 0, 0), (1, 0, 0), (-1, 9, 0), (-1, 0, ExitNote.UNKNOWN),
                (-1, 9, ExitNote.OUT_OF_MEMORY), (-1, 0, ExitNote.START_FAILED), (-1, 9, ExitNote.FENCED),
                (-1, 15, ExitNote.TIME_LIMIT), (0, 0, ExitNote.TIME_LIMIT),
                (0, 9, 0), (0, 0, ExitNote.FENCED), (0, 0, ExitNote.UNHEALTHY))  # fmt: skip
        return (*self.rng.choice(ends), at_us)

    def tick(self) -> Tick:
        """Let time pass; gain and lose contact with machines."""
        rng = self.rng
        after = self.state.tick - (rng.random() < 0.1) if self.state.tick else self.state.tick
        gained = [self.row() for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        epochs = [machine.epoch if (machine := self.state.machine(row)) and rng.random() < 0.9 else 9 for row in gained]
        lost = [self.row() for _ in range(rng.choice((0, 0, 1, 1, 3)))]
        return Tick(
            after=after,
            dt_us=rng.choice((0, 1_000_000, 2_000_000, 5_000_000, 1_000_000_000)),
            gained=np.array(gained, np.int32),
            gained_epochs=np.array(epochs, np.int32),
            lost_contact=np.array(lost, np.int32),
        )
