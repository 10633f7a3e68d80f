"""A session gets each of its transactions into the log once, and learns what became of it, whatever goes wrong."""

import random
from dataclasses import replace

import pytest

from omegacell.core.commands import CloseSession, ExpireSession, OpenSession, Reincarnate
from omegacell.core.errors import AnswerLostError, EntryTooLargeError, MalformedError, StoreFullError
from omegacell.core.outcomes import Change, Outcome, Reason, Status
from omegacell.core.units import OUTCOMES_KEPT, Detection, Revision, Role
from omegacell.store import checkpoints
from omegacell.store.codec import decode_entry
from omegacell.store.faults import Fault
from omegacell.store.log import MAX_ENTRY_BYTES, Append, Cursor
from omegacell.store.memory import MemoryDisk, MemoryStore
from omegacell.store.proposer import MAX_APPENDS, Prepared, Proposal, Session, batches
from omegacell.store.replica import Folded, Replica
from omegacell.store.tokens import TokenBucket
from tests.support.following import (
    PLACES_TASKS,
    SUBMITS_JOBS,
    add_machine,
    committed,
    draw,
    faulty,
    new_disk,
    pass_time,
    place,
    session_on,
    stop,
    submit,
)

TICKS_TIME = OpenSession(author="ticks", role=Role.CONTROLLER)
EVERY_FAULT = (
    Fault.NONE,
    Fault.FOREIGN_FIRST,
    Fault.FOREIGN_AFTER,
    Fault.TWICE,
    Fault.ANSWER_LOST,
    Fault.REQUEST_LOST,
    Fault.LATE,
    Fault.FOREIGN_FIRST | Fault.ANSWER_LOST,
    Fault.FOREIGN_FIRST | Fault.LATE,
    Fault.TWICE | Fault.ANSWER_LOST | Fault.FOREIGN_AFTER,
)


def append(session: Session, prepared: Prepared) -> None:
    """Append what was prepared."""
    session.replica.store.append(list(prepared.appends))


def valid_checkpoint_then_cut(disk: MemoryDisk) -> None:
    """Put a valid checkpoint at the head and cut all of the log."""
    replica = Replica(MemoryStore(disk))
    head = checkpoints.write(replica.store, checkpoints.capture(replica.fold))
    assert checkpoints.confirm(replica.store, head.checkpoint_id)
    replica.store.truncate(replica.cursor)


def test_outcomes_come_in_the_order_of_the_proposals() -> None:
    """Two jobs and a stop of the first: one entry, three revisions, each its own outcome."""
    session = session_on(MemoryStore(new_disk()))
    one, two, stopped = committed(session.submit([submit("one"), submit("two"), stop(1)]))
    assert [one.value, two.value] == [1, 2]
    assert [one.revision, two.revision, stopped.revision] == [2, 3, 4]
    assert len(session.replica.store.read(Cursor(0))) == 2


def test_own_transactions_of_one_entry_are_no_conflict() -> None:
    """Two placements on the same machine in one append see each other; a third that finds no room disagrees."""
    disk = new_disk()
    api = session_on(MemoryStore(disk))
    add_machine(api, cpu_milli=250)
    committed(api.submit([submit("job", 3)]))
    scheduler = session_on(MemoryStore(disk), PLACES_TASKS)
    outcomes = scheduler.submit([place(1, [0]), place(1, [1]), place(1, [2])])
    assert [one.status for one in outcomes] == [Status.COMMITTED, Status.COMMITTED, Status.REFUSED]
    assert outcomes[2].refusals.is_conflict.tolist() == [0]


@pytest.mark.parametrize("first", EVERY_FAULT, ids=str)
@pytest.mark.parametrize("second", EVERY_FAULT, ids=str)
def test_each_submit_happens_once_under_two_faults(first: Fault, second: Fault) -> None:
    """The opening of the session meets the first fault, the retry or the next submit the second."""
    disk = new_disk()
    session = session_on(faulty(disk, [first, second]))
    (created,) = committed(session.submit([submit("one")]))
    (scaled,) = committed(session.submit([submit("one", 5)]))
    assert (created.detail, scaled.detail) == (Change.CREATED, Change.SCALED)
    assert Replica(MemoryStore(disk)).cell.jobs.by_name("one") == created.value == scaled.value == 1


