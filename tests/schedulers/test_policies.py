"""The scoring policies: each cost by hand, filling against the loop it stands for, and each policy as a plug-in."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.placement import Affinity, PlacementRules
from omegacell.schedulers import costs
from omegacell.schedulers.costs import PVM_BASE
from omegacell.schedulers.filling import DEPTH_FACTOR, Candidates, Cost, Floats, fill, shares_of
from omegacell.schedulers.interface import Context, TaskGroup
from omegacell.schedulers.policies import (
    BestFit,
    DotProduct,
    EnhancedPvm,
    Hybrid,
    NoisyHybrid,
    RandomFirstFit,
    SampledHybrid,
    WorstFit,
)
from omegacell.schedulers.testing import TestCell, check_conformance, make_group, make_spec
from omegacell.schedulers.view import Tentative

ALL: list[type[RandomFirstFit]] = [
    RandomFirstFit,
    WorstFit,
    BestFit,
    DotProduct,
    EnhancedPvm,
    Hybrid,
    NoisyHybrid,
    SampledHybrid,
]
COSTS: list[Cost] = [
    costs.cost_of_nothing,
    costs.cost_of_load,
    costs.cost_of_room_left,
    costs.cost_of_angle,
    costs.cost_of_opportunity,
    costs.cost_of_stranding,
]

# what is left of three resources, what is asked for of each, and the six costs in the order of COSTS
BY_HAND = [
    ((1.0, 1.0, 1.0), (0.5, 0.25, 0.0), (0.0, -2.25, 2.25, -0.75, PVM_BASE**0.5 + PVM_BASE**0.25 - 2, 0.75 + 0.225)),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0, -0.75, 3 * (PVM_BASE - PVM_BASE**0.5), 0.0)),
    ((0.5, 1.0, 0.0), (0.25, 0.0, 0.0), (0.0, -1.25, 1.25, -0.125, PVM_BASE**0.75 - PVM_BASE**0.5, 1.25 + 0.125)),
]


@pytest.mark.parametrize(("left", "ask", "costs"), BY_HAND)
def test_costs_are_those_worked_out_by_hand(
    left: tuple[float, ...], ask: tuple[float, ...], costs: tuple[float, ...]
) -> None:
    """Each policy's cost of one task on one machine is what its definition says."""
    said = [float(cost(np.array([left]), np.array([ask]))[0]) for cost in COSTS]
    assert said == pytest.approx(costs)


def test_shares_of_what_a_machine_does_not_have_are_none() -> None:
    """A resource that a machine has none of is neither left nor asked for there."""
    shares = shares_of(np.array([500, 0, 3]), np.array([[1_000, 10, 0], [2_000, 0, 4]]))
    assert shares.tolist() == [[0.5, 0.0, 0.0], [0.25, 0.0, 0.75]]


def fill_by_loop(cost: Cost, machines: Candidates, count: int) -> list[int]:
    """Put one task after the other where it costs least: what `fill` stands for."""
    left, room = machines.left.copy(), machines.room.copy()
    held = np.zeros(len(room))
    placed: list[int] = []
    while len(placed) < count and room.any():
        costs = cost(left, machines.ask) + machines.handicap + machines.step * held
        best = min(np.flatnonzero(room).tolist(), key=lambda place: (costs[place], machines.ties[place]))
        left[best] -= machines.ask[best]
        room[best] -= 1
        held[best] += 1
        placed.append(best)
    return placed


# sixteenths are exact in floats, so that the loop and the table come to the same costs, ties included
sixteenths = st.integers(0, 16).map(lambda number: number / 16)
machine_rows = st.lists(
    st.tuples(sixteenths, sixteenths, st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=9
)


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.__name__)
@given(machine_rows, st.integers(0, 24), st.integers(0, 1_000))
@settings(max_examples=80)
def test_filling_is_the_loop(cost: Cost, rows: list[tuple[float, float, int, int, int]], count: int, seed: int) -> None:
    """Machines, their order and their ties are those of a loop that places one task after the other."""
    if cost is costs.cost_of_opportunity:
        rows = [(left, right, cpu, memory, min(room, 1)) for left, right, cpu, memory, room in rows]
    columns = np.array(rows, np.float64)
    machines = Candidates(
        left=columns[:, :2],
        ask=columns[:, 2:4] / 16,
        room=columns[:, 4].astype(np.int64),
        ties=np.random.default_rng(seed).permutation(len(rows)).astype(np.float64),
        handicap=np.zeros(len(rows)) if seed % 2 else columns[::-1, 0] / 4,
        step=(seed % 5) / 16,
    )
    if cost is costs.cost_of_stranding:
        cost = strand_exactly
    assert fill(cost, machines, count).tolist() == fill_by_loop(cost, machines, count)


