"""A soak: eight real schedulers and random operators, agents and rogues share one cell for very long, from a seed.

Everything but time is real: a store with foreign entries and lost answers, replicas, loops, controllers, checkpoints.
One step is one participant's: a scheduler performs what it wanted to do (decided on a copy that is older by then), the
controllers keep the cell, or somebody writes whatever comes. Whatever reaches the log is folded by the core and by its
slow twin, and the two must say the same of it; at intervals they must hold the same, the invariants must hold, and a
checkpoint must be confirmed by a fold that began elsewhere. `finish` folds the whole log once more.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from omegacell.api.wiring import ReplicaPort
from omegacell.controllers.keeper import Keeper
from omegacell.core import invariants, snapshots
from omegacell.core.commands import OpenSession, Transaction
from omegacell.core.outcomes import Status
from omegacell.core.units import TICK_PERIOD_US, Revision, Role, SessionId
from omegacell.schedulers.actions import Action, Done, Folded
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Scheduler
from omegacell.schedulers.loop import Loop, LoopSettings
from omegacell.schedulers.memorycell import ManualClock
from omegacell.schedulers.policies import BestFit
from omegacell.schedulers.runner import Runner
from omegacell.schedulers.statistics import LoopStatistics
from omegacell.schedulers.system import SystemScheduler
from omegacell.store.checkpoints import capture, confirm, fold_to, load_newest, load_oldest, write
from omegacell.store.codec import to_append
from omegacell.store.faults import Fault, FaultyStore
from omegacell.store.folding import Applied, Fold
from omegacell.store.log import Append
from omegacell.store.memory import MemoryDisk, MemoryStore
from omegacell.store.proposer import Proposal, Session
from omegacell.store.replica import Replica
from tests.support.following import refuse_to_sleep
from tests.support.oracle import Oracle
from tests.support.oracle_mirror import differences, picture_of_cell, picture_of_twin, verdict_of
from tests.support.soak_plugins import CoarseGang, CoarseService, Greedy, Reckless
from tests.support.soak_writer import SoakWriter
from tests.support.transcripts import write_transaction

MEMBERS: tuple[tuple[str, type[Scheduler]], ...] = (
    ("batch", BatchScheduler),
    ("batch", BatchScheduler),
    ("system", SystemScheduler),
    ("service", CoarseService),
    ("policy", BestFit),
    ("greedy", Greedy),
    ("gang", CoarseGang),
    ("reckless", Reckless),
)
"""The eight: each queue and who serves it. All but the last decide by the rules, so none of their claims may be refused
without a change."""

OF_OTHERS = 1 << 39
OF_SCHEDULERS = 1 << 40
"""From here on numbers of sessions are those of controllers and foreigners, and of schedulers."""

STEPS_PER_LOOK = 100
INVARIANTS_EVERY = 50
PICTURE_EVERY = 250
CHECKPOINT_EVERY = 1_000
LAST_KEPT = 20
CHANGES_KEPT = 256
"""Of each list of changes in the twin: more than one entry can add, and nobody asks for older ones."""

FAULTS = (Fault.FOREIGN_FIRST, Fault.FOREIGN_AFTER, Fault.TWICE, Fault.ANSWER_LOST, Fault.REQUEST_LOST, Fault.LATE)


@dataclass(slots=True, kw_only=True)
class Figures:
    """What happened in a soak: facts for whoever reads its end.

    Attributes:
        revisions: transactions in the log, whoever wrote them.
        committed: those of the eight schedulers that were judged, and not as a repetition.
        statuses: what became of all transactions.
        reasons: why claims or whole transactions were refused, conflicts and others.
        commands: commands in all transactions, by kind.
        restarts: schedulers killed and begun again.
        checkpoints: checkpoints written and confirmed.
        inside: the most tasks that were inside of allocs at once.
    """

    revisions: int = 0
    committed: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    commands: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    checkpoints: int = 0
    inside: int = 0
    loops: LoopStatistics = field(default_factory=LoopStatistics)

    def note(self, applied: Applied, *, is_of_loop: bool) -> None:
        """Count one transaction."""
        outcome = applied.outcome
        self.revisions = outcome.revision
        _count(self.statuses, outcome.status.name)
        if applied.transaction is None or outcome.status is Status.MALFORMED:
            return
        self.committed += is_of_loop and outcome.status is not Status.DUPLICATE
        for command in applied.transaction.commands:
            _count(self.commands, type(command).__name__)
        verdict = verdict_of(outcome)
        for _, reason, is_conflict, *_ in verdict.rows or ((0, outcome.reason, outcome.is_conflict),):
            if reason:
                _count(self.reasons, f"{reason.name} ({'conflict' if is_conflict else 'refused'})")

    def words(self) -> str:
        """Write the figures, a line each kind."""
        loops = self.loops
        lines = [
            f"transactions {self.revisions}, of the schedulers {self.committed}; restarts {self.restarts},"
            f" checkpoints confirmed {self.checkpoints}; at most {self.inside} tasks inside of allocs",
            f"decisions {loops.decisions}, claims {loops.claims}, granted {loops.granted}, conflicts {loops.conflicts},"
            f" disagreements {loops.disagreements}, without room {loops.misses}, plug-in failures {loops.failures}",
        ]
        for name, counts in (("outcomes", self.statuses), ("commands", self.commands), ("refusals", self.reasons)):
            lines.append(f"{name}: " + ", ".join(f"{key} {counts[key]}" for key in sorted(counts)))
        return "\n".join(lines)


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


class SoakPort(ReplicaPort):
    """A scheduler's port that never waits: who is next is drawn, and time goes on by itself."""

    def wait(self, timeout_us: int) -> None:
        """Return at once."""


