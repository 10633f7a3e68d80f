"""Random histories of a cell, from a seed alone: short, crowded, and written by authors who are a little behind.

A history is a list of entries. It is biased to where mistakes live: few machines, little room, stale copies, several
transactions an entry, reports about attempts long gone, sessions that end at the wrong moment. While it is written,
the slow twin folds it, so that most of what is asked for makes sense, and the rest nearly does.

A failing history is shrunk by leaving entries out: sequence numbers are given when a history is played (`number`),
relative to what each session did before, so that what is left is still in order.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from omegacell.core.commands import Command, OpenSession, Place, SubmitJob, Transaction
from omegacell.core.errors import MalformedError
from omegacell.core.units import Atomicity, Detection, JobId, Revision, Role, SessionId
from omegacell.store.codec import encode_entry
from tests.support.history_allocs import draw_sets, find_machines
from tests.support.history_broken import broken_commands
from tests.support.history_commands import CommandWriter
from tests.support.oracle import Oracle
from tests.support.oracle_state import Verdict

LENGTHS = (10, 20, 20, 35)
LAGS = (0, 0, 0, 0, 1, 1, 2, 3, 5, 9)
AUTHORS = ("batch-0", "batch-1", "service-0", "api-0")
BASE_STAMP_US = 1_700_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a history.

    Attributes:
        transactions: what it holds, of one session.
        skip: how far its first number is from the next of its session: 0 in order, below for a repetition.
        advance: how many numbers of its session it used up.
        revision: the revision of its first transaction.
        raw: its bytes, when they are not what encoding the transactions gives.
    """

    transactions: tuple[Transaction, ...] = ()
    skip: int = 0
    advance: int = 0
    revision: int = 1
    raw: bytes | None = None


Watch = Callable[[Entry, list[Verdict], Oracle], None]


def number(entries: Sequence[Entry]) -> list[Entry]:
    """Give every transaction its sequence number and position, and let its author be as far behind as before."""
    last: dict[int, int] = {}
    numbered = []
    revision = 1
    for entry in entries:
        if entry.raw is not None:
            numbered.append(entry)
            revision += 1
            continue
        session = entry.transactions[0].session
        first = max(1, last.get(session, 0) + 1 + entry.skip)
        shift = revision - entry.revision
        transactions = tuple(
            replace(each, seq=first + place, position=place, seen=Revision(max(0, each.seen + shift)))
            for place, each in enumerate(entry.transactions)
        )
        last[session] = last.get(session, 0) + entry.advance
        numbered.append(replace(entry, transactions=transactions, revision=revision))
        revision += len(transactions)
    return numbered


def write_history(seed: int, watch: Watch | None = None) -> list[Entry]:
    """Write the history of a seed; ``watch`` sees every entry, what the twin said of it, and the twin after it."""
    return HistoryWriter(random.Random(seed), watch).write()


