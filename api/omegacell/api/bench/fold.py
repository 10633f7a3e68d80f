"""`omega bench fold`: how many placements a second a replica decodes and applies. Nothing durable is in it."""

import time
from dataclasses import dataclass

import numpy as np

from omegacell.api.bench import cellmaking
from omegacell.api.bench.host import describe_host, report
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format
from omegacell.core.units import MAX_TASKS_PER_JOB
from omegacell.store.codec import encode_entry
from omegacell.store.folding import Fold
from omegacell.store.log import Cursor, Stored

SEED = 1
TASKS_PER_JOB = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOptions:
    """What is folded; the names are those of the command."""

    placements: int
    claims: int
    machines: int


def run(options: FoldOptions, form: Format) -> None:
    """Measure, and print the figures."""
    report("fold", measure(options), describe_host(None), form)


def measure(options: FoldOptions) -> dict[str, float | int]:
    """Fold transactions that place tasks of large jobs on random machines; return figures."""
    fold = Fold()
    cursor = _prepare(fold, options)
    entries = _write_claims(fold, options, cursor)
    start = time.perf_counter()
    granted = sum(applied.outcome.granted for stored in entries for applied in fold.fold(stored))
    seconds = time.perf_counter() - start
    asked = len(entries) * options.claims
    if granted != asked:
        raise CommandError(f"only {granted} of {asked} placements were granted: choose more --machines")
    return {
        "placements": granted,
        "claims_per_transaction": options.claims,
        "machines": options.machines,
        "seconds": seconds,
        "placements_per_second": granted / seconds,
        "transactions_per_second": len(entries) / seconds,
        "bytes_per_placement": sum(len(stored.entry) for stored in entries) / granted,
    }


def _prepare(fold: Fold, options: FoldOptions) -> int:
    """Fold the machines and jobs; return the last cursor."""
    cursor = 0
    transactions = list(cellmaking.begin(options.machines))
    author = cellmaking.Author("api-1")
    jobs = -(-options.placements // _tasks_per_job(options))
    for job in range(jobs):
        transactions.append(
            author.write(cellmaking.submit(f"job-{job}", _tasks_per_job(options)), seen=len(transactions))
        )
    for transaction in transactions:
        cursor += 1
        fold.fold(Stored(Cursor(cursor), encode_entry([transaction])))
    fold.cell.drain_delta()
    return cursor


def _tasks_per_job(options: FoldOptions) -> int:
    """Return a count that whole transactions fill."""
    return min(MAX_TASKS_PER_JOB, max(TASKS_PER_JOB // options.claims, 1) * options.claims)


def _write_claims(fold: Fold, options: FoldOptions, cursor: int) -> list[Stored]:
    rng = np.random.default_rng(SEED)
    author = cellmaking.Author("batch-0")
    per_job = _tasks_per_job(options)
    entries = []
    for number in range(options.placements // options.claims):
        first = number * options.claims
        rows = rng.integers(0, options.machines, options.claims).astype(np.int32)
        claims = cellmaking.place(first // per_job + 1, first % per_job, rows)
        cursor += 1
        transaction = author.write(claims, seen=fold.revision + number)
        entries.append(Stored(Cursor(cursor), encode_entry([transaction])))
    return entries
