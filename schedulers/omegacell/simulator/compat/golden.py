"""Golden files: a scenario and its exact outcome; the first difference between that and what happens here.

A scheduler's name is a label of whoever recorded the file, so it is taken from there. Rows that have a name or an id
are compared by it: in which order a file lists schedulers, workloads and jobs says nothing. With five schedulers or
more the old simulator itself lists them in the order of a hash table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from omegacell.core.errors import UsageError
from omegacell.simulator.compat.cellstate import JobRun
from omegacell.simulator.compat.records import Row
from omegacell.simulator.compat.running import Run
from omegacell.simulator.compat.scenario import Scenario, parse_scenario
from omegacell.simulator.figures import find_mean, find_percentile
from omegacell.simulator.workloads import Kind

NONE_SCHEDULED: Final = -1.0
"""What the old simulator says about a workload of which no job was ever tried."""

MAX_FILE_BYTES: Final = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a file compares.

    Attributes:
        difference: the first one: where, what the file has, what happened here; None when all is equal.
        ignored: what the file has and nothing here reports, so that it was not compared.
    """

    difference: str | None
    ignored: tuple[str, ...] = ()


def compare_file(path: Path) -> Comparison:
    """Run a golden file's scenario and compare everything.

    Raises:
        UsageError: it cannot be read, is no golden file, or says nothing that can be compared; or the old simulator
            cannot run it either.
    """
    fields = _read(path)
    expected = fields["expected"]
    scenario = _with_names(parse_scenario(fields, str(path)), expected)
    try:
        compared, had_ties = _compare(scenario, expected)
        if compared.difference is not None and had_ties:
            # the order of frameworks with equal shares is not the scenario's, but its recorder's hash table's
            other, _ = _compare(replace(scenario, is_tie_reversed=True), expected)
            compared = compared if other.difference is not None else other
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return compared


