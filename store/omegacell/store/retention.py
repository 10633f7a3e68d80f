"""Which checkpoints and how much of the log are kept.

Rules (design section 5, rule 7):
    The newest valid (confirmed) checkpoints are kept, two of them; the log is never cut above the older of them.
    A checkpoint that waits for confirmation is kept while it is newer than every valid one.
    With fewer valid ones the log is left whole.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from omegacell.store.log import CheckpointHead, CheckpointId, Cursor, Store

_LOG = logging.getLogger(__name__)

KEPT_CHECKPOINTS: Final = 2
DEFAULT_BUDGET_BYTES: Final = 4 << 30
# etcd's own quota is 2 GiB unless raised, and what is superseded counts until it is compacted: half of it.
ETCD_BUDGET_BYTES: Final = 1 << 30
# In per cent of the budget: from here on the log is cut as far as it may be.
CUT_FROM_PERCENT: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What may go.

    Attributes:
        superseded: Checkpoints that nobody needs any more, oldest first.
        truncate_upto: The log may go up to here; None when it must stay whole.
    """

    superseded: tuple[CheckpointId, ...]
    truncate_upto: Cursor | None


def plan_retention(heads: Sequence[CheckpointHead]) -> Retention:
    """Decide what may go, from the heads in any order."""
    ordered = sorted(heads, key=lambda head: (head.revision, head.checkpoint_id))
    valid = [head for head in ordered if head.is_confirmed][-KEPT_CHECKPOINTS:]
    newest_valid = valid[-1].revision if valid else -1
    waiting = [head for head in ordered if not head.is_confirmed and head.revision > newest_valid][-KEPT_CHECKPOINTS:]
    kept = {head.checkpoint_id for head in (*valid, *waiting)}
    return Retention(
        superseded=tuple(head.checkpoint_id for head in ordered if head.checkpoint_id not in kept),
        truncate_upto=min(head.cursor for head in valid) if len(valid) == KEPT_CHECKPOINTS else None,
    )


def default_budget_bytes(engine: str) -> int:
    """Return what a store may take when nobody says otherwise.

    >>> default_budget_bytes("etcd") < default_budget_bytes("sqlite")
    True
    """
    return ETCD_BUDGET_BYTES if engine == "etcd" else DEFAULT_BUDGET_BYTES


def retain(store: Store, *, budget_bytes: int | None = None) -> Retention:
    """Delete superseded checkpoints and, once the store nears its budget, the log that no valid one needs.

    Args:
        store: Where.
        budget_bytes: What it may take; None for its engine's default.

    Returns:
        What was done: ``truncate_upto`` is None when the log was left whole.
    """
    plan = plan_retention(store.checkpoints.heads())
    for checkpoint_id in plan.superseded:
        store.checkpoints.delete(checkpoint_id)
    stat = store.stat()
    if budget_bytes is None:
        budget_bytes = default_budget_bytes(stat.engine)
    used_bytes = stat.byte_count - stat.free_byte_count
    if used_bytes * 100 < budget_bytes * CUT_FROM_PERCENT:
        return Retention(superseded=plan.superseded, truncate_upto=None)
    if plan.truncate_upto is None or plan.truncate_upto <= stat.first:
        _LOG.warning(
            "the store has %d of %d bytes; its log cannot be cut without %d confirmed checkpoints beyond cursor %d",
            used_bytes,
            budget_bytes,
            KEPT_CHECKPOINTS,
            stat.first,
        )
        return Retention(superseded=plan.superseded, truncate_upto=None)
    _LOG.warning(
        "the store has %d of %d bytes: cut the log up to cursor %d", used_bytes, budget_bytes, plan.truncate_upto
    )
    store.truncate(plan.truncate_upto)
    return plan
