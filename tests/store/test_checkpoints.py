"""Checkpoints are made in time, believed only when a second fold agrees, and let go of what they replace."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from omegacell.core import snapshots
from omegacell.core.errors import CheckpointGoneError, DivergedError, StoreCorruptError
from omegacell.core.units import SECOND_US
from omegacell.store import checkpoints
from omegacell.store.checkpointer import Checkpointer, Policy, find_older, retain_log
from omegacell.store.log import START, CheckpointHead, CheckpointId, Cursor, Store, Stored
from omegacell.store.memory import MemoryCheckpoints, MemoryDisk, MemoryStore
from omegacell.store.proposer import Proposal, Session
from omegacell.store.replica import Replica
from omegacell.store.sqlite import SqliteStore
from tests.support.following import add_machine, begin_cell, committed, new_disk, session_on, submit


def write_checkpoint(session: Session, *, is_confirmed: bool = True) -> CheckpointHead:
    """Write a checkpoint of what the session's replica has, after one more job."""
    committed(session.submit([submit(f"job-{session.replica.revision}")]))
    head = checkpoints.write(session.replica.store, checkpoints.capture(session.replica.fold, now_us=lambda: 9))
    if is_confirmed:
        assert checkpoints.confirm(session.replica.store, head.checkpoint_id)
    return head


def test_a_checkpoint_holds_the_cell_and_where_it_stands() -> None:
    """Loaded, it has the revision, the cursor, the chain and the digest of what was captured."""
    session = session_on(MemoryStore(new_disk()))
    add_machine(session)
    head = write_checkpoint(session)
    replica = session.replica
    assert (head.revision, head.cursor, head.chain) == (replica.revision, replica.cursor, replica.chain)
    assert (head.digest, head.made_at_us) == (snapshots.digest(replica.cell), 9)
    fold = checkpoints.load_newest(replica.store)
    assert (fold.revision, fold.cursor, fold.chain) == (replica.revision, replica.cursor, replica.chain)
    assert snapshots.digest(fold.cell) == head.digest
    assert fold.chain_at(fold.revision) == fold.chain


def test_only_confirmed_checkpoints_are_loaded() -> None:
    """A newer one that nobody confirmed is passed over."""
    session = session_on(MemoryStore(new_disk()))
    older = write_checkpoint(session)
    write_checkpoint(session, is_confirmed=False)
    assert checkpoints.load_newest(session.replica.store).revision == older.revision


def test_a_checkpoint_is_loaded_up_to_a_cursor() -> None:
    """None beyond it; the empty cell when there is none below."""
    session = session_on(MemoryStore(new_disk()))
    older, newer = write_checkpoint(session), write_checkpoint(session)
    store = session.replica.store
    assert checkpoints.load_newest(store, upto=newer.cursor).revision == newer.revision
    assert checkpoints.load_newest(store, upto=Cursor(newer.cursor - 1)).revision == older.revision
    assert checkpoints.load_newest(store, upto=Cursor(older.cursor - 1)).revision == 0


@pytest.mark.parametrize("change", ["a byte", "the length", "another version", "the revision"])
def test_a_damaged_checkpoint_is_passed_over(change: str, caplog: pytest.LogCaptureFixture) -> None:
    """The next older one is loaded, and the log says which one is broken."""
    disk = new_disk()
    session = session_on(MemoryStore(disk))
    older, newer = write_checkpoint(session), write_checkpoint(session)
    head, chunks = disk.checkpoints[newer.checkpoint_id]
    data = bytearray(b"".join(chunks))
    match change:
        case "a byte":
            data[len(data) // 2] ^= 1
        case "the length":
            del data[-1]
        case "another version":
            data[:8] = b"othervsn"
            head = replace(head, digest=snapshots.digest_of(bytes(data)))
        case _:
            head = replace(head, revision=head.revision + 1)
    disk.checkpoints[newer.checkpoint_id] = (head, [bytes(data)])
    replica = Replica(session.replica.store)
    assert f"checkpoint {newer.checkpoint_id}" in caplog.text
    assert checkpoints.load_newest(session.replica.store).revision == older.revision
    assert snapshots.digest(replica.cell) == snapshots.digest(session.replica.cell)


class VanishingCheckpoints(MemoryCheckpoints):
    """Deletes the checkpoint that is read, the first time."""

    has_vanished = False

    def read(self, checkpoint_id: CheckpointId) -> Iterator[bytes]:
        if not self.has_vanished:
            self.has_vanished = True
            self.delete(checkpoint_id)
        return super().read(checkpoint_id)


def test_a_reader_whose_chunks_vanish_starts_again() -> None:
    """It takes what is the newest then."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    older, newer = write_checkpoint(session), write_checkpoint(session)
    store.checkpoints = VanishingCheckpoints(store)
    with pytest.raises(CheckpointGoneError):
        checkpoints.read_fold(store, newer)
    write_checkpoint(session)
    store.checkpoints = VanishingCheckpoints(store)
    assert checkpoints.load_newest(store).revision == older.revision


def test_a_checkpoint_of_another_cell_is_not_confirmed() -> None:
    """The second fold comes to another digest: an alarm, and the checkpoint is never loaded."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one")]))
    session.replica.cell.elapsed += 1
    head = checkpoints.write(store, checkpoints.capture(session.replica.fold))
    with pytest.raises(DivergedError, match="omega store verify"):
        checkpoints.confirm(store, head.checkpoint_id)
    assert not store.checkpoints.heads()[0].is_confirmed
    assert checkpoints.load_newest(store).revision == 0


