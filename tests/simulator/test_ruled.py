"""Jobs with rules in virtual time: small worlds by hand, one golden run, and what holds for every run."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.core.constraints import Constraint, Operator
from omegacell.core.dependencies import Dependency
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.errors import UsageError
from omegacell.core.invariants import check
from omegacell.core.jobs import WHOLE_JOB, Gang, Kind, Port, TaskState
from omegacell.core.placement import Effect, Neighbour, PlacementRules, Spread, Taint
from omegacell.core.units import SECOND_US, Band
from omegacell.simulator.machines import Machine, make_mixed
from omegacell.simulator.ruled.arrivals import draw_arrivals, find_units
from omegacell.simulator.ruled.measures import JobRecord, RuledMetrics
from omegacell.simulator.ruled.settings import Deciders, RuledSetup, Template
from omegacell.simulator.ruled.simulation import RuledSimulation
from tests.simulator.hashseeds import outputs_of
from tests.simulator.ruled_worlds import SCHEDULERS, make_machine, make_setup, make_template, simulate, with_share

GOLDEN = Path(__file__).parents[1] / "testdata" / "simulator" / "ruled.txt"
PRINT_DIGEST = "from tests.simulator.test_ruled import run_busy; print(run_busy({seed}).digest)"


def records_of(simulation: RuledSimulation) -> dict[str, JobRecord]:
    """Return what became of each job, by its name."""
    return {record.spec.name: record for record in simulation.measures.records.values()}


def states_of(simulation: RuledSimulation, name: str) -> list[str]:
    """Return the states of a job's tasks, each once, in the order of the life cycle."""
    cell = simulation.lab.cell
    job = cell.jobs.by_name(name)
    row = None if job is None else cell.jobs.row_of(job)
    assert row is not None, f"job {name} is not in the cell"
    return [state.name for state in TaskState if cell.jobs.counts[row, state]]


# --- preemption


def test_victims_take_their_grace_and_run_again() -> None:
    """A service pushes out a batch job on a machine of 4 CPUs, each of whose decisions takes a second.

    Batch is placed at 1 and decided on at 11 by the service, whose claim begins when the grace of 5 s is over, at 16,
    and ends at 36; the victims ran for 15 s in vain, and run again from when that is noticed and decided, at 37.
    """
    low = make_template("low", run_s=100.0, count=4, grace_us=5 * SECOND_US)
    high = make_template("high", Kind.SERVICE, run_s=20.0, count=4, max_restarts=0)
    simulation = simulate([make_machine("m")], (0.0, low), (10.0, high))
    records = records_of(simulation)
    assert (records["low"].preempted, records["low"].wasted_us) == (4, 4 * 15 * SECOND_US)
    assert (records["high"].running_us, records["high"].preempted) == (16 * SECOND_US, 0)
    assert records["low"].begun == 8
    assert records["low"].run_us == 4 * (15 + 100) * SECOND_US
    assert states_of(simulation, "low") == ["SUCCEEDED"]
    cell = simulation.lab.cell
    row = cell.jobs.row_of(next(job for job, each in simulation.measures.records.items() if each.spec.name == "low"))
    assert row is not None
    first = int(cell.jobs.offset[row])
    assert cell.tasks.started_at_us[first : first + 4].tolist() == [37 * SECOND_US] * 4


def test_who_is_done_within_its_grace_wastes_nothing() -> None:
    """A victim that ends well before its grace is over has not given way to anybody."""
    low = make_template("low", run_s=12.0, count=4, grace_us=30 * SECOND_US)
    high = make_template("high", Kind.SERVICE, run_s=20.0, count=4, max_restarts=0)
    simulation = simulate([make_machine("m")], (0.0, low), (10.0, high))
    records = records_of(simulation)
    assert (records["low"].preempted, records["low"].wasted_us, records["low"].begun) == (0, 0, 4)
    assert records["high"].running_us == 13 * SECOND_US
    assert states_of(simulation, "low") == ["SUCCEEDED"]


def test_an_alloc_that_gives_way_takes_what_is_inside_with_it() -> None:
    """What runs inside a reservation ends with it, and its time counts as wasted, the reservation's as used once."""
    room = make_template("room", Kind.ALLOC, run_s=None, count=1, resources=(4_000, 1 << 30, 0))
    inside = make_template("inside", Kind.SERVICE, run_s=None, count=1, alloc="room", resources=(2_000, 1 << 29, 0))
    top = make_template("top", Kind.SERVICE, run_s=10.0, band=Band.MONITORING, resources=(4_000, 0, 0), max_restarts=0)
    simulation = simulate([make_machine("m")], (0.0, room), (0.0, inside), (20.0, top), run_s=100.0)
    records = records_of(simulation)
    assert records["room"].preempted == 1
    assert records["inside"].preempted == 1
    # 4 CPUs from 1 to 26 (asked at 21, grace 5 s), from 26 to 36, and again from 37 on
    assert simulation.measures.find_cpu_time() == 4_000 * SECOND_US * (25 + 10 + 100 - 37)


