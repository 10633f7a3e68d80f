"""The compiled path against the production path: the same decisions, draws and outcomes, in everything a run yields."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from omegacell.core.errors import UsageError
from omegacell.core.kernels import has_compiler
from omegacell.core.units import Atomicity, Detection
from omegacell.schedulers.shares import owner_of
from omegacell.simulator.compiled import draws, entry, turns
from omegacell.simulator.compiled.building import find_owners
from omegacell.simulator.compiled.engine import CompiledSimulation
from omegacell.simulator.paths import Path, find_unknown, simulate
from omegacell.simulator.settings import Architecture, CellShape, DecisionTime, Setup
from omegacell.simulator.simulation import Simulation
from omegacell.simulator.workloads import Kind, SimulatedJob, Workload
from tests.simulator.compiling import compile_once
from tests.simulator.sameness import describe_compiled, describe_production
from tests.simulator.test_runs import Watching, busy_jobs, busy_setup
from tests.simulator.worlds import make_job, make_setup
from tests.tidy.tree import REPOSITORY, ROOTS

pytestmark = pytest.mark.timeout(600)
"""Whichever test is first compiles, and machines differ in how long that takes."""

SHARED = Architecture.SHARED_STATE
NOBODY = Workload.of([])
SEEDS_IN_ONE_TEST = 16

RUN_TWIN = "from tests.simulator.test_compiled import print_twin; print_twin()"
"""What a process without a compiler runs."""


class Case:
    """A random world from a seed: few or many machines, tight or roomy, quick or slow, with every architecture."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        pick = self.rng.choice
        self.machines = pick([1, 2, 3, 5, 8, 30, 60, 120])
        self.run_s = pick([30.0, 100.0, 300.0, 2_000.0])
        self.span_s = self.run_s * pick([0.1, 0.5, 1.0, 1.2])
        count = pick([3, 20, 60, 120])
        self.shapes = [self.draw_shape() for _ in range(pick([1, 3, count]))]
        kinds = (Kind.BATCH, Kind.BATCH, Kind.SERVICE)
        self.jobs = Workload.of([self.draw_job(number, pick(kinds)) for number in range(1, count + 1)])
        before = range(1_000, 1_000 + pick([0, 0, 3, 30]))
        self.prefill = Workload.of([self.draw_job(number, Kind.PREFILL) for number in before])
        self.setup = Setup(
            architecture=pick([SHARED, SHARED, SHARED, Architecture.MONOLITHIC_SINGLE, Architecture.MONOLITHIC_MULTI]),
            shape=CellShape(machines=self.machines),
            decision={Kind.BATCH: self.draw_time(), Kind.SERVICE: self.draw_time()},
            schedulers={Kind.BATCH: pick([1, 2, 4]), Kind.SERVICE: pick([1, 2])},
            detection=pick(list(Detection)),
            atomicity=pick(list(Atomicity)),
            seed=pick([0, seed]),
            run_s=self.run_s,
        )

    def draw_time(self) -> DecisionTime:
        """Return a decision time: none at all, several decisions in an append, or one in seconds."""
        pick = self.rng.choice
        return DecisionTime(job_s=pick([0.0, 0.001, 0.004, 0.1, 0.5, 3.0]), task_s=pick([0.0, 0.0001, 0.005, 0.1]))

    def draw_shape(self) -> tuple[float, float]:
        """Return CPUs and memory of a task; either may be nothing."""
        pick, draw = self.rng.choice, self.rng.random
        return pick([0.0, 0.25, 1.0, 3.0, 4.0, draw() * 4]), pick([0.0, 0.5, 4.0, 16.0, draw() * 16])

    def draw_job(self, number: int, kind: Kind) -> SimulatedJob:
        """Return a job; some have more tasks than one append takes."""
        pick, draw = self.rng.choice, self.rng.random
        large = 5_000 if draw() < 0.02 else self.machines * 8
        cpus, memory_gb = pick(self.shapes)
        return SimulatedJob(
            number=number,
            kind=kind,
            submitted_s=pick([draw() * self.span_s, float(int(draw() * self.span_s))]),
            task_count=pick([1, 1, 2, 3, 5, 8, 20, large if draw() < 0.2 else 4]),
            duration_s=pick([0.0, 0.5, 2.0, draw() * 20, draw() * self.run_s]),
            cpus=cpus,
            memory_gb=memory_gb,
        )