def test_200_submits_happen_once_under_a_storm_of_faults() -> None:
    """Two sessions take turns while half of all appends go wrong: job ids are dense, each submit created one job."""
    rng = random.Random(5)
    disk = new_disk()
    plans = [[rng.choice(EVERY_FAULT) if rng.random() < 0.5 else Fault.NONE for _ in range(1_000)] for _ in range(2)]
    sessions = [session_on(faulty(disk, plan)) for plan in plans]
    ids = []
    for number in range(100):
        for which, session in enumerate(sessions):
            (outcome,) = committed(session.submit([submit(f"job-{which}-{number}", 1)]))
            assert outcome.detail == Change.CREATED
            ids.append(outcome.value)
    assert sorted(ids) == list(range(1, 201))
    assert Replica(MemoryStore(disk)).cell.jobs.count == 200


def test_an_answer_that_is_always_lost_is_said_to_be() -> None:
    """After five requests that never arrived the caller is told, and the session is left."""
    session = session_on(faulty(new_disk(), [Fault.REQUEST_LOST] * MAX_APPENDS))
    number = session.number
    with pytest.raises(AnswerLostError, match="appended 5 times"):
        session.submit([submit("one")])
    assert session.number != number
    committed(session.submit([submit("two")]))
    assert session.replica.cell.jobs.by_name("one") is None


def expire(disk: MemoryDisk, session: Session) -> None:
    """Let a session's time pass and end it."""
    ticks = session_on(MemoryStore(disk), TICKS_TIME)
    deadline = Replica(MemoryStore(disk)).cell.sessions[session.number].deadline
    pass_time(ticks, lambda cell: cell.elapsed >= deadline)
    committed(ticks.submit([Proposal(commands=(ExpireSession(session=session.number),))]))


def test_an_expired_session_is_replaced_and_the_same_proposed_again() -> None:
    """Refused without a trace, so it may be done anew: once, under another number."""
    disk = new_disk(session_ttl_us=5_000_000)
    session = session_on(MemoryStore(disk))
    committed(session.submit([submit("one")]))
    number = session.number
    expire(disk, session)
    (outcome,) = committed(session.submit([submit("two")]))
    assert (outcome.detail, outcome.value) == (Change.CREATED, 2)
    assert session.number != number
    assert session.is_known


def test_what_is_proposed_again_keeps_the_base_on_which_it_was_decided() -> None:
    """The first proposal met an expired session; the machine changed meanwhile, and COARSE still finds out."""
    disk = new_disk(session_ttl_us=5_000_000)
    api = session_on(MemoryStore(disk))
    add_machine(api)
    committed(api.submit([submit("job", 3)]))
    scheduler, rival = (session_on(MemoryStore(disk), PLACES_TASKS) for _ in range(2))
    committed(scheduler.submit())
    committed(rival.submit([place(1, [0])]))
    expire(disk, scheduler)
    (outcome,) = scheduler.submit([replace(place(1, [1]), detection=Detection.COARSE)])
    assert outcome.status is Status.REFUSED
    assert outcome.refusals.reasons.tolist() == [Reason.MACHINE_CHANGED]
    assert scheduler.is_known


def test_a_proposal_says_on_which_revision_it_was_decided() -> None:
    """It goes in with the chain of that revision; one beyond the log is brought down to it."""
    session = session_on(MemoryStore(new_disk()))
    committed(session.submit([submit("one")]))
    committed(session.submit([submit("two")]))
    replica = session.replica
    proposals = [replace(submit("three"), seen=Revision(seen)) for seen in (2, 3, 9)]
    (one,) = session.prepare(proposals).appends
    stamps = [(each.seen, each.seen_chain) for each in decode_entry(one.entry)]
    assert stamps == [(2, replica.chain_at(2)), (3, replica.chain), (3, replica.chain)]


def test_a_new_incarnation_ends_every_session_but_its_own() -> None:
    """The next submit opens another session and goes through."""
    disk = new_disk()
    session, other = session_on(MemoryStore(disk)), session_on(MemoryStore(disk))
    committed(session.submit())
    committed(other.submit([Proposal(commands=(Reincarnate(incarnation="1" * 32),))]))
    number = session.number
    committed(session.submit([submit("one")]))
    assert session.number != number


