"""The packing experiments: the workload that is fixed, compaction against brute force, bounds by hand, herding."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.errors import InvariantError, UsageError
from omegacell.core.jobs import JobSpec, Kind
from omegacell.core.placement import NO_RULES, PlacementRules
from omegacell.core.units import Band
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import Context, Placement, Scheduler, TaskGroup
from omegacell.schedulers.lots import REVISIONS, Lot
from omegacell.schedulers.policies import BestFit, Hybrid, RandomFirstFit, WorstFit
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.shares import owner_of
from omegacell.schedulers.view import CellView
from omegacell.simulator.drawing import Draws
from omegacell.simulator.machines import DRIVER, SHAPES, Machine
from omegacell.simulator.packing.bound import dual, find_bound, make_programme
from omegacell.simulator.packing.compaction import Compaction, percentile
from omegacell.simulator.packing.herding import SHAPE, make_workload, measure_herding
from omegacell.simulator.packing.packing import Team, find_picky, make_cell, pack
from omegacell.simulator.packing.workload import (
    Problem,
    is_constrained,
    is_large,
    make_problem,
)

DIGEST = "3759f734095733704264b57fb3679b7b"


@pytest.fixture(scope="module")
def fixed() -> Problem:
    """Give the workload that is fixed in the tree."""
    return make_problem()


def test_the_workload_is_fixed(fixed: Problem) -> None:
    """Machines and jobs are the same for ever: figures of different days can be compared."""
    assert fixed.digest == DIGEST


def test_the_workload_is_what_the_page_says(fixed: Problem) -> None:
    """2,000 machines of four shapes, 85 % full, over a tenth of tasks large, a fifth with constraints."""
    assert len(fixed.machines) == 2_000
    shapes = [machine.capacity for machine in fixed.machines]
    assert [shapes.count(shape.capacity) for shape in SHAPES] == [1_087, 623, 162, 128]
    fullness = fixed.fullness()
    assert max(fullness) == pytest.approx(0.85, abs=0.001)
    assert min(fullness) > 0.2
    tasks = fixed.task_count
    assert sum(job.count for job in fixed.jobs if is_large(job)) >= 0.1 * tasks
    assert sum(job.count for job in fixed.jobs if is_constrained(job)) == pytest.approx(0.2 * tasks, rel=0.05)
    picky = find_picky(fixed.machines, fixed.jobs)
    assert 0 < sum(job.count for job in fixed.jobs if job.name in picky) <= 0.002 * tasks
    order = [(job.band, job.priority) for job in fixed.jobs]
    assert order == sorted(order, reverse=True)


def test_draws_are_those_of_the_generator() -> None:
    """Shares are the upper 53 bits of PCG64's, and a shuffle keeps what it shuffles."""
    assert Draws(7).share() == np.random.default_rng(np.random.PCG64(7)).random()
    assert sorted(Draws(7).shuffled(100)) == list(range(100))


# --- tiny problems ---


def machine(number: int, *capacity: int, **attributes: str) -> Machine:
    """Make a machine."""
    return Machine(name=f"m{number}", capacity=capacity, attributes=tuple(sorted(attributes.items())))


def job(name: str, count: int, *resources: int, rules: PlacementRules = NO_RULES) -> JobSpec:
    """Make a job."""
    return JobSpec(
        name=name,
        owner="tester",
        kind=Kind.BATCH,
        scheduler="packing",
        band=Band.BATCH,
        priority=0,
        count=count,
        resources=resources,
        driver=DRIVER,
        placement=rules,
    )


def problem(machines: list[Machine], *jobs: JobSpec) -> Problem:
    """Make a problem."""
    return Problem(machines=tuple(machines), jobs=jobs)


def bound_of(given_problem: Problem, *, picky: frozenset[str] = frozenset()) -> int | None:
    """Return the bound, machines in the order of the cell."""
    return find_bound(make_programme(given_problem, picky), range(len(given_problem.machines)))


TEN = [machine(number, 10, 10, 10) for number in range(10)]
ONLY = PlacementRules(constraints=(Constraint(attribute="gpu", operator=Operator.EXISTS),))
ONE_EACH = PlacementRules(max_per_machine=1)
MARKED = [machine(number, 10, 10, 10, **({"gpu": "yes"} if number >= 6 else {})) for number in range(10)]

BOUNDS = [
    ("what is asked for in sum", TEN, [job("a", 10, 2, 1, 0)], 2),
    ("the fullest resource decides", TEN, [job("a", 4, 5, 1, 0), job("b", 4, 1, 5, 0)], 3),
    ("two of more than half a machine share none", TEN, [job("a", 5, 6, 0, 0)], 5),
    ("nor does one with another kind of such", TEN, [job("a", 3, 6, 0, 0), job("b", 3, 7, 0, 0)], 6),
    ("two of more than a third fit", TEN, [job("a", 6, 4, 0, 0)], 3),
    ("one on each machine", TEN, [job("a", 7, 1, 0, 0, rules=ONE_EACH)], 7),
    ("two jobs with one on each machine", TEN, [job(n, 3, 1, 0, 0, rules=ONE_EACH) for n in ("a", "b")], 3),
    ("constraints leave the last four", MARKED, [job("a", 2, 10, 0, 0, rules=ONLY)], 8),
    ("too many for the cell", TEN, [job("a", 11, 10, 0, 0)], None),
]


