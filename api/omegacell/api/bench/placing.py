"""One scheduler of `omega bench commit`: a process that places tasks through a session, and says how many.

It prints ``ready`` when its replica is at the head, begins when a line comes on its input, and prints what it did.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from omegacell.api.bench import cellmaking
from omegacell.core.commands import OpenSession
from omegacell.core.outcomes import Status
from omegacell.core.units import Role
from omegacell.store.engines import open_store
from omegacell.store.log import Store
from omegacell.store.proposer import Proposal, Session
from omegacell.store.replica import Replica
from omegacell.store.tokens import TokenBucket

MACHINES: Final = 1_000
TASKS: Final = 250_000
CLAIMS: Final = 100
# More than a scheduler places in a second on any machine known: every copy of the cell holds all of these tasks.
MOST_PER_SECOND: Final = 200_000
MAX_SCHEDULERS: Final = 16


def jobs_each(seconds: float) -> int:
    """Return how many jobs of ``TASKS`` tasks a scheduler needs for that long.

    >>> jobs_each(0.2), jobs_each(5.0)
    (1, 4)
    """
    return max(1, math.ceil(seconds * MOST_PER_SECOND / TASKS))


def committer(store: Store, number: int, seconds: float) -> Callable[[], None]:
    """Return what places ``CLAIMS`` tasks of this scheduler's own jobs: append, fold, read the own outcome."""
    replica = Replica(store)
    opening = OpenSession(author=f"batch-{number}", role=Role.SCHEDULER, scheduler="batch")
    session = Session(replica, opening, bucket=TokenBucket(rate_per_s=1e9, burst=1_000_000_000))
    session.submit()
    rng = np.random.default_rng(number)
    first_job = 1 + number * jobs_each(seconds)
    placed = 0

    def commit() -> None:
        nonlocal placed
        rows = rng.integers(0, MACHINES, CLAIMS).astype(np.int32)
        claims = cellmaking.place(first_job + placed // TASKS, placed % TASKS, rows)
        (outcome,) = session.submit([Proposal(commands=(claims,))])
        if outcome.status is not Status.COMMITTED:
            raise RuntimeError(f"a commit ended {outcome.status.name}: the cell of the bench is full")
        placed += CLAIMS

    return commit


def main() -> None:
    """Place until the time is over, and print how many and how long."""
    parser = argparse.ArgumentParser(prog="omegacell.api.bench.placing")
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    # The URL comes on the input: it may hold a password, which has no place in a list of processes.
    with open_store(sys.stdin.readline().strip()) as store:
        commit = committer(store, arguments.number, arguments.seconds)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        begun = time.perf_counter()
        count = 0
        while time.perf_counter() - begun < arguments.seconds:
            commit()
            count += 1
        done = {"placements": count * CLAIMS, "seconds": time.perf_counter() - begun}
        sys.stdout.write(json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
