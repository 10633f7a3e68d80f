"""What is kept of checkpoints and log."""

import pytest

from omegacell.store.log import START, Append, CheckpointHead, CheckpointId, Cursor
from omegacell.store.memory import MemoryStore
from omegacell.store.retention import plan_retention, retain


def head(checkpoint_id: int, revision: int, *, is_confirmed: bool) -> CheckpointHead:
    return CheckpointHead(
        revision=revision,
        cursor=Cursor(revision * 10),
        chain=b"c" * 16,
        digest=b"d" * 32,
        chunk_count=0,
        byte_count=0,
        made_at_us=0,
        is_confirmed=is_confirmed,
        checkpoint_id=CheckpointId(checkpoint_id),
    )


@pytest.mark.parametrize(
    ("heads", "superseded", "truncate_upto"),
    [
        # Each head is its id, its revision and whether it is confirmed.
        ([], [], None),
        ([(1, 5, True)], [], None),
        ([(1, 5, True), (2, 6, False)], [], None),
        ([(1, 5, True), (2, 6, True)], [], 50),
        ([(1, 5, True), (2, 6, True), (3, 7, True)], [1], 60),
        ([(1, 5, True), (2, 6, False), (3, 7, True)], [2], 50),
        ([(1, 5, True), (2, 6, True), (3, 7, False)], [], 50),
        ([(1, 5, False), (2, 6, False), (3, 7, False)], [1], None),
        ([(1, 5, True), (2, 6, False), (3, 7, False), (4, 8, False)], [2], None),
        # A slow writer's checkpoint comes late: the revision counts, not the id.
        ([(1, 7, True), (2, 6, True), (3, 5, True)], [3], 60),
        ([(1, 7, True), (2, 6, False)], [2], None),
        # Two of one revision: both are valid, and the log may go up to it.
        ([(1, 7, True), (2, 7, True)], [], 70),
    ],
)
def test_two_valid_checkpoints_are_kept_and_the_log_from_the_older(
    heads: list[tuple[int, int, bool]], superseded: list[int], truncate_upto: int | None
) -> None:
    """The table of the rules: what goes, and how far the log may go."""
    plan = plan_retention([head(number, revision, is_confirmed=valid) for number, revision, valid in heads])
    assert (list(plan.superseded), plan.truncate_upto) == (superseded, truncate_upto)


def filled_store() -> tuple[MemoryStore, list[Cursor]]:
    store = MemoryStore()
    cursors = store.append([Append(entry=b"x" * 1000, session=1, first_seq=place) for place in range(6)])
    for revision in (1, 2, 3):
        made = store.checkpoints.write(
            CheckpointHead(
                revision=revision, cursor=cursors[revision], chain=b"c" * 16, digest=b"d" * 32, chunk_count=0,
                byte_count=0, made_at_us=0,
            ),
            [],
        )  # fmt: skip
        store.checkpoints.confirm(made.checkpoint_id)
    return store, cursors


def test_a_store_far_below_its_budget_keeps_its_log() -> None:
    """Superseded checkpoints go at once; history stays while there is room for it."""
    store, _ = filled_store()
    done = retain(store, budget_bytes=1_000_000)
    assert (len(done.superseded), done.truncate_upto) == (1, None)
    assert [head.revision for head in store.checkpoints.heads()] == [2, 3]
    assert store.first() == START


def test_a_store_near_its_budget_is_cut_below_the_older_valid_checkpoint() -> None:
    """From 80 % on the log goes as far as it may, and no farther; a second time changes nothing."""
    store, cursors = filled_store()
    assert retain(store, budget_bytes=7500).truncate_upto == cursors[2]
    assert store.first() == cursors[2]
    assert retain(store, budget_bytes=10).truncate_upto is None
    assert [stored.cursor for stored in store.read(cursors[2])] == cursors[3:]


def test_without_two_valid_checkpoints_the_log_stays_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Over budget, and nothing to stand on: the log stays whole, with a warning."""
    store = MemoryStore()
    store.append([Append(entry=b"x" * 1000, session=1, first_seq=1)])
    assert retain(store, budget_bytes=10).truncate_upto is None
    assert store.first() == START
    assert "its log cannot be cut without 2 confirmed checkpoints" in caplog.text
