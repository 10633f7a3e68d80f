"""The compatibility mode meets the recorded outcomes of the public Omega simulator, and sees when they are not met."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omegacell.core.errors import UsageError
from omegacell.simulator.compat.golden import compare_file, describe, find_difference
from omegacell.simulator.compat.javarandom import JavaRandom
from omegacell.simulator.compat.loaded import METRICS, LoadedInput, compare_row, label_of, measure, read_input
from omegacell.simulator.compat.running import Run
from omegacell.simulator.compat.scenario import parse_scenario
from omegacell.simulator.workloads import Workload, parse_job
from tests.simulator.worlds import GOLDEN, NEEDS_GOLDEN, golden_files

ROWS = (3, 9, 13, 17, 21, 25)
"""One of each: monolithic, by sequence numbers, by fit, incremental, offers, mended."""

JOB = {"id": 1, "workload": "Batch", "submitted": 0.5, "num_tasks": 3, "duration": 8.0, "cpus_per_task": 1.0,
       "mem_per_task": 1.0}  # fmt: skip
FIELDS: dict[str, Any] = {
    "architecture": "omega", "machines": 2, "cpus_per_machine": 4.0, "mem_per_machine": 16.0,
    "conflict_mode": "resource-fit", "transaction_mode": "incremental", "n_batch_schedulers": 2,
    "n_service_schedulers": 1, "t_job_batch": 0.5, "t_task_batch": 0.125, "t_job_service": 2.0,
    "t_task_service": 0.125, "seed": 0, "run_time": None, "jobs": [JOB], "prefill": [],
}  # fmt: skip


def run_fields(**changes: Any) -> Run:
    """Run a small scenario with changed fields."""
    run = Run(parse_scenario(FIELDS | changes, "here"))
    run.run()
    return run


@NEEDS_GOLDEN
@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
def test_golden_scenario_is_met(path: Path) -> None:
    """Attempts, commits with sequence numbers, placements and times are those of the public simulator."""
    compared = compare_file(path)
    assert compared.difference is None
    assert compared.ignored == ()


@NEEDS_GOLDEN
@pytest.mark.parametrize("place", ROWS)
def test_loaded_row_is_met(place: int) -> None:
    """The public simulator's metrics of two loaded hours come out the same, not only within its spread."""
    given = read_input(GOLDEN / "loaded_7200.csv.gz", GOLDEN / "loaded_prefill.csv", GOLDEN / "loaded_results.csv")
    compared = compare_row(given, place)
    assert (compared.deviations, compared.metrics) == ((), 25), label_of(given.rows[place])


@NEEDS_GOLDEN
def test_random_numbers_are_javas() -> None:
    """The generator gives the documented numbers for every bound, powers of two among them."""
    known = json.loads((GOLDEN / "rng_java_util_random_seed0.json").read_text())
    for name, values in known.items():
        if name.startswith("nextInt"):
            bound, random = int(name[8:-1]), JavaRandom(0)
            assert [random.next_int(bound) for _ in values] == values, name
    random = JavaRandom(0)
    assert [random.next_float() for _ in known["nextFloat"]] == known["nextFloat"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda found: found["attempts"][0]["machines"].reverse(), "expected.attempts[0].machines[0]"),
        (lambda found: found["commits"][0]["submitted"][2].update(seq_num_seen=7), "expected.commits[0].submitted[2]"),
        (lambda found: found["placements"].pop(), "expected.placements: the file has 2 of them, here there are 3"),
        (lambda found: found.update(end_time=found["end_time"] + 2**-40), "expected.end_time"),
        (lambda found: found["jobs"][0].update(colour="red"), "expected.jobs[0].colour"),
    ],
)
def test_difference_is_found(change: Callable[[dict[str, Any]], None], where: str, tmp_path: Path) -> None:
    """A file that says anything else is not equal, and the first difference is named."""
    found = json.loads(json.dumps(describe(run_fields(seed=3, machines=5))))
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(FIELDS | {"seed": 3, "machines": 5, "expected": found}))
    assert compare_file(path).difference is None
    change(found)
    path.write_text(json.dumps(FIELDS | {"seed": 3, "machines": 5, "expected": found}))
    difference = compare_file(path).difference
    assert difference is not None
    assert where in difference