def test_a_checkpoint_is_confirmed_by_a_fold_that_began_elsewhere() -> None:
    """Never by itself: with the log before it gone and no older one valid, it stays unconfirmed."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    head = write_checkpoint(session, is_confirmed=False)
    store.truncate(head.cursor)
    assert not checkpoints.confirm(store, head.checkpoint_id)
    assert not store.checkpoints.heads()[0].is_confirmed


def test_confirming_what_is_gone_or_confirmed_does_nothing() -> None:
    """False for what is gone, True again for what is valid."""
    session = session_on(MemoryStore(new_disk()))
    head = write_checkpoint(session)
    store = session.replica.store
    assert checkpoints.confirm(store, head.checkpoint_id)
    store.checkpoints.delete(head.checkpoint_id)
    assert not checkpoints.confirm(store, head.checkpoint_id)


def test_folding_to_a_cursor_that_is_no_entry_is_an_error() -> None:
    """Between two entries there is nothing to stop at."""
    session = session_on(MemoryStore(new_disk()))
    committed(session.submit([submit("one")]))
    store = session.replica.store
    fold = checkpoints.load_newest(store)
    with pytest.raises(Exception, match="no entry at cursor"):
        checkpoints.fold_to(store, fold, Cursor(session.replica.cursor - 1))
    with pytest.raises(Exception, match="no entry at cursor"):
        checkpoints.fold_to(store, fold, Cursor(session.replica.cursor + 1))


def test_a_checkpoint_is_due_after_revisions_or_bytes() -> None:
    """Whichever comes first; never without anything new."""
    session = session_on(MemoryStore(new_disk()))
    by_revisions = Checkpointer(session.replica, Policy(every_revisions=4))
    by_bytes = Checkpointer(session.replica, Policy(every_bytes=250))
    dues = []
    for number in range(4):
        dues.append((by_revisions.is_due(), by_bytes.is_due()))
        committed(session.submit([submit(f"job-{number}")]))
    assert dues == [(False, False), (False, False), (False, False), (True, True)]
    by_revisions.capture()
    by_bytes.run()
    assert (by_revisions.is_due(), by_bytes.is_due()) == (False, False)
    assert not Checkpointer(Replica(session.replica.store), Policy(every_revisions=1)).is_due()


def test_two_valid_checkpoints_are_kept_and_the_log_behind_them_while_there_is_room() -> None:
    """Five runs: the newest two stay; the log stays whole, for history."""
    session = session_on(MemoryStore(new_disk()))
    checkpointer = Checkpointer(session.replica, now_us=lambda: 100)
    written = []
    for number in range(5):
        committed(session.submit([submit(f"job-{number}")]))
        written.append(checkpointer.run().checkpoint_id)
    store = session.replica.store
    assert [(head.checkpoint_id, head.is_confirmed) for head in store.checkpoints.heads()] == [
        (written[3], True),
        (written[4], True),
    ]
    assert store.first() == START


def test_a_store_near_its_budget_is_cut_below_the_older_checkpoint(caplog: pytest.LogCaptureFixture) -> None:
    """With a warning; and what is left is enough to come to the same cell."""
    session = session_on(MemoryStore(new_disk()))
    checkpointer = Checkpointer(session.replica, Policy(budget_bytes=1_000))
    for number in range(3):
        committed(session.submit([submit(f"job-{number}")]))
        checkpointer.run()
    store = session.replica.store
    assert store.first() == store.checkpoints.heads()[0].cursor
    assert "cut" in caplog.text
    again = Replica(store)
    assert (again.revision, again.chain) == (session.replica.revision, session.replica.chain)


def submit_at(session: Session, seconds: int) -> Cursor:
    """Submit a job, stamped."""
    proposal = submit(f"job-{seconds}")
    stamped = Proposal(commands=proposal.commands, decided_to_us=seconds * SECOND_US)
    committed(session.submit([stamped]))
    return session.replica.cursor


def test_old_log_is_cut_but_never_above_the_older_valid_checkpoint() -> None:
    """Of entries 1 to 40 s old those above 25 s go; when all are old, those below the checkpoint."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    cursors = {seconds: submit_at(session, seconds) for seconds in range(1, 31)}
    policy = Policy(age_us=25 * SECOND_US)
    assert retain_log(store, policy, now_us=41 * SECOND_US) is None, "no checkpoint is valid yet"
    older = write_checkpoint(session)
    cursors |= {seconds: submit_at(session, seconds) for seconds in range(31, 41)}
    write_checkpoint(session)
    assert retain_log(store, policy, now_us=10 * SECOND_US) is None
    assert retain_log(store, policy, now_us=41 * SECOND_US) == cursors[15] == store.first()
    assert retain_log(store, policy, now_us=999 * SECOND_US) == store.first()
    assert cursors[30] <= store.first() <= older.cursor
    assert snapshots.digest(Replica(store).cell) == snapshots.digest(session.replica.cell)


