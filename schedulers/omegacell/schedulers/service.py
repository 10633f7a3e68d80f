"""The service scheduler: as `batch`, and a job's tasks lie apart, the more so the fewer they are.

A service lives long and should survive the loss of a machine. What a loss costs it is the share of its tasks that the
machine had: one of two replicas is half of a service, five of a thousand are nothing. So a machine costs more by that
share for each task of the job that it has. (Nomad's anti-affinity within a job divides by its count as well.)

What is left of a guarantee: with three resources, costs of machines differ by at most 2.8 (2.2 of stranding, the noise
and the charge), so of a job with up to 5 tasks no two share a machine while one that has none takes them. Tasks of a
larger job share one where all others strand much more. Whoever needs a rule has ``max_per_machine`` and spreads, which
the judge keeps. What it would cost to lay every job apart whatever that strands is in ``docs/packing.md``.
"""

from typing import ClassVar, Final

from omegacell.core.jobs import JobSpec
from omegacell.schedulers.batch import BatchScheduler

SHARE: Final = 16.0
"""What a machine costs more when it has the whole job; a part of it for a part."""


class ServiceScheduler(BatchScheduler):
    """Packs as `batch` does, and keeps the tasks of a job on different machines where that costs little.

    What finds no room lets less important tasks give way, if there are any; of a gang enough are placed, or none.
    """

    share: ClassVar[float] = SHARE

    def find_step(self, spec: JobSpec) -> float:
        """Return what a machine costs more for each task of a job that it has: less, the more tasks there are."""
        return self.step + self.share / spec.count
