"""The job table: each job a row, its tasks an extent of the arena, its spec an immutable value beside them.

Job ids are never used again; rows and extents are. What is derived from task states (``counts``) is written together
with them, by `apply` alone.
"""

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from omegacell.core.columns import Column, Table
from omegacell.core.commands import Unplaced
from omegacell.core.jobs import STATE_COUNT, JobSpec, Kind
from omegacell.core.units import RESOURCE_COUNT, JobId


class JobTable(Table):
    """Columns over job rows.

    Attributes:
        id: job id, int64, 0 in a free row.
        offset, extent, count_wanted: first task row, length of the extent, tasks wanted; int64.
        counts: tasks of the extent by state, ``(jobs, states)`` int64.
        shape: what one task takes of its machine, `JobSpec.charged`, ``(jobs, resources)`` int64.
        band, kind: uint8. max_restarts: int64, -1 for no limit.
        stopping: 1 when it was asked to stop, uint8.
        stop_cause: the `StopCause` of a stopping job, uint8.
        deadline: elapsed at which it is to be stopped, int64, -1 for never.
        created_at, changed_at, changed_before: revisions, int64 (see `MachineTable`).
        submitted_at_us, first_decided_at_us: wall stamps, int64, the latter 0 until a scheduler tried.
        template: value of `TemplateKind`, uint8.
        parent: id of the template of which it was made, int64, 0 for none; it may have left the cell.
        instant_us: wall stamp, int64: of a child the instant that it was made for, 0 for none; of a scheduled template
            the last one that is over, whatever became of it.
        made_count, skipped_count, missed_count: of a template, int64: children made, instants without one because
            another was not at rest, and instants that nobody proposed in time.
        ended_elapsed: elapsed when its last task came to rest, int64, -1 while any is not at rest.
        successor: id of the job that takes its place in an update, or took it, int64, 0 for none (see `updates`).
        updating: `Updating`, uint8: whether it is taking the place of others.
        progressed_elapsed: elapsed at the last step of its update, int64.
        specs: by row, None in a free row. why: by row, the last `Unplaced`, None when nothing is known.
    """

    COLUMNS: ClassVar[dict[str, Column]] = {
        "id": Column(np.int64),
        "offset": Column(np.int64),
        "extent": Column(np.int64),
        "count_wanted": Column(np.int64),
        "counts": Column(np.int64, tail=(STATE_COUNT,)),
        "shape": Column(np.int64, tail=(RESOURCE_COUNT,)),
        "band": Column(np.uint8),
        "kind": Column(np.uint8),
        "max_restarts": Column(np.int64),
        "stopping": Column(np.uint8),
        "created_at": Column(np.int64),
        "changed_at": Column(np.int64),
        "changed_before": Column(np.int64),
        "submitted_at_us": Column(np.int64),
        "first_decided_at_us": Column(np.int64),
        "template": Column(np.uint8),
        "parent": Column(np.int64),
        "instant_us": Column(np.int64),
        "made_count": Column(np.int64),
        "skipped_count": Column(np.int64),
        "missed_count": Column(np.int64),
        "ended_elapsed": Column(np.int64, fresh=-1),
        "successor": Column(np.int64),
        "updating": Column(np.uint8),
        "progressed_elapsed": Column(np.int64),
        "stop_cause": Column(np.uint8),
        "deadline": Column(np.int64, fresh=-1),
    }
    id: NDArray[np.int64]
    offset: NDArray[np.int64]
    extent: NDArray[np.int64]
    count_wanted: NDArray[np.int64]
    counts: NDArray[np.int64]
    shape: NDArray[np.int64]
    band: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    max_restarts: NDArray[np.int64]
    stopping: NDArray[np.uint8]
    created_at: NDArray[np.int64]
    changed_at: NDArray[np.int64]
    changed_before: NDArray[np.int64]
    submitted_at_us: NDArray[np.int64]
    first_decided_at_us: NDArray[np.int64]
    template: NDArray[np.uint8]
    parent: NDArray[np.int64]
    instant_us: NDArray[np.int64]
    made_count: NDArray[np.int64]
    skipped_count: NDArray[np.int64]
    missed_count: NDArray[np.int64]
    ended_elapsed: NDArray[np.int64]
    successor: NDArray[np.int64]
    updating: NDArray[np.uint8]
    progressed_elapsed: NDArray[np.int64]
    stop_cause: NDArray[np.uint8]
    deadline: NDArray[np.int64]

    def __init__(self) -> None:
        """Begin with no jobs."""
        super().__init__()
        self.specs: list[JobSpec | None] = []
        self.why: list[Unplaced | None] = []
        self.next_id = 1
        self.free_rows: list[int] = []
        self._row_by_id: dict[int, int] = {}
        self._id_by_name: dict[str, int] = {}
        self._repelling: dict[str, dict[int, None]] = {}
        self._predecessors: dict[int, dict[int, None]] = {}
        self._guests: dict[str, dict[int, None]] = {}
        self._set_count = 0

    @property
    def has_updates(self) -> bool:
        """Whether any job has a successor."""
        return bool(self._predecessors)

    @property
    def has_guests(self) -> bool:
        """Whether any job runs, or waits to run, inside an alloc set."""
        return any(self._guests.values())

    @property
    def has_alloc_sets(self) -> bool:
        """Whether any job is an alloc set."""
        return self._set_count > 0

    @property
    def flat_counts(self) -> NDArray[np.int64]:
        """The buffer of ``counts`` as one axis: row times states plus state; for sums with repeated rows."""
        return self._buffers["counts"].reshape(-1).view(np.int64)

    def row_of(self, job: int) -> int | None:
        """Return the row of a job, or None when the cell does not hold it."""
        return self._row_by_id.get(job)

    def by_name(self, name: str) -> JobId | None:
        """Return the job that a name means, or None: the newest of it, unless an update was reverted."""
        job = self._id_by_name.get(name)
        return None if job is None else JobId(job)

    def predecessors_of(self, row: int) -> list[int]:
        """Return the rows of the jobs that have the one in a row as their successor, the oldest first."""
        return [self._row_by_id[job] for job in sorted(self._predecessors.get(int(self.id[row]), ()))]

    def current_of(self, row: int) -> int:
        """Return the row of a job's successor, its own when it has none."""
        successor = int(self.successor[row]) if self._predecessors else 0
        return self._row_by_id[successor] if successor else row

    def rows_of_name(self, name: str) -> list[int]:
        """Return the row of the job that a name means, then those of its predecessors; none for an unknown name."""
        job = self._id_by_name.get(name)
        if job is None:
            return []
        row = self._row_by_id[job]
        return [row, *self.predecessors_of(row)] if self._predecessors else [row]

    def set_successor(self, row: int, successor: int) -> None:
        """Give a job another successor, an id, or none with 0. Mutates."""
        job, before = int(self.id[row]), int(self.successor[row])
        self.successor[row] = successor
        if before:
            self._predecessors[before].pop(job)
            if not self._predecessors[before]:
                del self._predecessors[before]
        if successor:
            self._predecessors.setdefault(successor, {})[job] = None

    def make_current(self, row: int) -> None:
        """Let a job's name mean it. Mutates."""
        self._id_by_name[self.spec_of(row).name] = int(self.id[row])

    def spec_of(self, row: int) -> JobSpec:
        """Return the spec in a row that holds a job."""
        spec = self.specs[row]
        assert spec is not None, f"job row {row} is free"
        return spec

    def ids(self) -> list[JobId]:
        """Return the ids of all jobs, ascending."""
        return [JobId(job) for job in sorted(self._row_by_id)]

    def is_active(self, row: int) -> bool:
        """Tell whether any task of the job is pending, placed, running or held."""
        pending, placed, running, held, *_ = self.counts[row].tolist()
        return bool(pending or placed or running or held)

    def add(self, spec: JobSpec) -> int:
        """Give a new job an id, a name and a row and return the row; its extent is the caller's to set. Mutates."""
        if self.free_rows:
            row = self.free_rows.pop()
            self.refresh(row, row + 1)
        else:
            row = self.extend(1)
            self.specs.append(None)
            self.why.append(None)
        job = self.next_id
        self.next_id += 1
        self.id[row] = job
        self.shape[row] = spec.charged
        self.band[row] = spec.band
        self.kind[row] = spec.kind
        self.max_restarts[row] = spec.max_restarts
        self.template[row] = spec.template_kind
        self.count_wanted[row] = spec.count
        self.specs[row] = spec
        self.why[row] = None
        self._row_by_id[job] = row
        self._id_by_name[spec.name] = job
        self._note_names(job, spec)
        return row

    def remove(self, row: int) -> None:
        """Free a job's row and, unless a newer job took it, its name. Mutates."""
        job = int(self.id[row])
        spec = self.spec_of(row)
        name = spec.name
        for other in _find_repelled(spec):
            self._repelling[other].pop(job, None)
        for predecessor in self.predecessors_of(row):
            self.set_successor(predecessor, 0)
        self.set_successor(row, 0)
        if spec.alloc:
            del self._guests[spec.alloc][job]
        self._set_count -= spec.kind is Kind.ALLOC
        if self._id_by_name.get(name) == job:
            del self._id_by_name[name]
        del self._row_by_id[job]
        self.id[row] = 0
        self.specs[row] = None
        self.why[row] = None
        self.free_rows.append(row)

    def restore_names(self, is_current: list[bool]) -> None:
        """Find ids and names again from columns and specs, as a snapshot kept them. Mutates.

        ``is_current`` tells, for each used row in ascending order, whether the name points to this job.
        """
        used = [row for row, spec in enumerate(self.specs) if spec is not None]
        self._row_by_id = {int(self.id[row]): row for row in used}
        named = [row for row, current in zip(used, is_current, strict=True) if current]
        self._id_by_name = {self.spec_of(row).name: int(self.id[row]) for row in named}
        self._repelling, self._predecessors = {}, {}
        self._guests, self._set_count = {}, 0
        for row in used:
            if self.successor[row]:
                self._predecessors.setdefault(int(self.successor[row]), {})[int(self.id[row])] = None
            self._note_names(int(self.id[row]), self.spec_of(row))

    def is_repelled(self, name: str) -> bool:
        """Tell whether any job in the cell must stay apart from the job of that name."""
        return bool(self._repelling.get(name))

    def find_repelling(self, name: str) -> list[tuple[str, str]]:
        """Return the jobs that must stay apart from the job of that name, each with the attribute, oldest first."""
        found = []
        for job in sorted(self._repelling.get(name, ())):
            spec = self.spec_of(self._row_by_id[job])
            is_current = self._id_by_name.get(spec.name) == job or self.successor[self._row_by_id[job]]
            if is_current and spec.name != name:
                rules = [each for each in spec.placement.neighbours if each.is_apart and not each.weight]
                found += [(spec.name, each.attribute) for each in rules if each.job == name]
        return found

    def find_guests(self, name: str) -> list[int]:
        """Return the rows of the jobs whose tasks run inside the alloc set of that name, oldest first."""
        return [self._row_by_id[job] for job in sorted(self._guests.get(name, ()))]

    def _note_names(self, job: int, spec: JobSpec) -> None:
        """Note the job under the names of others that its spec names."""
        for name in _find_repelled(spec):
            self._repelling.setdefault(name, {})[job] = None
        if spec.alloc:
            self._guests.setdefault(spec.alloc, {})[job] = None
        self._set_count += spec.kind is Kind.ALLOC

    def touch(self, rows: NDArray[np.integer], *, revision: int, floor: int) -> None:
        """Mark jobs as changed at ``revision``; see `MachineTable.touch`. Mutates."""
        before = self.changed_at[rows]
        self.changed_before[rows] = np.where(before > floor, self.changed_before[rows], before)
        self.changed_at[rows] = revision

    def effective_changed_at(self, row: int, *, floor: int) -> int:
        """Return when a job last changed, not counting its author's own changes in this entry."""
        changed = int(self.changed_at[row])
        return int(self.changed_before[row]) if changed > floor else changed

    def copy(self) -> Self:
        """Return an equal, independent table; specs are shared. Cost: O(jobs)."""
        other = type(self)()
        other.copy_columns(self)
        other.specs = list(self.specs)
        other.why = list(self.why)
        other.next_id = self.next_id
        other.free_rows = list(self.free_rows)
        other._row_by_id = dict(self._row_by_id)
        other._id_by_name = dict(self._id_by_name)
        other._repelling = {name: dict(jobs) for name, jobs in self._repelling.items()}
        other._predecessors = {job: dict(olds) for job, olds in self._predecessors.items()}
        other._guests = {name: dict(jobs) for name, jobs in self._guests.items()}
        other._set_count = self._set_count
        return other


def _find_repelled(spec: JobSpec) -> tuple[str, ...]:
    """Return the jobs from which a job must stay apart, each once."""
    rules = [each for each in spec.placement.neighbours if each.is_apart and not each.weight]
    return tuple(dict.fromkeys(each.job for each in rules))
