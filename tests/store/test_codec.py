"""The persistent format: every transaction survives it, and nothing else than what it writes is taken."""

import dataclasses
import random
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.core import commands as core
from omegacell.core import machine_commands as machines
from omegacell.core.drains import Eligibility, EvictCause
from omegacell.core.errors import EntryTooLargeError, MalformedError
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.units import MAX_ENTRY_BYTES, Band, JobId, Revision, SessionId
from omegacell.store.codec import decode_entry, encode_entry, genesis_entry, to_append
from omegacell.store.codec_commands import READERS, WRITERS
from omegacell.store.proto import log_v1_pb2 as pb
from tests.support.strategies_codec import COMMANDS, entries


def same(left: Any, right: Any) -> bool:
    """Compare two values of the core, columns by type and content."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if dataclasses.is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in dataclasses.fields(left))
    if isinstance(left, tuple):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))
    return bool(left == right)


def place(claims: int, seq: int = 1, session: int = 5) -> core.Transaction:
    """Build a transaction of one Place."""
    rows = np.arange(claims, dtype=np.int32)
    commands = (core.Place(job=JobId(1), indices=rows, machines=rows),)
    return core.Transaction(session=SessionId(session), seq=seq, seen=Revision(9), commands=commands)


def submit() -> core.Transaction:
    """Build a transaction that submits a job."""
    spec = JobSpec(
        name="web",
        owner="ann",
        kind=Kind.SERVICE,
        scheduler="service",
        band=Band.PRODUCTION,
        priority=-3,
        count=4,
        resources=(100, 2**30, 0),
        driver="exec",
    )
    commands = (core.SubmitJob(spec=spec, submitted_at_us=7),)
    return core.Transaction(session=SessionId(5), seq=2, seen=Revision(9), commands=commands)


@given(entries())
def test_what_was_encoded_is_decoded(transactions: tuple[core.Transaction, ...]) -> None:
    """decode(encode(x)) is x, and encoding it again gives the same bytes."""
    data = encode_entry(transactions)
    again = decode_entry(data)
    assert same(again, transactions)
    assert encode_entry(again) == data


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_every_command_survives(command: type[core.Command]) -> None:
    """Each member of the union, with columns of no rows and of some, comes back as it was."""

    @given(COMMANDS[command])
    def survives(value: core.Command) -> None:
        transaction = core.Transaction(session=SessionId(1), seq=1, seen=Revision(0), commands=(value,))
        assert same(decode_entry(encode_entry((transaction,))), (transaction,))

    survives()


def test_every_command_is_in_every_table() -> None:
    """The union, the writers, the readers and the proto's oneof name the same commands in the same words."""
    union = set(get_args(core.Command))
    assert set(WRITERS) == union
    assert set(COMMANDS) == union
    names = [field.name for field in pb.Command.DESCRIPTOR.oneofs_by_name["kind"].fields]
    assert set(READERS) == set(names)
    assert {name.replace("_", "") for name in names} == {command.__name__.lower() for command in union}


def test_column_enums_have_the_protos_numbers() -> None:
    """Values inside columns are the core's numbers, so they must be those that the proto documents."""
    for enum, wire, prefix in (
        (machines.ReportKind, pb.ReportKind, "REPORT_KIND"),
        (machines.ExitNote, pb.ExitNote, "EXIT_NOTE"),
        (EvictCause, pb.EvictCause, "EVICT_CAUSE"),
        (Eligibility, pb.Eligibility, "ELIGIBILITY"),
    ):
        assert {f"{prefix}_{member.name}": int(member) for member in enum} == dict(wire.items())


def test_the_bytes_are_those_of_the_first_release() -> None:
    """One entry, byte by byte: a library that writes fields in another order would change what is malformed."""
    data = encode_entry((place(2), submit()))
    assert data.hex() == GOLDEN
    assert same(decode_entry(bytes.fromhex(GOLDEN))[0], place(2))


GOLDEN = (
    "080510011a2e08091210000000000000000000000000000000003a180a160801120800000000010000001a0800000000"
    "010000001a5208091210000000000000000000000000000000003a3c323a0a360a037765621203616e6e180122077365"
    "72766963652802300538044207648080808004004a046578656368c0843d70c096b1029801011007"
)


