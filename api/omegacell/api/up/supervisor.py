"""Keeps the processes of a cell running: starts them, notices at once when one ends, starts it again, stops them all.

One thread, one loop: it sleeps until a process ends (pidfds), a signal comes (wake-up descriptor) or something is due.
What ends is started again after `restarts.Restarts`; what hangs is killed by `kill` and comes back the same way.
"""

import os
import random
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Final, Protocol

from omegacell.api.up.child import Child, ChildPlan, Ended
from omegacell.api.up.folder import StateFolder
from omegacell.api.up.restarts import STEADY_S, Restarts

UPKEEP_PERIOD_S: Final = 10.0
FINAL_TRIES: Final = 5
"""A process that exits with its final code so often in a row, soon after each start, will not do better."""
STOP_PATIENCE_S: Final = 10.0
QUIET_PORTS: Final = range(30_000, 32_768)
"""Ports of which `free_port` tries some."""
PORT_TRIES: Final = 50


class Watcher(Protocol):
    """Who wants to know what happens to the processes."""

    def started(self, plan: ChildPlan, pid: int, *, again: int) -> None:
        """A process runs; ``again`` counts its earlier starts."""
        ...

    def ended(self, plan: ChildPlan, how: Ended, *, delay_s: float) -> None:
        """A process ended by itself, and will be started again after a delay."""
        ...


@dataclass(slots=True)
class _Slot:
    """One process that there shall be."""

    plan: ChildPlan
    restarts: Restarts
    child: Child | None = None
    due_at: float = 0.0
    starts: int = 0
    final_in_a_row: int = 0

    def note_end(self, how: Ended) -> None:
        """Count ends with the final code. Mutates."""
        is_final = bool(self.plan.final_code) and how.code == self.plan.final_code and how.ran_s < STEADY_S
        self.final_in_a_row = self.final_in_a_row + 1 if is_final else 0