@pytest.mark.parametrize(("fact", "machines", "jobs", "expected"), BOUNDS, ids=[row[0] for row in BOUNDS])
def test_bounds_by_hand(fact: str, machines: list[Machine], jobs: list[JobSpec], expected: int | None) -> None:
    """The bound of tiny cells is what one works out by hand."""
    assert bound_of(problem(machines, *jobs)) == expected, fact


def test_picky_tasks_may_stay_pending_in_the_bound() -> None:
    """Two of a thousand tasks that only one machine takes do not bring that machine into the bound."""
    machines = [machine(number, 1_000, 1, 1, **({"gpu": "yes"} if number == 99 else {})) for number in range(100)]
    given_problem = problem(machines, job("many", 998, 1, 0, 0), job("few", 2, 1, 0, 0, rules=ONLY))
    picky = find_picky(given_problem.machines, given_problem.jobs)
    assert picky == {"few"}
    assert bound_of(given_problem, picky=picky) == 1
    assert bound_of(given_problem) == 100


@given(st.lists(st.integers(1, 30), max_size=12), st.integers(30, 60), st.integers(1, 4))
def test_what_fits_on_a_machine_fits_under_every_dual_function(amounts: list[int], capacity: int, step: int) -> None:
    """Requests that fit together sum up to at most a machine under u^(k) too; so the bound is one."""
    fitting: list[int] = []
    for amount in amounts:
        if sum(fitting) + amount <= capacity:
            fitting.append(amount)
    column = np.array(fitting, np.int64)
    assert dual(step, column, np.full(len(fitting), capacity)).sum() <= 1 + 1e-9


small_jobs = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(0, 9), st.sampled_from([NO_RULES, ONLY, ONE_EACH])),
    min_size=1,
    max_size=3,
)


@given(small_jobs, st.integers(0, 1_000))
@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])  # a run is slow, and shrinking makes hundreds
def test_compaction_finds_a_turning_point_above_the_bound(
    shapes: list[tuple[int, int, int, PlacementRules]], seed: int
) -> None:
    """The workload fits on what is found and not on one machine less, wherever the search begins."""
    machines = [machine(number, 10, 10, 10, **({"gpu": "yes"} if number % 2 else {})) for number in range(4)]
    jobs = [job(f"job-{n}", count, cpu, memory, 0, rules=rules) for n, (count, cpu, memory, rules) in enumerate(shapes)]
    compaction = Compaction(problem=problem(machines, *jobs), picky=frozenset(), seed=seed)
    bound = find_bound(make_programme(compaction.problem, frozenset()), compaction.order)
    assert bound is not None
    fitting = [count for count in range(1, 4 * len(machines) + 1) if compaction.fits(Hybrid, count)]
    assert fitting[0] >= bound
    for near in (0, 6):
        found = compaction.find_machines(Hybrid, at_least=bound, near=near)
        assert found in fitting
        assert found - 1 not in fitting


def test_compaction_of_one_shape_is_exact() -> None:
    """Nine tasks of a third of a machine need three machines, whatever the order, and ten need four."""
    for count, expected in ((9, 3), (10, 4)):
        for seed in range(5):
            compaction = Compaction(problem=problem(TEN, job("a", count, 3, 3, 0)), picky=frozenset(), seed=seed)
            assert compaction.find_machines(BestFit) == expected


def test_a_cell_that_is_too_small_is_cloned_and_no_more_than_four_times() -> None:
    """Ten machines need a second set for 15 tasks as large as a machine; 41 are too many for all clones."""
    compaction = Compaction(problem=problem(TEN, job("a", 15, 10, 0, 0)), picky=frozenset(), seed=1)
    assert compaction.find_machines(WorstFit, near=3) == 15
    assert sorted(compaction.order) == list(range(40))
    assert compaction.machines([3, 13])[1] == replace(TEN[3], name="m3-1")
    with pytest.raises(UsageError, match="4 times"):
        replace(compaction, problem=problem(TEN, job("a", 41, 10, 0, 0))).find_machines(WorstFit)


def test_picky_tasks_may_stay_pending_and_others_not() -> None:
    """Of a thousand tasks two that are picky may find no room; three may not, and neither may one that is not picky."""
    for few, is_complete in ((2, True), (3, False)):
        given_problem = problem(TEN[:1], job("many", 1_000 - few, 0, 0, 0), job("few", few, 11, 0, 0))
        cell, ids = make_cell(given_problem.machines, given_problem.jobs)
        packed = pack(cell, ids, BatchScheduler, picky=frozenset({"few"}), seed=1)
        assert (packed.placed, packed.pending, packed.is_complete) == (1_000 - few, few, is_complete)
        strict = pack(cell, ids, BatchScheduler, picky=frozenset(), seed=1)
        assert strict.failed == "few"


