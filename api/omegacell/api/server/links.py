"""The cell's side of agents' streams, as a pure state machine: ``step(event) -> actions``.

A stream carries one agent, which plays one machine or thousands. Theory of operation:

    Register         proposes `RegisterMachine` for each machine; what the cell grants is a row and an epoch.
    granted          the agent is told (`Registered`), and each machine's `Inventory` is proposed.
    inventory folded the machine is told everything that it is to run (`Wanted.complete`), from then on the changes.
    Reports          of all streams share a `Report` transaction; once it is folded each is acknowledged, and what
                     ended is let go (a stop of an ended attempt).
    Heartbeat        is noted for the tick's contact, and answered with a lease while this server can append.

A machine listens on one stream: a later registration takes it from the earlier one. Whatever cannot be proposed drops
the stream, because an agent that comes back says everything again. No clock, no network and no log is touched here.
"""

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from omegacell.agent import messages as agent
from omegacell.api.server.link_columns import (
    build_forgets,
    build_starts,
    build_stops,
    find_active,
    find_changes,
    find_ends,
    find_touched,
    to_inventory,
    to_registration,
    to_report,
)
from omegacell.api.server.link_events import (
    Action,
    CellFolded,
    Closed,
    Drop,
    Event,
    Forget,
    Hear,
    Opened,
    Propose,
    Said,
    Settled,
    Tell,
)
from omegacell.core.cell import Cell
from omegacell.core.commands import Command
from omegacell.core.deltas import Delta
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import JobSpec
from omegacell.core.machines import MachineState
from omegacell.core.outcomes import Outcome, Reason, Status

MAX_REPORTS_PER_TRANSACTION: Final = 10_000


# --- state


@dataclass(slots=True, kw_only=True)
class _Machine:
    stream: int
    epoch: int
    is_told: bool = False
    """Whether it was told everything that it is to run."""


@dataclass(frozen=True, slots=True)
class _Registering:
    stream: int
    offers: tuple[agent.MachineOffer, ...]


@dataclass(frozen=True, slots=True)
class _Listing:
    stream: int
    machines: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Reporting:
    parts: tuple[tuple[int, agent.Reports], ...]


