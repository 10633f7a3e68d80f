"""`omega bench commit`: how many durable appends a second the engine makes, and what a whole commit takes."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omegacell.api.bench import cellmaking
from omegacell.api.bench.host import bench_folder, describe_host, percentile, report
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format
from omegacell.core.commands import OpenSession
from omegacell.core.outcomes import Status
from omegacell.core.units import Role
from omegacell.store.codec import to_append
from omegacell.store.engines import open_store
from omegacell.store.log import Append, Store
from omegacell.store.proposer import Proposal, Session
from omegacell.store.replica import Replica
from omegacell.store.tokens import TokenBucket

MACHINES = 1_000
CLAIMS = 100
ENTRY_BYTES = 300
JOBS = 10
TASKS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOptions:
    """How it is measured; the names are those of the command."""

    seconds: float
    writers: int
    folder: Path | None


def run(options: CommitOptions, form: Format) -> None:
    """Measure, and print the figures."""
    with bench_folder(options.folder) as folder:
        figures: dict[str, float | int | str] = {}
        with open_store(f"sqlite://{folder}/appends.db") as store:
            figures["synchronous"] = store.stat().synchronous.value
            figures |= _named("append", _repeat(_appender(store), options.seconds))
            figures |= _named(f"append_by_{options.writers}", _by_many(store, options))
        with open_store(f"sqlite://{folder}/commits.db") as store:
            figures |= _named(f"commit_of_{CLAIMS}_claims", _repeat(_committer(store), options.seconds))
        report("commit", figures, describe_host(folder), form)


def _named(name: str, latencies_s: Sequence[float]) -> dict[str, float]:
    """Return rate and latencies; the rate is over the time that passed, so the last item is that time."""
    *latencies, seconds = latencies_s
    if not latencies:
        raise CommandError(f"{name}: nothing was finished in {seconds:.1f} s: give it more --seconds")
    return {
        f"{name}_per_second": len(latencies) / seconds,
        f"{name}_p50_ms": 1_000 * percentile(latencies, 50),
        f"{name}_p99_ms": 1_000 * percentile(latencies, 99),
    }


def _repeat(act: Callable[[], None], seconds: float) -> list[float]:
    latencies: list[float] = []
    begun = time.perf_counter()
    while (start := time.perf_counter()) - begun < seconds:
        act()
        latencies.append(time.perf_counter() - start)
    return [*latencies, time.perf_counter() - begun]


def _appender(store: Store) -> Callable[[], None]:
    entry = b"\x00" * ENTRY_BYTES

    def append() -> None:
        store.append([Append(entry=entry, session=1, first_seq=1)])

    return append


def _by_many(store: Store, options: CommitOptions) -> list[float]:
    found: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: found.append(_repeat(_appender(store), options.seconds)))
        for _ in range(options.writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != options.writers:
        raise CommandError(f"{options.writers - len(found)} of {options.writers} writers failed")
    return [*(each for latencies in found for each in latencies[:-1]), max(latencies[-1] for latencies in found)]


def _committer(store: Store) -> Callable[[], None]:
    """Return what places tasks through a session on a replica: append, fold, read the own outcome."""
    transactions = list(cellmaking.begin(MACHINES))
    author = cellmaking.Author("api-1", role=Role.API)
    for number in range(JOBS):
        transactions.append(author.write(cellmaking.submit(f"large-{number}", TASKS), seen=len(transactions)))
    store.append([to_append([transaction]) for transaction in transactions])
    replica = Replica(store)
    opening = OpenSession(author="batch-0", role=Role.SCHEDULER, scheduler="batch")
    session = Session(replica, opening, bucket=TokenBucket(rate_per_s=1e9, burst=1_000_000_000))
    rng = np.random.default_rng(1)
    placed = 0

    def commit() -> None:
        nonlocal placed
        rows = rng.integers(0, MACHINES, CLAIMS).astype(np.int32)
        claims = cellmaking.place(placed // TASKS + 1, placed % TASKS, rows)
        (outcome,) = session.submit([Proposal(commands=(claims,))])
        if outcome.status is not Status.COMMITTED:
            raise CommandError(f"a commit ended {outcome.status.name}: the cell of the bench is full")
        placed += CLAIMS

    return commit