# --- what tasks wait for, and what ends them


def test_time_limits_and_deadlines_end_attempts() -> None:
    """At its time limit an attempt fails and is tried again; at its deadline a job is stopped, after its grace."""
    long = make_template("long", run_s=50.0, max_run_us=20 * SECOND_US, max_restarts=1, restart_delay_us=SECOND_US)
    late = make_template("late", run_s=400.0, deadline_us=60 * SECOND_US, grace_us=3 * SECOND_US)
    simulation = simulate([make_machine("m")], (0.0, long), (0.0, late))
    records = records_of(simulation)
    assert (records["long"].overtime, records["long"].begun, records["long"].is_late) == (2, 2, False)
    assert records["long"].run_us == 2 * 20 * SECOND_US
    assert states_of(simulation, "long") == ["FAILED"]
    assert (records["late"].is_late, records["late"].overtime) == (True, 0)
    assert 60 * SECOND_US <= records["late"].run_us <= 66 * SECOND_US
    assert states_of(simulation, "late") == ["STOPPED"]


def test_a_job_waits_for_those_it_comes_after() -> None:
    """It is released at the end of the other; its wait counts from there."""
    first = make_template("first", run_s=30.0)
    second = make_template("second", run_s=10.0, after=(Dependency(job="first"),))
    records = records_of(simulate([make_machine("m")], (0.0, second), (0.0, first)))
    assert (records["first"].running_us, records["second"].due_us) == (1 * SECOND_US, 31 * SECOND_US)
    assert (records["second"].first_us, records["second"].running_us) == (31 * SECOND_US, 32 * SECOND_US)


def test_what_is_held_in_the_end_waits_for_others() -> None:
    """A job that comes after one that has not ended counts among those that wait."""
    first = make_template("first", run_s=None)
    second = make_template("second", count=2, after=(Dependency(job="first"),))
    simulation = simulate([make_machine("m")], (0.0, second), (0.0, first), run_s=20.0)
    metrics = simulation.measures.by_template(["second", "first"])
    assert [(each.waiting, each.lacks) for each in metrics] == [(2, {"AFTER": 2}), (0, {})]


def test_a_system_job_has_a_task_where_machines_match() -> None:
    """It runs on the machines of its platform, and the others hold their tasks."""
    machines = [make_machine(f"m{number}", attributes=(("platform", "ab"[number % 2]),)) for number in range(6)]
    rules = PlacementRules(constraints=(Constraint(attribute="platform", operator=Operator.EQUAL, values=("a",)),))
    watch = make_template("watch", Kind.SYSTEM, run_s=None, placement=rules)
    simulation = simulate(machines, (0.0, watch), run_s=30.0)
    [metrics] = simulation.measures.by_template(["watch"])
    assert (metrics.tasks, metrics.begun, metrics.waiting) == (3, 3, 0)
    assert states_of(simulation, "watch") == ["RUNNING", "HELD"]


GPU = DeviceOffer(name="gpu", count=2, attributes=(("model", "a100"),))
DEDICATED = Taint(key="dedicated", value="gpu", effect=Effect.NO_PLACE)


