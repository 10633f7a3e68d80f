"""What every engine must do beside the log: payloads, checkpoints, voids, figures."""

from collections.abc import Iterator

import pytest

from omegacell.core.errors import CheckpointGoneError, EntryTooLargeError, StoreError, StoreLockedError
from omegacell.store.log import (
    MAX_CHUNK_BYTES,
    MAX_HASH_BYTES,
    MAX_PAYLOAD_BYTES,
    START,
    Append,
    CheckpointHead,
    CheckpointId,
    Cursor,
    Store,
    split_chunks,
)
from tests.store.conftest import Handles


def head_of(chunks: list[bytes], *, revision: int = 5, cursor: int = 0) -> CheckpointHead:
    return CheckpointHead(
        revision=revision,
        cursor=Cursor(cursor),
        chain=b"c" * 16,
        digest=b"d" * 32,
        chunk_count=len(chunks),
        byte_count=sum(map(len, chunks)),
        made_at_us=1_700_000_000_000_000,
    )


def test_payloads_come_with_the_entry_that_names_them(handles: Handles) -> None:
    """A payload given with an append is there for every handle; a second one under its hash changes nothing."""
    one, two = handles.open(), handles.open()
    one.append([Append(entry=b"a", session=1, first_seq=1, payloads={b"h1": b"first", b"h2": b""})])
    two.append([Append(entry=b"b", session=2, first_seq=1, payloads={b"h1": b"second", b"h3": b"third"})])
    two.payloads.put(b"h1", b"fourth")
    two.payloads.put(b"h4", b"fifth")
    for store in (one, two):
        found = {name: store.payloads.get(name) for name in (b"h1", b"h2", b"h3", b"h4", b"h5")}
        assert found == {b"h1": b"first", b"h2": b"", b"h3": b"third", b"h4": b"fifth", b"h5": None}
        assert store.payloads.hashes() == {b"h1", b"h2", b"h3", b"h4"}


def test_an_erased_payload_is_gone_and_the_log_stays(handles: Handles) -> None:
    """Erasing takes the payload from all handles, once, and leaves the entries alone."""
    one, two = handles.open(), handles.open()
    one.append([Append(entry=b"a", session=1, first_seq=1, payloads={b"h": b"p"})])
    assert (two.payloads.erase(b"h"), two.payloads.erase(b"h")) == (True, False)
    assert one.payloads.get(b"h") is None
    assert [stored.entry for stored in one.read(START)] == [b"a"]


def test_a_payload_beyond_the_limits_is_refused(store: Store) -> None:
    """Size and hash are checked when a payload comes alone, too; the limits are inclusive."""
    store.payloads.put(b"h" * MAX_HASH_BYTES, b"p" * MAX_PAYLOAD_BYTES)
    with pytest.raises(EntryTooLargeError, match="1048577"):
        store.payloads.put(b"h", b"p" * (MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(StoreError, match="expected 1 to 64"):
        store.payloads.put(b"", b"p")
    assert store.payloads.hashes() == {b"h" * MAX_HASH_BYTES}


def test_a_checkpoint_is_read_as_it_was_written(handles: Handles) -> None:
    """Chunks come back in order and whole; heads are listed oldest first, the same in every handle."""
    one, two = handles.open(), handles.open()
    data = bytes(range(256)) * 10_000
    chunks = split_chunks(data)
    assert [len(chunk) for chunk in chunks] == [MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, len(data) - 2 * MAX_CHUNK_BYTES]
    first = one.checkpoints.write(head_of(chunks), iter(chunks))
    second = two.checkpoints.write(head_of([b"x"], revision=6), [b"x"])
    assert second.checkpoint_id > first.checkpoint_id
    assert not first.is_confirmed
    for store in (one, two):
        assert store.checkpoints.heads() == [first, second]
        assert b"".join(store.checkpoints.read(first.checkpoint_id)) == data
    assert one.stat().checkpoint_count == 2


def test_a_checkpoint_may_be_empty(store: Store) -> None:
    """No chunks: a head alone is a checkpoint."""
    head = store.checkpoints.write(head_of([]), [])
    assert list(store.checkpoints.read(head.checkpoint_id)) == []


def test_confirmation_is_kept(handles: Handles) -> None:
    """A confirmed checkpoint is confirmed for everyone, and for ever."""
    one, two = handles.open(), handles.open()
    head = one.checkpoints.write(head_of([b"x"]), [b"x"])
    two.checkpoints.confirm(head.checkpoint_id)
    two.checkpoints.confirm(head.checkpoint_id)
    (found,) = one.checkpoints.heads()
    assert found.is_confirmed
    assert list(one.checkpoints.read(head.checkpoint_id)) == [b"x"]


def test_a_checkpoint_that_is_being_written_does_not_exist(handles: Handles) -> None:
    """Until its head is written nobody lists it; appends go on meanwhile; another writer is turned away."""
    one, two = handles.open(), handles.open()
    seen: list[list[CheckpointHead]] = []

    def chunks() -> Iterator[bytes]:
        yield b"x"
        seen.append(two.checkpoints.heads())
        two.append([Append(entry=b"meanwhile", session=1, first_seq=1)])
        with pytest.raises(StoreLockedError):
            two.checkpoints.write(head_of([b"z"]), [b"z"])
        with pytest.raises(StoreLockedError):
            one.checkpoints.write(head_of([b"z"]), [b"z"])
        yield b"y"

    head = one.checkpoints.write(head_of([b"x", b"y"]), chunks())
    assert seen == [[]]
    assert two.checkpoints.heads() == [head]
    assert [stored.entry for stored in one.read(START)] == [b"meanwhile"]
    two.checkpoints.write(head_of([b"z"]), [b"z"])


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ([b"ab"], StoreError),  # one is missing
        ([b"ab", b"cd", b""], StoreError),  # one too many
        ([b"ab", b"cde"], StoreError),  # too long together
        ([b"ab", b"x" * (MAX_CHUNK_BYTES + 1)], EntryTooLargeError),
    ],
)
def test_chunks_that_differ_from_their_head_are_refused(
    store: Store, chunks: list[bytes], error: type[StoreError]
) -> None:
    """Other chunks than the head says: an error, and no checkpoint; the next one succeeds."""
    with pytest.raises(error):
        store.checkpoints.write(head_of([b"ab", b"cd"]), chunks)
    assert store.checkpoints.heads() == []
    assert store.find_faults() == []
    assert store.checkpoints.write(head_of([b"ab"]), [b"ab"]) in store.checkpoints.heads()