@dataclass(slots=True)
class _Index:
    """Which stream each machine row listens on; -1 for none, and in the last place."""

    stream_of: NDArray[np.int32] = field(default_factory=lambda: np.full(1, -1, np.int32))

    def set(self, rows: Sequence[int], stream: int) -> None:
        needed = max(rows, default=-1) + 2
        if needed > len(self.stream_of):
            grown = np.full(max(needed, 2 * len(self.stream_of)), -1, np.int32)
            grown[: len(self.stream_of) - 1] = self.stream_of[:-1]
            self.stream_of = grown
        self.stream_of[np.asarray(rows, np.int64)] = stream

    def streams(self, machines: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the stream of each machine row; machines that came later than the last `set` have none."""
        known = np.where(machines < len(self.stream_of) - 1, machines, -1)
        return self.stream_of[known]


class Links:
    """All agents' streams of one API server.

    Args:
        payload_of: Returns what the tasks of a job run; empty when it was erased.
        lease_us: How long a machine may count itself in contact after a heartbeat that was answered.
        heartbeat_us: How often agents are to send one.
        own_boot_id: Boot of the host whose machines have no lease; empty: every machine has one.
    """

    def __init__(
        self, *, payload_of: Callable[[JobSpec], bytes], lease_us: int, heartbeat_us: int, own_boot_id: str = ""
    ) -> None:
        self._payload_of = payload_of
        self._lease_us = lease_us
        self._heartbeat_us = heartbeat_us
        self._own_boot_id = own_boot_id
        self._rows: dict[int, set[int]] = {}
        self._machines: dict[int, _Machine] = {}
        self._index = _Index()
        self._tokens = itertools.count(1)
        self._underway: dict[int, _Registering | _Listing | _Reporting] = {}
        self._reports: deque[tuple[int, agent.Reports]] = deque()
        self._is_reporting = False

    @property
    def machine_count(self) -> int:
        """Machines that listen here."""
        return len(self._machines)

    def stream_of(self, row: int) -> int | None:
        """Return the stream on which a machine listens, or None."""
        machine = self._machines.get(row)
        return machine.stream if machine is not None else None

    def step(self, event: Event, cell: Cell) -> list[Action]:
        """Take one event; return what is to be done, in order. ``cell`` is the one folded last."""
        match event:
            case Opened():
                self._rows[event.stream] = set()
                return []
            case Closed():
                self._release(self._rows.pop(event.stream, set()), event.stream)
                return []
            case Said():
                return self._on_said(event, cell)
            case Settled():
                return self._on_settled(event, cell)
            case CellFolded():
                return self._on_folded(event, cell)

    # --- what agents say

    def _on_said(self, event: Said, cell: Cell) -> list[Action]:
        if event.stream not in self._rows:
            return []
        match event.message:
            case agent.Register():
                return self._register(event.stream, event.message.machines)
            case agent.Heartbeat():
                missing = frozenset(event.message.missing)
                heard = tuple(
                    [(row, self._machines[row].epoch) for row in self._rows[event.stream] if row not in missing]
                )
                actions: list[Action] = [Hear(machines=heard)]
                if event.can_append:
                    lease = agent.Lease(sent_boot_us=event.message.sent_boot_us)
                    actions.append(Tell(stream=event.stream, message=lease))
                return actions
            case agent.Reports():
                self._reports.append((event.stream, event.message))
                return self._report()

    def _register(self, stream: int, offers: tuple[agent.MachineOffer, ...]) -> list[Action]:
        try:
            commands = tuple([to_registration(offer) for offer in offers])
        except MalformedError as error:
            return [Drop(stream=stream, reason=str(error))]
        return [self._propose(_Registering(stream, offers), commands)] if commands else []

    def _report(self) -> list[Action]:
        """Propose what was reported, of all streams together, unless a proposal of reports is under way."""
        actions: list[Action] = []
        while self._reports and not self._is_reporting:
            parts: list[tuple[int, agent.Reports]] = []
            count = 0
            while self._reports and (not parts or count + len(self._reports[0][1]) <= MAX_REPORTS_PER_TRANSACTION):
                parts.append(self._reports.popleft())
                count += len(parts[-1][1])
            if not count:
                actions += [_folded(stream, part) for stream, part in parts]
                continue
            try:
                command = to_report([part for _, part in parts])
            except MalformedError as error:
                actions += [Drop(stream=stream, reason=str(error)) for stream in dict.fromkeys(s for s, _ in parts)]
                continue
            self._is_reporting = True
            actions.append(self._propose(_Reporting(tuple(parts)), (command,)))
        return actions

    def _propose(self, what: _Registering | _Listing | _Reporting, commands: tuple[Command, ...]) -> Propose:
        token = next(self._tokens)
        self._underway[token] = what
        return Propose(token=token, commands=commands)

    # --- what the cell makes of it

    def _on_settled(self, event: Settled, cell: Cell) -> list[Action]:
        what = self._underway.pop(event.token)
        if isinstance(what, _Reporting):
            self._is_reporting = False
        if event.outcomes is None:
            return self._on_failed(what, event.reason) + self._report()
        match what:
            case _Registering():
                return self._on_registered(what, event.outcomes, cell)
            case _Listing():
                return self._on_listed(what, event.outcomes, cell)
            case _Reporting():
                return self._on_reported(what, cell) + self._report()

    def _on_failed(self, what: _Registering | _Listing | _Reporting, reason: str) -> list[Action]:
        match what:
            case _Registering():
                names = tuple([offer.name for offer in what.offers])
                return [Tell(stream=what.stream, message=agent.Rejected(names=names, reason=reason))]
            case _Listing():
                return [Drop(stream=what.stream, reason=reason)]
            case _Reporting():
                return [Drop(stream=stream, reason=reason) for stream in dict.fromkeys(s for s, _ in what.parts)]

    def _on_registered(self, what: _Registering, outcomes: Sequence[Outcome], cell: Cell) -> list[Action]:
        if what.stream not in self._rows:
            return []
        granted: list[tuple[agent.MachineOffer, int, int]] = []
        refused: dict[str, list[str]] = {}
        for offer, outcome in zip(what.offers, outcomes, strict=True):
            if outcome.status is Status.COMMITTED:
                granted.append((offer, outcome.value, outcome.detail))
            else:
                refused.setdefault(_word_refusal(outcome), []).append(offer.name)
        actions: list[Action] = [
            Tell(stream=what.stream, message=agent.Rejected(names=tuple(names), reason=reason))
            for reason, names in refused.items()
        ]
        if not granted:
            return actions
        rows = [row for _, row, _ in granted]
        self._release(set(rows), None)
        for _, row, epoch in granted:
            self._machines[row] = _Machine(stream=what.stream, epoch=epoch)
        self._rows[what.stream].update(rows)
        # A stream is one agent, on one host.
        is_own = bool(self._own_boot_id) and all(offer.boot_id == self._own_boot_id for offer, _, _ in granted)
        registered = agent.Registered(
            incarnation=cell.incarnation,
            names=tuple([offer.name for offer, _, _ in granted]),
            rows=tuple(rows),
            epochs=tuple([epoch for _, _, epoch in granted]),
            lease_us=agent.NO_LEASE if is_own else self._lease_us,
            heartbeat_us=self._heartbeat_us,
        )
        machines = tuple([(row, epoch) for _, row, epoch in granted])
        inventories = tuple(
            [to_inventory(offer, row=row, epoch=epoch, incarnation=cell.incarnation) for offer, row, epoch in granted]
        )
        return [
            *actions,
            Tell(stream=what.stream, message=registered),
            Hear(machines=machines),
            self._propose(_Listing(what.stream, machines), inventories),
        ]

    def _on_listed(self, what: _Listing, outcomes: Sequence[Outcome], cell: Cell) -> list[Action]:
        rows = []
        for (row, epoch), outcome in zip(what.machines, outcomes, strict=True):
            machine = self._machines.get(row)
            is_same = machine is not None and (machine.stream, machine.epoch) == (what.stream, epoch)
            if machine is not None and is_same and outcome.status is Status.COMMITTED:
                machine.is_told = True
                rows.append(row)
        return self._tell_everything(what.stream, rows, cell)

    def _tell_everything(self, stream: int, rows: Sequence[int], cell: Cell) -> list[Action]:
        if not rows:
            return []
        self._index.set(rows, stream)
        is_linked = np.zeros(cell.machines.count + 1, np.bool_)
        is_linked[np.asarray(rows, np.int64)] = True
        tasks = find_active(cell, np.asarray(rows, np.int64))
        changes = find_changes(cell, tasks, is_linked, with_running=True)
        starts = build_starts(cell, changes.starts, payload_of=self._payload_of, complete=tuple(sorted(rows)))
        actions: list[Action] = [Tell(stream=stream, message=message) for message in starts]
        if len(changes.stops):
            actions.append(Tell(stream=stream, message=build_stops(cell, changes.stops)))
        return actions

    def _on_reported(self, what: _Reporting, cell: Cell) -> list[Action]:
        actions: list[Action] = []
        by_stream: dict[int, list[agent.Reports]] = {}
        for stream, part in what.parts:
            if stream in self._rows:
                actions.append(_folded(stream, part))
                by_stream.setdefault(stream, []).append(part)
        for stream, parts in by_stream.items():
            ends = [end for end in find_ends(parts) if end[0] in self._rows[stream]]
            if ends:
                actions.append(Tell(stream=stream, message=build_forgets(cell, ends)))
        return actions

    # --- what changed in the cell

    def _on_folded(self, event: CellFolded, cell: Cell) -> list[Action]:
        if event.delta is None:
            return [Drop(stream=stream, reason="the server loaded the cell anew") for stream in self._rows]
        delta = event.delta
        actions = self._unlink_lost(delta, cell) if len(delta.machines) else []
        tasks = find_touched(cell, delta)
        if len(tasks) and self._machines:
            actions += self._tell_changes(tasks, cell)
        gone = tuple([int(job) for job in delta.reshaped if cell.jobs.row_of(job) is None])
        if gone:
            actions.append(Forget(jobs=gone))
        return actions

    def _tell_changes(self, tasks: NDArray[np.int64], cell: Cell) -> list[Action]:
        machines = np.arange(-1, cell.machines.count, dtype=np.int32)
        # Row -1 (no machine) stands first here and is asked for by -1, the last place, in `find_changes`.
        streams = np.roll(self._index.streams(machines), -1)
        changes = find_changes(cell, tasks, streams >= 0, with_running=False)
        actions: list[Action] = []
        start_streams = streams[cell.tasks.machine[changes.starts]]
        stop_streams = streams[cell.tasks.machine[changes.stops]]
        for stream in np.unique(np.concatenate((start_streams, stop_streams))).tolist():
            starts = changes.starts[start_streams == stream]
            for message in build_starts(cell, starts, payload_of=self._payload_of):
                actions.append(Tell(stream=stream, message=message))
            stops = changes.stops[stop_streams == stream]
            if len(stops):
                actions.append(Tell(stream=stream, message=build_stops(cell, stops)))
        return actions

    def _unlink_lost(self, delta: Delta, cell: Cell) -> list[Action]:
        """Let machines register again that the cell lost, and those go that registered elsewhere."""
        lost: dict[int, list[int]] = {}
        for row in delta.machines.tolist():
            machine = self._machines.get(row)
            if machine is None:
                continue
            is_down = cell.machines.state[row] == MachineState.DOWN
            if is_down or cell.machines.epoch[row] > machine.epoch:
                lost.setdefault(machine.stream, []).append(row)
        actions: list[Action] = []
        for stream, rows in lost.items():
            self._release(set(rows), None)
            names = tuple([cell.machines.names[row] for row in rows if cell.machines.state[row] == MachineState.DOWN])
            if names:
                reason = "the cell gave the machine up as lost; register again"
                actions.append(Tell(stream=stream, message=agent.Rejected(names=names, reason=reason)))
        return actions

    def _release(self, rows: set[int], stream: int | None) -> None:
        """Forget that machines listen; with a stream, only those that still do there."""
        gone = []
        for row in rows:
            machine = self._machines.get(row)
            if machine is None or (stream is not None and machine.stream != stream):
                continue
            self._rows.get(machine.stream, set()).discard(row)
            del self._machines[row]
            gone.append(row)
        if gone:
            self._index.set(gone, -1)


def _folded(stream: int, part: agent.Reports) -> Tell:
    return Tell(stream=stream, message=agent.ReportsFolded(batch=part.batch))


def _word_refusal(outcome: Outcome) -> str:
    match outcome.reason:
        case Reason.MACHINE_ELSEWHERE:
            return "another machine of that name is in contact; give this one another name, or wait until it is lost"
        case Reason.LIMIT:
            return "the cell holds as many machines as it may"
        case _:
            return f"the cell refused the registration ({outcome.reason.name or outcome.status.name})"
