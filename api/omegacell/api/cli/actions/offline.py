"""Answers from a store with nothing running: a stopped cell, or a copy of its database."""

from omegacell.api.cli.actions.stores import find_store
from omegacell.api.figures import ConflictPage, ConflictQuery, SchedulerList
from omegacell.api.statistics import read_store


def read_conflicts(text: str, query: ConflictQuery) -> tuple[SchedulerList, ConflictPage]:
    """Fold a store and return what its schedulers did, and their refused claims.

    Raises:
        StoreError: It cannot be read.
    """
    reading = read_store(find_store(text))
    schedulers = SchedulerList(at=reading.at, schedulers=reading.schedulers)
    rows = reading.recorder.conflicts(query)
    return schedulers, ConflictPage(at=reading.at, oldest_revision=reading.recorder.oldest_revision, rows=rows)
