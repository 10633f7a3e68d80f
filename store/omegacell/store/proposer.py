"""Sessions: how commands of one proposer get into the log, each exactly once, and how it learns what became of them.

Rules:
    A session numbers its transactions; ``apply`` takes each number once, so appending again is always safe.
    `Session.prepare` fixes numbers and bytes; the same `Prepared` may be appended as often as it takes.
    Several may be under way, in order. When one did not arrive, append it again, and then all that came after it.
    A session that the cell does not know any more (expired, or ended by a new incarnation) is left and another one
    begun; only what was seen to be refused is proposed again, never what may have been done.
    A session whose fate in the store is open after an error is left, too: its numbers may be taken.

The pure part (`prepare`, `outcomes_of`, `abandon`) touches no store; `submit` is the shell that does it all at once.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from omegacell.core.commands import NO_CHAIN, Command, OpenSession, Renew, Transaction
from omegacell.core.errors import AnswerLostError, EntryTooLargeError, StoreError
from omegacell.core.outcomes import Outcome, Reason, Status
from omegacell.core.units import SESSION_TTL_US, Atomicity, Detection, Revision, SessionId
from omegacell.core.validate import check_transaction
from omegacell.store.codec import to_append
from omegacell.store.limits import check_payload
from omegacell.store.log import MAX_BATCH_BYTES, MAX_ENTRY_BYTES, Append
from omegacell.store.replica import Folded, Replica
from omegacell.store.tokens import TokenBucket

MAX_APPENDS: Final = 5
"""How often one `Session.submit` appends the same before it gives up."""

MAX_SESSIONS: Final = 3
"""How many sessions one `Session.submit` may use up."""

# Refused without a trace: the number may still be judged, when the same is appended again.
_NOT_JUDGED: Final = frozenset({Reason.SESSION_GAP, Reason.SESSION_UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One transaction to be: everything that its author decides.

    Attributes:
        commands: What it asks for; an `OpenSession` is put before the first of a session.
        detection: What makes a claim conflict.
        atomicity: What a conflict does to the rest.
        decided_from_us: Wall stamp at which the author began to decide.
        decided_to_us: Wall stamp at which it had decided.
        payloads: Salted hash to payload, kept in the same commit.
        seen: The revision on which it was decided; the replica's as of `Session.prepare` when None.
    """

    commands: tuple[Command, ...]
    detection: Detection = Detection.FINE
    atomicity: Atomicity = Atomicity.INCREMENTAL
    decided_from_us: int = 0
    decided_to_us: int = 0
    payloads: Mapping[bytes, bytes] = field(default_factory=dict)
    seen: Revision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Transactions with their numbers, encoded: may be appended any number of times.

    Attributes:
        session: Their session.
        first_seq: The number of the first.
        count: How many.
        appends: The entries, in order; usually one.
        reload_count: That of the replica when they were prepared.
    """

    session: SessionId
    first_seq: int
    count: int
    appends: tuple[Append, ...]
    reload_count: int

    @property
    def seqs(self) -> range:
        """Their numbers."""
        return range(self.first_seq, self.first_seq + self.count)


def draw_session() -> SessionId:
    """Draw a session's number: random, positive, 63 bits."""
    return SessionId(secrets.randbelow((1 << 63) - 1) + 1)