def _compare(scenario: Scenario, expected: Mapping[str, Any]) -> tuple[Comparison, bool]:
    run = Run(scenario)
    run.run()
    found = _in_order_of(expected, describe(run))
    ignored = tuple(name for name in expected if name not in found)
    shared = {name: value for name, value in expected.items() if name in found}
    if not shared:
        raise UsageError(f"'expected' has none of {', '.join(found)}")
    return Comparison(difference=find_difference(shared, found, "expected"), ignored=ignored), run.had_ties


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except RecursionError:
        raise UsageError(f"{path}: not JSON that can be read: nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("expected"), dict):
        raise UsageError(f"{path}: not a golden file: it has no 'expected'")
    return fields


def describe(run: Run) -> Row:
    """Return what happened in the form of a golden file's ``expected``."""
    recorder = run.recorder
    assert recorder is not None, "only a recorded run can be described"
    return {
        "end_time": run.agenda.now,
        "events_executed": run.agenda.executed,
        "events_left": len(run.agenda),
        "schedulers": [_scheduler_row(run, number) for number in range(len(run.schedulers))],
        "workloads": [row for kind in (Kind.BATCH, Kind.SERVICE) if (row := _workload_row(run, kind)) is not None],
        "jobs": [_job_row(job) for job in run.jobs],
        "attempts": recorder.attempts,
        "commits": recorder.commits,
        "placements": recorder.placements,
        "machine_seq_nums_end": run.cell.numbers,
        "allocated_cpus_end": run.cell.cpus,
    }


def find_difference(expected: Any, found: Any, where: str) -> str | None:
    """Return where two values first differ and how; None when they are equal, to the last bit.

    >>> find_difference({"a": [1, 2]}, {"a": [1, 3]}, "expected")
    'expected.a[1]: the file has 2, here it is 3'
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in expected:
            if name not in found:
                return f"{where}.{name}: the file has {_short(expected[name])}, here there is none"
            difference = find_difference(expected[name], found[name], f"{where}.{name}")
            if difference:
                return difference
        return None
    if isinstance(expected, list) and isinstance(found, list):
        for place, (one, other) in enumerate(zip(expected, found, strict=False)):
            difference = find_difference(one, other, f"{where}[{place}]")
            if difference:
                return difference
        if len(expected) != len(found):
            return f"{where}: the file has {len(expected)} of them, here there are {len(found)}"
        return None
    if isinstance(expected, bool) is not isinstance(found, bool) or expected != found:
        return f"{where}: the file has {_short(expected)}, here it is {_short(found)}"
    return None


def _with_names(scenario: Scenario, expected: Mapping[str, Any]) -> Scenario:
    """Call the schedulers what the file calls them, when it has as many."""
    labels = _list_keys(expected.get("schedulers"), "name")
    own = list(dict.fromkeys(name for names in scenario.schedulers.values() for name in names))
    if labels is None or len(labels) != len(own) or set(labels) == set(own):
        return scenario
    called = dict(zip(own, _sort_labels(scenario, [str(label) for label in labels]), strict=True))
    named = {kind: tuple(called[name] for name in names) for kind, names in scenario.schedulers.items()}
    return replace(scenario, schedulers=named)


def _sort_labels(scenario: Scenario, labels: list[str]) -> list[str]:
    """Put labels in the order of the schedulers when they tell kind and number; else they are taken as listed."""
    by_kind = {
        kind: sorted((label for label in labels if kind.value.lower() in label.lower()), key=_number_at_end)
        for kind in scenario.schedulers
    }
    if any(len(by_kind[kind]) != len(names) for kind, names in scenario.schedulers.items()):
        return labels
    in_order = list(dict.fromkeys(label for kind in scenario.schedulers for label in by_kind[kind]))
    return in_order if len(in_order) == len(labels) else labels


def _number_at_end(label: str) -> int:
    digits = label[len(label.rstrip("0123456789")) :]
    return int(digits[-9:]) if digits else 0


def _in_order_of(expected: Mapping[str, Any], found: Row) -> Row:
    """List schedulers, workloads and jobs in the order of the file, where it has the same."""
    ordered = dict(found)
    for name, key in (("schedulers", "name"), ("workloads", "name"), ("jobs", "id")):
        rows = found[name]
        assert isinstance(rows, list), f"{name} is described by a list"
        wanted, had = _list_keys(expected.get(name), key), _list_keys(rows, key)
        if wanted is not None and had is not None and set(wanted) == set(had):
            by_key = dict(zip(had, rows, strict=True))
            ordered[name] = [by_key[each] for each in wanted]
    return ordered


def _list_keys(rows: Any, key: str) -> list[str | int] | None:
    """Return the name or id of each row; None when a row has none, or two have the same."""
    if not isinstance(rows, list):
        return None
    keys: list[str | int] = []
    for row in rows:
        value = row.get(key) if isinstance(row, Mapping) else None
        if not isinstance(value, str | int):
            return None
        keys.append(value)
    return keys if len(set(keys)) == len(keys) else None


def _scheduler_row(run: Run, number: int) -> Row:
    scheduler = run.schedulers[number]
    counters = scheduler.counters
    busy_s = counters.useful_s + counters.wasted_s
    return {
        "name": run.names[number],
        "useful_time": counters.useful_s,
        "wasted_time": counters.wasted_s,
        "busyness": busy_s / run.agenda.now if run.agenda.now else 0.0,
        "successful_transactions": counters.successes,
        "failed_transactions": counters.failures,
        "retried_transactions": counters.retries,
        "successful_task_transactions": counters.task_successes,
        "failed_task_transactions": counters.task_failures,
        "no_resources_attempts": counters.no_room,
        "abandoned_jobs": counters.abandoned,
        "queue_left": len(scheduler.queue),
        "machines_probed_in_vain": scheduler.fit.vain_probes,
    }


def _workload_row(run: Run, kind: Kind) -> Row | None:
    jobs = [job for job in run.jobs if job.spec.kind is kind]
    if not jobs:
        return None
    tried = [job for job in jobs if job.attempts]
    first, full = [job.wait_first_s for job in tried], [job.wait_full_s for job in tried]
    return {
        "name": kind.value,
        "avg_wait_till_first": _or_none(find_mean(first)),
        "p90_wait_till_first": _or_none(find_percentile(first, 0.9)),
        "avg_wait_till_full": _or_none(find_mean(full)),
        "p90_wait_till_full": _or_none(find_percentile(full, 0.9)),
        "p90_useful_think": _or_none(find_percentile([job.useful_s for job in tried], 0.9)),
    }


def _job_row(job: JobRun) -> Row:
    return {
        "id": job.spec.number,
        "unscheduled_tasks": job.unscheduled,
        "scheduling_attempts": job.attempts,
        "task_scheduling_attempts": job.task_attempts,
        "wait_till_first": job.wait_first_s,
        "wait_till_full": job.wait_full_s,
        "useful_time": job.useful_s,
        "wasted_time": job.wasted_s,
    }


def _or_none(value: float | None) -> float:
    return NONE_SCHEDULED if value is None else value


def _short(value: Any) -> str:
    text = f"{len(value)} values" if isinstance(value, Sequence) and not isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
