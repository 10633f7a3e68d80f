"""`omega demo` holds what it promises, as data too."""

import json
import subprocess
import sys

import pytest

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