class Session:
    """One proposer's session with a cell. One thread's own, as its replica is.

    Args:
        replica: The copy of the cell on which decisions are made; outcomes are read from it.
        opening: Author, role and scheduler.
        bucket: The author's restraint.
        sleep: Waits for that many seconds; `submit` does when the bucket says so.
        draw: Gives session numbers.

    Attributes:
        replica: As given.
        opening: As given.
        bucket: As given.
        number: The session's number; another one after it was left.
    """

    def __init__(
        self,
        replica: Replica,
        opening: OpenSession,
        *,
        bucket: TokenBucket | None = None,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], SessionId] = draw_session,
    ) -> None:
        self.replica = replica
        self.opening = opening
        self.bucket = TokenBucket() if bucket is None else bucket
        self._sleep = sleep
        self._draw = draw
        self.number = draw()
        self._next_seq = 1
        self._is_opened = False
        self._awaited: set[int] = set()
        self._arrived: dict[int, Outcome] = {}

    @property
    def is_known(self) -> bool:
        """Whether the replica's cell knows the session: it was opened, and it did not end."""
        return self.number in self.replica.cell.sessions

    def renew_due(self) -> bool:
        """Say whether to submit nothing, which opens or renews: half of the session's time is gone, or it has none."""
        cell = self.replica.cell
        session = cell.sessions.get(self.number)
        ttl_us = SESSION_TTL_US if cell.genesis is None else cell.genesis.session_ttl_us
        return session is None or 2 * (session.deadline - cell.elapsed) <= ttl_us

    def prepare(self, proposals: Sequence[Proposal] = ()) -> Prepared:
        """Number and encode proposals, on the base that they name, or of the replica as it is now.

        They go into one entry; when it would be too large, into several, each of which sees the ones before as
        somebody else's. Without proposals the session is opened, or renewed. Nothing is appended.

        Raises:
            MalformedError: A value breaks the format; no number is used.
            EntryTooLargeError: A single transaction or payload is above its limit; no number is used.
        """
        transactions = self._number(proposals)
        for transaction in transactions:
            check_transaction(transaction)
        payloads = [proposal.payloads for proposal in proposals] or [{}]
        for mapping in payloads:
            for payload_hash, payload in mapping.items():
                check_payload(payload_hash, payload)
        prepared = Prepared(
            session=self.number,
            first_seq=self._next_seq,
            count=len(transactions),
            appends=tuple(_pack(transactions, payloads)),
            reload_count=self.replica.reload_count,
        )
        self._next_seq += len(transactions)
        self._awaited.update(prepared.seqs)
        return prepared

    def outcomes_of(self, prepared: Prepared, folded: Folded) -> tuple[Outcome, ...] | None:
        """Return what became of ``prepared``, from what was just folded, what was before, or the cell's memory.

        While anything is under way, everything that the replica folds must pass through here or `observe`.

        Returns:
            Their outcomes in order; None when the log, as far as it is folded, does not hold them all: append again.

        Raises:
            AnswerLostError: They were judged, or may have been, but a checkpoint jumped over them.
        """
        self.observe(folded)
        if prepared.session != self.number:
            raise AnswerLostError(f"session {prepared.session} was left; what became of its transactions is not known")
        outcomes: list[Outcome] = []
        is_cut_off = False
        for seq in prepared.seqs:
            outcome = self._find(prepared, seq)
            if outcome is None or (self._may_come(outcome) and not is_cut_off):
                return None
            # What follows a voided transaction in its entry never gets a turn.
            is_cut_off = is_cut_off or outcome.status is Status.MALFORMED
            outcomes.append(outcome)
        for seq in prepared.seqs:
            self._awaited.discard(seq)
            self._arrived.pop(seq, None)
        return tuple(outcomes)

    def observe(self, folded: Folded) -> None:
        """Note the outcomes of what is under way among what was folded."""
        if not self._awaited:
            return
        for one in folded.applied:
            transaction = one.transaction
            if transaction is None or transaction.session != self.number or transaction.seq not in self._awaited:
                continue
            outcome = one.outcome
            self._is_opened = self._is_opened or _was_judged(outcome)
            known = self._arrived.get(transaction.seq)
            is_news = known is None or known.reason in _NOT_JUDGED
            if is_news and outcome.status is not Status.DUPLICATE:
                self._arrived[transaction.seq] = outcome
        self._is_opened = self._is_opened or self.is_known

    def is_lost(self, outcomes: Sequence[Outcome]) -> bool:
        """Say whether outcomes mean that the cell takes nothing more from this session: `abandon` it."""
        return any(
            one.reason in (Reason.SESSION_UNKNOWN, Reason.NO_GENESIS) or one.status is Status.MALFORMED
            for one in outcomes
        )

    def abandon(self) -> None:
        """Leave the session; the next `prepare` opens another.

        What is under way in it will not be known: ask for all outcomes first.
        """
        self.number = self._draw()
        self._next_seq = 1
        self._is_opened = False
        self._awaited.clear()
        self._arrived.clear()

    def submit(
        self, proposals: Sequence[Proposal] = (), *, follow: Callable[[Folded], None] | None = None
    ) -> tuple[Outcome, ...]:
        """Append proposals, fold, and return what became of each, in order.

        Without proposals the session is opened, or renewed.

        Args:
            proposals: A transaction each; those that fit into one entry see each other as their own.
            follow: Is given everything that is folded meanwhile, others' transactions too.

        Raises:
            MalformedError: A value breaks the format; nothing was appended.
            EntryTooLargeError: A single transaction is too large; nothing was appended.
            AnswerLostError: Nobody knows whether they are in the log.
            StoreError: The store failed; what was appended may be in the log or not.
        """
        outcomes: tuple[Outcome, ...] = ()
        decided_at = self.replica.revision
        based = [replace(one, seen=decided_at) if one.seen is None else one for one in proposals]
        for _ in range(MAX_SESSIONS):
            prepared = self.prepare(based)
            outcomes = self._settle(prepared, follow)
            if not self.is_lost(outcomes):
                break
            self.abandon()
            if any(one.reason is not Reason.SESSION_UNKNOWN for one in outcomes):
                break
        return outcomes

    def _settle(self, prepared: Prepared, follow: Callable[[Folded], None] | None) -> tuple[Outcome, ...]:
        """Append until the outcomes are known; leave the session when they will not be."""
        wait_s = self.bucket.reserve(prepared.count)
        if wait_s > 0:
            self._sleep(wait_s)
        lost: AnswerLostError | None = None
        try:
            for _ in range(MAX_APPENDS):
                try:
                    for batch in batches(prepared.appends):
                        self.replica.store.append(batch)
                except AnswerLostError as error:
                    lost = error
                folded = self.replica.catch_up()
                if follow is not None:
                    follow(folded)
                outcomes = self.outcomes_of(prepared, folded)
                if outcomes is not None:
                    return outcomes
            raise AnswerLostError(
                f"session {prepared.session}: transactions {prepared.first_seq} to {prepared.seqs[-1]} were appended"
                f" {MAX_APPENDS} times and did not arrive"
            ) from lost
        except StoreError:
            self.abandon()
            raise

    def _find(self, prepared: Prepared, seq: int) -> Outcome | None:
        outcome = self._arrived.get(seq)
        if outcome is None or self._may_come(outcome):
            remembered = self.replica.cell.outcome_of(self.number, seq)
            outcome = outcome if remembered is None else remembered
        if outcome is not None and not self._may_come(outcome):
            return outcome
        session = self.replica.cell.sessions.get(self.number)
        was_judged = session is not None and seq <= session.last_seq
        is_blurred = session is None and prepared.reload_count != self.replica.reload_count
        if was_judged or is_blurred:
            raise AnswerLostError(
                f"transaction ({self.number}, {seq}) {'was' if was_judged else 'may have been'} judged, but a"
                " checkpoint jumped over it and its outcome is not remembered: look at the cell before trying again"
            )
        return outcome

    def _may_come(self, outcome: Outcome) -> bool:
        """Say whether a later delivery may still be judged: a gap may close, an opening may yet arrive."""
        if outcome.reason is Reason.SESSION_GAP:
            return True
        return outcome.reason is Reason.SESSION_UNKNOWN and not self._is_opened

    def _number(self, proposals: Sequence[Proposal]) -> list[Transaction]:
        replica = self.replica
        opening: tuple[Command, ...] = (self.opening,) if self._next_seq == 1 else ()
        transactions: list[Transaction] = []
        for proposal in proposals or (Proposal(commands=() if opening else (Renew(),)),):
            # A log that was restored may be shorter than what the proposal was decided on.
            seen = replica.revision if proposal.seen is None else min(proposal.seen, replica.revision)
            transaction = Transaction(
                session=self.number,
                seq=self._next_seq + len(transactions),
                seen=seen,
                seen_chain=replica.chain_at(seen) or NO_CHAIN,
                detection=proposal.detection,
                atomicity=proposal.atomicity,
                decided_from_us=proposal.decided_from_us,
                decided_to_us=proposal.decided_to_us,
                commands=opening + proposal.commands,
                position=len(transactions),
            )
            opening = ()
            transactions.append(transaction)
        return transactions


