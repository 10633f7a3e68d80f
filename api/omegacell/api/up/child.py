"""One process of the cell: started so that it cannot outlive its supervisor, watched through a pidfd, logged to a file.

Not here: when it is started again (`restarts`), what it is (`plan`).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from omegacell.api.up.leash import leashed
from omegacell.api.up.restarts import LAST_DELAY_S

LOG_LIMIT_BYTES: Final = 8 << 20
LAST_WORDS_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """What to run.

    Attributes:
        name: unique in the cell: ``api``, ``batch-0``.
        title: what it is, for people.
        argv: program and arguments.
        env: what its environment has besides ours.
        last_delay_s: the longest pause before it is started again.
        author: the author of its session in the log, by which a hang is noticed; empty when that is not watched.
        final_code: when it exits so again and again, the cell cannot go on; 0 for no such code.
    """

    name: str
    title: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    last_delay_s: float = LAST_DELAY_S
    author: str = ""
    final_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; -1 when a signal ended it.
        signal: that signal; 0 when it exited.
        ran_s: how long it ran.
        last_words: the last line that it wrote.
    """

    code: int
    signal: int
    ran_s: float
    last_words: str

    def __str__(self) -> str:
        if self.signal:
            return f"killed by {signal.Signals(self.signal).name}"
        return f"exited with {self.code}" + (f": {self.last_words}" if self.last_words else "")


class Child:
    """A running process."""

    def __init__(self, plan: ChildPlan, log: Path) -> None:
        self.plan = plan
        self.log = log
        self.log_start = log.stat().st_size if log.exists() else 0
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._process = subprocess.Popen(
                leashed(plan.argv),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env={**os.environ, **plan.env},
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self.started_at = time.monotonic()
        self.pidfd = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that ended already gets none."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def reap(self) -> Ended | None:
        """Return how it ended, or None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        return Ended(
            code=status if status >= 0 else -1,
            signal=-status if status < 0 else 0,
            ran_s=time.monotonic() - self.started_at,
            last_words=strip_name(read_last_line(self.log, after=self.log_start)),
        )

    def bound_log(self) -> None:
        """Keep the log under its limit: what is over goes to one older file, which is replaced each time."""
        try:
            if self.log.stat().st_size <= LOG_LIMIT_BYTES:
                return
            self.log.with_suffix(".log.1").write_bytes(self.log.read_bytes())
            os.truncate(self.log, 0)
            self.log_start = 0
        except FileNotFoundError:
            # Someone tidied the folder; the process goes on writing to the deleted file, and no harm is done.
            return


def read_last_line(path: Path, *, after: int = 0) -> str:
    """Return the last line of a file that says something, looking only behind ``after`` bytes."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(min(after, end), end - LAST_WORDS_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def strip_name(line: str) -> str:
    """Return an error line of one of our programs without the name in front.

    >>> strip_name("omega: no room"), strip_name("as it is")
    ('no room', 'as it is')
    """
    return line.removeprefix("omega: ")


def python(*arguments: str) -> tuple[str, ...]:
    """Return the arguments that run a module with this Python."""
    return (sys.executable, "-m", *arguments)
