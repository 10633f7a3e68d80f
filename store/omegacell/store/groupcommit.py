"""Concurrent appends of one process share one durable commit.

A commit costs a disk flush whatever its size. The first caller leads: it takes what is queued, commits it, answers
everyone in the group, and hands the lead to the oldest caller that came meanwhile. There is no thread of its own, so
an append alone costs no switch and nothing is left behind. asyncio reaches it through ``asyncio.to_thread``.

Rules:
    A group is committed in the order in which it was queued, all or none.
    A caller that leaves (KeyboardInterrupt) takes its place in the queue, or the lead, with it.
    The queue is bounded; who finds it full waits, with a limit.
"""

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from omegacell.core.errors import AnswerLostError, ClosedError, OmegaError, StoreLockedError
from omegacell.store.log import Append, Cursor

MAX_GROUP_BYTES: Final = 16 << 20
MAX_GROUP_TICKETS: Final = 4096
MAX_QUEUE_BYTES: Final = 256 << 20
MAX_QUEUE_TICKETS: Final = 65536


class _Ticket:
    """One caller's batch, and what became of it."""

    __slots__ = ("answer", "batch", "error", "ready", "size")

    def __init__(self, batch: Sequence[Append], size: int) -> None:
        self.batch = batch
        self.size = size
        self.ready = threading.Event()  # set with an answer, or with the lead
        self.answer: list[Cursor] | None = None
        self.error: OmegaError | None = None

    @property
    def is_answered(self) -> bool:
        return self.answer is not None or self.error is not None


class GroupCommit:
    """Turn concurrent ``append`` calls into few calls of ``commit``, which is never entered twice at a time.

    Args:
        commit: Makes batches durable, each of them whole, and returns the cursors of all entries in order.
        patience_s: How long a caller waits for room in the queue.
        max_bytes: How large a group grows; a single batch may be larger.
        max_tickets: How many batches a group has.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Sequence[Append]]], list[Cursor]],
        *,
        patience_s: float,
        max_bytes: int = MAX_GROUP_BYTES,
        max_tickets: int = MAX_GROUP_TICKETS,
    ) -> None:
        self._commit = commit
        self._max_bytes = max_bytes
        self._max_tickets = max_tickets
        self._patience_s = patience_s
        self._mutex = threading.Lock()
        self._room = threading.Condition(self._mutex)
        self._queue: deque[_Ticket] = deque()
        self._queue_bytes = 0
        self._is_led = False
        self._is_closed = False
        self.group_count = 0
        self.ticket_count = 0

    def append(self, batch: Sequence[Append], size: int) -> list[Cursor]:
        """Commit a batch of ``size`` bytes, perhaps together with others'; return its cursors."""
        ticket = _Ticket(batch, size)
        if not self._join(ticket):
            self._wait(ticket)
            if ticket.is_answered:
                return self._result(ticket)
        self._lead()
        return self._result(ticket)

    def close(self) -> None:
        """Refuse new callers, and return once those under way have their answer."""
        with self._mutex:
            self._is_closed = True
            self._room.notify_all()
            while self._is_led:
                self._room.wait()

    def _join(self, ticket: _Ticket) -> bool:
        """Queue the ticket; return whether its caller leads now."""
        deadline = time.monotonic() + self._patience_s
        with self._mutex:
            while not self._is_closed and self._is_full(ticket):
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    raise StoreLockedError(
                        f"{len(self._queue)} appends ({self._queue_bytes} bytes) wait for the disk and nothing moved"
                        f" for {self._patience_s:g} s; try again when the disk keeps up"
                    )
                self._room.wait(remaining_s)
            if self._is_closed:
                raise ClosedError("the store is closed; nothing was appended")
            self._queue.append(ticket)
            self._queue_bytes += ticket.size
            is_leading = not self._is_led
            self._is_led = True
            return is_leading

    def _is_full(self, ticket: _Ticket) -> bool:
        if not self._queue:
            return False
        return len(self._queue) >= MAX_QUEUE_TICKETS or self._queue_bytes + ticket.size > MAX_QUEUE_BYTES

    def _wait(self, ticket: _Ticket) -> None:
        try:
            ticket.ready.wait()
        except BaseException:  # KeyboardInterrupt: whoever leaves must not stay the leader
            with self._mutex:
                if ticket in self._queue:
                    self._queue.remove(ticket)
                    self._queue_bytes -= ticket.size
                    if ticket.ready.is_set():
                        self._pass_lead()
            raise

    def _lead(self) -> None:
        """Commit one group, whose first ticket is the caller's own, and pass the lead on."""
        with self._mutex:
            group = self._take_group()
        try:
            self._answer(group)
        except BaseException as error:  # a bug, or KeyboardInterrupt: it is the leader's alone
            for ticket in group:
                ticket.error = AnswerLostError(f"the commit broke off ({error!r}): fold to the head, then retry")
            raise
        finally:
            with self._mutex:
                self._pass_lead()
            for ticket in group:
                ticket.ready.set()

    def _take_group(self) -> list[_Ticket]:
        group: list[_Ticket] = []
        size = 0
        while self._queue and len(group) < self._max_tickets:
            if group and size + self._queue[0].size > self._max_bytes:
                break
            ticket = self._queue.popleft()
            size += ticket.size
            group.append(ticket)
        self._queue_bytes -= size
        self.group_count += 1
        self.ticket_count += len(group)
        self._room.notify_all()
        return group

    def _pass_lead(self) -> None:
        if self._queue:
            self._queue[0].ready.set()
        else:
            self._is_led = False
            self._room.notify_all()

    def _answer(self, group: list[_Ticket]) -> None:
        try:
            cursors = self._commit([ticket.batch for ticket in group])
        except OmegaError as error:
            for ticket in group:
                ticket.error = error
            return
        start = 0
        for ticket in group:
            ticket.answer = cursors[start : start + len(ticket.batch)]
            start += len(ticket.batch)

    @staticmethod
    def _result(ticket: _Ticket) -> list[Cursor]:
        if ticket.answer is not None:
            return ticket.answer
        assert ticket.error is not None
        # Raised in several threads, each of which adds its own traceback: a copy each.
        raise copy.copy(ticket.error) from ticket.error
