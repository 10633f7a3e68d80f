"""What an agent decides: wanted state, what runs, and what must be told, as a pure state machine.

`Reconciler.step` takes one event and returns the actions of the shell, in order. No clock, no input or output here.

Rules:
- Nothing is started or stopped before the supervisor has said what it holds (`Inventory`), nor before the cell has
  said, on this link, what it wants as a whole.
- Wanted state older than what is durably remembered is ignored; what is newer is remembered before it is acted upon.
  A log of another incarnation retires the one before for good, and ends every attempt that belonged to it: the same
  key means another attempt there.
- A task that must stop on a partition starts once this link has a lease, after the supervisor has its deadline.
- Of one task at most one attempt runs: a newer one waits until the older has ended, and an older one never starts.
- An alloc ends after the tasks inside: it is told to end when the last of them has.
- What happened is reported until the cell has folded it, again on every new link. An ended attempt is forgotten only
  when its end was folded *and* it is no longer wanted; until then its key cannot start again.
- A lost link changes nothing that runs. The supervisor's deadline does, for tasks that must stop on a partition.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, Self, assert_never

from omegacell.agent.events import (
    Action,
    DropLink,
    End,
    Ended,
    Event,
    ForgetAttempt,
    HealthChanged,
    Inventory,
    LinkClosed,
    LinkOpened,
    Persist,
    Remembered,
    SendRegister,
    SendReports,
    StartAttempt,
    Started,
    StopAttempt,
    SupervisorLost,
)
from omegacell.agent.messages import (
    ENDS,
    AttemptKey,
    HeldState,
    Lease,
    Registered,
    Rejected,
    ReportKind,
    ReportsFolded,
    Wanted,
    WantedTask,
)
from omegacell.agent.outbox import Fact, Outbox
from omegacell.agent.registration import Registration

MAX_RETIRED: Final = 64


class _Phase(IntEnum):
    STARTING = 1
    RUNNING = 2
    ENDED = 3


@dataclass(slots=True, kw_only=True)
class _Attempt:
    incarnation: str
    grace_us: int
    phase: _Phase
    alloc: AttemptKey | None = None
    is_stopping: bool = False
    started_at_us: int = 0
    end: End | None = None
    is_end_folded: bool = False

    @classmethod
    def of(cls, task: WantedTask | None, *, incarnation: str) -> Self:
        """Begin with an attempt, of an incarnation when nothing more is known of it than that it is there."""
        if task is None:
            return cls(incarnation=incarnation, grace_us=0, phase=_Phase.STARTING)
        grace_us, alloc = task.shape.grace_us, task.alloc
        return cls(incarnation=task.incarnation, grace_us=grace_us, phase=_Phase.STARTING, alloc=alloc)


class Reconciler:
    """The agent of one machine that runs real tasks.

    Args:
        machine: its name.
        remembered: what the last agent on this machine made durable.
    """

    def __init__(self, machine: str, remembered: Remembered) -> None:
        self._machine = machine
        self._remembered = remembered
        self._attempts: dict[AttemptKey, _Attempt] = {}
        self._by_task: dict[tuple[int, int], set[AttemptKey]] = {}
        self._wanted: dict[AttemptKey, WantedTask] = {}
        self._has_wanted = False
        self._has_inventory = False
        self._is_link_open = False
        self._registration: Registration | None = None
        self._outbox = Outbox()

    @property
    def remembered(self) -> Remembered:
        """What has been said to be made durable."""
        return self._remembered

    @property
    def has_inventory(self) -> bool:
        """Whether it is known what the supervisor holds."""
        return self._has_inventory

    @property
    def unfolded_count(self) -> int:
        """How many reports the cell has not folded yet."""
        return len(self._outbox)

    def keys(self) -> list[AttemptKey]:
        """Return the attempts that are there or wanted."""
        return [*self._attempts, *(key for key in self._wanted if key not in self._attempts)]

    def step(self, event: Event) -> list[Action]:
        """Take one event; return what is to be done, in this order."""
        match event:
            case LinkOpened():
                self._is_link_open = True
                actions = self._register()
            case LinkClosed():
                self._is_link_open = False
                self._registration = None
                self._outbox.reopen()
                actions = []
            case Inventory():
                actions = self._on_inventory(event)
            case SupervisorLost():
                self._has_inventory = False
                actions = []
            case Started():
                self._on_started(event)
                actions = []
            case Ended():
                actions = self._on_ended(event)
            case HealthChanged():
                kind = ReportKind.HEALTHY if event.is_healthy else ReportKind.UNHEALTHY
                attempt = self._attempts.get(event.key)
                if attempt is not None and attempt.phase is _Phase.RUNNING:
                    self._note(event.key, End(kind=kind, code=0, at_us=event.at_us, message=event.message))
                actions = []
            case Registered():
                actions = self._on_registered(event)
            case Rejected():
                actions = [DropLink(reason=event.reason)] if self._machine in event.names else []
            case Wanted():
                actions = self._on_wanted(event)
            case Lease():
                actions = self._on_lease(event)
            case ReportsFolded():
                actions = self._on_folded(event)
            case _:
                assert_never(event)
        return actions + self._send()

    # --- the link

    def _register(self) -> list[Action]:
        if not (self._is_link_open and self._has_inventory):
            return []
        held = tuple(
            (key, HeldState.ENDED if attempt.phase is _Phase.ENDED else HeldState.RUNNING)
            for key, attempt in sorted(self._attempts.items())
            if attempt.incarnation == self._remembered.incarnation
        )
        return [SendRegister(held=held)]

    def _on_registered(self, event: Registered) -> list[Action]:
        if self._machine not in event.names or not self._is_link_open:
            return []
        if event.incarnation in self._remembered.retired:
            return [DropLink(reason=f"incarnation {event.incarnation} of the log was retired on this machine")]
        place = event.names.index(self._machine)
        self._outbox.reopen()
        self._registration = Registration.of(event, place)
        actions = self._registration.fence()
        is_same = event.incarnation == self._remembered.incarnation
        return actions if is_same else actions + self._change_incarnation(event.incarnation)

    def _change_incarnation(self, incarnation: str) -> list[Action]:
        old = self._remembered.incarnation
        retired = (*self._remembered.retired, old) if old else self._remembered.retired
        self._remembered = Remembered(incarnation=incarnation, retired=retired[-MAX_RETIRED:])
        self._want({})
        self._has_wanted = False
        self._outbox.keep_only(key for key, a in self._attempts.items() if a.incarnation == incarnation)
        return [Persist(remembered=self._remembered), *self._settle(list(self._attempts))]

    def _on_lease(self, event: Lease) -> list[Action]:
        if self._registration is None:
            return []
        was_known = self._registration.is_fence_known
        actions = self._registration.renew(event.sent_boot_us)
        return actions if was_known else actions + self._settle(sorted(self._wanted))

    def _on_wanted(self, event: Wanted) -> list[Action]:
        registration = self._registration
        known = self._remembered
        if registration is None or event.incarnation != known.incarnation or event.revision < known.revision:
            return []
        row = registration.row
        starts = {task.key: task for its_row, task in event.starts() if its_row == row}
        if row in event.complete:
            touched = {*self._wanted, *self._attempts, *starts}
            self._want(starts)
            self._has_wanted = registration.is_wanted_known = True
        elif registration.is_wanted_known:
            stops = [key for its_row, key in event.stops() if its_row == row]
            for key, task in starts.items():
                self._wanted[key] = task
                self._index(key)
            for key in stops:
                self._wanted.pop(key, None)
                self._index(key)
            touched = {*starts, *stops}
        else:
            return []
        for key in starts:
            self._report_again(key)
        actions: list[Action] = []
        if event.revision > known.revision:
            self._remembered = replace(known, revision=event.revision)
            actions.append(Persist(remembered=self._remembered))
        return actions + self._settle(sorted(touched))

    def _report_again(self, key: AttemptKey) -> None:
        """Report an end once more that was folded and is wanted all the same: the cell does not know of it."""
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.end is not None and attempt.is_end_folded:
            attempt.is_end_folded = False
            self._note(key, attempt.end)

    # --- the supervisor

    def _on_inventory(self, event: Inventory) -> list[Action]:
        self._has_inventory = True
        held = {one.key: one for one in event.held}
        for key, attempt in list(self._attempts.items()):
            attempt.is_stopping = False
            if key in held or attempt.phase is _Phase.ENDED:
                continue
            if attempt.phase is _Phase.STARTING:
                self._drop(key)  # it never reached the supervisor
            else:
                at_us = attempt.started_at_us
                self._mark_ended(key, End(kind=ReportKind.UNKNOWN, code=0, at_us=at_us, message="its record is gone"))
        for key, one in held.items():
            if key not in self._attempts:
                self._add(key, _Attempt.of(one.task, incarnation=self._remembered.incarnation))
            if one.end is not None:
                self._mark_ended(key, one.end)
            else:
                self._on_started(Started(key=key, at_us=one.started_at_us))
        actions = self._register() if self._registration is None else self._registration.fence()
        return actions + self._settle(sorted({*self._attempts, *self._wanted}))

    def _on_started(self, event: Started) -> None:
        attempt = self._attempts.get(event.key)
        if attempt is None or attempt.phase is not _Phase.STARTING:
            return
        attempt.phase = _Phase.RUNNING
        attempt.started_at_us = event.at_us
        self._note(event.key, End(kind=ReportKind.STARTED, code=0, at_us=event.at_us))

    def _on_ended(self, event: Ended) -> list[Action]:
        self._mark_ended(event.key, event.end)
        alloc = self._attempts[event.key].alloc if event.key in self._attempts else None
        return self._settle([*self._siblings(event.key), *([] if alloc is None else [alloc])])

    def _mark_ended(self, key: AttemptKey, end: End) -> None:
        assert end.kind in ENDS, f"{end.kind.name} is not an end"
        attempt = self._attempts.get(key)
        if attempt is None or attempt.phase is _Phase.ENDED:
            return
        attempt.phase = _Phase.ENDED
        attempt.end = end
        self._note(key, end)

    def _note(self, key: AttemptKey, end: End) -> None:
        if self._attempts[key].incarnation == self._remembered.incarnation:
            self._outbox.add(Fact(key=key, kind=end.kind, code=end.code, at_us=end.at_us, message=end.message))

    # --- reports

    def _send(self) -> list[Action]:
        if self._registration is None:
            return []
        row, epoch = self._registration.row, self._registration.epoch
        return [SendReports(reports=reports) for reports in self._outbox.take(row, epoch)]

    def _on_folded(self, event: ReportsFolded) -> list[Action]:
        ended = []
        for fact in self._outbox.acknowledge(event.batch):
            attempt = self._attempts.get(fact.key)
            if attempt is not None and fact.kind in ENDS:
                attempt.is_end_folded = True
                ended.append(fact.key)
        return self._settle(ended)

    # --- what follows from what is wanted and what is there

    def _settle(self, keys: Iterable[AttemptKey]) -> list[Action]:
        """Return what brings some attempts to what is wanted of them, as far as it can be done now."""
        if not self._has_inventory:
            return []
        actions: list[Action] = []
        queue = list(keys)
        for key in queue:
            attempt = self._attempts.get(key)
            if attempt is None:
                actions += self._settle_absent(key)
            elif attempt.phase is _Phase.ENDED:
                if self._is_over(key, attempt):
                    self._drop(key)
                    actions.append(ForgetAttempt(key=key))
                    queue += self._siblings(key)
            elif not attempt.is_stopping and self._is_unwanted(key, attempt) and not _holds_any(self._attempts, key):
                attempt.is_stopping = True
                actions.append(StopAttempt(key=key, grace_us=attempt.grace_us))
        return actions

    def _settle_absent(self, key: AttemptKey) -> list[Action]:
        task = self._wanted.get(key)
        if task is None or self._registration is None or not self._registration.may_start(task):
            return []
        siblings = self._siblings(key)
        living = [one for one in siblings if one in self._attempts and self._attempts[one].phase is not _Phase.ENDED]
        if max(siblings) != key or living:
            return self._settle(living)
        self._add(key, _Attempt.of(task, incarnation=task.incarnation))
        return [StartAttempt(task=task)]

    def _is_over(self, key: AttemptKey, attempt: _Attempt) -> bool:
        """Whether nobody will ask for an ended attempt any more."""
        if attempt.incarnation != self._remembered.incarnation:
            return True
        return attempt.is_end_folded and self._has_wanted and key not in self._wanted

    def _is_unwanted(self, key: AttemptKey, attempt: _Attempt) -> bool:
        if attempt.incarnation != self._remembered.incarnation:
            return True
        return self._has_wanted and (key not in self._wanted or max(self._siblings(key)) != key)

    # --- what is wanted, and what is there

    def _siblings(self, key: AttemptKey) -> list[AttemptKey]:
        """Return all attempts of a task, wanted or there, in order."""
        return sorted(self._by_task.get((key.job_id, key.index), ()))

    def _want(self, wanted: dict[AttemptKey, WantedTask]) -> None:
        touched = [*self._wanted, *wanted]
        self._wanted = wanted
        for key in touched:
            self._index(key)

    def _add(self, key: AttemptKey, attempt: _Attempt) -> None:
        self._attempts[key] = attempt
        self._index(key)

    def _drop(self, key: AttemptKey) -> None:
        del self._attempts[key]
        self._index(key)

    def _index(self, key: AttemptKey) -> None:
        siblings = self._by_task.setdefault((key.job_id, key.index), set())
        if key in self._wanted or key in self._attempts:
            siblings.add(key)
        else:
            siblings.discard(key)
        if not siblings:
            del self._by_task[key.job_id, key.index]


def _holds_any(attempts: Mapping[AttemptKey, _Attempt], key: AttemptKey) -> bool:
    """Whether an attempt is an alloc that something runs inside of. Cost: O(attempts), asked of what is to end."""
    return any(one.alloc == key and one.phase is not _Phase.ENDED for one in attempts.values())
