"""What the kernel says of processes, and how to signal exactly the process that was meant.

A pid alone names nobody: it is used again. Here a process is its pid together with its start time in clock ticks
since boot (``/proc/<pid>/stat``, field 22), inside one boot. Signals go through a pidfd, opened first and compared
with that start time afterwards, so that no signal reaches a stranger.
"""

import ctypes
import errno
import os
import signal
import time
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")
_ENVIRONMENT_LIMIT = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStat:
    """The fields of ``/proc/<pid>/stat`` that name a process and its family."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_ticks: int

    @property
    def is_dead(self) -> bool:
        """Whether it has ended and only its exit status is left."""
        return self.state in "ZXx"


def read_stat(pid: int) -> ProcessStat | None:
    """Return what the kernel says of ``pid``, or None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses and may hold anything, parentheses too.
    fields = text[text.rindex(b")") + 2 :].split()
    return ProcessStat(
        pid=pid,
        state=fields[0].decode("ascii"),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start_ticks=int(fields[19]),
    )


def scan_processes() -> list[ProcessStat]:
    """Return every process of this machine; one read per process."""
    stats = (read_stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [stat for stat in stats if stat is not None]


def is_running(pid: int, start_ticks: int) -> bool:
    """Return whether exactly that process is there and has not ended."""
    stat = read_stat(pid)
    return stat is not None and stat.start_ticks == start_ticks and not stat.is_dead


def open_process(pid: int, start_ticks: int) -> int | None:
    """Return a pidfd of exactly that process, or None when it has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if is_running(pid, start_ticks):
        return pidfd
    os.close(pidfd)
    return None


def send_signal(pid: int, start_ticks: int, number: int) -> bool:
    """Send a signal to exactly that process; return whether it was there to get it."""
    pidfd = open_process(pid, start_ticks)
    if pidfd is None:
        return False
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def list_children(pid: int) -> list[int]:
    """Return the pids of the children of a process, of all its threads."""
    children: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return children
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += [int(child) for child in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return children


def find_descendants(roots: set[int], processes: list[ProcessStat]) -> set[int]:
    """Return ``roots`` and all that descend from them among ``processes``."""
    found = set(roots)
    by_parent: dict[int, list[int]] = {}
    for stat in processes:
        by_parent.setdefault(stat.parent, []).append(stat.pid)
    queue = list(roots)
    while queue:
        for child in by_parent.get(queue.pop(), ()):
            if child not in found:
                found.add(child)
                queue.append(child)
    return found


def read_environment(pid: int) -> list[bytes]:
    """Return the ``NAME=value`` strings a process was started with; none when it is gone or another user's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return [entry for entry in file.read(_ENVIRONMENT_LIMIT).split(b"\0") if entry]
    except OSError as error:
        # Another user's process cannot be a task of a supervisor that has no right to ask.
        if error.errno in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
            return []
        raise


def read_boot_id() -> str:
    """Return the identity of this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def boot_clock_us() -> int:
    """Return microseconds since boot, time asleep included: the clock of deadlines."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000


def boot_clock_ticks() -> int:
    """Return the boot clock in the unit of ``start_ticks``."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * _TICKS // 1_000_000_000


def become_subreaper() -> None:
    """Make this process the parent of every orphan among its descendants (Linux 3.4)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot become a subreaper: {os.strerror(number)}")