@pytest.mark.parametrize("label", [str, "Omega{}".format, "{} (again)".format])
def test_rows_are_compared_by_name(label: Callable[[str], str], tmp_path: Path) -> None:
    """A file may list its schedulers, workloads and jobs in any order, and call the schedulers something else."""
    fields = FIELDS | {"n_batch_schedulers": 4, "jobs": [JOB, JOB | {"id": 2}, JOB | {"id": 3, "workload": "Service"}]}
    found = json.loads(json.dumps(describe(run_fields(**fields))))
    assert [row["name"] for row in found["schedulers"]][-2:] == ["Batch-4", "Service-1"]
    text = json.dumps(found)
    for name in [row["name"] for row in found["schedulers"]]:
        text = text.replace(f'"{name}"', json.dumps(label(name)))
    expected = json.loads(text)
    is_told = not label("1").endswith("(again)")
    for name in ("schedulers", "workloads", "jobs"):
        expected[name].sort(key=str, reverse=is_told)
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(fields | {"expected": expected}))
    assert compare_file(path).difference is None
    expected["jobs"][0]["id"] = 9
    path.write_text(json.dumps(fields | {"expected": expected}))
    assert compare_file(path).difference is not None


@pytest.mark.parametrize("is_reversed", [False, True])
def test_either_order_of_equal_shares_is_met(is_reversed: bool, tmp_path: Path) -> None:
    """Two frameworks ask before the first offer, at 1.5 s, and hold nothing: which one gets it is nobody's rule.

    The offer arrives a quarter of a second later. The other one waits for it to be answered, and for a round of a
    second: 0.5 + 3 x 0.125 s after 1.75 s if Batch is first, and 2.0 + 3 x 0.125 s if Service is.
    """
    jobs = [JOB, JOB | {"id": 2, "workload": "Service", "submitted": 0.625}]
    fields = FIELDS | {"architecture": "mesos", "n_batch_schedulers": 1, "machines": 30, "jobs": jobs}
    fields |= {"mesos_allocator_think": 0.25}
    run = Run(replace(parse_scenario(fields, "here"), is_tie_reversed=is_reversed))
    run.run()
    assert run.had_ties
    assert [run.jobs[place].wait_first_s for place in (0, 1)] == ([4.875, 1.125] if is_reversed else [1.25, 3.25])
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(fields | {"expected": describe(run)}))
    assert compare_file(path).difference is None
    path.write_text(json.dumps(fields | {"expected": describe(run) | {"end_time": 1.0}}))
    assert compare_file(path).difference is not None


def test_what_is_not_reported_is_named(tmp_path: Path) -> None:
    """What a file has and nothing here reports is not passed over in silence."""
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(FIELDS | {"expected": {"end_time": 9.375, "weather": "fine"}}))
    compared = compare_file(path)
    assert (compared.difference, compared.ignored) == (None, ("weather",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "borg"}, "architecture is 'borg', expected one of monolithic_single"),
        ({"architecture": ["omega"]}, "architecture is \\['omega'\\]"),
        ({"conflict_mode": "none"}, "conflict_mode is 'none', expected one of resource-fit, sequence-numbers"),
        ({"machines": 0}, "machines is 0, expected 1 to 1000000"),
        ({"machines": 1.5}, "machines is 1.5, expected a whole number"),
        ({"machines": float("inf")}, "machines is inf, expected a whole number"),
        ({"n_batch_schedulers": 10**9}, "n_batch_schedulers is 1000000000, expected 1 to 1000"),
        ({"cpus_per_machine": 0.0}, "cpus_per_machine is 0.0, expected a finite number above 0"),
        ({"t_job_batch": -1.0}, "t_job_batch is -1.0, expected a finite number, not negative"),
        ({"t_job_batch": "long"}, "t_job_batch is 'long', expected a number"),
        ({"run_time": float("nan")}, "run_time is nan"),
        ({"seed": None}, "seed is None, expected a whole number"),
        ({"jobs": {"id": 1}}, "jobs is {'id': 1}, expected a list of jobs"),
        ({"jobs": [JOB, 7]}, "jobs\\[1\\] is no job, but 7"),
        ({"jobs": [JOB | {"num_tasks": 0}]}, "jobs\\[0\\]: job 1 needs a task"),
        ({"jobs": [JOB | {"num_tasks": 1.5}]}, "jobs\\[0\\]: 1.5 is no whole number"),
        ({"jobs": [JOB | {"num_tasks": 10**12}]}, "jobs\\[0\\]: job 1 needs a task at least and 2147483647 at most"),
        ({"jobs": [JOB | {"workload": "Other"}]}, "jobs\\[0\\]"),
        ({"prefill": [JOB | {"duration": None}]}, "prefill\\[0\\]: the fields duration are missing"),
    ],
)
def test_bad_scenario_is_named(changes: dict[str, Any], said: str) -> None:
    """A scenario that cannot be run is refused with the place and the value."""
    with pytest.raises(UsageError, match=said):
        parse_scenario(FIELDS | changes, "here")


