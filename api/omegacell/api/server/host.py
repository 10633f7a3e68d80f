"""A cell in an event loop: one replica that follows the log, one session that appends to it.

Whatever asks the store happens in another thread, for it may take a disk's flush, or as long as etcd is away; all else
happens in the loop's, so that nothing that reads the cell needs a lock. Folding goes in slices of a few milliseconds.

Rules:
    Proposals that arrive while an append is under way share the next one: a commit, many transactions.
    An outcome is given once it is folded here; everyone who listens has seen the same fold before.
    A read that must be current waits until the log's head as of its arrival is folded.
    Without a confirmed head for five seconds nothing is proposed any more (`can_write`).
    What a fold cannot survive (a bug, divergence) ends `run`, and with it the process.
"""

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from omegacell.api.errors import ApiError, UnreachableError
from omegacell.api.server.heads import HeadReader
from omegacell.api.server.refusals import word_store_error
from omegacell.core.cell import Cell
from omegacell.core.commands import OpenSession, Transaction
from omegacell.core.deltas import Touched
from omegacell.core.errors import (
    AnswerLostError,
    ClosedError,
    DivergedError,
    InvariantError,
    OmegaError,
    StoreError,
    TruncatedError,
)
from omegacell.core.outcomes import Outcome, Reason
from omegacell.core.units import Revision, SessionId
from omegacell.core.validate import check_transaction
from omegacell.store.log import Store
from omegacell.store.proposer import Prepared, Proposal, Session, batches
from omegacell.store.replica import Ahead, Folded, Replica

_LOG = logging.getLogger(__name__)

SLICE_S: Final = 0.005
"""How long folding may hold the loop before it lets others in; a single large entry may take longer."""
SLICE_ENTRIES: Final = 1
HEAD_TRUST_S: Final = 5.0
WAIT_S: Final = 1.0
MAX_QUEUED: Final = 50_000
"""Transactions that may wait for the next append."""
MAX_TRANSACTIONS_PER_APPEND: Final = 2_048
MAX_TRANSACTIONS_PER_ENTRY: Final = 48
"""An entry is folded whole: these take a few milliseconds."""
MAX_APPENDS: Final = 5
MAX_SESSIONS: Final = 3

