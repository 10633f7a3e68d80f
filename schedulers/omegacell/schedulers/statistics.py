"""What one loop has done since it began, as numbers: facts about this process, for logs and metrics.

The cell keeps the counters that survive processes (``cell.authors``); these add what never reaches the log.
"""

from dataclasses import dataclass
from typing import Final

from omegacell.core.outcomes import Outcome, Reason
from omegacell.schedulers.deciding import Decision, Result

# names of a module are read several times faster than members of an enum
_PLACED: Final = Result.PLACED
_NONE: Final = Reason.NONE


@dataclass(slots=True, kw_only=True)
class LoopStatistics:
    """Counters of a loop.

    Attributes:
        decisions: jobs decided on; busy_us: time spent on it.
        appends: entries proposed; sessions: sessions opened.
        claims, granted: claims proposed and granted.
        conflicts: decisions with a claim refused because the cell had changed; disagreements: for no such reason.
        misses: decisions that found too little room; failures: that the plug-in failed.
        gave_up: jobs put off for long. capped: decisions that the scheduler's cap held back.
        refused: transactions refused as a whole; unknown: whose outcome nobody remembered.
    """

    decisions: int = 0
    busy_us: int = 0
    appends: int = 0
    sessions: int = 0
    claims: int = 0
    granted: int = 0
    conflicts: int = 0
    disagreements: int = 0
    misses: int = 0
    failures: int = 0
    gave_up: int = 0
    capped: int = 0
    refused: int = 0
    unknown: int = 0

    def count_decision(self, decision: Decision) -> None:
        """Count a decision as it was made."""
        self.decisions += 1
        self.busy_us += decision.to_us - decision.from_us
        self.claims += decision.claims
        if decision.result is not _PLACED:
            self.misses += decision.result is Result.SHORT
            self.failures += decision.result is Result.FAILED
            self.gave_up += decision.result is Result.GAVE_UP
            self.capped += decision.result is Result.CAPPED

    def count_outcome(self, decision: Decision, outcome: Outcome | None) -> None:
        """Count what became of a decision that was appended."""
        if outcome is None:
            self.unknown += 1
            return
        if outcome.reason is not _NONE:
            self.refused += 1
        if decision.claims:
            self.granted += min(outcome.granted, decision.claims)
        if len(outcome.refusals):
            is_conflict = bool(outcome.refusals.is_conflict.any())
            self.conflicts += is_conflict
            self.disagreements += not is_conflict