HALF_FULL = {"machines": 100, "run_time": 1_000.0, "n_batch_schedulers": 1, "prefill": [
    JOB | {"id": 2, "workload": "Prefill", "submitted": 0.0, "num_tasks": 100, "duration": 2e3, "cpus_per_task": 2.5}
]}  # fmt: skip
"""A hundred machines of 4 CPUs with one prefilled task each, so that nothing of 2 CPUs ever fits; 150 CPUs are free."""

LITTLE_MEMORY = {"machines": 100, "mem_per_machine": 0.02, "run_time": 1_000.0, "n_batch_schedulers": 1}
"""2 GB in all: not more than the 3 CPUs of a task, though it asks for 0.01 GB and would fit anywhere."""


@pytest.mark.parametrize(
    ("architecture", "changes", "job", "no_room"),
    [
        ("monolithic_multi", HALF_FULL, {"cpus_per_task": 2.0}, 0),
        ("omega", HALF_FULL, {"cpus_per_task": 2.0}, 101),
        ("mesos", HALF_FULL, {"cpus_per_task": 2.0}, 101),
        ("mesos", LITTLE_MEMORY, {"cpus_per_task": 3.0, "mem_per_task": 0.01}, 0),
    ],
)
def test_job_without_room_is_given_up(
    architecture: str, changes: dict[str, Any], job: dict[str, float], no_room: int
) -> None:
    """After attempt 101; where nobody looked at a machine, or nobody counts it, it is not "no room" either."""
    run = run_fields(**FIELDS | changes | {"architecture": architecture, "jobs": [JOB | job]})
    counters = run.schedulers[0].counters
    assert (run.jobs[0].attempts, counters.abandoned, counters.no_room) == (101, 1, no_room)
    assert (counters.successes, counters.failures, counters.useful_s, counters.wasted_s) == (0, 0, 0.0, 0.0)


