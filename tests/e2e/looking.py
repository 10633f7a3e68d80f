"""Looks at a cell from outside: processes, files, and a fold of its own."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

LIMIT_S = 60.0

LONG = 20
KILL_ROUNDS = int(os.environ.get("KILL_ROUNDS", "4"))
"""How often something is killed; KILL_ROUNDS=20 is the whole promise, fewer keep `make test` short."""

Seen = TypeVar("Seen")


def await_seen(look: Callable[[], Seen], until: Callable[[Seen], bool], *, limit_s: float = LIMIT_S) -> Seen:
    """Look until it is as wanted, and return what was seen then."""
    deadline = time.monotonic() + limit_s
    while not until(seen := look()):
        assert time.monotonic() < deadline, f"not within {limit_s} s; the last seen was {seen}"
        time.sleep(0.05)
    return seen


def processes_in(folder: Path) -> Iterator[psutil.Process]:
    """Yield living processes whose command line or working folder names a folder."""
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
            is_alive = process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if is_alive and any(str(folder) in word for word in words) and process.pid != psutil.Process().pid:
            yield process


def task_processes(state: Path) -> Counter[str]:
    """Count the living processes of each attempt: each runs one, in a working folder of its own."""
    found: Counter[str] = Counter()
    for process in psutil.process_iter():
        try:
            folder = process.cwd()
            is_task = process.name() == "sleep" and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if is_task and folder.startswith(str(state)):
            found[Path(folder.removesuffix(" (deleted)")).parent.name] += 1
    return found


def task_supervisor(state: Path) -> int:
    """Return the pid of the process that supervises the tasks of a state folder; 0 when there is none."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "omegacell.agent.supervisor" in words and any(word.startswith(str(state)) for word in words):
            return int(process.pid)
    return 0
