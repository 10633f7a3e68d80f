"""`omega bench commit`: how many durable appends a second an engine makes, and how many placements schedulers commit.

Several stores are measured one after the other in one run, and shown side by side.
"""

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote, urlsplit, urlunsplit

from omegacell.api.bench import cellmaking
from omegacell.api.bench.host import bench_folder, describe_host, percentile, report_columns
from omegacell.api.bench.placing import CLAIMS, MACHINES, MAX_SCHEDULERS, TASKS, committer, jobs_each
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format
from omegacell.core.errors import UsageError
from omegacell.core.units import Role
from omegacell.store.codec import to_append
from omegacell.store.engines import erase_etcd, open_store
from omegacell.store.log import Append, Store

ENTRY_BYTES: Final = 300

Figures = dict[str, float | int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOptions:
    """How it is measured; the names are those of the command."""

    seconds: float
    writers: int
    folder: Path | None
    stores: tuple[str, ...] = ()
    schedulers: tuple[int, ...] = (1, 2, 4)


def parse_schedulers(text: str) -> tuple[int, ...]:
    """Return the numbers of schedulers to measure.

    >>> parse_schedulers("1,2,4")
    (1, 2, 4)

    Raises:
        UsageError: It is written wrong.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MAX_SCHEDULERS for part in parts):
        raise UsageError(f"--schedulers {text!r}: expected numbers from 1 to {MAX_SCHEDULERS}, such as 1,2,4")
    return tuple(int(part) for part in parts)


def run(options: CommitOptions, form: Format) -> None:
    """Measure, and print the figures."""
    with bench_folder(options.folder) as folder:
        columns: dict[str, Figures] = {}
        for url in options.stores or ("sqlite:",):
            engine = urlsplit(url).scheme
            name = engine if engine not in columns else f"{engine}-{len(columns) + 1}"
            columns[name] = _measure(url, folder / name, options)
        report_columns("commit", columns, describe_host(folder), form)


def _measure(url: str, folder: Path, options: CommitOptions) -> Figures:
    figures: Figures = {}
    folder.mkdir(mode=0o700)
    with _place(url, folder, "appends") as place, open_store(place) as store:
        figures["synchronous"] = store.stat().synchronous.value
        numbers = count(1)
        figures |= _named("append", _repeat(_appender(store, numbers), options.seconds))
        figures |= _named(f"append_by_{options.writers}", _by_many(store, numbers, options))
    with _place(url, folder, "commits") as place, open_store(place) as store:
        _begin_cell(store, jobs_each(options.seconds))
        figures |= _named(f"commit_of_{CLAIMS}_claims", _repeat(committer(store, 0, options.seconds), options.seconds))
    for schedulers in options.schedulers:
        with _place(url, folder, f"placing-{schedulers}") as place:
            with open_store(place) as store:
                _begin_cell(store, schedulers * jobs_each(options.seconds))
            figures[f"placements_per_second_by_{schedulers}"] = _placements(place, schedulers, options.seconds)
    return figures


@contextmanager
def _place(url: str, folder: Path, name: str) -> Iterator[str]:
    """Give the URL of an empty store of that engine, which is gone afterwards."""
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            query = f"?{parts.query}" if parts.query else ""
            yield f"sqlite://{quote(str(folder))}/{name}.db{query}"
        case "etcd":
            path = f"{parts.path.rstrip('/')}/bench-{secrets.token_hex(4)}-{name}"
            place = urlunsplit(parts._replace(path=path))
            try:
                yield place
            finally:
                erase_etcd(place)
        case _:
            raise UsageError(f"--store {url!r}: expected sqlite: (in the folder of the bench) or etcd://HOST:PORT")


def _begin_cell(store: Store, jobs: int) -> None:
    transactions = list(cellmaking.begin(MACHINES))
    author = cellmaking.Author("api-1", role=Role.API)
    for number in range(jobs):
        transactions.append(author.write(cellmaking.submit(f"large-{number}", TASKS), seen=len(transactions)))
    store.append([to_append([transaction]) for transaction in transactions])


def _placements(url: str, schedulers: int, seconds: float) -> float:
    """Return the placements a second of several schedulers, each a process with a copy of its own."""
    words = [sys.executable, "-m", "omegacell.api.bench.placing", "--seconds", str(seconds), "--number"]
    processes = [
        subprocess.Popen([*words, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(schedulers)
    ]
    try:
        for process in processes:
            _say(process, url)
        for process in processes:
            _hear(process, "ready")
        for process in processes:
            _say(process, "begin")
        done = [json.loads(_hear(process)) for process in processes]
        return sum(float(each["placements"]) for each in done) / max(float(each["seconds"]) for each in done)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                _close(stream)


def _say(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: "subprocess.Popen[str]", expected: str = "") -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line or (expected and line != expected):
        raise CommandError(f"a scheduler of the bench ended with {process.wait()} before it was done")
    return line


def _close(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.close()


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


def _appender(store: Store, numbers: Iterator[int]) -> Callable[[], None]:
    entry = b"\x00" * ENTRY_BYTES

    def append() -> None:
        store.append([Append(entry=entry, session=1, first_seq=next(numbers))])

    return append


def _by_many(store: Store, numbers: Iterator[int], options: CommitOptions) -> list[float]:
    found: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: found.append(_repeat(_appender(store, numbers), options.seconds)))
        for _ in range(options.writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != options.writers:
        raise CommandError(f"{options.writers - len(found)} of {options.writers} writers failed")
    return [*(each for latencies in found for each in latencies[:-1]), max(latencies[-1] for latencies in found)]