def shrink(entries: list[Entry], fails: Callable[[list[Entry]], bool]) -> list[Entry]:
    """Leave out whatever a failing history does not need to fail: halves, quarters, single entries, transactions."""
    width = max(1, len(entries) // 2)
    while width:
        at = 0
        while at < len(entries):
            shorter = entries[:at] + entries[at + width :]
            if fails(shorter):
                entries = shorter
            else:
                at += width
        width //= 2
    for at, entry in enumerate(entries):
        for place in reversed(range(len(entry.transactions))):
            kept = entries[at].transactions[:place] + entries[at].transactions[place + 1 :]
            shorter = [*entries[:at], replace(entries[at], transactions=kept), *entries[at + 1 :]]
            if kept and fails(shorter):
                entries = shorter
    return entries


class HistoryWriter:
    """Writes one history; the twin folds along. Whoever keeps entries elsewhere overrides `add` and `add_raw`."""

    def __init__(self, rng: random.Random, watch: Watch | None) -> None:
        self.rng = rng
        self.watch = watch
        self.twin = Oracle()
        self.entries: list[Entry] = []
        self.commands = CommandWriter(rng, self.twin.state)
        self.next_session = 100

    def write(self) -> list[Entry]:
        """Write genesis, a start, and then whatever comes."""
        if self.rng.random() < 0.02:
            self.add([self.transaction(7, (self.commands.register(),))])
        self.add([self.transaction(1, (self.commands.genesis(),))])
        for author in AUTHORS[: self.rng.randint(1, 3)]:
            self.open(author)
        for _ in range(self.rng.choice((1, 1, 2, 2, 3, 6))):
            self.own(self.commands.register())
            if self.rng.random() < 0.95:
                self.own(self.commands.inventory())
        for _ in range(self.rng.choice((1, 2))):
            self.own(self.commands.submit())
        if self.rng.random() < 0.35:
            self._set_up_allocs()
        if self.rng.random() < 0.4:
            self._busy()
        if self.rng.random() < 0.4:
            self._press()
        if self.rng.random() < 0.05:
            self._cascade()
        if self.rng.random() < 0.05:
            self._contest()
        for _ in range(self.rng.choice(LENGTHS)):
            self.add_any()
        return self.entries

    def _busy(self) -> None:
        """Let what was submitted run, as far as there is room, and perhaps a machine that it runs on drain."""
        for _ in range(4):
            self.own(self.commands.place())
        for report in self.commands.starts():
            self.own(report)
        if self.rng.random() < 0.7:
            self.own(self.commands.set_eligibility())

    def _set_up_allocs(self) -> None:
        """Let an alloc set run, as far as there is room, and jobs inside it."""
        for spec in draw_sets(self.rng, self.commands.spec):
            self.own(SubmitJob(spec=spec, submitted_at_us=BASE_STAMP_US))
            job = self.twin.state.names.get(spec.name)
            for index in range(spec.count if job is not None else 0):
                allocs = find_machines(self.twin.state, self.twin.state.jobs[JobId(job or 0)])
                row = self.rng.choice(allocs) if allocs else 0 if self.rng.random() < 0.5 else self.commands.row()
                indices, rows = np.array([index], np.int32), np.array([row], np.int32)
                self.own(Place(job=JobId(job or 0), indices=indices, machines=rows))
            for report in self.commands.starts():
                self.own(report)

    def _press(self) -> None:
        """Let tasks run on few machines, and others push them away, some of these in turn."""
        for _ in range(self.rng.choice((6, 12, 24))):
            chance = self.rng.random()
            if chance < 0.6:
                self.own(self.commands.press())
            elif chance < 0.85:
                self.own(self.commands.place())
            else:
                for report in self.commands.starts():
                    self.own(report)

    def _cascade(self) -> None:
        """Let a task push another away, that one the next, and so on; deeper than is allowed, if nothing interferes."""
        for place, step in enumerate(self.commands.cascade()):
            self.own(step)
            if place > 20 and self.rng.random() < 0.05:
                self.add_any()

    def _contest(self) -> None:
        """Let tasks push others from their devices; something else may happen meanwhile."""
        for step in self.commands.contest():
            self.own(step)
            if self.rng.random() < 0.1:
                self.add_any()

    def add(self, transactions: list[Transaction], *, skip: int = 0) -> None:
        """Add an entry, and let the twin fold it."""
        session = transactions[0].session
        before = self.last_seq(session)
        first = max(1, before + 1 + skip)
        numbered = tuple(replace(each, seq=first + at, position=at) for at, each in enumerate(transactions))
        revision = self.twin.state.revision + 1
        verdicts = [self.twin.apply_transaction(each) for each in numbered]
        advance = max(0, self.last_seq(session) - before)
        self._keep(Entry(transactions=numbered, skip=skip, advance=advance, revision=revision), verdicts)

    def add_raw(self, raw: bytes) -> None:
        """Add an entry of these bytes, and let the twin fold it."""
        self._keep(Entry(raw=raw), self.twin.apply(raw))

    def _keep(self, entry: Entry, verdicts: list[Verdict]) -> None:
        """Keep an entry that the twin has folded, and show it."""
        self.entries.append(entry)
        if self.watch is not None:
            self.watch(entry, verdicts, self.twin)

    def last_seq(self, session: int) -> int:
        """Give the last number that a session used."""
        known = self.twin.state.sessions.get(session)
        return known.last_seq if known else 0

    def transaction(self, session: int, commands: tuple[Command, ...]) -> Transaction:
        """Write a transaction of an author who is a little behind."""
        rng = self.rng
        seen = max(0, self.twin.state.revision - rng.choice(LAGS))
        if rng.random() < 0.01:
            seen += rng.randint(1, 3)
        began = BASE_STAMP_US + self.twin.state.revision * 1000
        return Transaction(
            session=SessionId(session),
            seq=1,
            seen=Revision(seen),
            detection=rng.choice((Detection.FINE, Detection.FINE, Detection.COARSE)),
            atomicity=rng.choice((Atomicity.INCREMENTAL, Atomicity.INCREMENTAL, Atomicity.ALL_OR_NOTHING)),
            decided_from_us=began,
            decided_to_us=began + rng.randint(-5, 500),
            commands=commands,
        )

    def open(self, author: str) -> None:
        """Open a session, alone or together with the first thing it does."""
        self.next_session += 1
        opening = OpenSession(author=author, role=self.rng.choice((Role.SCHEDULER, Role.API)), scheduler="batch")
        rest = self.commands.any() if self.rng.random() < 0.3 else ()
        self.add([self.transaction(self.next_session, (opening, *rest))])

    def own(self, command: Command) -> None:
        """Add one command from a session that is open, in order."""
        self.add([self.transaction(self.pick_session(), (command,))])

    def pick_session(self) -> int:
        """Name a session to write in, most often one that is open."""
        sessions = list(self.twin.state.sessions)
        if not sessions or self.rng.random() < 0.01:
            return 99
        return self.rng.choice(sessions)

    def add_any(self) -> None:
        """Add whatever comes."""
        rng = self.rng
        chance = rng.random()
        if not self.twin.state.sessions or chance < 0.03:
            self.open(rng.choice(AUTHORS))
        elif chance < 0.05:
            self.add([self.transaction(self.pick_session(), self.commands.any())], skip=rng.choice((-2, -1, -1, 1, 2)))
        elif chance < 0.07:
            self.add([self.transaction(self.pick_session(), broken_commands(self.commands))])
        elif chance < 0.09:
            self.add_mutated()
        elif chance < 0.25:
            session = self.pick_session()
            self.add([self.transaction(session, self.commands.any()) for _ in range(rng.randint(2, 3))])
        else:
            self.add([self.transaction(self.pick_session(), self.commands.any())])

    def add_mutated(self) -> None:
        """Add an entry whose bytes were damaged; perhaps they still mean something."""
        session = self.pick_session()
        transaction = replace(self.transaction(session, self.commands.any()), seq=self.last_seq(session) + 1)
        try:
            data = bytearray(encode_entry([transaction]))
        except MalformedError:
            data = bytearray(b"\x00")
        for _ in range(self.rng.choice((1, 1, 3))):
            data[self.rng.randrange(len(data))] = self.rng.randrange(256)
        raw = bytes(data[: self.rng.choice((len(data), len(data), len(data) - 1))])
        self.add_raw(raw)
