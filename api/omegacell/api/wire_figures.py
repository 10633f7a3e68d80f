"""Translates the figures of a cell (schedulers, history, conflicts, status) between messages and values.

The server writes what the client reads; the values are those of `figures`, and `statistics` makes them.
"""

from omegacell.api import figures
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.records_machines import MachineState
from omegacell.api.wire import read_at, read_device, read_resources
from omegacell.core.jobs import TaskState


def write_scheduler(row: figures.SchedulerStatistics) -> pb.SchedulerStatistics:
    """Return the message of a scheduler's figures."""
    return pb.SchedulerStatistics(
        author=row.author,
        scheduler=row.scheduler,
        is_live=row.is_live,
        decisions=row.decisions,
        committed=row.committed,
        conflicted=row.conflicted,
        disagreed=row.disagreed,
        no_fit=row.no_fit,
        placements=row.placements,
        claims_conflicted=row.claims_conflicted,
        claims_disagreed=row.claims_disagreed,
        busy_us=row.busy_us,
        wait_us=row.wait_us,
        wait_count=row.wait_count,
        refusals=dict(row.refusals),
        conflict_fraction=row.conflict_fraction,
        busy_fraction=row.busy_fraction,
        mean_wait_s=row.mean_wait_s,
        last_at_us=row.last_at_us,
    )


def read_scheduler(message: pb.SchedulerStatistics) -> figures.SchedulerStatistics:
    """Return a scheduler's figures."""
    return figures.SchedulerStatistics(
        author=message.author,
        scheduler=message.scheduler,
        is_live=message.is_live,
        decisions=message.decisions,
        committed=message.committed,
        conflicted=message.conflicted,
        disagreed=message.disagreed,
        no_fit=message.no_fit,
        placements=message.placements,
        claims_conflicted=message.claims_conflicted,
        claims_disagreed=message.claims_disagreed,
        busy_us=message.busy_us,
        wait_us=message.wait_us,
        wait_count=message.wait_count,
        refusals=dict(message.refusals),
        conflict_fraction=message.conflict_fraction,
        busy_fraction=message.busy_fraction,
        mean_wait_s=message.mean_wait_s,
        last_at_us=message.last_at_us,
    )


def write_history_query(query: figures.HistoryQuery) -> pb.HistoryRequest:
    """Return the message of a query."""
    return pb.HistoryRequest(
        before=query.before,
        limit=query.limit,
        author=query.author,
        job=query.job,
        kind=query.kind,
        status=query.status,
        with_ticks=query.with_ticks,
    )


def read_history_query(message: pb.HistoryRequest) -> figures.HistoryQuery:
    """Return the query of a message."""
    return figures.HistoryQuery(
        before=message.before,
        limit=message.limit or 100,
        author=message.author,
        job=message.job,
        kind=message.kind,
        status=message.status,
        with_ticks=message.with_ticks,
    )


def write_conflict_query(query: figures.ConflictQuery) -> pb.ConflictsRequest:
    """Return the message of a query."""
    return pb.ConflictsRequest(
        before=query.before,
        limit=query.limit,
        author=query.author,
        job=query.job,
        with_disagreements=query.with_disagreements,
    )


def read_conflict_query(message: pb.ConflictsRequest) -> figures.ConflictQuery:
    """Return the query of a message."""
    return figures.ConflictQuery(
        before=message.before,
        limit=message.limit or 100,
        author=message.author,
        job=message.job,
        with_disagreements=message.with_disagreements,
    )


def write_history(row: figures.HistoryRow) -> pb.HistoryEntry:
    """Return the message of a transaction."""
    return pb.HistoryEntry(
        revision=row.revision,
        author=row.author,
        seq=row.seq,
        seen=row.seen,
        kind=row.kind,
        jobs=row.jobs,
        summary=row.summary,
        status=row.status,
        reason=row.reason,
        granted=row.granted,
        refused=row.refused,
        conflicts=row.conflicts,
        at_us=row.at_us,
    )


def read_history(message: pb.HistoryEntry) -> figures.HistoryRow:
    """Return a transaction."""
    return figures.HistoryRow(
        revision=message.revision,
        author=message.author,
        seq=message.seq,
        seen=message.seen,
        kind=message.kind,
        jobs=tuple(message.jobs),
        summary=message.summary,
        status=message.status,
        reason=message.reason,
        granted=message.granted,
        refused=message.refused,
        conflicts=message.conflicts,
        at_us=message.at_us,
    )


def write_conflict(row: figures.ConflictRow) -> pb.Conflict:
    """Return the message of a refused claim."""
    return pb.Conflict(
        revision=row.revision,
        author=row.author,
        job=row.job,
        index=row.index,
        machine=row.machine,
        reason=row.reason,
        dimension=row.dimension,
        shortage=row.shortage,
        seen=row.seen,
        taken_at=row.taken_at,
        taken_by=row.taken_by,
        is_conflict=row.is_conflict,
        at_us=row.at_us,
    )


def read_conflict(message: pb.Conflict) -> figures.ConflictRow:
    """Return a refused claim."""
    return figures.ConflictRow(
        revision=message.revision,
        author=message.author,
        job=message.job,
        index=message.index,
        machine=message.machine,
        reason=message.reason,
        dimension=message.dimension,
        shortage=message.shortage,
        seen=message.seen,
        taken_at=message.taken_at,
        taken_by=message.taken_by,
        is_conflict=message.is_conflict,
        at_us=message.at_us,
    )


def read_status(message: pb.CellStatusResponse) -> figures.CellStatus:
    """Return the cell at a glance."""
    store = message.store
    return figures.CellStatus(
        at=read_at(message.at),
        name=message.name,
        version=message.version,
        chain=message.chain,
        elapsed_us=message.elapsed_us,
        tick=message.tick,
        rules=message.rules,
        machine_counts={MachineState(place): count for place, count in enumerate(message.machine_counts)},
        task_counts={TaskState(place): count for place, count in enumerate(message.task_counts)},
        job_count=message.job_count,
        active_job_count=message.active_job_count,
        capacity=read_resources(message.capacity),
        allocated=read_resources(message.allocated),
        schedulers=tuple(read_scheduler(row) for row in message.schedulers),
        session_count=message.session_count,
        store=figures.StoreFigures(
            engine=store.engine,
            path=store.path,
            byte_count=store.byte_count,
            wal_byte_count=store.wal_byte_count,
            disk_free_byte_count=store.disk_free_byte_count,
            entry_count=store.entry_count,
            checkpoint_count=store.checkpoint_count,
        ),
        started_at_us=message.started_at_us,
        can_write=message.can_write,
        silent_count=message.silent_count,
        waiting_count=message.waiting_count,
        waiting=tuple(message.waiting),
        devices=tuple(read_device(device) for device in message.devices),
    )