@dataclass(slots=True, eq=False)
class Member:
    """One scheduler: who it is, and what it wants to do next."""

    name: str
    queue: str
    make: type[Scheduler]
    runner: Runner
    action: Action
    weight: float = 1.0


class Soak:
    """One cell and everybody on it; see the module's docstring.

    Attributes:
        figures: what happened so far.
        fold: the core's copy, folded up to what the twin has folded.
        twin: the slow twin.
    """

    def __init__(self, seed: int) -> None:
        self.figures = Figures()
        self.fold = Fold()
        self.twin = Oracle()
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = ManualClock()
        self.disk = MemoryDisk()
        self.store = MemoryStore(self.disk)
        self._numbers, self._other_numbers = count(OF_SCHEDULERS), count(OF_OTHERS)
        self._last: list[Applied] = []
        self._due = {INVARIANTS_EVERY: 0, PICTURE_EVERY: 0, CHECKPOINT_EVERY: CHECKPOINT_EVERY}
        self._writer = SoakWriter(self.rng, self.store, self.twin, self.follow)
        self._writer.begin()
        self.members = [self._join(f"{queue}-{place}", queue, make) for place, (queue, make) in enumerate(MEMBERS)]
        opening = OpenSession(author="api-0", role=Role.API)
        self._keeping = Session(Replica(self.store), opening, sleep=refuse_to_sleep, draw=self._draw_other)
        self._keeper = Keeper(period_us=TICK_PERIOD_US, now_us=self.clock.monotonic_us())

    def run(self, transactions: int) -> None:
        """Go on until the log holds so many transactions."""
        before = self.figures.revisions
        while self.figures.revisions < transactions:
            for _ in range(STEPS_PER_LOOK):
                self.step()
            assert self.figures.revisions > before, f"nothing happens any more\n{self.figures.words()}"
            before = self.figures.revisions
        self.follow()
        self._check(is_last=True)

    def step(self) -> None:
        """Let somebody do something."""
        rng = self.rng
        self.clock.advance(rng.choice((0, 1_000, 20_000, 200_000)))
        chance = rng.random()
        if chance < 0.001:
            self._restart(rng.randrange(len(self.members)))
        elif chance < 0.003:
            for member in self.members:
                member.weight = rng.choice((0.05, 0.5, 1.0, 1.0, 3.0))
        elif chance < 0.03:
            self._keep()
        elif chance < 0.15:
            self._writer.step()
        else:
            [member] = rng.choices(self.members, [member.weight for member in self.members])
            assert not isinstance(member.action, Done), "nobody was halted"
            member.action = member.runner.perform(member.action)
        self.follow()

    def follow(self) -> None:
        """Fold what is new in the log, by the core and by its twin; both must say the same of it."""
        while self.fold.cursor < self.store.head():
            for stored in self.store.read(self.fold.cursor):
                applied = self.fold.fold(stored)
                verdicts = self.twin.apply(stored.entry)
                self._note(applied)
                found = [verdict_of(each.outcome) for each in applied]
                assert found == verdicts, self._words(f"  core {found}\n  twin {verdicts}")
                mismatches, self.fold.mismatches = self.fold.mismatches, []
                assert not [each for each in mismatches if each.session >= OF_SCHEDULERS], self._words(f"{mismatches}")
                self._check()

    def finish(self) -> None:
        """Fold the whole log once more, and the newest checkpoint with its tail; all must come to the same cell."""
        digest = snapshots.digest(self.fold.cell)
        for again in (load_oldest(self.store), load_newest(self.store)):
            fold_to(self.store, again, self.fold.cursor)
            assert again.chain == self.fold.chain, self._words("a second fold came to another chain")
            assert snapshots.digest(again.cell) == digest, self._words("a second fold came to another cell")
        for member in self.members:
            self._count_member(member)

    def _draw(self) -> SessionId:
        return SessionId(next(self._numbers))

    def _draw_other(self) -> SessionId:
        return SessionId(next(self._other_numbers))

    def _foreign_entry(self) -> Append:
        """Make somebody else's entry: a session that nobody uses any more."""
        opening = OpenSession(author="api-2", role=Role.API)
        return to_append([Transaction(session=self._draw_other(), seq=1, seen=Revision(0), commands=(opening,))])

    def _faults(self) -> Iterator[Fault]:
        rng = random.Random(self.rng.random())
        while True:
            yield rng.choice(FAULTS) if rng.random() < 0.03 else Fault.NONE

    def _join(self, name: str, queue: str, make: type[Scheduler]) -> Member:
        """Begin a scheduler on a copy of its own, from the newest checkpoint."""
        port = SoakPort(FaultyStore(MemoryStore(self.disk), self._faults(), foreign=self._foreign_entry))
        settings = LoopSettings(instance=name, scheduler=queue, seed=self.rng.getrandbits(32))
        loop = Loop(make(), port.cell, settings=settings, clock=self.clock, draw_session=self._draw)
        return Member(name, queue, make, Runner(loop, port), loop.step(Folded(delta=port.catch_up())))

    def _restart(self, place: int) -> None:
        """Kill a scheduler, whatever it is at, and begin it again under its name."""
        member = self.members[place]
        self._count_member(member)
        self.figures.restarts += 1
        self.members[place] = self._join(member.name, member.queue, member.make)

    def _count_member(self, member: Member) -> None:
        statistics = member.runner.loop.statistics
        if member.make is not Reckless:
            assert not statistics.failures, self._words(f"{member.name}: {statistics}")
            assert not statistics.disagreements, self._words(f"{member.name}: {statistics}")
        for name in LoopStatistics.__slots__:
            setattr(self.figures.loops, name, getattr(self.figures.loops, name) + getattr(statistics, name))

    def _keep(self) -> None:
        """Let the controllers do what is due: ticks, losses, expiries, drains, forgetting."""
        session = self._keeping
        session.observe(session.replica.catch_up())
        now_us = self.clock.monotonic_us()
        for command in self._keeper.step(session.replica.cell, session=session.number, now_us=now_us):
            session.submit([Proposal(commands=(command,))])

    def _note(self, applied: list[Applied]) -> None:
        for one in applied:
            is_of_loop = one.transaction is not None and one.transaction.session >= OF_SCHEDULERS
            self.figures.note(one, is_of_loop=is_of_loop)
        self._last = [*self._last, *applied][-LAST_KEPT:]

    def _check(self, *, is_last: bool = False) -> None:
        """Check what is due by now."""
        revision, cell = self.fold.revision, self.fold.cell
        due = [every for every, at in self._due.items() if is_last or revision >= at]
        for every in due:
            self._due[every] = revision + every
        if INVARIANTS_EVERY in due:
            invariants.check(cell)
            self.fold.cell.drain_delta()
            inside = [task for job in self.twin.state.jobs.values() for task in job.tasks if task.alloc is not None]
            self.figures.inside = max(self.figures.inside, len(inside))
        if PICTURE_EVERY in due:
            found = differences(picture_of_cell(cell), picture_of_twin(self.twin))
            assert not found, self._words("\n".join(found))
            self._prune()
        if CHECKPOINT_EVERY in due:
            head = write(self.store, capture(self.fold, now_us=self.clock.wall_us))
            assert confirm(self.store, head.checkpoint_id), self._words("a checkpoint cannot be confirmed")
            self.figures.checkpoints += 1

    def _prune(self) -> None:
        """Let the twin forget old changes, of which it keeps all, and looks through all each time."""
        state = self.twin.state
        lists = [state.topology]
        lists += [each.changes for each in state.machines]
        lists += [each.changes for each in state.jobs.values()]
        lists += [each.changes for limits in (state.quotas, state.caps) for each in limits.values()]
        for changes in lists:
            del changes[:-CHANGES_KEPT]

    def _words(self, what: str) -> str:
        last = ["bytes" if each.transaction is None else write_transaction(each.transaction) for each in self._last]
        return f"seed {self.seed}, revision {self.fold.revision}, after\n" + "\n".join(last) + f"\n{what}"
