"""What a job asks for that no machine has now: a warning at submission, with names that are similar."""

import difflib

from omegacell.core.cell import Cell
from omegacell.core.jobs import JobSpec
from omegacell.core.placement import ANY_POOL, DEFAULT_POOL, POOL


def find_warnings(cell: Cell, spec: JobSpec) -> list[str]:
    """Return a sentence for each attribute, pool and job that a job names and the cell does not hold. Pure."""
    rules, index = spec.placement, cell.machines.index
    warnings: list[str] = []
    if not cell.machines.count:
        return warnings
    for name in rules.attributes:
        if name not in index.names:
            warnings.append(f"no machine has the attribute {name!r}{_similar(name, index.names)}")
    pools = index.values_of(POOL)
    if rules.pool not in ("", ANY_POOL) and rules.pool not in pools:
        warnings.append(f"no machine is in the pool {rules.pool!r}{_similar(rules.pool, pools)}")
    if not rules.pool and DEFAULT_POOL not in pools:
        warnings.append(f"no machine is in the default pool; there are {', '.join(pools)}")
    for neighbour in rules.neighbours:
        if neighbour.job != spec.name and not neighbour.is_apart and cell.jobs.by_name(neighbour.job) is None:
            names = [cell.jobs.spec_of(row).name for row in range(cell.jobs.count) if cell.jobs.id[row]]
            warnings.append(f"there is no job {neighbour.job!r} to be near to{_similar(neighbour.job, names)}")
    return warnings


def _similar(name: str, known: tuple[str, ...] | list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; similar: {', '.join(near)}" if near else ""
