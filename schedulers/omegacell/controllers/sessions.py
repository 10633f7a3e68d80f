"""Sessions that are over: proposes `ExpireSession` for those whose deadline has passed."""

from omegacell.core.cell import Cell
from omegacell.core.commands import ExpireSession
from omegacell.core.units import SessionId

SESSIONS_PER_STEP = 256
"""Sessions that one step proposes to expire at most; the others follow."""


def find_expired(cell: Cell, *, own: SessionId) -> list[ExpireSession]:
    """Return a command for each session that is due, the longest overdue first, never for one's own.

    Pure; cost: O(sessions).
    """
    due = [
        (session.deadline, number)
        for number, session in cell.sessions.items()
        if cell.elapsed >= session.deadline and number != own
    ]
    return [ExpireSession(session=number) for _, number in sorted(due)[:SESSIONS_PER_STEP]]