@pytest.mark.parametrize(
    ("fields", "begun", "lacks"),
    [
        ({"count": 4}, 4, {}),
        ({"count": 40}, 8, {"RESOURCES cpu_milli": 32}),
        ({"count": 5, "gang": WHOLE_JOB, "resources": (2_000, 0, 0)}, 0, {"GANG_INCOMPLETE": 5}),
        ({"count": 6, "gang": Gang(size=3), "resources": (1_300, 0, 0)}, 6, {}),
        ({"count": 3, "placement": PlacementRules(max_per_machine=1)}, 2, {"TOO_MANY_ON_MACHINE": 1}),
        # the zone b takes 4 tasks, the zone a one above that
        ({"count": 7, "placement": PlacementRules(spreads=(Spread(attribute="zone", max_skew=1),))}, 7, {}),
        ({"count": 3, "ports": (Port(name="http"),)}, 2, {"PORTS_EXHAUSTED": 1}),
        ({"count": 3, "devices": (DeviceRequest(name="gpu", count=1),)}, 2, {"DEVICES_EXHAUSTED gpu": 1}),
        ({"devices": (DeviceRequest(name="gpu", count=1, where=(("model", "h100"),)),)}, 0, {"DEVICE_MISSING gpu": 1}),
        ({"placement": PlacementRules(pool="none")}, 0, {"CONSTRAINT": 1}),
    ],
)  # fmt: skip
def test_every_rule_binds(fields: Mapping[str, Any], begun: int, lacks: dict[str, int]) -> None:
    """On two machines of 4 CPUs in two zones, one of them with devices, each with one port; a third one is tainted."""
    machines = [
        make_machine("a", attributes=(("zone", "a"),), ports=(20_000, 20_000), devices=(GPU,)),
        make_machine("b", attributes=(("zone", "b"),), ports=(20_000, 20_000)),
        make_machine("c", attributes=(("zone", "b"),), taints=(DEDICATED,)),
    ]
    simulation = simulate(machines, (0.0, make_template("job", run_s=None, **fields)), run_s=20.0)
    check(simulation.lab.cell)
    [metrics] = simulation.measures.by_template(["job"])
    assert (metrics.begun, metrics.lacks) == (begun, lacks)
    assert metrics.waiting_share == pytest.approx((metrics.tasks - begun) / metrics.tasks)


def test_two_schedulers_conflict_and_the_reason_is_counted() -> None:
    """Two instances that decide at the same time want the one port that is left; one loses it, and says for what."""
    machines = [make_machine("m", ports=(20_000, 20_000))]
    jobs = [make_template(f"job-{number}", run_s=None, ports=(Port(name="http"),)) for number in range(8)]
    schedulers = SCHEDULERS | {"batch": replace(SCHEDULERS["batch"], count=4)}
    setup = make_setup(machines, *jobs, schedulers=schedulers, run_s=10.0)
    metrics = RuledSimulation(setup).run()
    refused = [each.reasons for each in metrics.refusals if each.reasons]
    assert refused
    assert all(each == {"PORTS_EXHAUSTED": 1} for each in refused)
    assert sum(each.conflicts for each in metrics.schedulers) == len(refused)
    assert sum(each.disagreements for each in metrics.refusals) == 0


# --- what arrives


def test_what_waits_for_each_other_arrives_together() -> None:
    """Copies of a chain name each other, each chain its own; a job that lasts for ever keeps its name."""
    extract = make_template("extract", run_s=10.0)
    load = make_template("load", run_s=10.0, after=(Dependency(job="extract"), Dependency(job="base")))
    near = PlacementRules(neighbours=(Neighbour(job="load", weight=5), Neighbour(job="base", is_apart=True)))
    beside = make_template("beside", run_s=10.0, placement=near)
    alone = with_share(make_template("alone", run_s=10.0), 3.0)
    base = make_template("base", Kind.SERVICE, run_s=None)
    templates = (load, extract, beside, alone, base)
    assert find_units(templates) == [(0, 1, 2), (3,)]
    arrivals = draw_arrivals(make_setup([make_machine("m", 64)], *templates, load=0.9, run_s=2_000.0))
    assert (arrivals[0].spec.name, arrivals[0].at_us, arrivals[0].run_us) == ("base", 0, None)
    assert [each.at_us for each in arrivals] == sorted(each.at_us for each in arrivals)
    counts = {name: sum(each.spec.name.startswith(f"{name}-") for each in arrivals) for name in ("load", "alone")}
    assert 2.4 < counts["alone"] / counts["load"] < 3.6
    loads = [each for each in arrivals if each.template == 0]
    for each in loads:
        number = each.spec.name.rpartition("-")[2]
        assert [awaited.job for awaited in each.spec.after] == ["base", f"extract-{number}"]
        assert each.run_us is not None
        assert 5 * SECOND_US <= each.run_us <= 15 * SECOND_US
    [first, *_] = [each for each in arrivals if each.template == 2]
    number = first.spec.name.rpartition("-")[2]
    assert [each.job for each in first.spec.placement.neighbours] == [f"load-{number}", "base"]


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_the_load_is_what_is_in_use(load: float) -> None:
    """Where everything finds room at once, so much of the busiest resource is in use, what stands counted in."""
    short = make_template("short", run_s=60.0, count=3)
    stands = make_template("stands", Kind.SERVICE, run_s=None, count=20)
    setup = make_setup([make_machine(f"m{number}", 10) for number in range(20)], short, stands)
    setup = replace(
        setup, load=load, run_s=1_500.0, schedulers={name: _quick(each) for name, each in SCHEDULERS.items()}
    )
    assert RuledSimulation(setup).run().mean_utilisation == pytest.approx(load, abs=0.04)