def test_columns_are_not_copied_and_read_only() -> None:
    """A decoded column looks into the bytes of the entry and cannot be written."""
    command = decode_entry(encode_entry((place(3),)))[0].commands[0]
    assert isinstance(command, core.Place)
    assert command.indices.dtype == np.int32
    assert not command.indices.flags.owndata
    assert not command.indices.flags.writeable


def test_random_bytes_are_malformed_or_canonical() -> None:
    """10,000 random byte strings raise nothing but MalformedError, or are exactly an entry's encoding."""
    rng = random.Random(1)
    for _ in range(10_000):
        check_bytes(rng.randbytes(rng.randrange(0, 60)))


def test_broken_entries_are_malformed_or_canonical() -> None:
    """10,000 valid entries with bytes changed, cut, doubled or added do the same."""
    rng = random.Random(2)
    whole = [encode_entry((place(3), submit())), encode_entry((submit(),)), genesis_entry("c", incarnation="0" * 32)]
    broken = 0
    for _ in range(10_000):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at]
                case 2:
                    data[at:at] = data[at : at + rng.randrange(8)]
                case _:
                    data[at:at] = rng.randbytes(rng.randrange(1, 4))
            if not data:
                break
        broken += not check_bytes(bytes(data))
    assert broken > 5_000


@given(entries(), st.data())
def test_any_broken_entry_is_malformed_or_canonical(
    transactions: tuple[core.Transaction, ...], data: st.DataObject
) -> None:
    """An entry of any commands with one byte changed is malformed, or another entry's encoding."""
    entry = bytearray(encode_entry(transactions))
    at = data.draw(st.integers(0, len(entry) - 1))
    entry[at] = data.draw(st.integers(0, 255))
    check_bytes(bytes(entry))


def check_bytes(data: bytes) -> bool:
    """Decode and, when that works, encode again to the same bytes; say whether it worked."""
    try:
        transactions = decode_entry(data)
    except MalformedError:
        return False
    assert encode_entry(transactions) == data
    return True


def with_unknown_field(entry: pb.Entry) -> None:
    """Give a command a field that no version knows."""
    entry.transactions[0].commands[0].MergeFromString(b"\xf8\x7f\x01")


def with_unknown_detection(entry: pb.Entry) -> None:
    """Use an enum's value that this version does not know."""
    entry.transactions[0].detection = 7  # type: ignore[assignment]


def with_half_a_row(entry: pb.Entry) -> None:
    """Cut a column inside a row."""
    entry.transactions[0].commands[0].place.indices += b"\x00"


def with_short_chain(entry: pb.Entry) -> None:
    """Give 15 bytes of chain."""
    entry.transactions[0].seen_chain = b"\x00" * 15


def with_command_of_no_kind(entry: pb.Entry) -> None:
    """Add a command that says nothing."""
    entry.transactions[0].commands.add()


def without_spec(entry: pb.Entry) -> None:
    """Submit no spec."""
    entry.transactions[1].commands[0].submit_job.ClearField("spec")


def without_transactions(entry: pb.Entry) -> None:
    """Leave an entry of nothing."""
    del entry.transactions[:]


def too_long(entry: pb.Entry) -> None:
    """Make a column that no entry can hold."""
    entry.transactions[0].commands[0].place.indices = b"\x00" * MAX_ENTRY_BYTES


@pytest.mark.parametrize(
    "change",
    [
        with_unknown_field,
        with_unknown_detection,
        with_half_a_row,
        with_short_chain,
        with_command_of_no_kind,
        without_spec,
        without_transactions,
        too_long,
    ],
)
def test_messages_that_no_version_writes_are_malformed(change: Callable[[pb.Entry], None]) -> None:
    """Each is refused, although proto3 itself takes it."""
    entry = pb.Entry.FromString(encode_entry((place(2), submit())))
    assert decode_entry(entry.SerializeToString(deterministic=True)), "what is changed is valid before"
    change(entry)
    with pytest.raises(MalformedError):
        decode_entry(entry.SerializeToString(deterministic=True))


