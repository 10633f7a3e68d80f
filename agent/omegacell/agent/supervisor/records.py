"""What survives ``kill -9`` and power loss: one small file per attempt, and the fencing deadline.

Rules:
- An attempt's file holds its start on the first line, written and synced while its process is still held before
  ``exec``; so a process that runs the task's command has a record, always.
- What the supervisor does to end it are lines of their own, written before the signal: the next supervisor, who cannot
  wait for it, still knows who ended it.
- How it ended is the last line, written and synced before anyone is told.
- A torn first line means that nothing was started; a torn last one, that it was never written.
- Acts and the deadline's file are not synced: they must outlive this process, not the machine, because a boot ends
  every task.
"""

import errno
import json
import os
from dataclasses import asdict, dataclass
from enum import IntEnum

_RECORD_LIMIT = 1 << 20


class How(IntEnum):
    """How an attempt ended."""

    EXITED = 1
    """With an exit code."""
    SIGNALED = 2
    """By a signal."""
    START_FAILED = 3
    """The command never ran; ``message`` says why."""
    UNKNOWN = 4
    """It ended while no supervisor was there to wait for it."""


class Act(IntEnum):
    """What a supervisor did to end an attempt."""

    STOPPED = 1
    """It asked for its end, as it was told to."""
    KILLED = 2
    """It sent SIGKILL."""
    FENCED = 3
    """It sent SIGKILL because the fencing deadline had passed."""
    OVERTIME = 4
    """It asked for its end because it had run for as long as it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRecord:
    """What identifies a started process for ever, and what is needed to end all of its tree.

    Attributes:
        key: ``<job_id>.<index>.<attempt>``, which is also the name of the file.
        pid: process id, which is also its process group and its session.
        start_ticks: see `processes`.
        boot_id: the boot in which the pid means something.
        started_at_us: wall stamp, for people.
        is_fenced: whether it must end when the fencing deadline passes.
        mark: ``NAME=value`` in its environment that no other attempt on this machine has; empty for none.
        cgroups: directories of the control groups it was put in.
        max_run_us: how long it may run; 0: for ever.
        end_at_us: when that is over, on the boot clock; 0: never.
        grace_us: time between SIGTERM and SIGKILL then.
    """

    key: str
    pid: int
    start_ticks: int
    boot_id: str
    started_at_us: int
    is_fenced: bool
    mark: str
    cgroups: tuple[str, ...]
    max_run_us: int = 0
    end_at_us: int = 0
    grace_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """How an attempt ended.

    Attributes:
        how: the kind of end.
        code: exit code when EXITED, signal number when SIGNALED, errno when START_FAILED, else 0.
        is_oom: the kernel killed it, or one of its children, for want of memory.
        was_stopped: the agent had asked for its end.
        was_fenced: the fencing deadline had passed.
        was_overtime: it had run for as long as it may.
        ended_at_us: wall stamp, for people.
        message: one line for people.
    """

    how: How
    code: int = 0
    is_oom: bool = False
    was_stopped: bool = False
    was_fenced: bool = False
    was_overtime: bool = False
    ended_at_us: int
    message: str = ""


def parse_exit(fields: dict[str, object]) -> ExitRecord:
    """Return the record that ``asdict`` took apart."""
    return ExitRecord(**{**fields, "how": How(fields["how"])})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Everything on record of one attempt."""

    start: StartRecord
    acts: frozenset[Act] = frozenset()
    end: ExitRecord | None = None


class RecordFolder:
    """The folder of the records of one machine."""

    def __init__(self, path: str) -> None:
        os.makedirs(path, mode=0o700, exist_ok=True)
        self._path = path
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def write_starts(self, records: list[StartRecord]) -> dict[str, OSError]:
        """Write and sync the starts of new attempts; return those that could not be written, without a trace of them.

        One sync of the folder serves all of them.
        """
        failed: dict[str, OSError] = {}
        for record in records:
            try:
                self._append(record.key, asdict(record), os.O_CREAT | os.O_EXCL)
            except OSError as error:
                failed[record.key] = error
                if error.errno != errno.EEXIST:
                    self.forget(record.key)
        os.fsync(self._folder)
        return failed

    def write_act(self, key: str, act: Act) -> None:
        """Write what is about to be done to an attempt; the start must have been written."""
        self._append(key, {"act": act}, 0, is_synced=False)

    def write_exit(self, key: str, record: ExitRecord) -> None:
        """Write and sync how an attempt ended; the start must have been written."""
        self._append(key, asdict(record), 0)

    def forget(self, key: str) -> None:
        """Remove an attempt's record, if there is one."""
        try:
            os.unlink(key, dir_fd=self._folder)
        except FileNotFoundError:
            return

    def load(self) -> list[Recorded]:
        """Return all attempts on record, removing those whose start was never completely written."""
        found = []
        for key in sorted(os.listdir(self._path)):
            with open(os.path.join(self._path, key), "rb") as file:
                *lines, torn = file.read(_RECORD_LIMIT).split(b"\n")
            if not lines:
                self.forget(key)
                continue
            if torn:  # cut off, so that the next line can be appended behind the complete ones
                os.truncate(os.path.join(self._path, key), sum(len(line) + 1 for line in lines))
            start, *later = [json.loads(line) for line in lines]
            start["cgroups"] = tuple(start["cgroups"])
            acts = frozenset([Act(fields["act"]) for fields in later if "act" in fields])
            ends = [parse_exit(fields) for fields in later if "how" in fields]
            found.append(Recorded(start=StartRecord(**start), acts=acts, end=ends[0] if ends else None))
        return found

    def _append(self, key: str, fields: dict[str, object], flags: int, *, is_synced: bool = True) -> None:
        fd = os.open(key, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o600, dir_fd=self._folder)
        try:
            line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
            written = os.write(fd, line)
            if written != len(line):
                os.ftruncate(fd, os.fstat(fd).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if is_synced:
                os.fdatasync(fd)
        finally:
            os.close(fd)


class DeadlineFile:
    """The fencing deadline in microseconds of the boot clock, kept over a restart of the supervisor."""

    def __init__(self, path: str, boot_id: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._boot_id = boot_id

    def read(self) -> int | None:
        """Return the deadline set in this boot, or None."""
        fields = os.pread(self._fd, 200, 0).decode("ascii", "replace").split()
        if len(fields) != 3 or fields[0] != self._boot_id or fields[2] != "end" or not fields[1].isdigit():
            return None
        return int(fields[1])

    def write(self, deadline_us: int) -> None:
        """Remember a deadline; one write, of one length, so that no reader finds half of it."""
        os.pwrite(self._fd, f"{self._boot_id} {deadline_us:020d} end\n".encode("ascii"), 0)

    def clear(self) -> None:
        """Forget the deadline."""
        os.ftruncate(self._fd, 0)
