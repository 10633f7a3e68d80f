"""When checkpoints are made, and what goes once they are valid.

    due -> capture -> write -> confirm (in a process of its own) -> retain

Rules:
    One process of a cell runs this; a second does no harm, it only finds less to do.
    Nothing goes before two checkpoints are confirmed, and the log never above the older of them.
    A log that is too old is cut; one that is too large is cut from 80 % of its budget on, with a warning
    (``retention``).

The parts may be called one by one, so that a shell can write from a thread and confirm in a child process
(``checkpoints.confirm_at``); `Checkpointer.run` does all of it at once.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from omegacell.core.errors import MalformedError
from omegacell.core.units import SECOND_US
from omegacell.store.checkpoints import Capture, capture, confirm, wall_us, write
from omegacell.store.codec import decode_entry
from omegacell.store.log import CheckpointHead, Cursor, Store, Stored
from omegacell.store.replica import Replica
from omegacell.store.retention import plan_retention, retain

_LOG = logging.getLogger(__name__)

DEFAULT_EVERY_BYTES: Final = 64 << 20
DEFAULT_EVERY_REVISIONS: Final = 200_000
PROBE_BYTES: Final = 16 << 10
"""How much is read to find one entry with a stamp."""

DEFAULT_AGE_US: Final = 7 * 24 * 3_600 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often checkpoints are made, and how much of the log is kept behind them.

    Attributes:
        every_bytes: Bytes of log after which the next is due.
        every_revisions: Revisions after which the next is due.
        budget_bytes: What the store may take; it is cut from 80 % on. None for its engine's default.
        age_us: Entries older than this may go, by their authors' wall stamps.
    """

    every_bytes: int = DEFAULT_EVERY_BYTES
    every_revisions: int = DEFAULT_EVERY_REVISIONS
    budget_bytes: int | None = None
    age_us: int = DEFAULT_AGE_US


class Checkpointer:
    """Makes checkpoints of a replica, and lets old ones and old log go. Its replica's thread's own.

    Args:
        replica: What is captured.
        policy: How often, and how much is kept.
        now_us: Wall clock.
    """

    def __init__(self, replica: Replica, policy: Policy | None = None, *, now_us: Callable[[], int] = wall_us) -> None:
        self._replica = replica
        self._policy = Policy() if policy is None else policy
        self._now_us = now_us
        newest = max(replica.store.checkpoints.heads(), key=lambda head: head.revision, default=None)
        self._last_revision = 0 if newest is None else newest.revision
        self._folded_bytes = replica.folded_byte_count

    def is_due(self) -> bool:
        """Say whether enough was folded since the last checkpoint. Reads no store."""
        revisions = self._replica.revision - self._last_revision
        if revisions <= 0:
            return False
        folded_bytes = self._replica.folded_byte_count - self._folded_bytes
        return revisions >= self._policy.every_revisions or folded_bytes >= self._policy.every_bytes

    def capture(self) -> Capture:
        """Encode the replica's cell; the next checkpoint is due only after more log. Cost: O(cell).

        Raises:
            InvariantError: The replica is broken.
        """
        captured = capture(self._replica.fold, now_us=self._now_us)
        self._last_revision = captured.head.revision
        self._folded_bytes = self._replica.folded_byte_count
        return captured

    def retain(self) -> Cursor | None:
        """Let superseded checkpoints go, and log that is too old or too much.

        Returns:
            Up to where the log was cut now; None when it was left as it is.
        """
        return retain_log(self._replica.store, self._policy, now_us=self._now_us())

    def run(self) -> CheckpointHead:
        """Capture, write, confirm and retain, in this thread. Cost: O(cell), and a fold of the log since the last.

        Raises:
            DivergedError: A second fold came to another cell: the process must stop.
            StoreError: The store failed; a checkpoint that was written stays, unconfirmed.
        """
        store = self._replica.store
        head = write(store, self.capture())
        confirm(store, head.checkpoint_id)
        self.retain()
        return head


def retain_log(store: Store, policy: Policy, *, now_us: int) -> Cursor | None:
    """Let superseded checkpoints go, and log that is too much or too old; return up to where it was cut."""
    cut = retain(store, budget_bytes=policy.budget_bytes).truncate_upto
    allowed = plan_retention(store.checkpoints.heads()).truncate_upto
    if allowed is None:
        return cut
    old = find_older(store, now_us - policy.age_us, upto=allowed)
    if old is None:
        return cut
    _LOG.info("the log up to cursor %d is older than %d s: cut", old, policy.age_us // SECOND_US)
    store.truncate(old)
    return old


def find_older(store: Store, at_us: int, *, upto: Cursor) -> Cursor | None:
    """Return the last entry that was decided before a wall stamp, at most ``upto``; None when there is none.

    Stamps are their authors' word and need not ascend: the answer is approximate where they do not. Cost: a
    logarithmic number of reads.
    """
    low, high = int(store.first()), int(upto)
    oldest = _first_stamped(store.read(Cursor(low), PROBE_BYTES)) if low < high else None
    if oldest is not None and oldest[1] >= at_us:
        return None  # as nearly always: the log is younger than that
    found: Cursor | None = None
    while low < high:
        middle = (low + high) // 2
        stamped = _first_stamped(store.read(Cursor(middle), PROBE_BYTES))
        if stamped is not None and stamped[0] <= upto and stamped[1] < at_us:
            found = stamped[0]
            low = int(found)
        else:
            high = middle
    return found


def _first_stamped(entries: Sequence[Stored]) -> tuple[Cursor, int] | None:
    """Return the first entry that says when it was decided, and when; what says nothing does not count as old."""
    for stored in entries:
        try:
            decided_to_us = decode_entry(stored.entry)[0].decided_to_us
        except MalformedError:
            continue
        if decided_to_us:
            return stored.cursor, decided_to_us
    return None