def test_a_policy_that_claims_what_does_not_fit_is_named() -> None:
    """The real predicate judges every claim of a packing."""

    class Blind:
        def place(self, pending: object, cell: object, ctx: object) -> Placement:
            zeros = np.zeros(2, np.int32)
            return Placement(groups=zeros, indices=np.arange(2, dtype=np.int32), machines=zeros)

    cell, ids = make_cell(TEN, [job("a", 2, 6, 0, 0)])
    with pytest.raises(InvariantError, match="Blind claims for a what does not fit"):
        pack(cell, ids, Blind, picky=frozenset(), seed=1)


class Watched:
    """A policy, and the sizes of those jobs of which it puts two tasks on one machine."""

    def __init__(self, policy: Scheduler, shared: list[int]) -> None:
        """Note them in a list."""
        self._policy = policy
        self._shared = shared

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        """Do as the policy does."""
        placement = self._policy.place(pending, cell, ctx)
        if len(set(placement.machines.tolist())) < len(placement):
            self._shared.append(pending[0].spec.count)
        return placement


class Apart(ServiceScheduler):
    """One task of a job on each machine first, whatever that strands."""

    share = 1_000_000.0


def test_services_lie_apart_and_pack(fixed: Problem) -> None:
    """On 1,722 of 2,000 machines no two tasks of a small job share one; to lay large jobs apart needs more machines."""
    compaction = Compaction(problem=fixed, picky=find_picky(fixed.machines, fixed.jobs), seed=1)
    cell, ids = make_cell(compaction.machines(compaction.order[:1_722]), fixed.jobs)
    shared: dict[type[BatchScheduler], list[int]] = {BatchScheduler: [], ServiceScheduler: []}
    for kind, counts in shared.items():
        assert pack(cell, ids, partial(Watched, kind(), counts), picky=compaction.picky, seed=1).is_complete
    assert min(shared[BatchScheduler]) <= 5
    assert 5 < min(shared[ServiceScheduler]) < 1_000
    assert not pack(cell, ids, Apart, picky=compaction.picky, seed=1).is_complete


def test_a_team_shares_jobs_and_lots() -> None:
    """Each job is decided on by the instance that has it, in its lot; all are, and lots change hands."""
    seen: list[tuple[int, str, Lot]] = []

    class Noting(BatchScheduler):
        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            [group] = pending
            seen.append((id(self), group.spec.name, cell.lot))
            return super().place(pending, cell, ctx)

    jobs = [job(f"job-{number}", 1, 1, 1, 0) for number in range(REVISIONS + 40)]
    cell, ids = make_cell([machine(0, 1_000, 1_000, 10)], jobs)
    assert pack(cell, ids, partial(Team, Noting, 4), picky=frozenset(), seed=1).placed == len(jobs)
    assert [name for _, name, _ in seen] == [each.name for each in jobs]
    names = tuple(f"packing-{number}" for number in range(4))
    by_instance = {owner_of(name, names): who for who, name, _ in seen}
    assert len(set(by_instance.values())) == 4
    assert all(by_instance[owner_of(name, names)] == who for who, name, _ in seen)
    lots = [{(who, lot.number) for who, _, lot in part} for part in (seen[:REVISIONS], seen[REVISIONS:])]
    assert [len(part) for part in lots] == [4, 4]
    assert not lots[0] & lots[1]


def test_percentile_of_eleven_is_the_second_largest() -> None:
    """The result is a number that was found, the 90th percentile by nearest rank."""
    assert percentile([5, 1, 9, 3, 7, 2, 8, 4, 6, 11, 10]) == 10
    assert percentile([4]) == 4


# --- herding ---


def test_what_is_submitted_fills_the_cell() -> None:
    """The workload begins at four fifths of the busiest resource; what comes would hold nine tenths at a time."""
    prefill, workload = make_workload(seed=3, run_s=60.0)
    cpus = float((prefill.task_counts * prefill.cpus).sum()) / (SHAPE.machines * SHAPE.cpus)
    assert 0.6 < cpus < 0.95
    held = (workload.task_counts * workload.duration_s * workload.cpus).sum() / 60.0 / (SHAPE.machines * SHAPE.cpus)
    assert 0.8 < held < 1.0


def test_herding_is_repeatable_and_best_fit_herds() -> None:
    """One seed gives one run; schedulers that all want the fullest machine conflict more than others."""
    first = measure_herding(BestFit, seed=1, run_s=6.0)
    assert first == measure_herding(BestFit, seed=1, run_s=6.0)
    loose = measure_herding(RandomFirstFit, seed=1, run_s=6.0)
    assert first.tasks > 0
    assert first.fraction > loose.fraction
    assert 0 < first.refused < 1
