"""Runs of the same program under several hash seeds, in processes of their own."""

import os
import subprocess
import sys

from tests.tidy.tree import REPOSITORY, ROOTS


def outputs_of(program: str) -> set[str]:
    """Return what a program printed under each hash seed: one text when no order of a set or dict decides anything."""
    roots = os.pathsep.join(str(REPOSITORY / root) for root in (*ROOTS, "."))
    return {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": roots, "PATH": os.environ.get("PATH", "")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