def _quick(deciders: Deciders) -> Deciders:
    return replace(deciders, decision=replace(deciders.decision, job_s=0.001))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"machines": ()}, "a simulation needs a machine and a job at least"),
        ({"load": 0.0}, "a run must last longer than 0 s, at a load above 0"),
        ({"schedulers": {}}, "job a: there is no scheduler 'batch' in this simulation"),
        ({"templates": (make_template("a", run_s=0.0),)}, "no load follows from them"),
        ({"templates": (make_template("a" * 60),)}, "expected a name of at most 55 characters"),
        ({"templates": (with_share(make_template("a"), 0.0),)}, "job a: its share is 0.0; expected more than 0"),
        ({"templates": (make_template("a", run_s=1e-3),), "run_s": 1e7}, "and the limit is 1000000"),
        (
            {"templates": (make_template("a"), make_template("b", run_s=None, count=4))},
            "what runs for ever asks for more than the load of 0.8 leaves",
        ),
        (
            {"templates": (make_template("a", after=(Dependency(job="none"),)),)},
            "job a: after: 'none' is none of the simulated jobs",
        ),
        (
            {"templates": (make_template("a"), make_template("b", run_s=None, after=(Dependency(job="a"),)))},
            "job b: after: 'a' arrives again and again, and this job once",
        ),
        ({"templates": (make_template("a", alloc="s"),)}, "job a: alloc: there is no alloc set 's'"),
        (
            {"templates": (make_template("a", alloc="s"), make_template("s", Kind.ALLOC, resources=(1, 1, 0)))},
            "job a: alloc: an alloc of 's' is smaller than one of its tasks",
        ),
    ],
)
def test_what_makes_no_simulation_is_refused(changes: Mapping[str, Any], said: str) -> None:
    """A setup that cannot run says what is wrong, before anything runs."""
    setup = replace(make_setup([make_machine("m")], make_template("a")), **changes)
    with pytest.raises(UsageError, match=said):
        RuledSimulation(setup)


# --- what holds for every run


def busy_setup(seed: int) -> RuledSetup:
    """Return a full cell whose jobs use every rule at once."""
    spread = PlacementRules(spreads=(Spread(attribute="zone", max_skew=1),), max_per_machine=2)
    new = PlacementRules(
        constraints=(Constraint(attribute="kernel", operator=Operator.VERSION_GREATER_OR_EQUAL, values=("6.1",)),)
    )
    gpus = (DeviceRequest(name="gpu", count=2, where=(("model", "a100"),)),)
    wide = (4_000, 8 << 30, 0)
    templates = (
        make_template("web", Kind.SERVICE, run_s=300.0, count=9, placement=spread, resources=wide),
        make_template("train", run_s=200.0, count=2, gang=WHOLE_JOB, devices=gpus, max_run_us=250 * SECOND_US),
        make_template("pack", run_s=150.0, count=40, placement=new, band=Band.BEST_EFFORT, resources=wide),
        make_template("sort", run_s=90.0, count=20, priority=5, ports=(Port(name="http"),), resources=wide),
        make_template("sum", run_s=60.0, after=(Dependency(job="sort"),)),
        make_template("watch", Kind.SYSTEM, run_s=None),
        make_template("room", Kind.ALLOC, run_s=None, count=3, resources=wide, band=Band.BATCH),
        make_template("inside", Kind.BATCH, run_s=50.0, count=4, alloc="room", resources=(1_000, 1 << 30, 0)),
    )
    schedulers = {name: replace(each, count=2) for name, each in SCHEDULERS.items()}
    machines = tuple(make_mixed(24, seed=0))
    return RuledSetup(machines=machines, templates=templates, schedulers=schedulers, load=1.1, seed=seed, run_s=600.0)


def run_busy(seed: int) -> RuledMetrics:
    """Run the busy cell; what became of it contradicts nothing."""
    simulation = RuledSimulation(busy_setup(seed))
    metrics = simulation.run()
    check(simulation.lab.cell)
    return metrics


def test_one_seed_gives_one_run() -> None:
    """The cell comes out the same to the last byte, and another seed gives another."""
    first, again = run_busy(7), run_busy(7)
    assert first == again
    assert run_busy(8).digest != first.digest