_NOTHING_FOLDED: Final = Folded(applied=(), delta=Touched().drain(), is_reloaded=False)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Proposals of one caller and where their outcomes go."""

    proposals: tuple[Proposal, ...]
    answer: "asyncio.Future[tuple[Outcome, ...]]"


class CellHost:
    """A cell that an event loop follows and appends to; make it in the loop, then `run` it.

    Args:
        store: The cell's store, with a genesis; not closed here.
        author: The name of this server's sessions.

    Attributes:
        store: As given.
        replica: The copy of the cell.
        session: This server's session.
        listeners: Called in the loop with everything that is folded, before outcomes are given.
        is_closed: Whether it takes no more proposals, as its session is given back.
        fold_s_worst: The longest time that one slice of folding held the loop.
    """

    def __init__(self, store: Store, opening: OpenSession) -> None:
        self.store = store
        self.replica = Replica(store)
        self.session = Session(self.replica, opening)
        self.listeners: list[Callable[[Folded], None]] = []
        self.fold_s_worst = 0.0
        self._queue: deque[_Waiting] = deque()
        self._underway: list[_Waiting] = []
        self._queued_count = 0
        self._has_proposals = asyncio.Event()
        self._news = asyncio.Event()
        self._folded = asyncio.Condition()
        self._folding = asyncio.Lock()
        self._heads = HeadReader(store)
        self._head_confirmed_at = time.monotonic()
        self._appended_at = float("-inf")
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self.is_closed = False

    @property
    def cell(self) -> Cell:
        """The cell as folded up to now; read it without awaiting in between."""
        return self.replica.cell

    @property
    def revision(self) -> Revision:
        """Revision of `cell`."""
        return self.replica.revision

    @property
    def can_write(self) -> bool:
        """Whether the log's head was confirmed within the last five seconds."""
        return time.monotonic() - self._head_confirmed_at < HEAD_TRUST_S

    @property
    def seconds_since_append(self) -> float:
        """How long ago this server last appended something that it then folded."""
        return time.monotonic() - self._appended_at

    @property
    def queued_count(self) -> int:
        """Transactions that wait for the next append."""
        return self._queued_count

    async def run(self) -> None:
        """Follow and append until cancelled.

        Raises:
            DivergedError, InvariantError: The fold cannot go on: the process must stop.
        """
        watcher = threading.Thread(target=self._watch, name="log-watcher", daemon=True)
        watcher.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                group.create_task(self._append_all())
        finally:
            self._stopping.set()
            self.store.wake()
            for waiting in (*self._underway, *self._queue):
                if not waiting.answer.done():
                    waiting.answer.set_exception(
                        UnreachableError("the API server is stopping; try again", reason="SERVER")
                    )

    async def propose(self, proposal: Proposal) -> Outcome:
        """Append one transaction with whatever else waits, and return what became of it.

        Raises:
            MalformedError: It breaks the format; nothing was appended.
            ApiError: The server cannot append now, or the store failed.
        """
        [outcome] = await self.propose_all((proposal,))
        return outcome

    async def propose_all(self, proposals: Sequence[Proposal]) -> tuple[Outcome, ...]:
        """Append transactions in one commit, and return what became of each, in order.

        Raises:
            MalformedError: One of them breaks the format; nothing was appended.
            ApiError: The server cannot append now, or the store failed.
        """
        if self.is_closed or self._stopping.is_set():
            raise UnreachableError("the API server is stopping; try again", reason="SERVER")
        if not self.can_write:
            raise UnreachableError(
                f"this API server has not reached the cell's log for {HEAD_TRUST_S:g} s and takes no writes; try again",
                reason="STORE",
            )
        if self._queued_count + len(proposals) > MAX_QUEUED:
            raise ApiError(f"{self._queued_count} transactions wait to be appended; try again later", reason="BUSY")
        for proposal in proposals:
            # One that is wrong must not take the others of its append down.
            check_transaction(Transaction(session=SessionId(1), seq=2, seen=Revision(1), commands=proposal.commands))
        answer: asyncio.Future[tuple[Outcome, ...]] = self._loop.create_future()
        self._queue.append(_Waiting(tuple(proposals), answer))
        self._queued_count += len(proposals)
        self._has_proposals.set()
        return await answer

    async def refresh(self) -> None:
        """Wait until everything that the log held when this was called is folded.

        Raises:
            ApiError: The log cannot be read.
        """
        asked_at = time.monotonic()
        try:
            head = await self._heads.read()
        except StoreError as error:
            raise word_store_error(error) from error
        if self.replica.cursor >= head:
            self._confirm_head(asked_at)
            return
        self._news.set()
        async with self._folded:
            await self._folded.wait_for(lambda: self.replica.cursor >= head)

    # --- following

    def _watch(self) -> None:
        """Tell the loop of news in the log, from a thread of its own."""
        seen = self.replica.cursor
        while not self._stopping.is_set():
            try:
                has_news = self.store.wait(seen, WAIT_S)
                seen = self.store.head() if has_news else seen
            except ClosedError:
                return
            except StoreError as error:
                _LOG.warning("waiting for the log: %s", error)
                self._stopping.wait(WAIT_S)
            if not self._stopping.is_set():
                self._loop.call_soon_threadsafe(self._news.set)

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._fold_all()
            except (DivergedError, ClosedError):
                raise
            except StoreError as error:
                _LOG.error("following the log: %s", error)
                await asyncio.sleep(WAIT_S)
                self._news.set()

    async def _fold_all(self) -> None:
        """Fold what the log held when this was called."""
        async with self._folding:
            is_behind = True
            while is_behind:
                began = time.monotonic()
                ahead = await _look_ahead(self.replica)
                has_more = True
                while has_more:
                    has_more = self._fold_slice(ahead)
                    await asyncio.sleep(0)
                is_behind = ahead is None or self.replica.cursor < ahead.head
            self._confirm_head(began)
        async with self._folded:
            self._folded.notify_all()

    def _fold_slice(self, ahead: Ahead | None) -> bool:
        """Fold for at most `SLICE_S`, tell the listeners, and say whether there is more of what was read."""
        began = time.perf_counter()
        is_behind = True
        while is_behind and time.perf_counter() - began < SLICE_S:
            before = self.replica.cursor
            folded = self.replica.catch_up(SLICE_ENTRIES, ahead=ahead)
            is_behind = self.replica.cursor != before or folded.is_reloaded
            if is_behind:
                self.session.observe(folded)
                for listener in self.listeners:
                    listener(folded)
        self.fold_s_worst = max(self.fold_s_worst, time.perf_counter() - began)
        return is_behind

    def _confirm_head(self, at: float) -> None:
        self._head_confirmed_at = max(self._head_confirmed_at, at)

    # --- appending

    async def _append_all(self) -> None:
        while True:
            await self._has_proposals.wait()
            group = self._underway = self._take()
            if not group:
                self._has_proposals.clear()
                continue
            proposals = [proposal for waiting in group for proposal in waiting.proposals]
            try:
                outcomes = iter(await self._settle(proposals))
                for waiting in group:
                    taken = tuple(itertools.islice(outcomes, len(waiting.proposals)))
                    if not waiting.answer.done():
                        waiting.answer.set_result(taken)
            except (InvariantError, DivergedError):
                raise
            except OmegaError as error:
                for waiting in group:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(word_store_error(error))

    def _take(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        count = 0
        while self._queue and (not group or count + len(self._queue[0].proposals) <= MAX_TRANSACTIONS_PER_APPEND):
            waiting = self._queue.popleft()
            self._queued_count -= len(waiting.proposals)
            if not waiting.answer.done():  # a caller that left is not waited for
                group.append(waiting)
                count += len(waiting.proposals)
        return group

    async def _settle(self, proposals: Sequence[Proposal]) -> tuple[Outcome, ...]:
        """Append until every outcome is known; another session is begun when the cell lost ours.

        Raises:
            StoreError: The store failed; what was appended may be in the log or not.
        """
        outcomes: tuple[Outcome, ...] = ()
        for _ in range(MAX_SESSIONS):
            outcomes = await self._append(self._prepare(proposals))
            if not self.session.is_lost(outcomes):
                break
            self.session.abandon()
            if any(one.reason is not Reason.SESSION_UNKNOWN for one in outcomes):
                break
        self._appended_at = time.monotonic()
        return outcomes

    def _prepare(self, proposals: Sequence[Proposal]) -> list[Prepared]:
        """Number and encode proposals as entries that are short to fold.

        Raises:
            OmegaError: One of them breaks a limit; the session is left, as numbers may have been used.
        """
        try:
            return [
                self.session.prepare(proposals[first : first + MAX_TRANSACTIONS_PER_ENTRY])
                for first in range(0, len(proposals), MAX_TRANSACTIONS_PER_ENTRY)
            ]
        except OmegaError:
            self.session.abandon()
            raise

    async def _append(self, entries: Sequence[Prepared]) -> tuple[Outcome, ...]:
        """Append entries in one commit, and return what became of their transactions."""
        appends = [append for prepared in entries for append in prepared.appends]
        known: dict[int, tuple[Outcome, ...]] = {}
        try:
            lost: StoreError | None = None
            for _ in range(MAX_APPENDS):
                try:
                    for batch in batches(appends):
                        await asyncio.to_thread(self.store.append, batch)
                except AnswerLostError as error:
                    lost = error
                outcomes = await self._fold_to_outcomes(entries, known)
                if outcomes is not None:
                    return outcomes
            raise AnswerLostError(f"appended {MAX_APPENDS} times and did not arrive") from lost
        except StoreError as error:
            outcomes = None if isinstance(error, DivergedError) else await self._fold_to_outcomes(entries, known)
            if outcomes is not None:
                return outcomes
            self.session.abandon()
            raise

    async def _fold_to_outcomes(
        self, entries: Sequence[Prepared], known: dict[int, tuple[Outcome, ...]]
    ) -> tuple[Outcome, ...] | None:
        """Return the outcomes of all entries, None while one is missing; ``known`` keeps those there are. Mutates."""
        await self._fold_all()
        for prepared in entries:
            if prepared.first_seq not in known:
                found = self.session.outcomes_of(prepared, _NOTHING_FOLDED)
                if found is None:
                    return None
                known[prepared.first_seq] = found
        return tuple([outcome for prepared in entries for outcome in known[prepared.first_seq]])


async def _look_ahead(replica: Replica) -> Ahead | None:
    """Read what is to be folded; None when it is not kept any more, so that the replica must start again."""
    try:
        return await asyncio.to_thread(replica.look_ahead)
    except TruncatedError:
        return None
