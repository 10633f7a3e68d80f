"""What a submission is warned about, read off a cell alone."""

from omegacell.api.server.warnings import find_warnings
from omegacell.core.jobs import Port
from omegacell.core.placement import PlacementRules, Spread
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.testing import TestCell, make_spec


def test_only_what_is_likely_meant_is_similar() -> None:
    """A slip is recognised; another word of some of the same letters is none."""
    test = TestCell(machines=0)
    test.operator.add_machine("m", capacity=(1, 1, 1), attributes=(("arch", "x"), ("zone", "a")))
    near = [PlacementRules(spreads=(Spread(attribute=name, max_skew=1),)) for name in ("zome", "rack")]
    said = [find_warnings(test.operator.cell, make_spec("a", placement=rules))[0] for rules in near]
    assert said == ["no machine has the attribute 'zome'; similar: zone", "no machine has the attribute 'rack'"]


def test_a_scheduler_that_nobody_runs_is_a_warning() -> None:
    """It names those that run; where its own runs, or none at all while the cell starts, there is nothing to say."""
    test = TestCell(machines=1)
    mine, batch = (make_spec("a", count=1, cpu_milli=1, scheduler=name) for name in ("mine", "batch"))
    assert find_warnings(test.operator.cell, mine) == []
    test.join(BatchScheduler(), queue="batch")
    test.join(BatchScheduler(), queue="other")
    test.go()
    test.operator.port.catch_up()
    said = "no scheduler 'mine' runs, so its tasks wait for one; those that run are batch, other"
    assert find_warnings(test.operator.cell, mine) == [said]
    assert find_warnings(test.operator.cell, batch) == []


def test_a_fixed_port_that_machines_give_out_is_a_warning() -> None:
    """No machine would ever take the job; any port, and one outside of their range, are nothing to warn of."""
    cell = TestCell(machines=2).operator.cell
    ports = [(Port(name="http", number=number),) for number in (20_500, 8_080, 0)]
    inside, outside, any_ = [find_warnings(cell, make_spec("a", count=1, cpu_milli=1, ports=each)) for each in ports]
    assert inside == [
        "port http 20500 is among those that machines give out by themselves (20000 to 20999), so no machine takes the"
        " job: use 0 for any of them, or a number outside"
    ]
    assert outside == any_ == []
