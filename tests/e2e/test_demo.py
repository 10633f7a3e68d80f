"""`omega demo` holds what it promises, as data too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.etcds import running_etcd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_demo_holds() -> None:
    """Every check of the demo holds; it ends with 0, and says what it saw as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "omegacell.api.cli", "demo", "-o", "json"], capture_output=True, text=True, check=False
    )
    facts = json.loads(done.stdout)
    assert [check for check in facts["checks"] if not check["is_held"]] == []
    assert done.returncode == 0
    assert facts["is_held"]
    assert [step["role"] for step in facts["race"]] == ["wins", "loses", "tries again"]
    assert facts["figures"]["placements"] >= 300
    assert facts["figures"]["seconds"] < 60


def test_demo_holds_on_etcd(tmp_path: Path) -> None:
    """The same demo with its log in a real etcd; the cell then moves to a file, where it is sound."""

    def omega(*words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "omegacell.api.cli", *words, "-o", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with running_etcd(tmp_path / "etcd") as cluster:
        facts = omega("demo", "--store", cluster.url("demo"))
        assert [check for check in facts["checks"] if not check["is_held"]] == []
        moved = omega("store", "migrate", cluster.url("demo"), f"sqlite://{tmp_path}/moved.db")
        again = omega("store", "verify", cluster.url("demo"))
    copy = omega("store", "verify", str(tmp_path / "moved.db"))
    assert copy["is_sound"]
    assert moved["entry_count"] == copy["entries"]
    assert (copy["revision"], copy["chain"], copy["digest"]) == (again["revision"], again["chain"], again["digest"])
