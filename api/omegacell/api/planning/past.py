"""A cell as it was at a revision that the log still reaches."""

from typing import Final

from omegacell.core.cell import Cell
from omegacell.core.errors import TruncatedError
from omegacell.store.checkpoints import load_newest, load_oldest
from omegacell.store.log import Cursor, Store

MAX_REVISIONS: Final = 200_000
"""So many revisions are folded for one question at most: some seconds."""


def cell_at(store: Store, revision: int, *, below: Cursor) -> tuple[Cell | None, str]:
    """Return the cell at a revision, or None and why not. Cost: the log from the checkpoint before it.

    Args:
        store: Where to read.
        revision: One at which an entry ended.
        below: An entry that comes after it.
    """
    fold = load_newest(store, upto=below)
    if fold.revision > revision:
        fold = load_oldest(store)
    if fold.revision > revision:
        return None, f"the log reaches back to revision {fold.revision}, and this was decided at {revision}"
    if revision - fold.revision > MAX_REVISIONS:
        return None, f"{revision - fold.revision} revisions would have to be folded again"
    voids = store.voids()
    while fold.revision < revision:
        try:
            entries = store.read(fold.cursor)
        except TruncatedError:
            return None, "the log was cut meanwhile"
        for stored in entries:
            if fold.revision < revision:
                fold.fold(stored, voids)
        if not entries:
            break
    if fold.revision != revision:
        return None, f"no entry of the log ended at revision {revision}"
    return fold.cell, ""
