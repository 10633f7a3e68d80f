"""The same log gives the same cell everywhere: other hash seeds, other processors, another process.

Logs that were written once are kept with their outcomes (``logs.hex``: an entry a line, logs apart by an empty
one, at the end the hash of all outcomes): what they say may never change without a new number of the rules.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from omegacell.core import outcomes, snapshots
from omegacell.core.cell import Cell
from omegacell.core.errors import MalformedError
from omegacell.store.codec import encode_entry
from tests.support.histories import write_history
from tests.support.transcripts import fold_entry

ROOT = Path(__file__).parent.parent.parent
LOG = ROOT / "tests" / "testdata" / "core" / "logs.hex"
SEEDS = range(3_000_000, 3_000_012)

FOLD = """
from tests.core.test_determinism import fold_logs, kept
print(fold_logs(kept()[0]))
"""


def fold_logs(text: str) -> str:
    """Fold logs, each on a cell of its own; give the hash of all outcomes, and that of the cells."""
    chain, digests = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    for log in text.split("\n\n"):
        cell = Cell()
        for line in log.split():
            for outcome in fold_entry(cell, bytes.fromhex(line)):
                chain.update(outcomes.encode(outcome))
        digests.update(snapshots.digest(cell))
    return f"{chain.hexdigest()} {digests.hexdigest()}"


def write_logs() -> str:
    """Write some histories as logs; what cannot be encoded is left out."""
    return "\n\n".join("\n".join(write_log(seed)) for seed in SEEDS)


def write_log(seed: int) -> Iterator[str]:
    """Write the entries of one history in hex."""
    for entry in write_history(seed):
        try:
            yield (entry.raw or encode_entry(entry.transactions)).hex()
        except MalformedError:
            continue


def kept() -> tuple[str, str]:
    """Give the logs that are kept, and the hash of their outcomes."""
    logs, _, expected = LOG.read_text().rpartition("\n\n")
    return logs, expected.strip()


def fold_elsewhere(**environment: str) -> str:
    """Fold the logs in a process of its own; give what `fold_logs` gives there."""
    done = subprocess.run(
        [sys.executable, "-c", FOLD],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_the_kept_log_still_has_its_outcomes(is_regenerating: bool) -> None:
    """Every outcome of a log of format 1 and rules 1 is what it was when the log was written."""
    if is_regenerating:
        written = write_logs()
        LOG.write_text(f"{written}\n\n{fold_logs(written).split()[0]}\n")
    logs, expected = kept()
    assert len(logs.split()) > 300
    assert fold_logs(logs).split()[0] == expected


@pytest.mark.parametrize("seed", ["1", "4711"])
def test_hash_seeds_do_not_matter(seed: str) -> None:
    """Two processes whose strings hash differently fold the log to the same digest."""
    assert fold_elsewhere(PYTHONHASHSEED=seed) == fold_logs(kept()[0])


def test_processors_do_not_matter() -> None:
    """With every optional instruction set switched off, numpy folds the log to the same digest."""
    configuration = np.show_config(mode="dicts")
    assert isinstance(configuration, dict)
    found = configuration["SIMD Extensions"].get("found", [])
    expected = fold_logs(kept()[0])
    assert fold_elsewhere(NPY_DISABLE_CPU_FEATURES=" ".join(found)) == expected