def find_differences(production: Any, compiled: Any, where: str = "run") -> Iterator[str]:
    """Name every value in which two descriptions differ."""
    if isinstance(production, dict) and isinstance(compiled, dict) and set(production) == set(compiled):
        for key in production:
            yield from find_differences(production[key], compiled[key], f"{where}.{key}")
    elif isinstance(production, list) and isinstance(compiled, list) and len(production) == len(compiled):
        for place, (one, other) in enumerate(zip(production, compiled, strict=True)):
            yield from find_differences(one, other, f"{where}[{place}]")
    elif production != compiled:
        yield f"{where}: production {production!r}, compiled {compiled!r}"


def compare(setup: Setup, jobs: Workload, prefill: Workload = NOBODY) -> tuple[Simulation, CompiledSimulation]:
    """Run both paths, and fail with the first values in which they differ."""
    assert find_unknown(setup, jobs, prefill) == ""
    compile_once()
    production, compiled = Simulation(setup, jobs, prefill), CompiledSimulation(setup, jobs, prefill)
    assert production.run() == compiled.run()
    assert list(find_differences(describe_production(production), describe_compiled(compiled)))[:5] == []
    return production, compiled


@pytest.mark.parametrize("first", range(0, 8 * SEEDS_IN_ONE_TEST, SEEDS_IN_ONE_TEST))
def test_both_paths_yield_the_same(first: int) -> None:
    """Random worlds come out the same in metrics, records, tallies, columns, reasons, authors, draws and events."""
    for seed in range(first, first + SEEDS_IN_ONE_TEST):
        case = Case(seed)
        compare(case.setup, case.jobs, case.prefill)


@pytest.mark.parametrize("detection", Detection)
@pytest.mark.parametrize("atomicity", Atomicity)
def test_contested_cells_yield_the_same(detection: Detection, atomicity: Atomicity) -> None:
    """Where most transactions conflict and jobs wait for room, back-off, parking and waking come out the same."""
    setup = replace(busy_setup(3), detection=detection, atomicity=atomicity, run_s=300.0)
    jobs = Workload.of([replace(job, duration_s=8.0 * job.duration_s) for job in busy_jobs()])
    production, _ = compare(setup, jobs)
    assert sum(instance.loop.statistics.conflicts for instance in production.instances) > 5
    assert sum(instance.loop.statistics.misses for instance in production.instances) > 5


def test_hopeless_jobs_and_suspended_authors_come_out_the_same() -> None:
    """Gangs that always lose are given up after 1,000 attempts, and their scheduler is suspended before that."""
    jobs = [make_job(number, 9.1, kind=Kind.SERVICE, tasks=8, duration_s=1.0) for number in (1, 2)]
    jobs += [make_job(number, number * 0.4, duration_s=0.1, cpus=0.1) for number in range(10, 3_500)]
    setup = replace(
        make_setup(SHARED, batch_s=(0.001, 0.0), service_s=(0.5, 0.0), run_s=1_400.0),
        detection=Detection.COARSE,
        atomicity=Atomicity.ALL_OR_NOTHING,
    )
    production, _ = compare(setup, Workload.of(jobs))
    assert any(record.is_abandoned for record in production.records.values())
    assert any(author.suspended_until for author in production.lab.cell.authors.rows)


