"""What is submitted to a simulated cell: jobs of equal tasks, as columns, read from a file or made by hand.

Units are those of the traces: seconds, CPUs, gigabytes. Whoever simulates turns them into its own.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from omegacell.core.errors import UsageError
from omegacell.core.quick import quick

COLUMNS: Final = ("id", "workload", "submitted", "num_tasks", "duration", "cpus_per_task", "mem_per_task")
MAX_TASKS: Final = (1 << 31) - 1


class Kind(Enum):
    """The two halves of a workload, and what stands in the cell before it begins."""

    BATCH = "Batch"
    SERVICE = "Service"
    PREFILL = "Prefill"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedJob:
    """One job.

    Attributes:
        number: its id in the file.
        kind: which half of the workload it belongs to.
        submitted_s: when it is submitted, seconds.
        task_count: how many tasks it has.
        duration_s: how long each runs, seconds.
        cpus: what each asks for, CPUs.
        memory_gb: what each asks for, gigabytes.
    """

    number: int
    kind: Kind
    submitted_s: float
    task_count: int
    duration_s: float
    cpus: float
    memory_gb: float


KINDS: Final = tuple(Kind)
"""The kinds in the order in which a column numbers them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workload:
    """Jobs as columns of equal length, in the order of the file; `SimulatedJob` says what each column holds."""

    numbers: NDArray[np.int64]
    kinds: NDArray[np.uint8] = field(repr=False)
    submitted_s: NDArray[np.float64] = field(repr=False)
    task_counts: NDArray[np.int64] = field(repr=False)
    duration_s: NDArray[np.float64] = field(repr=False)
    cpus: NDArray[np.float64] = field(repr=False)
    memory_gb: NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[SimulatedJob]:
        columns = (
            self.numbers.tolist(),
            self.kinds.tolist(),
            self.submitted_s.tolist(),
            self.task_counts.tolist(),
            self.duration_s.tolist(),
            self.cpus.tolist(),
            self.memory_gb.tolist(),
        )
        for number, kind, submitted_s, task_count, duration_s, cpus, memory_gb in zip(*columns, strict=True):
            yield SimulatedJob(
                number=number,
                kind=KINDS[kind],
                submitted_s=submitted_s,
                task_count=task_count,
                duration_s=duration_s,
                cpus=cpus,
                memory_gb=memory_gb,
            )

    @property
    def task_count(self) -> int:
        """How many tasks all jobs have."""
        return int(self.task_counts.sum())

    @classmethod
    def of(cls, jobs: Iterable[SimulatedJob]) -> Self:
        """Put jobs into columns.

        >>> len(Workload.of([]))
        0
        """
        rows = list(jobs)
        return cls(
            numbers=np.array([job.number for job in rows], np.int64),
            kinds=np.array([KINDS.index(job.kind) for job in rows], np.uint8),
            submitted_s=np.array([job.submitted_s for job in rows], np.float64),
            task_counts=np.array([job.task_count for job in rows], np.int64),
            duration_s=np.array([job.duration_s for job in rows], np.float64),
            cpus=np.array([job.cpus for job in rows], np.float64),
            memory_gb=np.array([job.memory_gb for job in rows], np.float64),
        )

    def merge(self, other: "Workload") -> "Workload":
        """Return these jobs and then the others."""
        return Workload(
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("numbers", "kinds", "submitted_s", "task_counts", "duration_s", "cpus", "memory_gb")
            }
        )


def parse_job(fields: Mapping[str, Any], where: str) -> SimulatedJob:
    """Return the job that a row of a file describes.

    Raises:
        UsageError: a field is missing or is not what it must be.
    """
    missing = [name for name in COLUMNS if fields.get(name) is None]
    if missing:
        raise UsageError(f"{where}: the fields {', '.join(missing)} are missing; a job has {', '.join(COLUMNS)}")
    try:
        job = SimulatedJob(
            number=_parse_whole(fields["id"]),
            kind=Kind(fields["workload"]),
            submitted_s=float(fields["submitted"]),
            task_count=_parse_whole(fields["num_tasks"]),
            duration_s=float(fields["duration"]),
            cpus=float(fields["cpus_per_task"]),
            memory_gb=float(fields["mem_per_task"]),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{where}: {error}") from error
    amounts = (job.submitted_s, job.duration_s, job.cpus, job.memory_gb)
    if not 1 <= job.task_count <= MAX_TASKS or not all(np.isfinite(amounts)) or min(amounts) < 0:
        raise UsageError(
            f"{where}: job {job.number} needs a task at least and {MAX_TASKS} at most, and amounts that are finite and"
            " not negative"
        )
    return job


def _parse_whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, float) and number != value:
        raise ValueError(f"{value} is no whole number")
    if abs(number) >= 1 << 63:
        raise ValueError("a whole number of more than 64 bits")
    return number


def read_jobs(path: Path) -> Workload:
    """Read a workload from a CSV file, gzipped or not, whose first row names the columns of `COLUMNS`.

    Raises:
        UsageError: it cannot be read or is no such file; the message names the line.
    """
    return Workload.of(
        parse_job(dict(row), f"{path}, line {place}") for place, row in enumerate(read_rows(path), start=2)
    )


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file, gzipped or not, by the names in its first row.

    Raises:
        UsageError: it cannot be read, is not text, or has no rows, or one of another length than the first.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8")))
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise UsageError(f"{path}, line {reader.line_num}: not as many values as there are columns")
            rows.append(row)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a CSV file: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not rows:
        raise UsageError(f"{path}: no rows under the names of the columns")
    return rows
