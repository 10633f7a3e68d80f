"""A cell as bytes and back, and its digest: explicit little-endian columns of used rows, nothing of the machine.

The bytes are canonical: equal cells have equal bytes, whatever order their dicts grew in, so the digest of a cell is a
hash of them. A snapshot is what checkpoints hold; it is not the log's format and knows nothing of protobuf.

Layout: 8 bytes magic, 8 bytes length of the head, the head (canonical JSON: scalars, names, specs, sessions, authors,
limits, and for each table its row count and columns), then the columns' bytes in the head's order.
"""

import hashlib
import json
from collections import deque
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from omegacell.core import outcomes
from omegacell.core.arena import PastAttempt, TaskArena
from omegacell.core.caps import Cap
from omegacell.core.cell import Author, Cell, Session
from omegacell.core.columns import Table
from omegacell.core.commands import Genesis, Lack, Unplaced
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.devices import DeviceKind, DeviceRequest, DeviceTable
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import Gang, JobSpec, Kind, OnPartition, Port
from omegacell.core.jobtable import JobTable
from omegacell.core.machines import MachineTable
from omegacell.core.placement import NO_RULES, Effect, Taint
from omegacell.core.preemption import Preempted
from omegacell.core.quotas import Quota
from omegacell.core.snapshots_placement import placement_row, read_placement
from omegacell.core.snapshots_templates import read_parameters, read_schedule
from omegacell.core.units import OUTCOMES_KEPT, Band, JobId, Revision, Role, SessionId
from omegacell.core.updates import OnFailure, UpdatePolicy

MAGIC = b"omegasn1"
_SCALARS = (
    "revision",
    "name",
    "incarnation",
    "rules",
    "elapsed",
    "tick",
    "last_stamp_us",
    "forgotten_at",
    "topology_at",
    "topology_before",
)


def encode(cell: Cell) -> bytes:
    """Return the canonical bytes of a cell. Cost: O(cell)."""
    tables = (cell.machines, cell.jobs, cell.tasks)
    head = {
        "scalars": {name: getattr(cell, name) for name in _SCALARS},
        "genesis": None if cell.genesis is None else asdict(cell.genesis),
        "machines": _machines_head(cell.machines),
        "jobs": _jobs_head(cell.jobs),
        "tasks": _tasks_head(cell.tasks),
        "sessions": [_session_head(number, cell.sessions[number]) for number in sorted(cell.sessions)],
        "authors": [asdict(author) for author in cell.authors.rows],
        "quotas": [[*key, *_limit_row(cell.quotas.rows[key])] for key in sorted(cell.quotas.rows)],
        "caps": [[name, *_limit_row(cell.caps.rows[name])] for name in sorted(cell.caps.rows)],
        "columns": [[table.count, _column_names(table)] for table in tables],
    }
    text = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    columns = [_column_bytes(table, name) for table in tables for name in _column_names(table)]
    return b"".join((MAGIC, len(text).to_bytes(8, "little"), text, *columns))


def digest(cell: Cell) -> bytes:
    """Return the 32-byte digest of a cell. Cost: O(cell)."""
    return digest_of(encode(cell))


def digest_of(snapshot: bytes) -> bytes:
    """Return the digest of a cell from its snapshot."""
    return hashlib.blake2b(snapshot, digest_size=32).digest()


def decode(snapshot: bytes) -> Cell:
    """Return the cell that `encode` wrote.

    Raises:
        MalformedError: the bytes are no snapshot of this version.
    """
    if snapshot[:8] != MAGIC:
        raise MalformedError("these bytes are no snapshot of a cell, or one of another version")
    try:
        return _decode(snapshot)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise MalformedError(f"a snapshot that cannot be read: {error}") from error


def _decode(snapshot: bytes) -> Cell:
    length = int.from_bytes(snapshot[8:16], "little")
    head: dict[str, Any] = json.loads(snapshot[16 : 16 + length])
    cell = Cell()
    for name in _SCALARS:
        setattr(cell, name, head["scalars"][name])
    cell.revision = Revision(cell.revision)
    cell.genesis = _read_genesis(head["genesis"])
    at = 16 + length
    for table, (count, names) in zip((cell.machines, cell.jobs, cell.tasks), head["columns"], strict=True):
        if names != _column_names(table):
            raise MalformedError(f"a snapshot with columns {names}; expected {_column_names(table)}")
        at = _read_columns(table, count, snapshot, at)
    if at != len(snapshot):
        raise MalformedError(f"a snapshot of {len(snapshot)} bytes; expected {at}")
    _read_machines(cell.machines, head["machines"])
    _read_jobs(cell.jobs, head["jobs"])
    _read_tasks(cell.tasks, head["tasks"])
    _promise_devices(cell)
    for row in head["sessions"]:
        cell.sessions[SessionId(row["id"])] = _read_session(row)
    for row in head["authors"]:
        cell.authors.add(Author(**row))
    for owner, band, *limit in head["quotas"]:
        cell.quotas.rows[owner, band] = Quota(**_read_limit(limit))
    for name, *limit in head["caps"]:
        cell.caps.rows[name] = Cap(**_read_limit(limit))
    return cell


