"""`omega lab jobs` from the command line."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from omegacell.api.cli.actions import lab_jobs
from omegacell.api.errors import ExitCode
from omegacell.api.lab_jobs import load_templates
from omegacell.api.lab_machines import load_machines
from omegacell.core.devices import DeviceOffer
from omegacell.core.errors import UsageError
from omegacell.core.placement import Effect, Taint
from tests.cli.conftest import Omega
from tests.tidy.tree import REPOSITORY

EXAMPLES = REPOSITORY / "docs" / "examples" / "lab"
JOB = "name: sums\ncount: 3\nresources: {cpu: 1, memory: 1Gi}\ntask: {simulated: {duration: 60s}}\n"
STANDING = "name: web\nkind: service\ntask: {simulated: {duration: forever}}\n"
MACHINE = "name: m\ncount: 2\nresources: {cpu: 4, memory: 16Gi}\n"


def write(folder: Path, name: str, *documents: str) -> str:
    """Write a file of several documents and return its name."""
    path = folder / name
    path.write_text("---\n".join(documents))
    return str(path)


def facts_of(omega: Omega, *arguments: str) -> dict[str, Any]:
    """Run a simulation and return its facts."""
    said = omega("lab", "jobs", *arguments, "-o", "json")
    assert said.code == ExitCode.OK, said.err
    facts: dict[str, Any] = json.loads(said.out)
    return facts


def test_the_examples_show_what_they_say(omega: Omega) -> None:
    """On the machines of the example, best-effort tasks give way, gangs wait for devices, and all of it is said."""
    files = (str(EXAMPLES / "jobs.yaml"), "--machine-file", str(EXAMPLES / "machines.yaml"))
    command = (*files, "--share", "train=0.2", "--load", "1", "--seconds", "1800")
    facts = facts_of(omega, *command)
    parts = {each["name"]: each for each in facts["templates"]}
    assert list(parts) == ["web", "train", "pack", "lookout"]
    assert parts["pack"]["preempted"] > 0 < parts["pack"]["wasted_cpu_s"]
    assert all(parts[name]["preempted"] == 0 for name in ("web", "train", "lookout"))
    assert parts["train"]["overtime"] > 0
    assert parts["lookout"]["tasks"] == 60
    assert [each["name"] for each in facts["bands"]] == ["monitoring", "production", "batch", "best_effort"]
    said = omega("lab", "jobs", *command)
    for word in ("PREEMPTED", "WASTED CPU-S", "REFUSED FOR", "best_effort", facts["digest"]):
        assert word in said.out, said.out


def test_one_seed_gives_one_run(omega: Omega, tmp_path: Path) -> None:
    """The digest says whether two runs are one; a mixed cell is the default, standard input a file."""
    jobs = write(tmp_path, "jobs.yaml", JOB, STANDING)
    command = (jobs, "--seconds", "300", "--machines", "12", "--load", "0.2")
    first, again = facts_of(omega, *command), facts_of(omega, *command)
    assert first["digest"] == again["digest"]
    assert facts_of(omega, *command, "--seed", "1")["digest"] != first["digest"]
    assert facts_of(omega, *command, "--coarse")["digest"] != first["digest"]


def test_standard_input_is_a_file(omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads jobs as `omega run` does."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(JOB.encode())))
    assert facts_of(omega, "-", "--seconds", "60", "--machines", "4")["templates"][0]["name"] == "sums"


def test_options_are_for_all_schedulers_or_for_one(omega: Omega, tmp_path: Path) -> None:
    """A value without a name is for all; one with a name for that scheduler."""
    jobs = write(tmp_path, "jobs.yaml", JOB, STANDING)
    options = (
        "--schedulers",
        "2",
        "--schedulers",
        "service=1",
        "--t-job",
        "3",
        "--t-task",
        "0",
        "--policy",
        "batch=first-fit",
    )
    facts = facts_of(omega, jobs, "--seconds", "300", "--machines", "10", *options)
    assert [each["name"] for each in facts["schedulers"]] == ["batch-0", "batch-1", "service-0"]
    for each in facts["schedulers"]:
        assert each["busy_s"] == pytest.approx(3 * each["attempts"], abs=3)


def test_a_long_run_says_how_far_it_is(omega: Omega, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, so that the answer stays one."""
    monkeypatch.setattr(lab_jobs, "SAID_EVERY_S", 0.0)
    said = omega("lab", "jobs", write(tmp_path, "jobs.yaml", JOB), "--seconds", "60", "--machines", "2", "-o", "json")
    assert "simulated 58 of 60 s, " in said.err
    assert json.loads(said.out)["simulated_s"] == 60.0


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (JOB + "schedule: '@daily'\n", "{path}:9:11: schedule: expected none: the lab runs no schedules"),
        (
            "name: sums\ntask: {exec: {script: 'true'}}\nparameters: {required: [a]}\n",
            "{path}:7:13: parameters: expected none: the lab dispatches nothing",
        ),
        (JOB + "spred: {}\n", "{path}:9:1: spred: unknown field; did you mean 'spread'?"),
        (JOB + "alloc: none\n", "job sums: alloc: there is no alloc set 'none' among the simulated jobs"),
        (JOB + "after: [none]\n", "job sums: after: 'none' is none of the simulated jobs"),
        (JOB + "scheduler: none\n", "scheduler 'none': no such name is installed"),
    ],
)
def test_jobs_that_cannot_be_simulated_say_where(omega: Omega, tmp_path: Path, job: str, said: str) -> None:
    """File, line and field, where a file is wrong; the job and the field, where it does not fit to the others."""
    path = write(tmp_path, "jobs.yaml", STANDING, job)
    found = omega("lab", "jobs", path)
    assert found.code == ExitCode.USAGE
    assert said.format(path=path) in found.err


