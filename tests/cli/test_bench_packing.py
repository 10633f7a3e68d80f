"""`omega bench packing` from the command line: quick figures, the same again, and errors in one line."""

import json
import sys

import pytest

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
        assert row["conflict_fraction"] > 0
    assert by_name["hybrid"]["machines"] < by_name["best-fit"]["machines"]
    assert facts["host"]["processor"]
    assert "hybrid: " in said.err


def test_a_plugin_is_measured_as_well(omega: Omega) -> None:
    """A class of one's own stands in the table like the built-in ones."""
    name = "omegacell.schedulers.policies:WorstFit"
    said = omega("bench", "packing", "--quick", "--seeds", "1", "--policy", name)
    assert said.code == ExitCode.OK, said.err
    assert [line.split()[0] for line in said.out.splitlines()[:3]] == ["POLICY", "LP", name]


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