def _limit_row(limit: Quota | Cap) -> list[Any]:
    return [limit.amounts, limit.usage, limit.changed_at, limit.changed_before]


def _read_limit(row: list[Any]) -> dict[str, Any]:
    amounts, usage, changed_at, changed_before = row
    return {
        "amounts": tuple(amounts),
        "usage": usage,
        "changed_at": changed_at,
        "changed_before": changed_before,
    }


def _column_names(table: Table) -> list[str]:
    return list(table.COLUMNS)


def _column_bytes(table: Table, name: str) -> bytes:
    column: np.ndarray[Any, Any] = getattr(table, name)
    return column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes()


def _read_columns(table: Table, count: int, snapshot: bytes, at: int) -> int:
    table.extend(count)
    for name, column in table.COLUMNS.items():
        target: np.ndarray[Any, Any] = getattr(table, name)
        dtype = np.dtype(column.dtype).newbyteorder("<")
        target[...] = np.frombuffer(snapshot, dtype, target.size, at).reshape(target.shape)
        at += target.size * dtype.itemsize
    return at


def _read_genesis(row: dict[str, Any] | None) -> Genesis | None:
    if row is None:
        return None
    lists = {"features": tuple(row["features"]), "resource_names": tuple(row["resource_names"])}
    return Genesis(**{**row, **lists})


def _machines_head(table: MachineTable) -> dict[str, Any]:
    return {
        "names": table.names,
        "boot_ids": table.boot_ids,
        "attributes": table.attributes,
        "taints": [
            [row, [[each.key, each.value, each.effect] for each in taints]]
            for row, taints in enumerate(table.taints)
            if taints
        ],
        "ports": [[row, sorted(ports.items())] for row, ports in enumerate(table.ports) if ports],
        "drivers": table.driver_names,
        "devices": [_kind_head(kind) for kind in table.devices.kinds],
    }


def _kind_head(kind: DeviceKind) -> dict[str, Any]:
    offering = np.flatnonzero(kind.variant >= 0).tolist()
    return {
        "name": kind.name,
        "variants": kind.variants,
        "offers": [[row, int(kind.offered[row]), int(kind.variant[row])] for row in offering],
        "used": [[row, sorted(kind.used[row].items())] for row in sorted(kind.used)],
    }


def _read_kind(head: dict[str, Any], machine_count: int) -> DeviceKind:
    kind = DeviceKind(head["name"])
    kind.extend(machine_count)
    variants = [None if pairs is None else tuple((name, value) for name, value in pairs) for pairs in head["variants"]]
    kind.variants = variants
    kind.used = {row: dict(used) for row, used in head["used"]}
    for row, offered, variant in head["offers"]:
        kind.variant[row] = variant
        kind.offered[row] = offered
        kind.free[row] = offered - sum(index < offered for index in kind.used.get(row, ()))
    return kind


def _read_machines(table: MachineTable, head: dict[str, Any]) -> None:
    table.restore_names(head["names"])
    table.boot_ids = head["boot_ids"]
    taints = {row: tuple(_read_taint(taint) for taint in taints) for row, taints in head["taints"]}
    for row, pairs in enumerate(head["attributes"]):
        attributes = tuple((name, value) for name, value in pairs)
        table.describe(row, attributes=attributes, taints=taints.get(row, ()))
    table.ports = [{} for _ in head["names"]]
    for row, ports in head["ports"]:
        table.ports[row] = dict(ports)
    table.driver_names = head["drivers"]
    table.devices = DeviceTable()
    table.devices.kinds = [_read_kind(kind, len(head["names"])) for kind in head["devices"]]


def _jobs_head(table: JobTable) -> dict[str, Any]:
    current = [table.id[row] == table.by_name(spec.name) for row, spec in enumerate(table.specs) if spec]
    return {
        "specs": [None if spec is None else _spec_row(spec) for spec in table.specs],
        "why": [None if why is None else asdict(why) for why in table.why],
        "is_current": [bool(value) for value in current],
        "next_id": table.next_id,
        "free_rows": table.free_rows,
    }


def _read_jobs(table: JobTable, head: dict[str, Any]) -> None:
    table.specs = [None if row is None else _read_spec(row) for row in head["specs"]]
    table.why = [None if row is None else _read_why(row) for row in head["why"]]
    table.next_id = head["next_id"]
    table.free_rows = head["free_rows"]
    table.restore_names(head["is_current"])


def _spec_row(spec: JobSpec) -> list[Any]:
    row = [getattr(spec, field.name) for field in fields(spec)]
    at = [field.name for field in fields(spec)].index
    row[at("ports")] = [[port.name, port.number] for port in spec.ports]
    row[at("gang")] = None if spec.gang is None else [spec.gang.size, spec.gang.least]
    row[at("payload")] = spec.payload.hex()
    row[at("placement")] = None if spec.placement == NO_RULES else placement_row(spec.placement)
    row[at("schedule")] = None if spec.schedule is None else asdict(spec.schedule)
    row[at("parameters")] = None if spec.parameters is None else asdict(spec.parameters)
    row[at("after")] = [[each.job, each.condition] for each in spec.after]
    row[at("update")] = (
        None if spec.update is None else [getattr(spec.update, each.name) for each in fields(UpdatePolicy)]
    )
    row[at("devices")] = [[request.name, request.count, request.where] for request in spec.devices]
    return row


