"""The processes of an attempt: its tree, and how to end all of it.

With a control group, its members are the tree. Without one, the tree is the process group and session of the first
process, their descendants, and orphans that carry the attempt's mark in their environment (a daemon that made a
session of its own). A process that wiped its environment and left its session, outside of a control group, is lost to
us, as it would be to any supervisor.
"""

import os
import signal
from collections.abc import Container

from omegacell.agent.supervisor import processes
from omegacell.agent.supervisor.processes import ProcessStat
from omegacell.agent.supervisor.records import StartRecord


def kill_tree(start: StartRecord) -> None:
    """Kill the whole tree of an attempt whose first process runs; nothing when it does not."""
    if not processes.is_running(start.pid, start.start_ticks) or _kill_cgroup(start.cgroups):
        return
    everyone = processes.scan_processes()
    family = {stat.pid for stat in everyone if start.pid in (stat.pid, stat.session, stat.group)}
    family = processes.find_descendants(family, everyone) | _read_cgroup(start.cgroups)
    for stat in everyone:
        if stat.pid in family:
            processes.send_signal(stat.pid, stat.start_ticks, signal.SIGKILL)


def kill_marked(marks: set[bytes]) -> None:
    """Kill every process on this machine that carries one of some marks."""
    if not marks:
        return
    for stat in processes.scan_processes():
        if stat.pid != os.getpid() and not marks.isdisjoint(processes.read_environment(stat.pid)):
            processes.send_signal(stat.pid, stat.start_ticks, signal.SIGKILL)


def find_orphans(known: Container[int]) -> list[ProcessStat]:
    """Return our living children that are not ``known``: they came to us when their parents ended.

    One may end while it is looked at, and leave us its own children: we list until nobody came while we read.
    """
    before: list[int] | None = None
    stats: list[ProcessStat | None] = []
    while (children := sorted(pid for pid in processes.list_children(os.getpid()) if pid not in known)) != before:
        before = children
        stats = [processes.read_stat(pid) for pid in children]
    return [stat for stat in stats if stat is not None and not stat.is_dead]


def find_members(start: StartRecord, died_at_ticks: int, orphans: list[ProcessStat] | None) -> list[ProcessStat]:
    """Return the living processes of a tree whose first process has ended.

    Args:
        start: of the attempt.
        died_at_ticks: when its end was noticed.
        orphans: our orphans, when the attempt was our child: what is left of it descends from them.
    """
    if start.cgroups:
        stats = [processes.read_stat(pid) for pid in _read_cgroup(start.cgroups)]
        return [stat for stat in stats if stat is not None and not stat.is_dead]
    suspects = processes.scan_processes() if orphans is None else orphans
    found = {stat.pid for stat in suspects if _belongs(stat, start, died_at_ticks)}
    if not found:
        return []
    everyone = processes.scan_processes()
    family = processes.find_descendants(found, everyone)
    return [stat for stat in everyone if stat.pid in family and not stat.is_dead]


def _belongs(stat: ProcessStat, start: StartRecord, died_at_ticks: int) -> bool:
    """Whether a process is of the tree; a session that began after the first process ended is a stranger's."""
    if stat.pid == os.getpid():
        return False
    is_family = start.pid in (stat.session, stat.group) and stat.start_ticks <= died_at_ticks
    return is_family or (bool(start.mark) and start.mark.encode() in processes.read_environment(stat.pid))


def _read_cgroup(folders: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for folder in folders[:1]:
        try:
            with open(os.path.join(folder, "cgroup.procs"), "rb") as file:
                found.update(int(pid) for pid in file.read().split())
        except FileNotFoundError:
            continue
    return found


def _kill_cgroup(folders: tuple[str, ...]) -> bool:
    """Kill everything in a version 2 control group at once; False where the kernel has no such file."""
    for folder in folders:
        try:
            with open(os.path.join(folder, "cgroup.kill"), "wb") as file:
                file.write(b"1")
        except OSError:
            continue
        return True
    return False


def count_oom_kills(folders: tuple[str, ...]) -> int:
    """Return how many processes of some control groups the kernel has killed for want of memory."""
    for folder in folders:
        for name in ("memory.events", "memory.oom_control"):
            try:
                with open(os.path.join(folder, name), encoding="ascii") as file:
                    fields = dict(line.split() for line in file)
            except FileNotFoundError:
                continue
            return int(fields.get("oom_kill", "0"))
    return 0