def strand_exactly(left: Floats, ask: Floats) -> Floats:
    """Return what the hybrid's cost is with a weight that is exact in floats."""
    after = left - ask
    total: Floats = after.sum(axis=-1) * 1.125 - 2 * after.min(axis=-1)
    return total


def test_filling_goes_on_where_a_table_ends() -> None:
    """More tasks than are tabled for a machine at first are placed as by the loop."""
    count = 519
    assert count > DEPTH_FACTOR**3 * 12
    rng = np.random.default_rng(5)
    machines = Candidates(
        left=rng.integers(512, 1_024, (12, 2)) / 1_024,
        ask=np.full((12, 2), 1 / 128),
        room=rng.integers(30, 64, 12),
        ties=np.arange(12.0),
        handicap=np.zeros(12),
    )
    assert int(machines.room.sum()) > count
    assert fill(costs.cost_of_load, machines, count).tolist() == fill_by_loop(costs.cost_of_load, machines, count)


@pytest.mark.parametrize("make", ALL)
def test_the_kit_passes_every_policy(make: Callable[[], RandomFirstFit]) -> None:
    """Each is a plug-in: deterministic, claims what is granted, keeps gangs whole."""
    assert check_conformance(make).placed > 0


def place(policy: RandomFirstFit, group: TaskGroup, *, seed: int = 1) -> list[int]:
    """Place a group on three machines: one is used evenly by half, one has memory left, one is empty."""
    test = TestCell(machines=0)
    for number, disk in enumerate(("ssd", "hdd", "hdd")):
        test.operator.add_machine(f"m{number}", capacity=(1_000, 1_000, 0), attributes=(("disk", disk),))
    tentative = Tentative(test.operator.cell)
    tentative.take(make_spec("first", cpu_milli=500, memory_bytes=500), np.array([0]))
    tentative.take(make_spec("second", cpu_milli=700, memory_bytes=100), np.array([1]))
    context = Context(rng=np.random.default_rng(seed), now_us=0, clock=lambda: 0, deadline_us=0)
    return [int(row) for row in policy.place([group], tentative.view(), context).machines]


CHOICES = [(WorstFit, 2, 2), (BestFit, 0, 0), (DotProduct, 2, 2), (EnhancedPvm, 2, 2), (Hybrid, 0, 1)]


@pytest.mark.parametrize(("make", "even", "uneven"), CHOICES)
def test_choices(make: type[RandomFirstFit], even: int, uneven: int) -> None:
    """What each policy chooses for a task that needs resources evenly, and for one that needs memory."""
    assert place(make(), make_group(cpu_milli=200, memory_bytes=200)) == [even]
    assert place(make(), make_group(cpu_milli=100, memory_bytes=500)) == [uneven]


@pytest.mark.parametrize("make", ALL)
def test_constraints_are_kept(make: type[RandomFirstFit]) -> None:
    """A job goes where its constraints allow, whatever the policy would rather, and gets no more than fits there."""
    only = PlacementRules(constraints=(Constraint(attribute="disk", operator=Operator.EQUAL, values=("ssd",)),))
    assert place(make(), make_group(count=9, cpu_milli=200, placement=only)) == [0, 0]


@pytest.mark.parametrize("make", ALL)
def test_wishes_and_rules_about_other_tasks_are_kept(make: type[RandomFirstFit]) -> None:
    """A wish comes before the policy's costs, and one task a machine stays one."""
    hdd = Constraint(attribute="disk", operator=Operator.EQUAL, values=("hdd",))
    wish = PlacementRules(affinities=(Affinity(constraint=hdd, weight=50),), max_per_machine=1)
    machines = place(make(), make_group(count=5, cpu_milli=100, placement=wish))
    assert sorted(machines[:2]) == [1, 2]
    assert machines[2:] == [0]


def test_noise_spreads_what_the_hybrid_agrees_on() -> None:
    """On a hundred machines that are all the same but one, the hybrid takes that one, with noise others do too."""
    test = TestCell(machines=0)
    for number in range(100):
        test.operator.add_machine(f"m{number}", capacity=(1_000, 1_000, 0))
    tentative = Tentative(test.operator.cell)
    tentative.take(make_spec("first", cpu_milli=500, memory_bytes=500), np.array([7]))
    group = make_group(cpu_milli=100, memory_bytes=100)

    def chosen(make: type[RandomFirstFit]) -> set[int]:
        found = set()
        for seed in range(20):
            context = Context(rng=np.random.default_rng(seed), now_us=0, clock=lambda: 0, deadline_us=0)
            found |= set(make().place([group], tentative.view(), context).machines.tolist())
        return found

    assert chosen(Hybrid) == {7}
    assert len(chosen(NoisyHybrid)) > 5