def test_programs_need_a_time(omega: Omega, tmp_path: Path) -> None:
    """The lab runs none, so their tasks last for as long as an option says."""
    path = write(tmp_path, "jobs.yaml", "name: hello\ntask: {exec: {script: echo hello}}\n")
    found = omega("lab", "jobs", path)
    assert found.code == ExitCode.USAGE
    assert f"{path}:2:14: task.exec: expected task.simulated with a duration, or --exec-time" in found.err
    assert facts_of(omega, path, "--exec-time", "1m", "--seconds", "60", "--machines", "2")["templates"][0]["begun"] > 0
    assert load_templates([path], shares={}, exec_us=60_000_000)[0].run_us == 60_000_000


def test_names_are_unique_over_files_and_circles_are_named(tmp_path: Path) -> None:
    """Two files are as one."""
    first, again = write(tmp_path, "a.yaml", JOB), write(tmp_path, "b.yaml", JOB)
    with pytest.raises(UsageError, match=r"b.yaml: job 'sums' is in .*a.yaml, too; expected another name"):
        load_templates([first, again], shares={}, exec_us=None)
    one = write(tmp_path, "one.yaml", JOB + "after: [two]\n")
    two = write(tmp_path, "two.yaml", JOB.replace("sums", "two") + "after: [sums]\n")
    with pytest.raises(UsageError, match="sums -> two -> sums"):
        load_templates([one, two], shares={}, exec_us=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--share", "web=2"), "--share web: there is no such job; expected one of sums"),
        (("--share", "sums"), "--share 'sums': expected NAME=VALUE, each name once"),
        (("--share", "sums=0"), "--share '0': expected more than 0"),
        (("--schedulers", "web=2"), "--schedulers web: no job names this scheduler; expected one of batch"),
        (("--schedulers", "0"), "--schedulers '0': expected a whole number from 1 on"),
        (("--schedulers", "65"), "65 instances of scheduler 'batch'; expected 1 to 64"),
        (("--t-job", "-1"), "--t-job '-1': expected a number that is not negative"),
        (("--t-job", "1", "--t-job", "2"), "--t-job '2': expected one value for all"),
        (("--exec-time", "long"), "--exec-time 'long': expected a time such as"),
        (("--policy", "batch=none"), "scheduler 'none': no such name is installed"),
        (("--machine-file", "m.yaml", "--machines", "3"), "--machines and --machine-file: expected one of them"),
        (("--machine-file", "none.yaml"), "none.yaml: cannot be read: No such file or directory"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    omega: Omega, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    """One line says what was expected, and nothing runs."""
    found = omega("lab", "jobs", write(tmp_path, "jobs.yaml", JOB), *options)
    assert found.code == ExitCode.USAGE, found
    assert said in found.err


def test_machine_files_hold_shapes(tmp_path: Path) -> None:
    """Each document is so many machines, which have lists of values in turn; values are words."""
    more = "attributes: {zone: [a, b], kernel: 6.10}\npool: fast\ntaints: ['k=v:no_place']\n"
    more += "ports: {first: 1000, last: 1001}\ndevices: {gpu: {count: 2, attributes: {version: 1.10}}, fpga: 1}\n"
    plain, *rest = load_machines(
        write(tmp_path, "m.yaml", MACHINE.replace("count: 2", "count: 1"), MACHINE.replace(": m", ": x") + more)
    )
    assert (plain.name, plain.capacity, plain.ports) == ("m-0", (4_000, 16 << 30, 0), (20_000, 20_999))
    assert [dict(machine.attributes) for machine in rest] == [
        {"kernel": "6.10", "pool": "fast", "zone": zone} for zone in ("a", "b")
    ]
    gpu = DeviceOffer(name="gpu", count=2, attributes=(("version", "1.10"),))
    assert rest[0].devices == (DeviceOffer(name="fpga", count=1), gpu)
    assert rest[0].taints == (Taint(key="k", value="v", effect=Effect.NO_PLACE),)
    assert rest[0].ports == (1_000, 1_001)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no machine in it; expected documents with name, count and resources"),
        ("- a\n", ":1:1: expected machines: name, count, resources and so on, found a list"),
        ("name: m\n", "resources: missing; this field is required"),
        (MACHINE + "atributes: {}\n", ":4:1: atributes: unknown field; did you mean 'attributes'?"),
        (MACHINE + "taints: [dedicated]\n", ":4:10: taints.0: 'dedicated': expected KEY=VALUE:EFFECT"),
        (MACHINE + "ports: {first: 9, last: 1}\n", "last: expected at least first (9)"),
        (MACHINE + "attributes: {zone: []}\n", "attributes.zone: expected at least 1 entry, found a list"),
        (MACHINE + "attributes: {'': a}\n", "attributes.: expected the name of an attribute"),
        (MACHINE + 'attributes: {zone: "a\\tb"}\n', "attributes.zone: expected text without control characters"),
        (MACHINE + "---\n" + MACHINE, ":5:7: name: expected another name for each document, found 'm'"),
        ("name: m\nresources: {cpu: none, memory: 1Gi}\n", ":2:18: resources.cpu: expected"),
    ],
)
def test_machine_files_that_are_wrong_say_where(tmp_path: Path, text: str, said: str) -> None:
    """File, line and field, as for job files."""
    with pytest.raises(UsageError) as error:
        load_machines(write(tmp_path, "m.yaml", text))
    assert said in str(error.value)