def test_a_checkpoint_whose_author_fails_does_not_exist(store: Store) -> None:
    """An exception while chunks are made passes through and leaves nothing."""

    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.checkpoints.write(head_of([b"x", b"y"]), chunks())
    assert store.checkpoints.heads() == []


@pytest.mark.parametrize(
    "fields", [{"chain": b"short"}, {"digest": b"short"}, {"checkpoint_id": CheckpointId(3)}, {"revision": -1}]
)
def test_a_head_that_describes_no_checkpoint_is_refused(store: Store, fields: dict[str, object]) -> None:
    """Lengths, signs and an id given by the caller are checked in every engine."""
    wrong = {
        "revision": 1, "cursor": START, "chain": b"c" * 16, "digest": b"d" * 32, "chunk_count": 0, "byte_count": 0,
        "made_at_us": 0, **fields,
    }  # fmt: skip
    with pytest.raises(StoreError):
        store.checkpoints.write(CheckpointHead(**wrong), [])  # type: ignore[arg-type]
    assert store.checkpoints.heads() == []


def test_a_reader_whose_chunks_vanish_is_told_to_start_again(handles: Handles) -> None:
    """Deleted while being read: CheckpointGoneError at the next chunk; and for whoever comes later."""
    one, two = handles.open(), handles.open()
    head = one.checkpoints.write(head_of([b"x", b"y"]), [b"x", b"y"])
    chunks = one.checkpoints.read(head.checkpoint_id)
    assert next(chunks) == b"x"
    two.checkpoints.delete(head.checkpoint_id)
    two.checkpoints.delete(head.checkpoint_id)
    with pytest.raises(CheckpointGoneError, match="start again from the newest"):
        next(chunks)
    with pytest.raises(CheckpointGoneError):
        list(two.checkpoints.read(head.checkpoint_id))
    with pytest.raises(CheckpointGoneError):
        two.checkpoints.confirm(head.checkpoint_id)
    assert one.checkpoints.write(head_of([b"z"]), [b"z"]).checkpoint_id > head.checkpoint_id


def test_voids_are_a_set_that_everyone_reads(handles: Handles) -> None:
    """Voiding twice is voiding once; revision 0 is none."""
    one, two = handles.open(), handles.open()
    one.void(7)
    two.void(7)
    two.void(3)
    assert one.voids() == two.voids() == {3, 7}
    with pytest.raises(StoreError, match="revisions begin at 1"):
        one.void(0)


def test_figures_are_those_of_what_is_kept(store: Store) -> None:
    """Counts follow appends, truncation, payloads and voids; a sound store has no faults."""
    payloads = {b"h1": b"p", b"h2": b"p"}
    cursors = store.append([Append(entry=b"x" * 10, session=1, first_seq=1, payloads=payloads)])
    cursors += store.append([Append(entry=b"y" * 10, session=1, first_seq=place) for place in (2, 3)])
    store.truncate(cursors[0])
    store.void(2)
    stat = store.stat()
    assert (stat.entry_count, stat.first, stat.head) == (2, cursors[0], cursors[2])
    assert (stat.payload_count, stat.void_count, stat.checkpoint_count) == (2, 1, 0)
    assert stat.incarnation == store.incarnation
    assert stat.byte_count >= 20
    assert store.find_faults() == []