def test_a_closed_session_is_opened_again_under_another_number() -> None:
    """Closing is answered, although the cell forgets the session with it."""
    session = session_on(MemoryStore(new_disk()))
    committed(session.submit())
    committed(session.submit([Proposal(commands=(CloseSession(),))]))
    assert not session.is_known
    committed(session.submit([submit("one")]))
    assert session.is_known


def test_submitting_nothing_opens_then_renews() -> None:
    """A session lives on without doing anything, when it is renewed in time."""
    disk = new_disk(session_ttl_us=20_000_000)
    session = session_on(MemoryStore(disk))
    assert session.renew_due()
    committed(session.submit())
    assert not session.renew_due()
    ticks = session_on(MemoryStore(disk), TICKS_TIME)
    pass_time(ticks, lambda cell: cell.elapsed >= 8_000_000)
    session.replica.catch_up()
    assert not session.renew_due()
    pass_time(ticks, lambda cell: cell.elapsed >= 10_000_000)
    session.replica.catch_up()
    assert session.renew_due()
    committed(session.submit())
    assert not session.renew_due()


def test_large_proposals_are_split_over_entries() -> None:
    """Five transactions of 400 kB go into entries below 1 MiB, in one order of numbers."""
    disk = new_disk()
    session = session_on(MemoryStore(disk), PLACES_TASKS)
    prepared = session.prepare([place(1, range(50_000))] * 5)
    sizes = [len(one.entry) for one in prepared.appends]
    assert max(sizes) <= MAX_ENTRY_BYTES
    assert len(sizes) == 3
    seqs = [[one.seq for one in decode_entry(one.entry)] for one in prepared.appends]
    assert [seq for part in seqs for seq in part] == [1, 2, 3, 4, 5]
    assert [one.first_seq for one in prepared.appends] == [part[0] for part in seqs]
    append(session, prepared)
    outcomes = session.outcomes_of(prepared, session.replica.catch_up())
    assert outcomes is not None
    assert [one.status for one in outcomes] == [Status.REFUSED] * 5


def test_payloads_go_with_their_transactions_and_split_entries_too() -> None:
    """80 payloads of 1 MiB do not fit into one commit: two entries, each with its own."""
    session = session_on(MemoryStore(new_disk()))
    payloads = [{bytes([number]) * 32: bytes(1 << 20)} for number in range(80)]
    proposals = [
        Proposal(commands=submit(f"job-{number}").commands, payloads=payload) for number, payload in enumerate(payloads)
    ]
    prepared = session.prepare(proposals)
    assert [len(one.payloads) for one in prepared.appends] == [40, 40]
    assert [len(batch) for batch in batches(prepared.appends)] == [1, 1]


@pytest.mark.parametrize("too_large", [place(1, range(140_000)), None], ids=["claims", "payload"])
def test_what_is_too_large_uses_no_number(too_large: Proposal | None) -> None:
    """It is refused with numbers before anything is appended, and the session goes on."""
    session = session_on(MemoryStore(new_disk()))
    committed(session.submit([submit("one")]))
    number, head = session.number, session.replica.store.head()
    proposal = too_large or Proposal(commands=submit("two").commands, payloads={b"h": bytes((1 << 20) + 1)})
    with pytest.raises(EntryTooLargeError, match="1048576"):
        session.submit([submit("two"), proposal])
    assert session.replica.store.head() == head
    committed(session.submit([submit("two")]))
    assert session.number == number


def test_what_breaks_the_format_uses_no_number() -> None:
    """It is refused before anything is appended, and the session goes on."""
    session = session_on(MemoryStore(new_disk()))
    committed(session.submit([submit("one")]))
    number, head = session.number, session.replica.store.head()
    with pytest.raises(MalformedError):
        session.submit([submit("two"), submit("No such name")])
    assert session.replica.store.head() == head
    committed(session.submit([submit("two")]))
    assert session.number == number