def _read_spec(row: list[Any]) -> JobSpec:
    values = dict(zip([field.name for field in fields(JobSpec)], row, strict=True))
    values["kind"] = Kind(values["kind"])
    values["band"] = Band(values["band"])
    values["on_partition"] = OnPartition(values["on_partition"])
    values["resources"] = tuple(values["resources"])
    values["ports"] = tuple(Port(name=name, number=number) for name, number in values["ports"])
    gang = values["gang"]
    values["gang"] = None if gang is None else Gang(size=gang[0], least=gang[1])
    values["payload"] = bytes.fromhex(values["payload"])
    placement = values["placement"]
    values["placement"] = NO_RULES if placement is None else read_placement(placement)
    values["devices"] = tuple(
        DeviceRequest(name=name, count=count, where=tuple((key, value) for key, value in where))
        for name, count, where in values["devices"]
    )
    values["after"] = tuple(Dependency(job=job, condition=Condition(met)) for job, met in values["after"])
    if values["update"] is not None:
        policy = dict(zip([each.name for each in fields(UpdatePolicy)], values["update"], strict=True))
        values["update"] = UpdatePolicy(**{**policy, "on_failure": OnFailure(policy["on_failure"])})
    values["schedule"] = read_schedule(values["schedule"])
    values["parameters"] = read_parameters(values["parameters"])
    return JobSpec(**values)


def _read_taint(row: list[Any]) -> Taint:
    key, value, effect = row
    return Taint(key=key, value=value, effect=Effect(effect))


def _read_why(row: dict[str, Any]) -> Unplaced:
    lacks = tuple(Lack(**lack) for lack in row["lacks"])
    return Unplaced(job=JobId(row["job"]), task_count=row["task_count"], lacks=lacks, note=row["note"])


def _tasks_head(arena: TaskArena) -> dict[str, Any]:
    names = [field.name for field in fields(PastAttempt)]
    past = [
        [row, [[getattr(ended, name) for name in names] for ended in arena.past[row]]] for row in sorted(arena.past)
    ]
    return {
        "ports": [[row, arena.ports[row]] for row in sorted(arena.ports)],
        "devices": [[row, arena.devices[row]] for row in sorted(arena.devices)],
        "allocs": sorted(arena.allocs.of.items()),
        "past": past,
        "waits": [[row, arena.waits[row]] for row in sorted(arena.waits)],
        "preempted": [[row, arena.preempted[row]] for row in sorted(arena.preempted)],
        "free_extents": arena.free_extents,
    }


def _read_tasks(arena: TaskArena, head: dict[str, Any]) -> None:
    names = [field.name for field in fields(PastAttempt)]
    arena.ports = {row: tuple(numbers) for row, numbers in head["ports"]}
    arena.devices = {row: tuple(tuple(indices) for indices in granted) for row, granted in head["devices"]}
    arena.allocs.restore((task_row, alloc_row) for task_row, alloc_row in head["allocs"])
    for row, attempts in head["past"]:
        arena.past[row] = tuple(PastAttempt(**dict(zip(names, values, strict=True))) for values in attempts)
    arena.waits = {row: tuple((job, index, attempt) for job, index, attempt in keys) for row, keys in head["waits"]}
    arena.preempted = {row: Preempted(*values) for row, values in head["preempted"]}
    arena.free_extents = [(offset, length) for offset, length in head["free_extents"]]


def _promise_devices(cell: Cell) -> None:
    """Say of what waits that devices were promised to it: that is not written, as it follows."""
    for task in cell.tasks.waits:
        requests = cell.jobs.spec_of(int(cell.tasks.job[task])).devices
        if requests:
            cell.machines.devices.promise(int(cell.tasks.machine[task]), requests)
            cell.tasks.owed[task] = None


def _session_head(number: SessionId, session: Session) -> dict[str, Any]:
    return {
        "id": number,
        "author": session.author,
        "role": session.role,
        "scheduler": session.scheduler,
        "last_seq": session.last_seq,
        "deadline": session.deadline,
        "opened_at_us": session.opened_at_us,
        "outcomes": [[seq, outcomes.encode(outcome).hex()] for seq, outcome in session.outcomes],
    }


def _read_session(row: dict[str, Any]) -> Session:
    kept = [(seq, outcomes.decode(bytes.fromhex(text))) for seq, text in row["outcomes"]]
    return Session(
        author=row["author"],
        role=Role(row["role"]),
        scheduler=row["scheduler"],
        last_seq=row["last_seq"],
        deadline=row["deadline"],
        opened_at_us=row["opened_at_us"],
        outcomes=deque(kept, maxlen=OUTCOMES_KEPT),
    )
