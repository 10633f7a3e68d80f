"""The life of the attempts on this machine: held, running, draining, ended.

Rules:
- An attempt's key starts at most once, ever: a second start answers with what is known of the first.
- An attempt has ended when its first process has ended *and* no process of its tree is left; what is left of the tree
  is killed at once. Its end is on record before it is announced.
- A tree is: what is in the attempt's control group; without one, the process group and session of its first process,
  their descendants, and orphans that carry its mark in their environment.
- What is done to end an attempt is on record before it is done.
- An attempt that has run for as long as it may is asked to end, and killed after its grace, by the boot clock since its
  start: whether an agent runs, or any part of the cell, is all the same.
- Processes found again after a restart of the supervisor are not its children: they are watched through pidfds. How
  they ended is unknown, and said to be, unless a supervisor killed them: that is on record.

This module acts at once and never waits; `server` calls it when a signal, a pidfd, a pipe or the clock says so.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from omegacell.agent.supervisor import processes, trees
from omegacell.agent.supervisor.ends import unseen_end, waited_end
from omegacell.agent.supervisor.records import Act, DeadlineFile, ExitRecord, How, RecordFolder, StartRecord
from omegacell.agent.supervisor.spawn import Held, SpawnSpec, fork_held, read_error

_DRAIN_RETRY_US = 20_000
_DRAIN_LIMIT_US = 5_000_000
_KILL_RETRY_US = 500_000


class Phase(IntEnum):
    """Where an attempt is."""

    SPAWNING = 1
    """Its process has been released and has not reached ``exec`` yet."""
    RUNNING = 2
    DRAINING = 3
    """Its first process has ended; what is left of its tree is being killed."""
    ENDED = 4


@dataclass(slots=True, kw_only=True, eq=False)
class Attempt:
    """One attempt; only `Attempts` changes it. Times are of the boot clock."""

    start: StartRecord
    phase: Phase
    is_child: bool = True
    pidfd: int = -1
    error: int = -1
    acts: set[Act] = field(default_factory=set)
    kill_at_us: int | None = None
    died_at_ticks: int = 0
    drain_until_us: int = 0
    pending_end: ExitRecord | None = None
    end: ExitRecord | None = None

    @property
    def is_alive(self) -> bool:
        """Whether its first process may still run."""
        return self.phase in (Phase.SPAWNING, Phase.RUNNING)


class Attempts:
    """All attempts of this machine, from the durable records up.

    Args:
        records: where starts and ends are kept.
        deadline: where the fencing deadline is kept.
        announce: called with an attempt when its command has started and when it has ended.
    """

    def __init__(self, records: RecordFolder, deadline: DeadlineFile, announce: Callable[[Attempt], None]) -> None:
        self._records = records
        self._deadline_file = deadline
        self._announce = announce
        self._boot_id = processes.read_boot_id()
        self._deadline_us = deadline.read()
        self._all: dict[str, Attempt] = {}
        self._by_pid: dict[int, Attempt] = {}
        self._stopping: dict[str, Attempt] = {}
        self._draining: dict[str, Attempt] = {}
        self._fenced: dict[str, Attempt] = {}
        self._limited: dict[str, Attempt] = {}
        self._look_at_us = 0

    # --- what is asked of it

    def recover(self) -> None:
        """Find again what the records say was started; kill leftovers of what has ended."""
        for one in self._records.load():
            start = one.start
            attempt = Attempt(start=start, phase=Phase.RUNNING, is_child=False, acts=set(one.acts), end=one.end)
            self._all[start.key] = attempt
            if one.end is not None:
                attempt.phase = Phase.ENDED
                continue
            if start.boot_id != self._boot_id:
                self._finish(attempt, _unseen_end(attempt, "the machine was restarted"))
                continue
            pidfd = processes.open_process(start.pid, start.start_ticks)
            if pidfd is not None:
                attempt.pidfd = pidfd
                self._track(attempt)
                if not attempt.acts.isdisjoint((Act.KILLED, Act.FENCED)):
                    self._kill(attempt)  # the one before may have been killed between its record and its signal
            else:
                self._drain(attempt, _unseen_end(attempt, "it ended while no supervisor ran"))
        trees.kill_marked({a.start.mark.encode() for a in self if a.phase is Phase.ENDED and a.start.mark})
        self._look_at_draining()

    def start(self, specs: list[SpawnSpec]) -> dict[str, str]:
        """Start attempts that are not known yet; return the keys that could not be started, with the reason.

        Costs two syncs of small files an attempt and one of their folder a call.
        """
        held: dict[str, tuple[SpawnSpec, Held]] = {}
        refused: dict[str, str] = {}
        for spec in specs:
            if spec.key in self._all or spec.key in held:
                continue
            try:
                held[spec.key] = (spec, fork_held(spec))
            except OSError as error:
                refused[spec.key] = f"cannot fork: {error}"
        starts = {key: self._describe(spec, child.pid) for key, (spec, child) in held.items()}
        failed = self._records.write_starts(list(starts.values())) if starts else {}
        for key, (_, child) in held.items():
            if key in failed:
                child.discard()
                refused[key] = f"cannot record its start: {failed[key]}"
                continue
            attempt = Attempt(start=starts[key], phase=Phase.SPAWNING, error=child.error)
            self._all[key] = attempt
            self._track(attempt)
            child.release()
        return refused

    def signal(self, key: str, number: int, kill_after_us: int | None = None) -> bool:
        """Signal an attempt's process group, and kill its whole tree ``kill_after_us`` later if it still runs.

        Returns:
            Whether there was a running process to signal.
        """
        attempt = self._all.get(key)
        if attempt is None or not attempt.is_alive:
            return False
        if kill_after_us is not None:
            self._note(attempt, Act.STOPPED)
            at_us = processes.boot_clock_us() + kill_after_us
            attempt.kill_at_us = at_us if attempt.kill_at_us is None else min(at_us, attempt.kill_at_us)
            self._stopping[key] = attempt
        if number == signal.SIGKILL:
            self._note(attempt, Act.KILLED)
            trees.kill_tree(attempt.start)
        elif processes.is_running(attempt.start.pid, attempt.start.start_ticks):
            self._signal_group(attempt, number)
        return True

    def renew(self, deadline_us: int | None) -> None:
        """Move the fencing deadline; it never moves back. None lifts it until there is one again."""
        if deadline_us is None:
            self._deadline_us = None
            self._deadline_file.clear()
        elif self._deadline_us is None or deadline_us > self._deadline_us:
            self._deadline_us = deadline_us
            self._deadline_file.write(deadline_us)

    def forget(self, key: str) -> bool:
        """Drop an ended attempt and its record; return False for one that has not ended."""
        attempt = self._all.get(key)
        if attempt is None:
            return True
        if attempt.phase is not Phase.ENDED:
            return False
        self._records.forget(key)
        del self._all[key]
        return True

    # --- what the loop asks

    def __iter__(self) -> Iterator[Attempt]:
        return iter(self._all.values())

    @property
    def alive_count(self) -> int:
        """How many attempts have not ended."""
        return len(self._by_pid) + len(self._draining)

    def next_deadline_us(self) -> int | None:
        """Return when `on_time` has something to do, on the boot clock, or None."""
        times = [a.kill_at_us for a in self._stopping.values() if a.kill_at_us is not None]
        if self._draining:
            times.append(self._look_at_us)
        if self._fenced and self._deadline_us is not None:
            times.append(self._deadline_us)
        if self._limited:
            times.append(min(attempt.start.end_at_us for attempt in self._limited.values()))
        return min(times, default=None)

    def on_time(self) -> None:
        """Do what is due: time limits, kills after grace, the fencing deadline, another look at draining trees."""
        now_us = processes.boot_clock_us()
        self._end_overtime(now_us)
        for attempt in list(self._stopping.values()):
            if attempt.kill_at_us is not None and now_us >= attempt.kill_at_us:
                self._note(attempt, Act.KILLED)
                self._kill(attempt)
        if self._deadline_us is not None and now_us >= self._deadline_us:
            for attempt in list(self._fenced.values()):
                self._note(attempt, Act.FENCED)
                self._kill(attempt)
            self._fenced.clear()
        self._look_at_draining()

    def on_children(self) -> None:
        """Take the ends of all children that have ended, orphans too."""
        while (info := _peek_ended_child()) is not None:
            attempt = self._by_pid.get(info.si_pid)
            if attempt is None:
                os.waitpid(info.si_pid, os.WNOHANG)
                continue
            self.on_spawned(attempt)
            # The pid cannot be used again before it is waited for: this reaches its group and nobody else.
            self._signal_group(attempt, signal.SIGKILL)
            os.waitpid(info.si_pid, 0)
            if attempt.pending_end is None:
                attempt.pending_end = waited_end(attempt.start, attempt.acts, info, ended_at_us=_wall_us())
            self._drain(attempt, attempt.pending_end)
        self._look_at_draining()

    def on_spawned(self, attempt: Attempt) -> None:
        """Read what a released child said at ``exec``, if it has said it."""
        if attempt.phase is not Phase.SPAWNING:
            return
        try:
            failure = read_error(attempt.error)
        except BlockingIOError:
            return
        os.close(attempt.error)
        attempt.error = -1
        attempt.phase = Phase.RUNNING
        if failure is None:
            self._announce(attempt)
        else:
            number, message = failure
            attempt.pending_end = ExitRecord(how=How.START_FAILED, code=number, message=message, ended_at_us=_wall_us())

    def on_pidfd(self, attempt: Attempt) -> None:
        """Take note that a process found again has ended."""
        end = _unseen_end(attempt, "it ended without a parent to wait for it: its supervisor was killed")
        self._drain(attempt, end)
        self._look_at_draining()

    # --- inside

    def _describe(self, spec: SpawnSpec, pid: int) -> StartRecord:
        stat = processes.read_stat(pid)
        assert stat is not None, "a child that was not waited for is in /proc"
        return StartRecord(
            key=spec.key,
            pid=pid,
            start_ticks=stat.start_ticks,
            boot_id=self._boot_id,
            started_at_us=_wall_us(),
            is_fenced=spec.is_fenced,
            mark=spec.mark,
            cgroups=spec.cgroups,
            max_run_us=spec.max_run_us,
            end_at_us=processes.boot_clock_us() + spec.max_run_us if spec.max_run_us else 0,
            grace_us=spec.grace_us,
        )

    def _end_overtime(self, now_us: int) -> None:
        """Ask for the end of attempts that have run for as long as they may, and kill them after their grace.

        What is in its grace is not asked again; if the supervisor before had asked, grace counts from the limit.
        """
        for attempt in [each for each in self._limited.values() if now_us >= each.start.end_at_us]:
            del self._limited[attempt.start.key]
            if Act.STOPPED in attempt.acts:
                continue
            was_asked = Act.OVERTIME in attempt.acts
            self._note(attempt, Act.OVERTIME)
            attempt.kill_at_us = (attempt.start.end_at_us if was_asked else now_us) + attempt.start.grace_us
            self._stopping[attempt.start.key] = attempt
            if processes.is_running(attempt.start.pid, attempt.start.start_ticks):
                self._signal_group(attempt, signal.SIGTERM)

    def _track(self, attempt: Attempt) -> None:
        self._by_pid[attempt.start.pid] = attempt
        if attempt.start.end_at_us:
            self._limited[attempt.start.key] = attempt
        if attempt.start.is_fenced:
            self._fenced[attempt.start.key] = attempt

    def _note(self, attempt: Attempt, act: Act) -> None:
        """Put on record what is about to be done to an attempt; what cannot be recorded is done all the same."""
        if act in attempt.acts:
            return
        attempt.acts.add(act)
        try:
            self._records.write_act(attempt.start.key, act)
        except OSError as error:
            _log(f"{attempt.start.key}: that it is {act.name.lower()} is not on record: {error}")

    def _kill(self, attempt: Attempt) -> None:
        """Kill an attempt's tree, and again for as long as it does not end."""
        attempt.kill_at_us = processes.boot_clock_us() + _KILL_RETRY_US
        self._stopping[attempt.start.key] = attempt
        trees.kill_tree(attempt.start)

    def _drain(self, attempt: Attempt, end: ExitRecord) -> None:
        key = attempt.start.key
        attempt.phase = Phase.DRAINING
        attempt.died_at_ticks = processes.boot_clock_ticks()
        attempt.drain_until_us = processes.boot_clock_us() + _DRAIN_LIMIT_US
        attempt.pending_end = end
        self._by_pid.pop(attempt.start.pid, None)
        self._stopping.pop(key, None)
        self._fenced.pop(key, None)
        self._limited.pop(key, None)
        if attempt.pidfd >= 0:
            os.close(attempt.pidfd)
            attempt.pidfd = -1
        self._draining[key] = attempt

    def _look_at_draining(self) -> None:
        if not self._draining:
            return
        orphans = trees.find_orphans(self._by_pid)
        now_us = processes.boot_clock_us()
        self._look_at_us = now_us + _DRAIN_RETRY_US
        for attempt in list(self._draining.values()):
            members = trees.find_members(attempt.start, attempt.died_at_ticks, orphans if attempt.is_child else None)
            for stat in members:
                processes.send_signal(stat.pid, stat.start_ticks, signal.SIGKILL)
            if members and now_us < attempt.drain_until_us:
                continue
            if members:
                _log(f"{attempt.start.key}: {len(members)} processes cannot be killed, first {members[0].pid}")
            del self._draining[attempt.start.key]
            assert attempt.pending_end is not None
            self._finish(attempt, attempt.pending_end)

    def _finish(self, attempt: Attempt, end: ExitRecord) -> None:
        try:
            self._records.write_exit(attempt.start.key, end)
        except OSError as error:
            # Told all the same: the agent keeps it until the cell has it. A restart would say "unknown".
            _log(f"{attempt.start.key}: its end is not on record: {error}")
        attempt.end = end
        attempt.phase = Phase.ENDED
        self._announce(attempt)

    def _signal_group(self, attempt: Attempt, number: int) -> None:
        try:
            os.killpg(attempt.start.pid, number)
        except ProcessLookupError:
            # Released, and not the leader of a session yet: it has no group of its own and no children.
            processes.send_signal(attempt.start.pid, attempt.start.start_ticks, number)
        except PermissionError as error:
            _log(f"{attempt.start.key}: cannot signal its group: {error}")


def _peek_ended_child() -> os.waitid_result | None:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None


def _unseen_end(attempt: Attempt, message: str) -> ExitRecord:
    return unseen_end(attempt.start, attempt.acts, message, ended_at_us=_wall_us())


def _wall_us() -> int:
    return time.time_ns() // 1_000


def _log(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {line}\n")
    sys.stderr.flush()
