"""What the log says of schedulers, by a server and by a copy of the database with everything stopped."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from omegacell.api import history_words
from omegacell.api.figures import KINDS, ConflictQuery, HistoryQuery
from omegacell.api.server.app import begin_cell
from omegacell.api.statistics import read_store
from omegacell.core.commands import Command, OpenSession, Place, SubmitJob, Unplaced
from omegacell.core.errors import StoreNotFoundError
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.machine_commands import Inventory, RegisterMachine
from omegacell.core.outcomes import Outcome
from omegacell.core.units import Band, JobId, Role
from omegacell.store.engines import open_store
from omegacell.store.log import Append, Store
from omegacell.store.proposer import Proposal, Session
from omegacell.store.replica import Replica
from tests.api.serving import Served, store_url

NO_CLAIMS = np.empty(0, np.int32)


class Author:
    """Someone who decides on a copy of their own, which stays as old as they let it."""

    def __init__(self, store: Store, name: str, role: Role, scheduler: str = "") -> None:
        self.replica = Replica(store)
        self.session = Session(self.replica, OpenSession(author=name, role=role, scheduler=scheduler))
        self.session.submit()

    def do(self, *commands: Command) -> Outcome:
        """Fold, and then decide."""
        [outcome] = self.session.submit([Proposal(commands=commands, decided_from_us=1_000, decided_to_us=3_000)])
        return outcome


def place(job: int, indices: Sequence[int], machines: Sequence[int]) -> Place:
    """Return claims."""
    return Place(job=JobId(job), indices=np.array(indices, np.int32), machines=np.array(machines, np.int32))


def make_conflict(store: Store) -> None:
    """Let two schedulers claim the last room of a machine, each on a copy in which it is free."""
    api = Author(store, "api-0", Role.API)
    api.do(RegisterMachine(name="alpha", boot_id="b", capacity=(1_000, 1 << 30, 0), drivers=("exec",)))
    api.do(Inventory(machine=0, epoch=1, jobs=np.empty(0, np.int64), indices=NO_CLAIMS, attempts=NO_CLAIMS))
    for name in ("first", "second"):
        spec = JobSpec(
            name=name,
            owner="me",
            kind=Kind.BATCH,
            scheduler="batch",
            band=Band.BATCH,
            priority=0,
            count=2,
            resources=(700, 1 << 20, 0),
            driver="exec",
        )
        api.do(SubmitJob(spec=spec, submitted_at_us=400))
    winner, loser = (Author(store, f"batch-{number}", Role.SCHEDULER, "batch") for number in range(2))
    loser.replica.catch_up()
    prepared = loser.session.prepare(
        [Proposal(commands=(place(2, [0], [0]),), decided_from_us=1_000, decided_to_us=3_000)]
    )
    winner.replica.catch_up()
    winner.do(place(1, [0], [0]))
    store.append(prepared.appends)
    loser.session.outcomes_of(prepared, loser.replica.catch_up())
    loser.do(Unplaced(job=JobId(2), task_count=2, note="no room"))


def test_a_conflict_is_told_from_a_copy(tmp_path: Path) -> None:
    """A copy of the database says who was refused, why, by how much, and who had taken the room at which revision."""
    with open_store(store_url(tmp_path)) as store:
        begin_cell(store, "lab")
        make_conflict(store)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(tmp_path / "cell.db", copy / "cell.db")
    reading = read_store(store_url(copy))
    assert reading.cell_name == "lab"
    [row] = reading.recorder.conflicts(ConflictQuery())
    places = reading.recorder.history(HistoryQuery(kind="place"))
    won = next(each for each in places if each.status == "committed")
    assert (row.author, row.job, row.index, row.machine) == ("batch-1", "second", 0, "alpha")
    assert (row.reason, row.dimension, row.shortage, row.is_conflict) == ("resources", "cpu_milli", 400, True)
    assert (row.taken_by, row.taken_at) == ("batch-0", won.revision)
    assert row.seen < won.revision < row.revision


def test_counters_of_schedulers(tmp_path: Path) -> None:
    """Commits, conflicts, their fraction, rooms not found, busy time and wait follow from the log, per instance."""
    with open_store(store_url(tmp_path)) as store:
        begin_cell(store, "lab")
        make_conflict(store)
    winner, loser = read_store(store_url(tmp_path)).schedulers
    assert (winner.author, winner.scheduler, winner.is_live) == ("batch-0", "batch", True)
    assert (winner.committed, winner.conflicted, winner.conflict_fraction, winner.placements) == (1, 0, 0.0, 1)
    assert (winner.busy_us, winner.wait_count, winner.mean_wait_s) == (2_000, 1, 600 / 1e6)
    assert (loser.author, loser.committed, loser.conflicted, loser.no_fit) == ("batch-1", 0, 1, 1)
    assert loser.refusals == {"resources": 1}
    assert (loser.claims_conflicted, loser.claims_disagreed) == (1, 0)


def test_the_server_says_the_same(served: Served) -> None:
    """What a running server answers is what a copy of its database says."""
    make_conflict(served.store)
    with served.client() as client:
        schedulers, conflicts = client.schedulers(), client.conflicts()
        history = client.history(HistoryQuery(kind="place"))
        [refused] = [row for row in history.rows if row.status == "refused"]
        assert (refused.refused, refused.conflicts, refused.jobs) == (1, 1, ("second",))
    path = served.store.stat().path
    assert path is not None
    reading = read_store(f"sqlite://{path}")
    assert [row.author for row in schedulers.schedulers] == [row.author for row in reading.schedulers]
    assert conflicts.rows == reading.recorder.conflicts(ConflictQuery())


def test_bytes_that_nobody_writes_are_a_row(tmp_path: Path) -> None:
    """An entry that cannot be decoded is in the history as malformed, and what follows is told as ever."""
    with open_store(store_url(tmp_path)) as store:
        begin_cell(store, "lab")
        store.append([Append(entry=b"\xff\x00 noise", session=1, first_seq=9)])
        Author(store, "api-0", Role.API)
    rows = read_store(store_url(tmp_path)).recorder.history(HistoryQuery())
    assert [(row.kind, row.status) for row in rows] == [
        ("open", "committed"),
        ("malformed", "malformed"),
        ("genesis", "committed"),
    ]


def test_reading_needs_a_store(tmp_path: Path) -> None:
    """A path without a database is an error, and none is made."""
    with pytest.raises(StoreNotFoundError):
        read_store(store_url(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_command_can_be_asked_for() -> None:
    """The kinds that a filter takes are those of the commands that there are, and of what cannot be decoded."""
    kinds = [history_words.KINDS[command.__name__] for command in get_args(Command)]
    assert sorted(KINDS) == sorted([*kinds, "malformed"])
    assert len(set(kinds)) == len(kinds) == len(history_words.KINDS)
