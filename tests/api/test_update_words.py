"""What is said of an update under way: what it waits for, how far it is, and what to do about one that is stuck."""

from dataclasses import replace

from omegacell.api.server.hold_words import view_held
from omegacell.api.server.update_words import view_progress
from omegacell.core.outcomes import Change
from omegacell.core.units import SECOND_US, JobId
from omegacell.core.updates import OnFailure, RevertUpdate
from tests.schedulers.test_updates import POLICY, Service, spec_of


def broken_update(world: Service, *, on_failure: OnFailure = OnFailure.PAUSE) -> None:
    """Begin an update to a version of which every task fails."""
    policy = replace(POLICY, on_failure=on_failure)
    world.broken.add(world.submit(spec_of(grace_us=2, policy=policy, max_restarts=0), change=Change.UPDATED))
    for _ in range(5):
        world.turn()


def held_words(world: Service) -> tuple[str, bool]:
    """Return what the held tasks of the service are said to wait for."""
    held = view_held(world.cell, world.current())
    assert held is not None
    return held.summary, held.is_stuck


def test_a_task_held_in_an_update_waits_for_its_turn() -> None:
    """It is said which new task is not there, and how that failed; `after` has nothing to do with it."""
    world = Service(spec_of())
    broken_update(world)
    words, is_stuck = held_words(world)
    assert (words, is_stuck) == (
        "waits for its turn in the update: task 0 of job #2 failed: ended by SIGTERM",
        False,
    )


def test_a_stuck_update_says_since_when_why_and_what_to_do() -> None:
    """The held tasks and the update itself agree; the revert is named while there is something to go back to."""
    world = Service(spec_of())
    broken_update(world)
    while view_progress(world.cell, world.current()).stuck_us < 0:
        world.turn()
    progress = view_progress(world.cell, world.current())
    assert (progress.summary, progress.advice) == (
        "task 0 of job #2 failed: ended by SIGTERM",
        "`omega job revert web` goes back",
    )
    stuck_s = progress.stuck_us // SECOND_US
    expected = f"waits in an update that has been stuck for {stuck_s} s: {progress.summary}; {progress.advice}"
    assert held_words(world) == (expected, True)


def test_a_revert_counts_what_was_left_alone() -> None:
    """Of four tasks one was touched: three are back at once, and the count never falls."""
    world = Service(spec_of())
    broken_update(world)
    world.test.operator.must(RevertUpdate(job=JobId(int(world.cell.jobs.id[world.current()]))))
    counts = []
    for _ in range(10):
        counts.append(view_progress(world.cell, world.current()).updated)
        world.turn()
    assert counts[0] == 3
    assert counts == sorted(counts)
