"""The core against its slow twin: both fold the same history, and must say and hold the same after each step."""

from collections.abc import Sequence

from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import Transaction
from omegacell.core.outcomes import Outcome
from tests.support.histories import Entry, number, shrink, write_history
from tests.support.oracle import Oracle
from tests.support.oracle_mirror import differences, picture_of_cell, picture_of_twin, verdict_of
from tests.support.transcripts import fold_entry, write_transaction

PICTURE_EVERY = 16


def fold_entries(cell: Cell, entries: Sequence[Entry]) -> list[Outcome]:
    """Fold entries of a history; those that were damaged through the codec, the others as values."""
    outcomes = []
    for entry in entries:
        if entry.raw is not None:
            outcomes += fold_entry(cell, entry.raw)
        outcomes += [apply(cell, each) for each in entry.transactions]
    return outcomes


def find_difference(entries: Sequence[Entry], *, every: int = PICTURE_EVERY) -> str:
    """Fold entries on both sides; say where they first differ, or give an empty text."""
    cell, twin = Cell(), Oracle()
    count = 0
    for entry in entries:
        if entry.raw is not None:
            verdicts = twin.apply(entry.raw)
            outcomes = fold_entry(cell, entry.raw)
            if [verdict_of(each) for each in outcomes] != verdicts:
                return f"an entry of bytes {entry.raw.hex()}:\n  core {outcomes}\n  twin {verdicts}"
        for transaction in entry.transactions:
            difference = _compare(cell, twin, transaction)
            count += 1
            if not difference and count % every == 0:
                difference = "\n".join(differences(picture_of_cell(cell), picture_of_twin(twin)))
            if difference:
                return f"after\n{write_transaction(transaction)}\n{difference}"
    return "\n".join(differences(picture_of_cell(cell), picture_of_twin(twin)))


def _compare(cell: Cell, twin: Oracle, transaction: Transaction) -> str:
    expected = twin.apply_transaction(transaction)
    found = verdict_of(apply(cell, transaction))
    return "" if found == expected else f"  core {found}\n  twin {expected}"


def explain(seed: int) -> str:
    """Shrink the history of a seed on which the two differ, and tell what is left as a transcript."""

    def fails(entries: list[Entry]) -> bool:
        return bool(find_difference(number(entries), every=1))

    entries = write_history(seed)
    entries = number(shrink(entries, fails)) if fails(entries) else entries
    lines = [write_transaction(each) for entry in entries for each in entry.transactions]
    return f"seed {seed}\n" + "\n".join(lines) + "\n" + find_difference(entries, every=1)
