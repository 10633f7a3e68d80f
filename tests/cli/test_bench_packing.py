"""`omega bench packing` from the command line: quick figures, the same again, and errors in one line."""

import json
import sys

import pytest

from omegacell.api.bench.policies import CURVE, POLICIES, load_policy
from omegacell.api.errors import ExitCode
from tests.cli.conftest import Omega


def test_quick_figures(omega: Omega) -> None:
    """Each policy gets a row with machines no fewer than the bound, conflicts, and what it was measured on."""
    policies = ("--policy", "hybrid", "--policy", "best-fit")
    said = omega("bench", "packing", "--quick", "--seeds", "2", *policies, "-o", "json")
    assert said.code == ExitCode.OK, said.err
    facts = json.loads(said.out)
    assert facts["workload"]["machines"] == 200
    assert max(facts["workload"]["full_percent"]) == pytest.approx(85, abs=0.5)
    by_name = {row["policy"]: row for row in facts["policies"]}
    assert set(by_name) == {"hybrid", "best-fit"}
    for row in by_name.values():
        assert facts["bound"]["machines"] <= row["machines"] == row["machines_max"]
        assert row["over_bound_percent"] == pytest.approx(
            100 * (row["machines"] / facts["bound"]["machines"] - 1), abs=0.01
        )
        assert row["team_over_bound_percent"] == pytest.approx(
            100 * (row["team_machines"] / facts["bound"]["machines"] - 1), abs=0.01
        )
        assert row["conflict_fraction"] > 0
    assert by_name["hybrid"]["machines"] < by_name["best-fit"]["machines"]
    assert facts["host"]["processor"]
    assert "(2 of 2, " in said.err


def test_a_plugin_is_measured_as_well(omega: Omega) -> None:
    """A class of one's own stands in the table like the built-in ones."""
    name = "omegacell.schedulers.policies:WorstFit"
    said = omega("bench", "packing", "--quick", "--seeds", "1", "--policy", name)
    assert said.code == ExitCode.OK, said.err
    assert [line.split()[0] for line in said.out.splitlines()[:3]] == ["POLICY", "LP", name]


def test_the_same_policy_with_other_weights(omega: Omega) -> None:
    """A weight in the name of a policy makes another row, and changes what it says: noise parts schedulers."""
    policies = ("hybrid", "hybrid,noise=0.8")
    said = omega(
        "bench", "packing", "--quick", "--seeds", "1", *(f"--policy={each}" for each in policies), "-o", "json"
    )
    assert said.code == ExitCode.OK, said.err
    fractions = {row["policy"]: row["conflict_fraction"] for row in json.loads(said.out)["policies"]}
    assert set(fractions) == set(policies)
    assert fractions["hybrid,noise=0.8"] < fractions["hybrid"]


def test_what_is_measured_by_default_can_be_loaded() -> None:
    """Every name of the table and of the curve is a policy, and has the weights that it names."""
    for policy in (*POLICIES, *CURVE):
        cls, settings = load_policy(policy), policy.split(",")[1:]
        assert [
            f"{name}={getattr(cls, name):g}" for name, _, _ in (each.partition("=") for each in settings)
        ] == settings


WRONG = [
    ("batch,nose=1", "batch has no weight nose; it has charge, noise, step"),
    ("first-fit,noise=1", "first-fit has no weight noise; it has none"),
    ("batch,noise", "'noise' is no setting; expected WEIGHT=NUMBER"),
    ("batch,noise=much", "noise is 'much', expected a number, not negative"),
    ("batch,noise=-1", "noise is '-1', expected a number, not negative"),
    ("batch,noise=inf", "noise is 'inf', expected a number, not negative"),
    ("hybrid-sampled,sample=1.5", "sample is '1.5', expected a whole number, not negative"),
]


@pytest.mark.parametrize(("policy", "words"), WRONG)
def test_a_wrong_weight_is_one_line(omega: Omega, policy: str, words: str) -> None:
    """What is wrong with it, and what was expected."""
    said = omega("bench", "packing", "--policy", policy)
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    assert said.err == f"omega: --policy {policy}: {words}\n"


def test_the_curve_has_policies_of_its_own(omega: Omega) -> None:
    """To name others beside it is a wrong call."""
    said = omega("bench", "packing", "--curve", "--policy", "batch")
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    assert said.err == "omega: --curve measures policies of its own: leave out one of the two\n"


def test_an_unknown_policy_is_one_line(omega: Omega) -> None:
    """A policy that does not exist is a wrong call, and the answer names those that do."""
    said = omega("bench", "packing", "--policy", "magic")
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    assert "magic" in said.err
    assert "hybrid-noisy" in said.err
    assert len(said.err.splitlines()) == 1


def test_without_scipy_the_extra_is_named(omega: Omega, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the solver nothing is measured; one line says what to install."""
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    said = omega("bench", "packing", "--quick")
    assert (said.code, said.out) == (ExitCode.USAGE, "")
    assert said.err == "omega: the bound needs scipy, which is not installed: pip install 'omegacell[packing]'\n"