HEAD = b"\x08\x05\x10\x01"
"""Session 5 and first number 1: how every entry of these tests begins."""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (HEAD, b"\x10\x01\x08\x05"),
        (HEAD, b"\x08\x85\x00\x10\x01"),
        (HEAD, b"\x08\x05\x10\x00"),
        (HEAD, b"\x08\x09\x08\x05\x10\x01"),
        (HEAD, b"\xf8\x7f\x01\x08\x05\x10\x01"),
        (b"web", b"w\xffb"),
    ],
    ids=["out of order", "varint too long", "default written", "field twice", "unknown field", "no UTF-8"],
)
def test_other_encodings_of_an_entry_are_malformed(old: bytes, new: bytes) -> None:
    """There is one encoding: each of these means the same to proto3, or nothing."""
    data = encode_entry((place(2), submit()))
    assert data.count(old) == 1
    with pytest.raises(MalformedError):
        decode_entry(data.replace(old, new))


@pytest.mark.parametrize("length", [0, 1, 40, -1])
def test_an_entry_that_was_cut_is_malformed(length: int) -> None:
    """No prefix of an entry is an entry."""
    with pytest.raises(MalformedError):
        decode_entry(encode_entry((place(2), submit()))[:length])


WIDE = np.arange(2, dtype=np.int64)


@pytest.mark.parametrize(
    "transactions",
    [
        (),
        (place(1), place(1)),
        (place(1, seq=1), place(1, seq=3)),
        (place(1, seq=1), place(1, seq=2, session=6)),
        (dataclasses.replace(place(1), seen_chain=b"short"),),
        (dataclasses.replace(place(1), seen=Revision(-1)),),
        (dataclasses.replace(place(1), seq=2**70),),
        (dataclasses.replace(place(1), commands=(core.Place(job=JobId(1), indices=WIDE, machines=WIDE),)),),  # type: ignore[arg-type]
        (dataclasses.replace(place(1), commands=(core.Reincarnate(incarnation="\ud800"),)),),
        (dataclasses.replace(place(1), commands=("place",)),),  # type: ignore[arg-type]
        (dataclasses.replace(place(1), detection=7),),  # type: ignore[arg-type]
    ],
    ids=["none", "same seq", "gap", "two sessions", "chain", "negative", "huge", "wide", "surrogate", "str", "enum"],
)
def test_what_the_format_does_not_hold_is_not_encoded(transactions: tuple[core.Transaction, ...]) -> None:
    """Encoding refuses at the proposer what it could only write wrongly."""
    with pytest.raises(MalformedError):
        encode_entry(transactions)


def test_a_gang_of_50000_fits_and_a_larger_entry_is_refused_with_numbers() -> None:
    """An entry is at most 1 MiB: 50,000 claims fit, 200,000 do not."""
    assert len(encode_entry((place(50_000),))) < MAX_ENTRY_BYTES
    with pytest.raises(EntryTooLargeError, match=r"1600\d\d\d bytes; at most 1048576"):
        encode_entry((place(200_000),))


def test_an_append_names_its_session_and_first_number() -> None:
    """The store gets the key of the entry without decoding it."""
    append = to_append((place(1, seq=4, session=77),), {b"h": b"payload"})
    assert (append.session, append.first_seq, append.payloads) == (77, 4, {b"h": b"payload"})
    assert decode_entry(append.entry)[0].seq == 4


def test_genesis_is_one_transaction() -> None:
    """The first entry states the cell, the incarnation and this version's format."""
    (transaction,) = decode_entry(genesis_entry("home", incarnation="ab" * 16))
    (command,) = transaction.commands
    assert isinstance(command, core.Genesis)
    assert (transaction.seq, command.cell, command.incarnation, command.format) == (1, "home", "ab" * 16, 1)


@pytest.mark.parametrize(("cell", "incarnation"), [("Home", "ab" * 16), ("home", "ab" * 8), ("", "ab" * 16)])
def test_a_genesis_out_of_range_is_not_made(cell: str, incarnation: str) -> None:
    """It would be MALFORMED in the log, which then has no genesis and refuses everything."""
    with pytest.raises(MalformedError):
        genesis_entry(cell, incarnation=incarnation)
