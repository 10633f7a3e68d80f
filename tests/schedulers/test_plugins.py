"""Plug-ins that misbehave: each is named in one line, its job waits with that reason, and everything else goes on."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from omegacell.core.errors import InvariantError, PluginError
from omegacell.core.units import SECOND_US
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.interface import NOTHING, Context, Placement, TaskGroup
from omegacell.schedulers.loop import Limits
from omegacell.schedulers.registry import installed, load_class, load_scheduler
from omegacell.schedulers.testing import TestCell, check_conformance
from omegacell.schedulers.view import CellView

Answer = Callable[[TaskGroup], object]


def columns(groups: list[int], indices: list[int], machines: list[int]) -> Placement:
    """Return a placement as a plug-in may build it by hand."""
    return Placement(
        groups=np.array(groups, np.int32), indices=np.array(indices, np.int32), machines=np.array(machines, np.int32)
    )


def columns_of_floats() -> Placement:
    """Return a placement whose machines are no rows."""
    zero = np.zeros(1, np.int32)
    return Placement(groups=zero, indices=zero, machines=np.array([0.5]))


class Saying(BatchScheduler):
    """Answers for the job ``bad`` what it was told to, and is a good batch scheduler for all others."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        if pending[0].spec.name == "bad":
            return cast(Placement, self.answer(pending[0]))
        return super().place(pending, cell, ctx)


