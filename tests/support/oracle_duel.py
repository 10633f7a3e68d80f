"""The core against its slow twin: both fold the same history, and must say and hold the same after each step."""

from collections.abc import Sequence

from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.outcomes import Outcome
from tests.support.histories import Entry, number, shrink, write_history
from tests.support.oracle import Oracle
from tests.support.oracle_mirror import differences, picture_of_cell, picture_of_twin, verdict_of
from tests.support.oracle_state import Verdict
from tests.support.transcripts import fold_entry, write_transaction

PICTURE_EVERY = 20


def fold_entries(cell: Cell, entries: Sequence[Entry]) -> list[Outcome]:
    """Fold entries of a history; those that were damaged through the codec, the others as values."""
    outcomes = []
    for entry in entries:
        if entry.raw is not None:
            outcomes += fold_entry(cell, entry.raw)
        outcomes += [apply(cell, each) for each in entry.transactions]
    return outcomes


class Duel:
    """A cell that folds what its twin folds, and notes where they first differ.

    Attributes:
        cell: the core's side.
        difference: what they first differed in; empty while they agree.
    """

    def __init__(self, *, every: int) -> None:
        """Compare outcomes always, and all that the two hold after every so many entries."""
        self.cell = Cell()
        self.difference = ""
        self.every = every
        self.count = 0

    def watch(self, entry: Entry, verdicts: list[Verdict], twin: Oracle) -> None:
        """Fold an entry that the twin has just folded, and compare."""
        if self.difference:
            return
        self.count += 1
        found = [verdict_of(each) for each in fold_entries(self.cell, [entry])]
        if found != verdicts:
            self.difference = f"at\n{write_entry(entry)}\n  core {found}\n  twin {verdicts}"
        elif self.count % self.every == 0:
            self.compare(twin)

    def compare(self, twin: Oracle) -> None:
        """Compare all that the two hold."""
        if not self.difference:
            self.difference = "\n".join(differences(picture_of_cell(self.cell), picture_of_twin(twin)))


def find_difference_of(seed: int) -> str:
    """Fold the history of a seed while it is written; say where the two first differ, or give an empty text."""
    duel = Duel(every=PICTURE_EVERY)
    twins: list[Oracle] = []

    def watch(entry: Entry, verdicts: list[Verdict], twin: Oracle) -> None:
        twins[:] = [twin]
        duel.watch(entry, verdicts, twin)

    write_history(seed, watch)
    duel.compare(twins[0])
    return duel.difference


def find_difference(entries: Sequence[Entry], *, every: int = PICTURE_EVERY) -> str:
    """Fold entries on both sides; say where they first differ, or give an empty text."""
    duel, twin = Duel(every=every), Oracle()
    for entry in entries:
        verdicts = twin.apply(entry.raw) if entry.raw is not None else []
        verdicts += [twin.apply_transaction(each) for each in entry.transactions]
        duel.watch(entry, verdicts, twin)
    duel.compare(twin)
    return duel.difference


def write_entry(entry: Entry) -> str:
    """Write an entry as a transcript would have it."""
    if entry.raw is not None:
        return f"bytes {entry.raw.hex()}"
    return "\n".join(write_transaction(each) for each in entry.transactions)


def explain(seed: int) -> str:
    """Shrink the history of a seed on which the two differ, and tell what is left as a transcript."""

    def fails(entries: list[Entry]) -> bool:
        return bool(find_difference(number(entries), every=1))

    entries = write_history(seed)
    entries = number(shrink(entries, fails)) if fails(entries) else entries
    return f"seed {seed}\n" + "\n".join(map(write_entry, entries)) + "\n" + find_difference(entries, every=1)