def test_without_genesis_everything_is_refused_and_the_session_begins_again_later() -> None:
    """The outcome says NO_GENESIS; when there is one, the same session object works."""
    disk = MemoryDisk("0" * 32)
    session = session_on(MemoryStore(disk))
    (outcome,) = session.submit([submit("one")])
    assert (outcome.status, outcome.reason) == (Status.REFUSED, Reason.NO_GENESIS)
    first = MemoryStore(new_disk()).read(Cursor(0))[0]
    session.replica.store.append([Append(entry=first.entry, session=1, first_seq=1)])
    committed(session.submit([submit("one")]))


def test_a_voided_transaction_ends_its_session_but_is_not_repeated() -> None:
    """What follows it in the entry can never be judged: the caller is told, and the next submit begins anew."""
    store = MemoryStore(new_disk())
    session = session_on(store)
    committed(session.submit([submit("one")]))
    store.void(4)
    outcomes = session.submit([submit("two"), submit("three"), submit("four")])
    assert [one.status for one in outcomes] == [Status.COMMITTED, Status.MALFORMED, Status.REFUSED]
    assert outcomes[2].reason is Reason.SESSION_GAP
    committed(session.submit([submit("four")]))
    assert session.replica.cell.jobs.by_name("three") is None


# --- in parts -----------------------------------------------------------------------------------------------------


def test_several_may_be_under_way() -> None:
    """Three prepared, appended in order, folded at once: each finds its own outcomes."""
    session = session_on(MemoryStore(new_disk()))
    prepared = [session.prepare([submit(f"job-{number}")]) for number in range(3)]
    for one in prepared:
        append(session, one)
    folded = session.replica.catch_up()
    outcomes = [session.outcomes_of(one, folded) for one in prepared]
    assert [committed(one)[0].value for one in outcomes if one] == [1, 2, 3]


@pytest.mark.parametrize("lost", [0, 1])
def test_one_that_did_not_arrive_is_appended_again_with_all_after_it(lost: int) -> None:
    """Those after it were refused for the gap (or for the missing opening), which is no answer yet."""
    session = session_on(MemoryStore(new_disk()))
    prepared = [session.prepare([submit(f"job-{number}")]) for number in range(3)]
    for number, one in enumerate(prepared):
        if number != lost:
            append(session, one)
    folded = session.replica.catch_up()
    arrived = [session.outcomes_of(one, folded) is not None for one in prepared]
    assert arrived == [number < lost for number in range(3)]
    for one in prepared[lost:]:
        append(session, one)
    folded = session.replica.catch_up()
    values = [committed(session.outcomes_of(one, folded) or ())[0].value for one in prepared[lost:]]
    assert values == [1, 2, 3][lost:]


def test_outcomes_may_come_over_several_folds() -> None:
    """What was folded earlier is remembered until the rest is there."""
    session = session_on(MemoryStore(new_disk()), PLACES_TASKS)
    prepared = session.prepare([place(1, range(70_000))] * 2)
    append(session, prepared)
    assert len(prepared.appends) == 2
    assert session.outcomes_of(prepared, session.replica.catch_up(1)) is None
    outcomes = session.outcomes_of(prepared, session.replica.catch_up(1))
    assert outcomes is not None
    assert [one.status for one in outcomes] == [Status.REFUSED] * 2


def test_an_outcome_that_a_checkpoint_jumped_over_is_in_the_cell() -> None:
    """The log was cut before the author folded: the cell remembers the session's last outcomes."""
    disk = new_disk()
    session = session_on(MemoryStore(disk))
    prepared = session.prepare([submit("one"), submit("two")])
    append(session, prepared)
    valid_checkpoint_then_cut(disk)
    folded = session.replica.catch_up()
    assert (folded.is_reloaded, folded.applied) == (True, ())
    outcomes = session.outcomes_of(prepared, folded)
    assert outcomes is not None
    assert [one.value for one in committed(outcomes)] == [1, 2]


def jump_over(disk: MemoryDisk, session: Session, prepared: Prepared) -> Folded:
    """Append, then let a checkpoint jump over it."""
    append(session, prepared)
    valid_checkpoint_then_cut(disk)
    return session.replica.catch_up()