def fail(group: TaskGroup) -> object:
    """Raise as plug-ins do."""
    raise LookupError("no rack\nfor it")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fail, r"Saying: LookupError: no rack for it \(.*test_plugins\.py:\d+\)"),
        (lambda group: None, "Saying: place returned NoneType, expected a Placement"),
        (lambda group: [1], "Saying: place returned list, expected a Placement"),
        (lambda group: columns([0], [0], [2]), r"claims machine row 2 for bad; the cell has rows 0 to 1"),
        (lambda group: columns([0], [0], [-1]), r"claims machine row -1 for bad"),
        (lambda group: columns([0], [3], [0]), r"claims task bad/3, which is not among the 3 pending"),
        (lambda group: columns([0], [-1], [0]), r"claims task bad/-1, which is not"),
        (lambda group: columns([0, 0], [1, 1], [0, 1]), r"claims task bad/1 twice"),
        (lambda group: columns([1], [0], [0]), r"a claim names group 1, and the groups are 0 to 0"),
        (lambda group: columns([0], [0, 1], [0]), r"Placement\.indices has 2 claims, machines has 1"),
        (lambda group: columns_of_floats(), r"Placement\.machines must be a flat integer array"),
        (
            lambda group: Placement.of(group, [0, 1, 0]),
            r"claims machine m0 \(row 0\) for bad/2, which does not fit: cpu_milli is short by 200",
        ),
        (lambda group: Placement.of(group, [0] * 4), r"ValueError: 4 machines for 3 pending tasks of job 'bad'"),
    ],
)
def test_a_bad_answer_is_named_and_harms_nobody_else(answer: Answer, words: str) -> None:
    """The reason stands in the log, nothing of the job is placed, and other jobs are."""
    test = TestCell(machines=2, cpu_milli=1_000)
    bad = test.submit("bad", count=3, cpu_milli=600)
    good = [test.submit(f"good-{number}", cpu_milli=100) for number in range(5)]
    instance = test.join(Saying(answer))
    test.go(for_us=SECOND_US // 4)
    assert test.placed(bad) == 0
    assert test.why(bad).startswith("3 unplaced: 2 machines PLUGIN_FAILED, Saying: ")
    assert "\n" not in test.why(bad)
    assert re.search(words, test.why(bad)), test.why(bad)
    assert sum(test.placed(job) for job in good) == 5
    assert (instance.statistics.failures, instance.statistics.disagreements) == (1, 0)


class UnspeakableError(Exception):
    """An error that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "text", ["two\nlines", "\x1b[31mred\x7f", "\ud800 half a letter", "x" * 9_000, "", 7, UnspeakableError()]
)
def test_whatever_a_plug_in_says_is_one_line_that_the_log_takes(text: object) -> None:
    """Control characters, half letters and novels in a note or an error end as a short printable line."""

    class Talking(BatchScheduler):
        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            if pending[0].spec.name == "fails":
                raise text if isinstance(text, Exception) else ValueError(text)
            ctx.explain(pending[0], cast(str, text))
            return NOTHING

    test = TestCell(machines=1)
    jobs = [test.submit("fails"), test.submit("explains")]
    instance = test.join(Talking())
    test.go(for_us=SECOND_US // 4)
    assert (instance.statistics.refused, instance.statistics.sessions) == (0, 1)
    for job in jobs:
        assert test.why(job)
        assert test.why(job).isprintable()
        assert len(test.why(job)) < 1_100


def test_a_plug_in_error_is_told_as_it_is() -> None:
    """What stands in for a scheduler that cannot be loaded passes the registry's line on, with nothing added."""

    class Broken(BatchScheduler):
        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            raise PluginError("scheduler './mine.py' could not be imported: SyntaxError: bad (mine.py:3)")

    test = TestCell(machines=1)
    job = test.submit("job")
    test.join(Broken())
    test.go(for_us=SECOND_US // 4)
    expected = "1 unplaced: 1 machines PLUGIN_FAILED, scheduler './mine.py' could not be imported: SyntaxError: bad"
    assert test.why(job) == f"{expected} (mine.py:3)"


def test_a_job_whose_scheduler_fails_backs_off_and_recovers() -> None:
    """It is asked again after a second, then two, then four; the reason is not repeated; a good answer ends it."""
    answers: list[int] = []
    test = TestCell(machines=2)

    def answer(group: TaskGroup) -> object:
        answers.append(test.clock.monotonic_us())
        if len(answers) < 4:
            raise RuntimeError("not yet")
        return Placement.of(group, [0])

    bad = test.submit("bad")
    test.join(Saying(answer))
    test.go(for_us=20 * SECOND_US)
    gaps = np.diff(answers)
    assert test.placed(bad) == 1
    assert [SECOND_US // 2 * 2**n <= gap <= SECOND_US * 2**n for n, gap in enumerate(gaps.tolist())] == [True] * 3
    said = [each for entry in test.log.entries for each in entry if type(each.commands[0]).__name__ == "Unplaced"]
    assert len(said) == 1


def test_one_bad_job_does_not_take_its_group_along() -> None:
    """After a call about several jobs failed, each is decided on alone: the good ones are placed."""

    class Grouped(BatchScheduler):
        max_groups = 4

        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            if any(group.spec.name == "bad" for group in pending):
                raise RuntimeError("bad")
            return Placement.join(Placement.of(group, [0] * group.count) for group in pending)

    test = TestCell(machines=1)
    bad = test.submit("bad")
    good = [test.submit(f"good-{number}") for number in range(3)]
    test.join(Grouped())
    test.go(for_us=0)
    assert [test.placed(job) for job in good] == [0, 0, 0]
    test.clock.advance(2 * SECOND_US)
    test.go(for_us=0)
    assert test.placed(bad) == 0
    assert [test.placed(job) for job in good] == [1, 1, 1]


def test_claims_of_several_groups_are_checked_together() -> None:
    """Two groups that each fit alone and not together are caught before the log sees them."""

    class Greedy(BatchScheduler):
        max_groups = 2

        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            return Placement.join(Placement.of(group, [0]) for group in pending)

    test = TestCell(machines=1, cpu_milli=1_000)
    test.submit("one", cpu_milli=600)
    two = test.submit("two", cpu_milli=600)
    instance = test.join(Greedy())
    test.go(for_us=SECOND_US // 4)
    assert (instance.statistics.disagreements, instance.statistics.granted) == (0, 0)
    assert "which does not fit: cpu_milli is short by 200" in test.why(two)


def test_half_a_gang_is_no_gang() -> None:
    """A scheduler that claims only a part of one gets nothing of it appended."""
    test = TestCell(machines=2)
    gang = test.submit("bad", count=3, is_gang=True)
    instance = test.join(Saying(lambda group: Placement.of(group, [0, 1])))
    test.go()
    assert (test.placed(gang), instance.statistics.claims) == (0, 0)
    assert test.why(gang) == "3 unplaced: the scheduler left room unused"


def test_what_a_plug_in_tries_on_its_view_stays_there() -> None:
    """Tentative claims on the view that it was given do not count for the next job."""

    class Trying(BatchScheduler):
        def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
            if pending[0].spec.name == "bad":
                assert cell.try_claim(pending[0], np.array([0] * 10))
                return NOTHING
            return super().place(pending, cell, ctx)

    test = TestCell(machines=1, cpu_milli=1_000)
    test.submit("bad", cpu_milli=100)
    good = test.submit("good", count=10, cpu_milli=100)
    test.join(Trying())
    test.go()
    assert test.placed(good) == 10


# --- the conformance kit ---


class Random(BatchScheduler):
    """Takes random numbers from elsewhere."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        ctx.rng = np.random.default_rng()
        return super().place(pending, cell, ctx)


class Blind(BatchScheduler):
    """Does not look at what fits."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        return Placement.of(pending[0], ctx.rng.integers(0, cell.machine_count, pending[0].count))


class Lazy:
    """Places nothing at all, which is allowed."""

    def place(self, pending: Sequence[TaskGroup], cell: CellView, ctx: Context) -> Placement:
        return NOTHING


def test_the_kit_finds_what_is_wrong() -> None:
    """A scheduler that is not deterministic, or does not look, fails with a line that says so."""
    with pytest.raises(PluginError, match=r"two different runs: take random numbers from ctx\.rng only"):
        check_conformance(Random)
    with pytest.raises(PluginError, match=r"failed \d+ times: .*which does not fit"):
        check_conformance(Blind)
    assert check_conformance(Lazy).placed == 0


def test_the_kit_finds_what_spins() -> None:
    """A run that never comes to rest is an error and not a hang."""
    test = TestCell(machines=1)
    test.submit("job")
    instance = test.join(Lazy(), limits=Limits(jobs=0))
    with pytest.raises(InvariantError, match="spins"):
        test.go()
    assert instance.statistics.decisions == 0


# --- finding schedulers ---


def write(folder: Path, name: str, text: str) -> str:
    """Write a plug-in file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


GOOD = "class Mine:\n    def place(self, pending, cell, ctx):\n        return None\n"


def test_schedulers_are_found_by_name_module_and_file(tmp_path: Path) -> None:
    """All three ways lead to a class; in a file with one scheduler its name may be left out."""
    path = write(tmp_path, "mine.py", GOOD)
    assert load_class("batch") is BatchScheduler
    assert load_class("omegacell.schedulers.batch:BatchScheduler") is BatchScheduler
    assert load_class(path).__name__ == "Mine"
    assert load_class(f"{path}:Mine").__name__ == "Mine"
    assert isinstance(load_scheduler("batch"), BatchScheduler)


def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    """Each is a module of its own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = load_class(write(tmp_path / "a", "mine.py", GOOD))
    two = load_class(write(tmp_path / "b", "mine.py", GOOD))
    assert one is not two
    assert one.__module__ != two.__module__


@pytest.mark.parametrize(
    ("text", "suffix", "words"),
    [
        ("import nowhere_at_all\n", "", r"could not be imported: ModuleNotFoundError: .*nowhere_at_all.*mine\.py:1\)"),
        ("x = 1\ny = x / 0\n", "", r"could not be imported: ZeroDivisionError: division by zero \(.*mine\.py:2\)"),
        ("class Mine\n", "", r"could not be imported: SyntaxError: .* \(.*mine\.py:1\)"),
        ("raise SystemExit(3)\n", "", r"could not be imported: SystemExit: 3 \(.*mine\.py:1\)"),
        ("x = 1\n", "", r"has 0 classes with a method place \(none\)"),
        (GOOD + GOOD.replace("Mine", "Yours"), "", r"has 2 classes with a method place \(Mine, Yours\); name one"),
        (GOOD, ":Other", r"': \S*mine\.py has no class Other$"),
        ("Mine = 3\n", ":Mine", r"3 is not a class"),
        ("class Mine:\n    pass\n", ":Mine", r"class Mine has no method place \(.*mine\.py:1\)"),
        (
            GOOD.replace("cell, ", ""),
            "",
            r"Mine\.place takes \(self, pending, ctx\), expected \(self, pending, cell, c",
        ),
        (GOOD.replace("    def", "    async def"), "", r"Mine\.place is async; it must be a plain method"),
        (GOOD + "    max_groups = 0\n", "", r"class Mine: max_groups is 0, expected an integer from 1 to 1024"),
        (GOOD + "    def __init__(self, x):\n        pass\n", "", r"could not be made: TypeError: .*argument: 'x'"),
    ],
)
def test_what_cannot_be_loaded_is_named_in_one_line(tmp_path: Path, text: str, suffix: str, words: str) -> None:
    """The line has the target, what failed and where."""
    target = write(tmp_path, "mine.py", text) + suffix
    with pytest.raises(PluginError, match=words) as caught:
        load_scheduler(target)
    assert str(caught.value).startswith(f"scheduler '{target}'")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere/mine.py", "there is no file nowhere/mine.py"),
        ("nowhere_at_all:Mine", "could not be imported: ModuleNotFoundError"),
        ("omegacell.schedulers.batch:Nothing", "has no class Nothing"),
        ("os:path", "is not a class"),
        ("./mine.py:Mine:Extra", r"expected an installed name, module:Class or file\.py:Class"),
        (".mine:Mine", r"expected an installed name, module:Class or file\.py:Class"),
        ("", r"no such name is installed \(there are: batch, first-fit, least-loaded, service, system\)"),
    ],
)
def test_what_is_not_there_is_named(target: str, words: str) -> None:
    """A wrong path, module, class or name."""
    with pytest.raises(PluginError, match=words):
        load_scheduler(target)


def test_installed_schedulers_are_listed_with_their_summary() -> None:
    """What `omega scheduler list` shows."""
    listed = {each.name: each for each in installed()}
    assert listed["batch"].target == "omegacell.schedulers.batch:BatchScheduler"
    assert listed["service"].summary.startswith("Packs as `batch` does")
    assert {each.problem for each in listed.values()} == {""}
    assert listed["batch"].distribution == "omegacell"


def test_the_interface_is_all_that_a_plug_in_imports() -> None:
    """Loading it brings in neither the loop nor the store: a plug-in's tests start fast."""
    code = (
        "import sys, omegacell.schedulers.interface\n"
        "print([n for n in sys.modules if n.startswith(('omegacell.store', 'omegacell.schedulers.loop', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
