"""Where the core has a quick way for what is usual beside the general one, the two say and do the same."""

from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from omegacell.core import apply_tasks, snapshots, validate
from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.columns import find_set, is_distinct, is_run, rows_of, span_of
from omegacell.core.commands import Command, OpenSession, Transaction
from omegacell.core.jobs import JobSpec
from omegacell.core.machine_commands import Report, ReportKind
from omegacell.core.outcomes import encode
from omegacell.core.overlays import Overlay
from omegacell.core.runs import find_ending
from omegacell.core.units import Role, SessionId
from tests.support.histories import write_history
from tests.support.oracle_duel import fold_entries


def test_every_command_has_its_check() -> None:
    """The table of format checks names every command there is."""
    assert set(validate._CHECKS) == set(get_args(Command))


@given(st.lists(st.integers(-5, 70_000), min_size=1, max_size=100), st.integers(0, 9))
def test_small_array_functions(numbers: list[int], offset: int) -> None:
    """Runs, spans and doubles are what a loop says that they are."""
    values = np.array(numbers, np.int32)
    assert is_run(values) == (numbers == list(range(numbers[0], numbers[0] + len(numbers))))
    assert is_distinct(values) == (len(set(numbers)) == len(numbers))
    assert rows_of(span_of(offset, values)).tolist() == [offset + number for number in numbers]
    run = np.arange(numbers[0], numbers[0] + len(numbers), dtype=np.int32)
    assert is_run(run)
    assert isinstance(span_of(offset, run), slice)


@pytest.mark.parametrize("chunk", range(4))
def test_what_takes_each_has_room(chunk: int) -> None:
    """`Overlay.takes_each` is `Overlay.room` at least one after another, for every job of many histories."""
    for seed in range(chunk, 200, 4):
        cell = Cell()
        fold_entries(cell, write_history(seed))
        draw = np.random.default_rng(seed)
        for spec in [spec for spec in cell.jobs.specs if spec is not None and cell.machines.count]:
            rows = draw.permutation(cell.machines.count)[: draw.integers(1, 4)].astype(np.int32)
            overlay = Overlay(cell)
            assert overlay.takes_each(spec, rows) == takes_one_by_one(overlay, spec, rows)
            if overlay.room(spec, rows[:1]).item() or not spec.alloc:  # what is inside an alloc, fits
                overlay.take(spec, rows[:1])
            assert overlay.takes_each(spec, rows) == takes_one_by_one(overlay, spec, rows)


def takes_one_by_one(overlay: Overlay, spec: JobSpec, rows: NDArray[np.int32]) -> bool:
    """Tell whether each machine has room for one task, after those before it took theirs."""
    after = overlay.fork()
    for at in range(len(rows)):
        if after.room(spec, rows[at : at + 1]).item() < 1:
            return False
        after.take(spec, rows[at : at + 1])
    return True


@pytest.mark.parametrize("chunk", range(4))
def test_usual_reports_end_tasks_as_others_do(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's tasks that end well together leave the same cell, outcome and notes, whichever way they are judged."""
    found = limited = 0
    for seed in range(chunk, 3_000, 4):
        cell = Cell()
        fold_entries(cell, write_history(seed))
        for report in reports_of(cell, np.random.default_rng(seed)):
            usual, general = cell.clone(), cell.clone()
            is_usual = find_ending(usual, report) is not None
            found += is_usual
            limited += is_usual and bool(usual.caps.rows or usual.quotas.rows)
            said = end(usual, report)
            with monkeypatch.context() as patch:
                patch.setattr(apply_tasks, "find_ending", lambda *_: None)
                assert end(general, report) == said
            assert snapshots.digest(usual) == snapshots.digest(general)
            assert notes_of(usual) == notes_of(general)
    assert found > 20
    assert limited > 10


def end(cell: Cell, report: Report) -> bytes:
    """Apply a report in a session of its own; give its outcome."""
    opening = OpenSession(author="machines", role=Role.API)
    transaction = Transaction(session=SessionId(1 << 40), seq=1, seen=cell.revision, commands=(opening, report))
    return encode(apply(cell, transaction))


def notes_of(cell: Cell) -> tuple[object, ...]:
    """Give what followers are told."""
    delta = cell.drain_delta()
    return delta.jobs, delta.reshaped, delta.tasks.tolist(), delta.machines.tolist(), delta.uncapped


def reports_of(cell: Cell, draw: np.random.Generator) -> list[Report]:
    """Say of each job that tasks of it have ended: all that are active in a row, and a few things that are not so."""
    reports = []
    for job in cell.jobs.ids():
        row = cell.jobs.row_of(job)
        assert row is not None
        first = int(cell.jobs.offset[row])
        machines = cell.tasks.machine[first : first + int(cell.jobs.extent[row])]
        active = np.flatnonzero(machines >= 0)
        if not len(active):
            continue
        breaks = np.flatnonzero(np.diff(active) > 1)
        indices = active[: breaks[0] + 1] if len(breaks) else active
        report = report_of(cell, int(job), indices.astype(np.int32))
        reports += [report, spoil(report, draw), spoil(report, draw)]
    return reports


def report_of(cell: Cell, job: int, indices: NDArray[np.int32]) -> Report:
    """Report that tasks ended well."""
    row = cell.jobs.row_of(job)
    assert row is not None
    tasks = int(cell.jobs.offset[row]) + indices
    machines, count = cell.tasks.machine[tasks], len(indices)
    return Report(
        machines=machines,
        epochs=cell.machines.epoch[machines],
        jobs=np.full(count, job, np.int64),
        indices=indices,
        attempts=cell.tasks.attempt[tasks],
        kinds=np.full(count, ReportKind.EXITED, np.uint8),
        exit_codes=np.zeros(count, np.int32),
        signals=np.zeros(count, np.uint8),
        notes=np.zeros(count, np.uint8),
        at_us=np.arange(count, dtype=np.int64),
    )


def spoil(report: Report, draw: np.random.Generator) -> Report:
    """Change one value of one column."""
    columns = {each.name: getattr(report, each.name).copy() for each in fields(report)}
    name = draw.choice(sorted(columns))
    columns[name][draw.integers(len(columns[name]))] += 1
    return Report(**columns)


def test_bytes_that_are_set_are_found() -> None:
    """Of columns of any length, eight of which are looked at together, with few, many or none set."""
    rng = np.random.default_rng(7)
    for length in range(130):
        column = (rng.random(length) < rng.random()).astype(np.uint8) * rng.integers(1, 4, length).astype(np.uint8)
        assert find_set(column).tolist() == [place for place, value in enumerate(column.tolist()) if value]
