"""What a job file of `kind: system` may not say: how many tasks there are, and where they go beside which others."""

from collections.abc import Iterator, Mapping
from typing import Final

_REASONS: Final = {
    "count": "it has one task for each machine that matches",
    "gang": "each task is for a machine of its own, and waits for no other",
    "max_per_machine": "it has one task on a machine",
    "near": "each task has its machine already; say which machines match with `constraints`",
    "apart": "each task has its machine already; say which machines match with `constraints`",
    "spread": "it is on every machine that matches",
    "prefer": "each task has its machine already; say which machines match with `constraints`",
}
"""By field of the job file, why it makes no sense."""


def find_system_problems(given: Mapping[str, object]) -> Iterator[str]:
    """Give what makes no sense for a system job, among the fields that were given, with their values, and why."""
    for field, why in _REASONS.items():
        if given.get(field):
            yield f"{field}: expected none with `kind: system`: {why}"
