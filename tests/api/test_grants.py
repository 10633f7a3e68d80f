"""What the log granted to whom: of a transaction only what was granted, and no further back than it was read."""

from collections.abc import Sequence

import numpy as np
import pytest

from omegacell.api import grants
from omegacell.api.grants import Grants
from omegacell.core.commands import Command, Evict, Place, Transaction, Unplaced
from omegacell.core.outcomes import NO_REFUSALS, Outcome, Refusals, Status
from omegacell.core.units import JobId, Revision, SessionId
from omegacell.store.folding import Applied
from omegacell.store.log import Cursor


def place(job: int, *claims: tuple[int, int]) -> Place:
    """Claim tasks on machines, each as index and row."""
    indices, machines = (np.array(column, np.int32) for column in zip(*claims, strict=True))
    return Place(job=JobId(job), indices=indices, machines=machines)


def evict(job: int, *indices: int) -> Evict:
    """Evict tasks in their first attempts."""
    rows = np.array(indices, np.int32)
    return Evict(job=JobId(job), indices=rows, attempts=np.ones(len(rows), np.int32))


def refused_at(positions: Sequence[int]) -> Refusals:
    """Refuse the rows of a transaction that stand at these places."""
    count = len(positions)
    return Refusals(
        positions=np.array(positions, np.int32),
        reasons=np.full(count, 30, np.uint8),
        is_conflict=np.ones(count, np.uint8),
        dimensions=np.zeros(count, np.int32),
        shortages=np.ones(count, np.int64),
        taken_at=np.zeros(count, np.int64),
    )


def applied(
    revision: int, *commands: Command, refused: Sequence[int] = (), status: Status = Status.COMMITTED
) -> Applied:
    """Return a revision of the log."""
    refusals = refused_at(refused) if refused else NO_REFUSALS
    return Applied(
        revision=Revision(revision),
        cursor=Cursor(revision),
        transaction=Transaction(session=SessionId(1), seq=revision, seen=Revision(revision - 2), commands=commands),
        outcome=Outcome(revision=Revision(revision), status=status, refusals=refusals),
    )


Granted = list[tuple[int, list[int], list[int]]]

# commands, refused rows, status, and the grants: job, tasks, machines
GRANTED: list[tuple[tuple[Command, ...], tuple[int, ...], Status, Granted]] = [
    ((place(1, (0, 5), (1, 6)),), (), Status.COMMITTED, [(1, [0, 1], [5, 6])]),
    ((place(1, (0, 5), (1, 6)),), (0,), Status.PARTIAL, [(1, [1], [6])]),
    (
        (place(1, (0, 5)), evict(3, 7, 8), place(2, (4, 6), (5, 6))),
        (1, 4),
        Status.PARTIAL,
        [(1, [0], [5]), (2, [4], [6])],
    ),
    ((place(1, (0, 5)), Unplaced(job=JobId(1), task_count=2)), (), Status.COMMITTED, [(1, [0], [5])]),
    ((place(1, (0, 5)),), (0,), Status.REFUSED, []),
    ((evict(1, 0),), (), Status.COMMITTED, []),
    ((place(1, (0, 5)),), (), Status.DUPLICATE, []),
]


@pytest.mark.parametrize(("commands", "refused", "status", "expected"), GRANTED)
def test_what_a_transaction_was_granted(
    commands: tuple[Command, ...],
    refused: tuple[int, ...],
    status: Status,
    expected: list[tuple[int, list[int], list[int]]],
) -> None:
    """Refused claims are left out, counted through all claims and evictions of the transaction."""
    book = Grants(after=0)
    book.record(applied(9, *commands, refused=refused, status=status), "batch-0")
    assert [(each.job, each.indices.tolist(), each.machines.tolist()) for each in book.at(9)] == expected
    assert {(each.author, each.revision, each.seen) for each in book.at(9)} <= {("batch-0", 9, 7)}


def test_grants_of_a_task_come_newest_first() -> None:
    """Every grant of a task is found, and nothing of others; a revision without grants has none."""
    book = Grants(after=0)
    for revision, machine in ((5, 1), (6, 2), (9, 3)):
        book.record(applied(revision, place(1, (0, machine), (1, 7))), "batch-0")
    assert [(each.revision, each.machine_of(0)) for each in book.of_task(1, 0)] == [(9, 3), (6, 2), (5, 1)]
    assert [each.machine_of(1) for each in book.of_task(1, 1)] == [7, 7, 7]
    assert list(book.of_task(1, 2)) == list(book.of_task(2, 0)) == book.at(7) == []


def test_the_oldest_grants_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest go, and it is said from where on they are known."""
    monkeypatch.setattr(grants, "CLAIMS_KEPT", 4)
    book = Grants(after=0)
    for revision in range(2, 8):
        book.record(applied(revision, place(1, (0, 1), (1, 1))), "batch-0")
    assert [each.revision for each in book.of_task(1, 0)] == [7, 6]
    assert book.oldest_revision == 6


def test_a_gap_is_no_history() -> None:
    """After a jump over revisions nothing from before it is told, because grants no longer count attempts."""
    book = Grants(after=0)
    book.record(applied(2, place(1, (0, 1))), "batch-0")
    book.forget_all(after=10)
    book.record(applied(11, place(1, (0, 2))), "batch-0")
    assert [each.revision for each in book.of_task(1, 0)] == [11]
    assert book.oldest_revision == 11


def test_older_grants_are_put_before() -> None:
    """What was read of the log from before joins on, each revision once."""
    newer, older = Grants(after=5), Grants(after=0)
    newer.record(applied(6, place(1, (0, 3))), "batch-0")
    for revision in (4, 5, 6):
        older.record(applied(revision, place(1, (0, 1))), "batch-1")
    newer.prepend(older)
    assert [(each.revision, each.author) for each in newer.of_task(1, 0)] == [
        (6, "batch-0"),
        (5, "batch-1"),
        (4, "batch-1"),
    ]
    assert newer.oldest_revision == 1