class Supervisor:
    """The processes of one cell."""

    def __init__(self, folder: StateFolder, watcher: Watcher) -> None:
        self._folder = folder
        self._watcher = watcher
        self._slots: dict[str, _Slot] = {}
        self._selector = selectors.DefaultSelector()
        self._asked: signal.Signals | None = None
        self.failure: tuple[ChildPlan, Ended] | None = None
        """The process that the cell cannot go on without, and how it ended last; None while all may be well."""
        self._wake_read, self._wake_write = socket.socketpair()
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)

    @property
    def asked(self) -> signal.Signals | None:
        """The signal that asked for the end; None as long as none did."""
        return self._asked

    def catch_signals(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP as the wish to stop."""
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._asked = signal.Signals(number)

    def add(self, plan: ChildPlan) -> None:
        """Start a process and keep it running."""
        slot = _Slot(plan=plan, restarts=Restarts(last_delay_s=plan.last_delay_s))
        self._slots[plan.name] = slot
        self._start(slot)

    def pids(self) -> dict[str, int]:
        """Return the pids of what runs now, by name."""
        return {name: slot.child.pid for name, slot in self._slots.items() if slot.child is not None}

    def authors(self, *, older_than_s: float) -> dict[str, str]:
        """Return the authors of the processes that have one and have been running for so long, by name."""
        began = time.monotonic() - older_than_s
        return {
            name: slot.plan.author
            for name, slot in self._slots.items()
            if slot.plan.author and slot.child is not None and slot.child.started_at <= began
        }

    def log_start(self, name: str) -> int:
        """Return where in its log a process began to write; 0 when it does not run."""
        child = self._slots[name].child
        return 0 if child is None else child.log_start

    def kill(self, name: str) -> None:
        """Kill a process that hangs; it is started again like one that died."""
        child = self._slots[name].child
        if child is not None:
            child.send(signal.SIGKILL)

    def run(self, upkeep: Callable[[], None]) -> None:
        """Keep everything running until a signal asks for the end, or nothing helps (`failure`).

        ``upkeep`` is called every now and then.
        """
        next_upkeep = time.monotonic() + UPKEEP_PERIOD_S
        while not self._is_over():
            self.step(until=min([next_upkeep, *(slot.due_at for slot in self._slots.values() if slot.child is None)]))
            if time.monotonic() >= next_upkeep and not self._is_over():
                self._bound_logs()
                upkeep()
                next_upkeep = time.monotonic() + UPKEEP_PERIOD_S

    def _is_over(self) -> bool:
        return self._asked is not None or self.failure is not None

    def step(self, *, until: float) -> None:
        """Sleep until something happens, ``until`` at the latest, and deal with it."""
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            if key.data is None:
                self._drain_wakeups()
        now = time.monotonic()
        for slot in self._slots.values():
            if slot.child is not None:
                self._reap(slot)
            elif now >= slot.due_at:
                self._start(slot)

    def stop(self, names: Iterable[str], *, patience_s: float = STOP_PATIENCE_S) -> list[str]:
        """End processes with SIGTERM, and with SIGKILL those that did not in time; return the names of the latter."""
        slots = [self._slots.pop(name) for name in names if name in self._slots]
        children = [slot.child for slot in slots if slot.child is not None]
        for child in children:
            child.send(signal.SIGTERM)
        late = self._await_end(children, time.monotonic() + patience_s)
        for child in late:
            child.send(signal.SIGKILL)
        self._await_end(late, time.monotonic() + patience_s)
        return [child.plan.name for child in late]

    def names(self) -> tuple[str, ...]:
        """Return the names of all processes that there shall be."""
        return tuple(self._slots)

    def close(self) -> None:
        """Kill what still runs and release everything."""
        for slot in self._slots.values():
            if slot.child is not None:
                slot.child.send(signal.SIGKILL)
                self._await_end([slot.child], time.monotonic() + STOP_PATIENCE_S)
        self._slots.clear()
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _start(self, slot: _Slot) -> None:
        try:
            slot.child = Child(slot.plan, self._folder.log_of(slot.plan.name))
        except OSError as error:
            # A full disk or too many processes: it may pass, and the others must go on meanwhile.
            self._put_off(slot, Ended(code=-1, signal=0, ran_s=0.0, last_words=f"cannot be started: {error}"))
            return
        self._selector.register(slot.child.pidfd, selectors.EVENT_READ, slot.plan.name)
        self._watcher.started(slot.plan, slot.child.pid, again=slot.starts)
        slot.starts += 1

    def _reap(self, slot: _Slot) -> None:
        child = slot.child
        assert child is not None
        pidfd = child.pidfd
        how = self._reaped(child, pidfd)
        if how is None:
            return
        slot.child = None
        self._put_off(slot, how)

    def _put_off(self, slot: _Slot, how: Ended) -> None:
        slot.note_end(how)
        if slot.final_in_a_row >= FINAL_TRIES:
            self.failure = (slot.plan, how)
        delay_s = slot.restarts.delay_after(ran_s=how.ran_s)
        slot.due_at = time.monotonic() + delay_s
        self._watcher.ended(slot.plan, how, delay_s=delay_s)

    def _reaped(self, child: Child, pidfd: int) -> Ended | None:
        if not _is_readable(pidfd):
            return None
        self._selector.unregister(pidfd)
        how = child.reap()
        if how is None:
            self._selector.register(pidfd, selectors.EVENT_READ, child.plan.name)
        return how

    def _await_end(self, children: list[Child], deadline: float) -> list[Child]:
        waiting = list(children)
        while waiting and time.monotonic() < deadline:
            ends = selectors.DefaultSelector()
            for child in waiting:
                ends.register(child.pidfd, selectors.EVENT_READ)
            ends.select(max(0.0, deadline - time.monotonic()))
            ends.close()
            waiting = [child for child in waiting if self._reaped(child, child.pidfd) is None]
        return waiting

    def _bound_logs(self) -> None:
        for slot in self._slots.values():
            if slot.child is not None:
                slot.child.bound_log()

    def _drain_wakeups(self) -> None:
        try:
            while self._wake_read.recv(512):
                continue
        except BlockingIOError:
            return


def _is_readable(descriptor: int) -> bool:
    """Whether the process of a pidfd has ended."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def free_port(host: str, *, besides: int = 0) -> int:
    """Return a port that is free now, another than ``besides``, and that no connection gets before it is listened on.

    Linux gives connections ports from 32768 on, and agents give tasks those below 30000, where nobody says otherwise.
    Where all that were tried are taken, it is one of the kernel's choice.
    """
    for port in random.SystemRandom().sample(QUIET_PORTS, PORT_TRIES):
        if port != besides and is_free(host, port):
            return port
    with socket.socket(_family_of(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Tell whether one can listen on a port now."""
    with socket.socket(_family_of(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def is_alive(pid: int) -> bool:
    """Whether a process runs (one of this user's, or of anybody's)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
