"""Handing out tasks over machines: the quick ways agree with the slow and obvious one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.schedulers.sampling import sample_rows
from omegacell.schedulers.scoring import level_out, waves


def level_out_slowly(room: list[int], count: int, held: list[int]) -> list[int]:
    """Give each task in turn to the machine that holds fewest and has room, the first in order among equals."""
    room, held, given_to = list(room), list(held), []
    for _ in range(count):
        open_places = [place for place in range(len(room)) if room[place] > 0]
        if not open_places:
            break
        best = min(open_places, key=lambda place: (held[place], place))
        room[best] -= 1
        held[best] += 1
        given_to.append(best)
    return given_to


machines = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=8)


@given(machines, st.integers(0, 30))
def test_level_out_is_the_greedy_way(pairs: list[tuple[int, int]], count: int) -> None:
    """Filling like water gives the very machines, in the very order, that one task after another would get."""
    room, held = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    order = np.arange(len(pairs), dtype=np.int64)
    quick = level_out(order, np.array(room, np.int64), count, held=np.array(held, np.int64))
    assert quick.tolist() == level_out_slowly(room, count, held)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.integers(1, 30))
def test_waves_are_level(room: list[int], count: int) -> None:
    """One on each machine before a second on any, whichever way it is computed."""
    order = np.arange(len(room), dtype=np.int64)
    assert waves(order, np.array(room, np.int64), count).tolist() == level_out_slowly(room, count, [0] * len(room))


@given(st.integers(1, 500), st.integers(0, 2**32))
def test_a_sample_has_no_machine_twice(machine_count: int, seed: int) -> None:
    """Whatever start and stride are drawn, a walk over all rows meets each once."""
    rows = sample_rows(machine_count, machine_count, np.random.default_rng(seed))
    assert sorted(rows.tolist()) == list(range(machine_count))


def test_samples_differ() -> None:
    """Two schedulers with different seeds look at different machines."""
    one, two = (sample_rows(10_000, 50, np.random.default_rng(seed)) for seed in (1, 2))
    assert len(set(one.tolist()) & set(two.tolist())) < 10


@pytest.mark.parametrize("count", [1, 3])
def test_no_room_gives_no_machines(count: int) -> None:
    """Full machines are not handed out."""
    assert waves(np.arange(2), np.zeros(2, np.int64), count).tolist() == []
