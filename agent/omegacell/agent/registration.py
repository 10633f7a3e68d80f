"""What holds of a machine for as long as one link does: its place in the cell, and until when fenced tasks may run.

Rule: a deadline that an earlier link left behind ends nothing that this one starts. So a task that must stop on a
partition waits for the first lease of its link, or for the word that there is none.
"""

from dataclasses import dataclass
from typing import Self

from omegacell.agent.events import Action, RenewDeadline
from omegacell.agent.messages import NO_LEASE, Registered, WantedTask
from omegacell.core.units import MachineRow


@dataclass(slots=True, kw_only=True)
class Registration:
    """One registration of a machine.

    Attributes:
        row: the machine's.
        epoch: reports carry it.
        lease_us: as in `messages.Registered`.
        is_wanted_known: whether this link has said everything that is wanted.
        deadline_boot_us: when the lease runs out; None before the first one.
    """

    row: MachineRow
    epoch: int
    lease_us: int
    is_wanted_known: bool = False
    deadline_boot_us: int | None = None

    @classmethod
    def of(cls, message: Registered, place: int) -> Self:
        """Return the registration of the machine that stands at ``place`` in the answer."""
        return cls(row=MachineRow(message.rows[place]), epoch=message.epochs[place], lease_us=message.lease_us)

    @property
    def is_fence_known(self) -> bool:
        """Whether it is known until when fenced tasks may run."""
        return self.lease_us == NO_LEASE or self.deadline_boot_us is not None

    def may_start(self, task: WantedTask) -> bool:
        """Return whether a wanted task may start by what is known."""
        return self.is_wanted_known and (self.is_fence_known or not task.shape.stop_on_partition)

    def renew(self, sent_boot_us: int) -> list[Action]:
        """Count on the lease from when the heartbeat was sent that the cell has taken note of."""
        if self.lease_us == NO_LEASE:
            return []
        self.deadline_boot_us = sent_boot_us + self.lease_us
        return self.fence()

    def fence(self) -> list[Action]:
        """Return what brings the supervisor's deadline up to date, whatever it was before."""
        return [RenewDeadline(deadline_boot_us=self.deadline_boot_us)] if self.is_fence_known else []