def test_entries_that_say_no_time_do_not_count_as_old() -> None:
    """Among them the next that says one is asked; where none does, nothing is old."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    for number in range(3):
        committed(session.submit([Proposal(commands=submit(f"job-{number}").commands)]))
    assert find_older(store, 999 * SECOND_US, upto=store.head()) is None
    stamped = submit_at(session, 10)
    committed(session.submit())
    assert find_older(store, 999 * SECOND_US, upto=store.head()) == stamped
    assert find_older(store, 9 * SECOND_US, upto=store.head()) is None


def test_a_log_that_is_young_costs_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly every look finds nothing old: the oldest entry says so, and nothing else is read."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    for number in range(20):
        submit_at(session, 10 + number)
    reads: list[Cursor] = []
    read = store.read

    def counted(after: Cursor, limit_bytes: int) -> list[Stored]:
        reads.append(after)
        return read(after, limit_bytes)

    monkeypatch.setattr(store, "read", counted)
    assert find_older(store, 9 * SECOND_US, upto=store.head()) is None
    assert len(reads) == 1


def test_a_process_of_its_own_confirms_by_url(tmp_path: Path) -> None:
    """It shares nothing with the writer but the store."""
    path = tmp_path / "cell.db"
    with SqliteStore(path) as store:
        begin_cell(store)
        session = session_on(store)
        head = write_checkpoint(session, is_confirmed=False)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(checkpoints.confirm_at, (f"sqlite://{path}", int(head.checkpoint_id)))
        assert store.checkpoints.heads()[0].is_confirmed


def test_many_chunks_are_one_checkpoint(tmp_path: Path) -> None:
    """A cell of more than 1 MiB is written in chunks of at most that, and comes back."""
    store: Store = SqliteStore(tmp_path / "cell.db")
    begin_cell(store)
    session = session_on(store)
    committed(session.submit([submit("large", 100_000)]))
    head = write_checkpoint(session)
    assert head.chunk_count > 1
    assert snapshots.digest(Replica(store).cell) == head.digest
    store.close()


def test_a_log_without_its_beginning_and_without_checkpoints_cannot_be_loaded() -> None:
    """Said in one line, with what to do."""
    disk = MemoryDisk("0" * 32)
    store = MemoryStore(disk)
    begin_cell(store)
    store.truncate(store.head())
    with pytest.raises(StoreCorruptError, match="restore a backup"):
        checkpoints.load_newest(store)