def test_an_outcome_that_the_cell_forgot_is_said_to_be_lost() -> None:
    """65 transactions that a checkpoint jumped over: the first is not remembered, and not proposed again."""
    disk = new_disk()
    session = session_on(MemoryStore(disk))
    prepared = session.prepare([submit(f"job-{number}", 1) for number in range(OUTCOMES_KEPT + 1)])
    folded = jump_over(disk, session, prepared)
    with pytest.raises(AnswerLostError, match="was judged"):
        session.outcomes_of(prepared, folded)


def test_a_session_that_ended_behind_a_checkpoint_is_not_taken_for_one_that_never_was() -> None:
    """It may have been judged before it ended: proposing it again could do it twice."""
    disk = new_disk(session_ttl_us=5_000_000)
    session = session_on(MemoryStore(disk))
    prepared = session.prepare([submit("one")])
    append(session, prepared)
    expire(disk, session)
    valid_checkpoint_then_cut(disk)
    with pytest.raises(AnswerLostError, match="may have been judged"):
        session.outcomes_of(prepared, session.replica.catch_up())


def test_outcomes_of_a_session_that_was_left_are_not_known() -> None:
    """Asking for them is an error, not a wait for ever."""
    session = session_on(MemoryStore(new_disk()))
    prepared = session.prepare([submit("one")])
    session.abandon()
    with pytest.raises(AnswerLostError, match="was left"):
        session.outcomes_of(prepared, session.replica.catch_up())


# --- the shell ----------------------------------------------------------------------------------------------------


def test_whoever_follows_sees_everything_that_submit_folds() -> None:
    """Others' transactions too, each once."""
    disk = new_disk()
    session, other = session_on(MemoryStore(disk)), session_on(MemoryStore(disk))
    committed(other.submit([submit("theirs")]))
    seen: list[Folded] = []
    committed(session.submit([submit("ours")], follow=seen.append))
    assert [one.revision for folded in seen for one in folded.applied] == [2, 3]
    assert [len(folded.delta.jobs) for folded in seen] == [2]


class FullStore(MemoryStore):
    """Has no room, once: after the entry is in the log, or before."""

    writes_first = False
    is_full = True

    def append(self, batch: object) -> list[Cursor]:
        if not self.is_full:
            return super().append(batch)  # type: ignore[arg-type]
        self.is_full = False
        if self.writes_first:
            super().append(batch)  # type: ignore[arg-type]
        raise StoreFullError("planned: no room")


@pytest.mark.parametrize("writes_first", [False, True])
def test_a_session_is_left_when_the_store_fails(writes_first: bool) -> None:
    """Its numbers may be taken, so the next submit uses another session and its outcome is its own."""
    store = FullStore(new_disk())
    store.writes_first = writes_first
    session = Session(Replica(store), SUBMITS_JOBS, draw=draw)
    number = session.number
    with pytest.raises(StoreFullError):
        session.submit([submit("one")])
    assert session.number != number
    (outcome,) = committed(session.submit([submit("two")]))
    assert session.replica.cell.jobs.by_name("two") == outcome.value


def test_a_proposer_waits_for_its_bucket() -> None:
    """Ten a second and a burst of three: the third and fourth submit of two wait 0.1 s and 0.3 s."""
    now = 0.0
    slept: list[float] = []
    bucket = TokenBucket(rate_per_s=10.0, burst=3, clock=lambda: now)
    replica = Replica(MemoryStore(new_disk()))
    session = Session(replica, SUBMITS_JOBS, bucket=bucket, sleep=slept.append, draw=draw)
    outcomes: list[Outcome] = []
    for number in range(3):
        outcomes += session.submit([submit(f"a-{number}"), submit(f"b-{number}")])
    assert [round(seconds, 6) for seconds in slept] == [0.1, 0.3]
    assert len(committed(tuple(outcomes))) == 6


def test_drawn_session_numbers_are_positive_63_bit_and_differ() -> None:
    """A session of its own for every proposer, without asking anybody."""
    replica = Replica(MemoryStore(new_disk()))
    numbers = {Session(replica, SUBMITS_JOBS).number for _ in range(100)}
    assert len(numbers) == 100
    assert all(0 < number < 1 << 63 for number in numbers)