def test_long_runs_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions are renewed, days are counted, and the columns that grow do so in the middle of a run."""
    monkeypatch.setattr("omegacell.simulator.compiled.building.FIRST_EVENTS", 300)
    monkeypatch.setattr("omegacell.simulator.compiled.building.FIRST_LOG", 1_100)
    kinds = (Kind.BATCH, Kind.SERVICE)
    jobs = Workload.of(
        [make_job(each, each * 400.0, kind=kinds[each % 2], tasks=3, duration_s=150_000.0) for each in range(600)]
    )
    setup = replace(make_setup(SHARED, machines=40, run_s=200_000.0), schedulers={Kind.BATCH: 2, Kind.SERVICE: 1})
    production, compiled = compare(setup, jobs)
    assert len(production.instances[0].tally.days) == 3
    assert production.lab.cell.elapsed > 190_000_000_000
    assert len(compiled.world.events) > 300


def test_generators_draw_the_same() -> None:
    """Kernels draw what numpy's generator draws, and leave it in the same state."""
    for seed in range(40):
        rng, state = np.random.default_rng(seed), draws.save_generator(np.random.default_rng(seed))
        for limit in (300, 12_500, 7, 2, 1, 1 << 31, 3 << 30, (1 << 32) - 1):
            expected = rng.integers(0, limit, 2).tolist()
            assert [int(draws.draw_below(state, limit)) for _ in range(2)] == expected
            assert [float(draws.draw_double(state)) for _ in range(3)] == rng.random(3).tolist()
            values = np.arange(limit % 50, dtype=np.int64)
            expected = rng.permutation(values).tolist()
            draws.shuffle(state, values, len(values))
            assert values.tolist() == expected
        assert draws.save_generator(rng).tolist() == state.tolist()


def test_owners_are_those_of_the_shares() -> None:
    """Many jobs are shared out as `owner_of` shares out each."""
    instances = tuple(f"batch-{number}" for number in range(5))
    names = [f"batch-{number}" for number in range(500)]
    assert [instances[each] for each in find_owners(names, instances)] == [owner_of(name, instances) for name in names]


def test_compiled_text_is_known_by_all_kernels() -> None:
    """What is kept between processes belongs to the text of every kernel: another text is another digest."""
    compile_once()
    case = Case(0)
    simulation = CompiledSimulation(case.setup, case.jobs, case.prefill)
    assert simulation._run(simulation.world, entry.TELL, 0) == entry.find_digest()
    assert turns in entry._TEXTS
    folder = REPOSITORY / "schedulers/omegacell/simulator/compiled"
    kernels = {
        path.stem for path in folder.glob("*.py") if "@part" in path.read_text() or "@kernel" in path.read_text()
    }
    assert kernels <= {module.__name__.rsplit(".", 1)[1] for module in entry._TEXTS}


def print_twin() -> None:
    """Compare tiny worlds in a process that has no compiler; called by the test below."""
    assert not has_compiler()
    for seed in (1, 5, 9):
        case = Case(seed)
        few = Workload.of(list(case.jobs)[:15])
        compare(replace(case.setup, shape=CellShape(machines=min(case.machines, 30))), few, NOBODY)
    assert simulate(case.setup, few, NOBODY).path is Path.PRODUCTION
    with pytest.raises(UsageError, match="numba is not installed"):
        simulate(case.setup, few, NOBODY, path=Path.COMPILED)
    sys.stdout.write("equal\n")


def test_without_numba_kernels_are_plain_python() -> None:
    """The same text runs uncompiled and yields the same; the path taken then is the production one."""
    program = f"import sys; sys.modules['numba'] = None; {RUN_TWIN}"
    roots = os.pathsep.join(str(REPOSITORY / root) for root in (*ROOTS, "."))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": roots, "PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("equal\n", 0), done.stderr


def test_auto_takes_the_path_that_can() -> None:
    """What the compiled path does not know stays on the production path, and asking for it is an error."""
    compile_once()
    case = Case(2)
    setup = replace(case.setup, architecture=SHARED)
    assert simulate(setup, case.jobs, NOBODY).path is Path.COMPILED
    assert simulate(setup, case.jobs, NOBODY, path=Path.PRODUCTION).path is Path.PRODUCTION
    offers = replace(setup, architecture=Architecture.TWO_LEVEL)
    own = replace(setup, plugins={Kind.BATCH: Watching, Kind.SERVICE: Watching})
    twice = case.jobs.merge(case.jobs)
    before = Workload.of([make_job(1, 0.0, kind=Kind.PREFILL)])
    for other, jobs in ((offers, case.jobs), (own, case.jobs), (setup, before), (setup, twice)):
        assert find_unknown(other, jobs, NOBODY)
        with pytest.raises(UsageError, match="the compiled path cannot take this run"):
            simulate(other, jobs, NOBODY, path=Path.COMPILED)
    assert simulate(offers, case.jobs, NOBODY).path is Path.PRODUCTION
