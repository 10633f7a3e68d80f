"""The plug-in contract: placements, traits, and what a context tells."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.interface import NOTHING, Context, Placement, Scheduler, Traits
from omegacell.schedulers.testing import make_group


def test_a_placement_of_a_group_takes_its_first_tasks() -> None:
    """Rows go to the pending tasks in order, and the claims name the group."""
    group = make_group(count=5)
    placement = Placement.of(group, np.array([9, 2], np.int64))
    assert placement.groups.tolist() == [0, 0]
    assert placement.indices.tolist() == [0, 1]
    assert placement.machines.tolist() == [9, 2]
    assert {each.dtype for each in (placement.groups, placement.indices, placement.machines)} == {np.dtype(np.int32)}


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ([1, 2, 3], "3 machines for 2 pending tasks of job 'group'"),
        ([1.5], "not float64"),
        ([[1], [2]], r"of shape \(2, 1\)"),
        ([True], "not bool"),
    ],
)
def test_rows_that_make_no_sense_are_refused_at_once(machines: ArrayLike, words: str) -> None:
    """The plug-in's author sees the mistake where it was made."""
    with pytest.raises(ValueError, match=words):
        Placement.of(make_group(count=2), machines)


def test_placements_join() -> None:
    """Claims of several groups stand one after another, and nothing joins to nothing."""
    one, two = make_group(count=2), make_group(count=1)
    joined = Placement.join([Placement.of(one, [4]), NOTHING, Placement.of(two, [5])])
    assert joined.machines.tolist() == [4, 5]
    assert len(Placement.join([])) == 0


def test_traits_have_defaults_and_are_read_from_the_class() -> None:
    """What a class does not set is one group, FINE and INCREMENTAL."""

    class Plain:
        pass

    class Careful:
        max_groups = 8
        detection = Detection.COARSE
        atomicity = Atomicity.ALL_OR_NOTHING

    assert Traits.of(Plain) == Traits(max_groups=1, detection=Detection.FINE, atomicity=Atomicity.INCREMENTAL)
    assert Traits.of(Careful()) == Traits(max_groups=8, detection=Detection.COARSE, atomicity=Atomicity.ALL_OR_NOTHING)


@pytest.mark.parametrize(
    ("name", "value"), [("max_groups", 0), ("max_groups", "many"), ("detection", "fine"), ("atomicity", 1)]
)
def test_a_wrong_trait_is_named(name: str, value: object) -> None:
    """The error names the attribute and its value."""
    cls = type("Wrong", (), {name: value})
    with pytest.raises(ValueError, match=f"{name} is {value!r}"):
        Traits.of(cls)


def test_a_context_counts_down_and_keeps_notes() -> None:
    """Time left follows the loop's clock and never goes below zero; notes are cut to what a log takes."""
    now = [10]
    context = Context(rng=np.random.default_rng(0), now_us=0, clock=lambda: now[0], deadline_us=25)
    assert context.time_left_us() == 15
    now[0] = 40
    assert context.time_left_us() == 0
    context.explain(make_group(), "x" * 5_000)
    assert len(context.notes[0]) == 1_024


def test_any_class_with_place_is_a_scheduler() -> None:
    """The contract is a protocol: nothing needs to be inherited."""

    class Mine:
        def place(self, pending: object, cell: object, ctx: object) -> Placement:
            return NOTHING

    assert isinstance(Mine(), Scheduler)
    assert not isinstance(object(), Scheduler)
