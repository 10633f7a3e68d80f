"""The data of `simulated`: attempts, and reports gathered as columns. No decision is made here."""

from dataclasses import dataclass

from omegacell.agent.messages import Reports

Task = tuple[int, int]
"""Job and index."""


@dataclass(slots=True)
class SimulatedAttempt:
    """One attempt on one machine; of each task only the newest is known."""

    row: int
    task: Task
    number: int
    is_running: bool = True
    is_wanted: bool = True
    is_folded: bool = False
    is_fenced: bool = True
    end_kind: int = 0
    end_code: int = 0
    end_message: str = ""
    ended_at_us: int = 0


class Columns:
    """Reports that are being gathered."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.job_ids: list[int] = []
        self.indexes: list[int] = []
        self.attempts: list[int] = []
        self.kinds: list[int] = []
        self.codes: list[int] = []
        self.at_us: list[int] = []
        self.messages: dict[int, str] = {}

    def add(self, attempt: SimulatedAttempt, *, kind: int, code: int, at_us: int) -> None:
        """Add one report."""
        self.rows.append(attempt.row)
        self.job_ids.append(attempt.task[0])
        self.indexes.append(attempt.task[1])
        self.attempts.append(attempt.number)
        self.kinds.append(kind)
        self.codes.append(code)
        self.at_us.append(at_us)

    def extend(self, other: "Reports | Columns") -> None:
        """Add all rows of others behind these."""
        self.messages.update({len(self.rows) + place: text for place, text in dict(other.messages).items()})
        self.rows += other.rows
        self.job_ids += other.job_ids
        self.indexes += other.indexes
        self.attempts += other.attempts
        self.kinds += other.kinds
        self.codes += other.codes
        self.at_us += other.at_us


def pick(columns: Columns, places: list[int]) -> Columns:
    """Return some rows of the columns."""
    picked = Columns()
    picked.rows = [columns.rows[place] for place in places]
    picked.job_ids = [columns.job_ids[place] for place in places]
    picked.indexes = [columns.indexes[place] for place in places]
    picked.attempts = [columns.attempts[place] for place in places]
    picked.kinds = [columns.kinds[place] for place in places]
    picked.codes = [columns.codes[place] for place in places]
    picked.at_us = [columns.at_us[place] for place in places]
    picked.messages = {new: columns.messages[old] for new, old in enumerate(places) if old in columns.messages}
    return picked
