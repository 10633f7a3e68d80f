"""Allocs on a machine: the folder that tasks share, the order in which they end, and groups inside groups."""

import os
from pathlib import Path

from omegacell.agent.attempts import AttemptKey, make_key
from omegacell.agent.cgroups import Cgroups, Hierarchy, Limits
from omegacell.agent.drivers.alloc_folders import AllocFolders
from omegacell.agent.events import (
    End,
    Ended,
    Event,
    Inventory,
    LinkOpened,
    Remembered,
    StartAttempt,
    Started,
    StopAttempt,
)
from omegacell.agent.messages import Lease, Registered, ReportKind, TaskShape, Wanted
from omegacell.agent.reconcile import Reconciler
from omegacell.core.units import Revision

BOX, INSIDE = make_key(1, 0, 1), make_key(2, 5, 3)
BOX_SHAPE = TaskShape(job_name="box", driver="exec", payload=b"", resources=(1, 1, 1), is_alloc=True)
INSIDE_SHAPE = TaskShape(job_name="web", driver="exec", payload=b"", resources=(1, 1, 1), is_inside=True)


def wanted(revision: int, *, starts: bool = False, stops: tuple[AttemptKey, ...] = ()) -> Wanted:
    """Want an alloc and a task inside it, or have attempts stopped."""
    keys = (BOX, INSIDE) if starts else ()
    return Wanted(
        incarnation="a",
        revision=Revision(revision),
        complete=(0,) if starts else (),
        shapes=(BOX_SHAPE, INSIDE_SHAPE) if starts else (),
        start_rows=(0,) * len(keys),
        start_shapes=(0, 1) if starts else (),
        start_job_ids=tuple(key.job_id for key in keys),
        start_indexes=tuple(key.index for key in keys),
        start_attempts=tuple(key.attempt for key in keys),
        start_allocs=((1, BOX),) if starts else (),
        stop_rows=(0,) * len(stops),
        stop_job_ids=tuple(key.job_id for key in stops),
        stop_indexes=tuple(key.index for key in stops),
        stop_attempts=tuple(key.attempt for key in stops),
    )


def play(reconciler: Reconciler, *events: Event) -> list[object]:
    """Give the starts and stops that follow from events."""
    actions = [action for event in events for action in reconciler.step(event)]
    return [action for action in actions if isinstance(action, StartAttempt | StopAttempt)]


def running() -> Reconciler:
    """Give a reconciler with an alloc that runs, and a task inside."""
    reconciler = Reconciler("m0", Remembered())
    registered = Registered(
        incarnation="a", names=("m0",), rows=(0,), epochs=(1,), lease_us=10_000_000, heartbeat_us=1_000_000
    )
    begun = play(
        reconciler, Inventory(held=()), LinkOpened(), registered, Lease(sent_boot_us=1), wanted(2, starts=True)
    )
    assert [action.task.alloc for action in begun if isinstance(action, StartAttempt)] == [None, BOX]
    play(reconciler, Started(key=BOX, at_us=1), Started(key=INSIDE, at_us=2))
    return reconciler


def test_an_alloc_ends_after_what_is_inside() -> None:
    """Told to end together, the task inside is stopped first, and the alloc once that has ended."""
    reconciler = running()
    [first] = play(reconciler, wanted(3, stops=(BOX, INSIDE)))
    assert isinstance(first, StopAttempt)
    assert first.key == INSIDE
    ended = Ended(key=INSIDE, end=End(kind=ReportKind.SIGNALED, code=15, at_us=9))
    [second] = play(reconciler, ended)
    assert isinstance(second, StopAttempt)
    assert second.key == BOX


def test_a_task_that_ends_leaves_its_alloc_alone() -> None:
    """Only the task is over: nothing is done to the alloc."""
    reconciler = running()
    assert play(reconciler, Ended(key=INSIDE, end=End(kind=ReportKind.EXITED, code=0, at_us=9))) == []


def test_a_folder_is_there_from_start_to_end(tmp_path: Path) -> None:
    """It begins empty, also after a start that was cut off, is open to all tasks of the machine, and goes whole."""
    folders = AllocFolders(str(tmp_path / "allocs"))
    folders.make(BOX)
    (Path(folders.find(BOX)) / "data").write_text("x")
    folders.make(BOX)
    assert os.listdir(folders.find(BOX)) == []
    assert folders.list() == {"1.0.1"}
    mode = os.stat(folders.find(BOX)).st_mode & 0o7777
    assert mode == (0o1777 if os.geteuid() == 0 else 0o700)
    (Path(folders.find(BOX)) / "sub").mkdir()
    folders.remove("1.0.1")
    folders.remove("7.7.7")
    assert folders.list() == set()


def test_groups_of_tasks_are_below_those_of_their_alloc(tmp_path: Path) -> None:
    """A task's group is inside its alloc's, beside that of the alloc's own process; each is listed and removed."""
    cgroups = Cgroups((Hierarchy(folder=str(tmp_path), version=1, controllers=frozenset()),))
    limits = Limits(cpu_milli=100, memory_bytes=1 << 20, pids=10)
    assert cgroups.create_alloc("1.0.1", limits) == (f"{tmp_path}/1.0.1/holder",)
    assert cgroups.create("2.5.3", limits, alloc="1.0.1") == (f"{tmp_path}/1.0.1/2.5.3",)
    assert cgroups.create("3.0.1", limits) == (f"{tmp_path}/3.0.1",)
    assert cgroups.list() == {"1.0.1", "2.5.3", "3.0.1"}
    cgroups.remove("2.5.3")
    assert cgroups.list() == {"1.0.1", "3.0.1"}
    cgroups.remove("1.0.1")
    assert cgroups.list() == {"3.0.1"}