def test_missing_field_is_named() -> None:
    """What a scenario lacks is said by its name; no prefill and no end are scenarios."""
    fields = {name: value for name, value in FIELDS.items() if name != "t_job_service"}
    with pytest.raises(UsageError, match="here: the field 't_job_service' is missing"):
        parse_scenario(fields, "here")
    assert parse_scenario(FIELDS | {"prefill": None, "run_time": None}, "here").prefill == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON: Expecting value"),
        ("\x80", "not JSON: 'utf-8'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"seed": ' + "9" * 5_000 + "}", "not JSON: Exceeds the limit"),
        ("[]", "it has no 'expected'"),
        ('{"expected": []}', "it has no 'expected'"),
        (json.dumps(FIELDS | {"expected": {}}), "'expected' has none of end_time, "),
        (json.dumps(FIELDS | {"expected": {"weather": "fine"}}), "'expected' has none of end_time, "),
        (json.dumps(FIELDS | {"jobs": [JOB | {"mem_per_task": 17.0}], "expected": {"end_time": 1}}), "job 1 asks for"),
    ],
)
def test_bad_file_is_named(text: str, said: str, tmp_path: Path) -> None:
    """A file that is no golden file, or with which nothing can be compared, is never called equal."""
    path = tmp_path / "golden.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=said) as refused:
        compare_file(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file and a folder are mistakes, not differences."""
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be read: "):
            compare_file(path)


def test_task_larger_than_any_machine_ends_the_run() -> None:
    """The public simulator stops on such a job; so does this, in one line."""
    with pytest.raises(UsageError, match="job 1 asks for more than a machine has"):
        run_fields(jobs=[JOB | {"cpus_per_task": 5.0}])


def small_rows(**changes: str) -> LoadedInput:
    """Return a results file of one row that this simulator made itself, with changed metrics."""
    workload = Workload.of([parse_job(JOB, "here"), parse_job(JOB | {"id": 2, "submitted": 0.75}, "here")])
    row = {
        "architecture": "omega", "conflict_mode": "resource-fit", "transaction_mode": "incremental",
        "n_batch_schedulers": "1", "t_job_service": "2.0", "t_task": "0.125", "t_job_batch": "0.5",
        "t_task_batch": "0.125", "cell_size": "2", "cpus_per_machine": "4.0", "mem_per_machine": "16.0", "seed": "0",
    }  # fmt: skip
    fields = FIELDS | {"n_batch_schedulers": 1, "monitor_utilization": True, "run_time": 7_200.0}
    fields["jobs"] = [JOB, JOB | {"id": 2, "submitted": 0.75}]
    run = Run(parse_scenario(fields, "here"), is_recorded=False)
    run.run()
    made = row | {name: repr(value) for name, value in measure(run).items()}
    return LoadedInput(jobs=workload, prefill=Workload.of([]), rows=({**made, **changes},))


@pytest.mark.parametrize(
    ("changes", "is_held", "deviating"),
    [
        ({}, True, []),
        ({"conflict_fraction_batch": "0.001"}, True, ["conflict_fraction_batch"]),
        ({"conflict_fraction_batch": "0.002"}, False, ["conflict_fraction_batch"]),
        ({"succ_txn_batch": "3.0"}, False, ["succ_txn_batch"]),
    ],
)
def test_row_is_held_within_the_spread_only(changes: dict[str, str], is_held: bool, deviating: list[str]) -> None:
    """A metric may differ by the spread that was measured for it, and not at all where none was."""
    compared = compare_row(small_rows(**changes), 0)
    assert [each.metric for each in compared.deviations] == deviating
    assert compared.is_held is is_held


def write_results(path: Path, row: dict[str, str]) -> None:
    """Write a results file of one row."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([row.keys(), row.values()])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": None, "cell_size": None}, "the columns cell_size, seed are missing"),
        ({"architecture": "borg"}, "architecture is 'borg', expected one of"),
        ({"conflict_mode": "none(fixed)"}, "conflict_mode is 'none', expected one of"),
        ({"cell_size": "2.5"}, "machines is '2.5', expected a whole number"),
        ({"t_task": ""}, "t_task_service is '', expected a number"),
        ({"mean_wait_batch": "soon"}, "mean_wait_batch is 'soon', expected a finite number"),
        ({"p90_wait_batch": "nan"}, "p90_wait_batch is 'nan', expected a finite number"),
        (dict.fromkeys(METRICS), "no metric to compare; there are simulated_seconds, "),
    ],
)
def test_bad_row_is_named(change: dict[str, str | None], said: str, tmp_path: Path) -> None:
    """A row that cannot be run or compared is refused with its line, before any is run."""
    path = tmp_path / "results.csv"
    row = {name: value for name, value in (small_rows().rows[0] | change).items() if value is not None}
    write_results(path, row)
    with pytest.raises(UsageError, match=f"results.csv, line 2: {said}"):
        read_input(path, path, path)


def test_column_that_nothing_reports_is_named() -> None:
    """All that is measured has its name in the table, and any other column is not passed over in silence."""
    given = small_rows(weather="fine", n_service_schedulers="1")
    compared = compare_row(given, 0)
    assert (compared.metrics, compared.deviations, compared.ignored) == (len(METRICS), (), ("weather",))


def test_numbers_are_compared_to_the_last_bit() -> None:
    """Equal means equal: no tolerance."""
    assert find_difference(0.1 + 0.2, 0.3, "here") is not None
    assert find_difference({"a": [1, 2.0]}, {"a": [1, 2.0], "more": 1}, "here") is None