def test_hash_seed_changes_nothing() -> None:
    """No order of a set or a dict of strings decides anything."""
    assert outputs_of(PRINT_DIGEST.format(seed=7)) == {run_busy(7).digest + "\n"}


def test_the_golden_run(*, is_regenerating: bool) -> None:
    """A small run that uses every rule comes out as it is written down; --regenerate writes it anew."""
    said = "\n".join(describe(run_busy(0))) + "\n"
    if is_regenerating:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(said)
    assert said == GOLDEN.read_text()


def describe(metrics: RuledMetrics) -> list[str]:
    """Return a run as lines, without its digest, which follows from more than is measured."""
    lines = []
    for name, value in asdict(metrics).items():
        parts = value if isinstance(value, tuple) else [value]
        for part in parts if name != "digest" else []:
            text = ", ".join(f"{key}={each}" for key, each in part.items()) if isinstance(part, dict) else str(part)
            lines.append(f"{name}: {text}")
    return lines


class Watched(RuledSimulation):
    """A simulation that stops when what runs on a machine exceeds what it has."""

    def _settle(self) -> None:
        super()._settle()
        arena, jobs, machines = self.lab.cell.tasks, self.lab.cell.jobs, self.lab.cell.machines
        running = np.flatnonzero((arena.state == TaskState.RUNNING) & (arena.job >= 0))
        used = np.zeros_like(machines.capacity)
        np.add.at(used, arena.machine[running], jobs.shape[arena.job[running]])
        assert (used <= machines.capacity).all(), "a machine runs more than it has"


TEMPLATES = st.builds(
    make_template,
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.sampled_from([Kind.BATCH, Kind.SERVICE]),
    run_s=st.sampled_from([5.0, 30.0, 90.0]),
    band=st.sampled_from(Band),
    priority=st.integers(0, 2),
    count=st.integers(1, 6),
    resources=st.sampled_from([(500, 1 << 28, 0), (1_000, 1 << 30, 0), (3_000, 1 << 30, 1 << 20)]),
    gang=st.sampled_from([None, None, WHOLE_JOB, Gang(size=2)]),
    max_run_us=st.sampled_from([0, 0, 20 * SECOND_US]),
    deadline_us=st.sampled_from([0, 0, 50 * SECOND_US]),
    grace_us=st.sampled_from([0, 4 * SECOND_US, 40 * SECOND_US]),
    placement=st.sampled_from(
        [
            PlacementRules(),
            PlacementRules(max_per_machine=1),
            PlacementRules(spreads=(Spread(attribute="zone", max_skew=1),)),
            PlacementRules(neighbours=(Neighbour(job="a", is_apart=True),)),
        ]
    ),
    ports=st.sampled_from([(), (), (Port(name="http"),)]),
)
MACHINES = [
    make_machine(f"m{number}", attributes=(("zone", "abc"[number % 3]),), ports=(20_000, 20_001)) for number in range(4)
]


@settings(max_examples=12)
@given(
    templates=st.lists(TEMPLATES, min_size=1, max_size=5, unique_by=lambda each: each.spec.name), seed=st.integers(0, 9)
)
def test_no_machine_runs_more_than_it_has(templates: list[Template], seed: int) -> None:
    """Whatever preempts whom: what runs fits, attempts that began ran or run, and the cell contradicts nothing."""
    schedulers = {name: replace(each, count=2) for name, each in SCHEDULERS.items()}
    setup = make_setup(MACHINES, *templates, schedulers=schedulers, load=1.2, run_s=150.0, seed=seed)
    simulation = Watched(setup)
    metrics = simulation.run()
    cell = simulation.lab.cell
    check(cell)
    assert sum(each.preempted for each in metrics.templates) <= sum(each.begun for each in metrics.templates)
    assert metrics.mean_utilisation <= 1.0
    assert sum(each.granted for each in metrics.schedulers) >= sum(each.begun for each in metrics.templates)
    assert sum(each.jobs for each in metrics.bands) == sum(each.jobs for each in metrics.templates)


def test_machines_of_a_mixed_cell_take_what_they_are_for() -> None:
    """Zones, racks, ports and devices are there, and the seed says which machine has them."""
    machines: list[Machine] = make_mixed(100, seed=3)
    assert {dict(machine.attributes)["zone"] for machine in machines} == {"a", "b", "c"}
    assert len({dict(machine.attributes)["rack"] for machine in machines}) == 10
    assert 0 < sum(bool(machine.devices) for machine in machines) < 20
    assert machines == make_mixed(100, seed=3)
    assert machines != make_mixed(100, seed=4)
