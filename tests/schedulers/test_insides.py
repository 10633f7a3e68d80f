"""How the built-in schedulers put tasks into allocs: one in each before a second in any."""

import numpy as np
import pytest

from omegacell.core.jobs import Kind
from omegacell.core.machine_commands import ReportKind
from omegacell.core.units import JobId
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.service import ServiceScheduler
from omegacell.schedulers.testing import TestCell
from tests.support.transcript_commands import report_of

BUILTINS = (BatchScheduler, ServiceScheduler)


def start(test: TestCell, job: JobId, index: int) -> None:
    """Let a machine say that a placed task runs."""
    test.operator.port.catch_up()
    cell = test.operator.cell
    row = cell.jobs.row_of(job)
    assert row is not None
    machine = int(cell.tasks.machine[int(cell.jobs.offset[row]) + index])
    test.operator.must(report_of([(machine, 1, int(job), index, 1, ReportKind.STARTED, -1, 0, 0, 1)]))


def inside(test: TestCell, box: JobId) -> list[int]:
    """Count the tasks inside each alloc of a set, by index."""
    test.operator.port.catch_up()
    cell = test.operator.cell
    row = cell.jobs.row_of(box)
    assert row is not None
    first = int(cell.jobs.offset[row])
    return [len(cell.tasks.allocs.inside.get(first + index, ())) for index in range(int(cell.jobs.extent[row]))]


@pytest.mark.parametrize("make", BUILTINS)
def test_a_task_is_kept_for_an_alloc_that_is_about_to_run(make: type[BatchScheduler] | type[ServiceScheduler]) -> None:
    """Allocs do not start in the same instant: the first one that runs does not get the tasks of the others."""
    test = TestCell(machines=3, cpu_milli=1_000)
    test.join(make())
    box = test.submit("box", count=3, cpu_milli=800, kind=Kind.ALLOC)
    test.go()
    start(test, box, 1)
    job = test.submit("saver", count=3, cpu_milli=100, alloc="box")
    test.go()
    assert inside(test, box) == [0, 1, 0]
    start(test, box, 0)
    test.go()
    assert inside(test, box) == [1, 1, 0]
    start(test, box, 2)
    test.go()
    assert (test.placed(job), inside(test, box)) == (3, [1, 1, 1])


@pytest.mark.parametrize("make", BUILTINS)
def test_more_tasks_than_allocs_do_not_wait_for_all(make: type[BatchScheduler] | type[ServiceScheduler]) -> None:
    """Only as many are kept back as allocs are about to run; an alloc that finds no machine keeps nobody waiting."""
    test = TestCell(machines=2, cpu_milli=1_000)
    test.join(make())
    box = test.submit("box", count=3, cpu_milli=800, kind=Kind.ALLOC)
    test.go()
    start(test, box, 0)
    job = test.submit("saver", count=4, cpu_milli=100, alloc="box")
    test.go()
    assert sorted(inside(test, box)) == [0, 0, 3]
    start(test, box, 1)
    test.go()
    assert (test.placed(job), sorted(inside(test, box))) == (4, [0, 1, 3])
    assert np.count_nonzero(test.operator.cell.tasks.machine < 0) == 1, "the alloc without a machine"