def _was_judged(outcome: Outcome) -> bool:
    """Say whether the session was known to the cell when this was judged."""
    return outcome.status is not Status.MALFORMED and outcome.reason not in (*_NOT_JUDGED, Reason.NO_GENESIS)


def _pack(transactions: Sequence[Transaction], payloads: Sequence[Mapping[bytes, bytes]]) -> Iterator[Append]:
    """Yield as few entries as halving gives; most calls need one."""
    beside = {key: value for mapping in payloads for key, value in mapping.items()}
    try:
        if sum(map(len, beside.values())) > MAX_BATCH_BYTES - MAX_ENTRY_BYTES:
            raise EntryTooLargeError(f"{len(transactions)} transactions bring more payloads than a commit takes")
        yield to_append(transactions, beside)
    except EntryTooLargeError:
        if len(transactions) == 1:
            raise
        middle = len(transactions) // 2
        yield from _pack(transactions[:middle], payloads[:middle])
        yield from _pack(transactions[middle:], payloads[middle:])


def batches(appends: Sequence[Append]) -> Iterator[list[Append]]:
    """Cut appends into batches that fit into one commit, in order.

    >>> one = Append(entry=b"x", session=1, first_seq=1)
    >>> [len(batch) for batch in batches([one, one])]
    [2]
    """
    batch: list[Append] = []
    total = 0
    for append in appends:
        size = len(append.entry) + sum(map(len, append.payloads.values()))
        if batch and total + size > MAX_BATCH_BYTES:
            yield batch
            batch, total = [], 0
        batch.append(append)
        total += size
    if batch:
        yield batch
