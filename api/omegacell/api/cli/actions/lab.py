"""`omega lab ...`: what the commands of the lab do."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format, show, write
from omegacell.core.errors import UsageError
from omegacell.simulator.compat.golden import compare_file
from omegacell.simulator.compat.loaded import Deviation, LoadedInput, RowComparison, compare_row, read_input

EQUAL = "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFiles:
    """The three files of a comparison row by row."""

    workload: Path
    prefill: Path
    results: Path

    @classmethod
    def of(cls, workload: Path | None, prefill: Path | None, results: Path | None) -> Self | None:
        """Return the files, or None when none is named.

        Raises:
            UsageError: some are named and some are not.
        """
        if workload is None and prefill is None and results is None:
            return None
        if workload is None or prefill is None or results is None:
            raise UsageError("--workload, --prefill and --results belong together: name all three")
        return cls(workload=workload, prefill=prefill, results=results)


def golden(files: Sequence[Path], tables: ResultFiles | None, *, workers: int, form: Format) -> None:
    """Compare golden files and rows of results, say of each how it compares, and exit with 1 when any differs.

    Raises:
        UsageError: nothing is named, or a file is not what it must be.
        CommandError: something differs.
    """
    if not files and tables is None:
        raise UsageError("name golden files, or --workload, --prefill and --results")
    facts: list[dict[str, Any]] = []
    for found in _compare(files, tables, workers):
        facts.append(found)
        if form is Format.TABLE:
            for line in _lines(found):
                write(line)
    if form is not Format.TABLE:
        show(facts, form)
    differing = [str(found["name"]) for found in facts if not found["is_equal"]]
    if differing:
        raise CommandError(f"{len(differing)} of {len(facts)} differ: {', '.join(differing[:5])}")


def _compare(files: Sequence[Path], tables: ResultFiles | None, workers: int) -> Iterator[dict[str, Any]]:
    for path in files:
        compared = compare_file(path)
        yield {
            "name": str(path),
            "is_equal": compared.difference is None,
            "difference": compared.difference or "",
            "not_compared": list(compared.ignored),
        }
    if tables is not None:
        given = read_input(tables.workload, tables.prefill, tables.results)
        for place, row in enumerate(_compare_rows(given, workers), start=1):
            yield {
                "name": f"row {place}",
                "configuration": row.label,
                "is_equal": row.is_held,
                "metrics": row.metrics,
                "deviations": [_deviation_facts(each) for each in row.deviations],
            }


def _compare_rows(given: LoadedInput, workers: int) -> Iterator[RowComparison]:
    if workers == 1:
        yield from (compare_row(given, place) for place in range(len(given.rows)))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(compare_row, given), range(len(given.rows)))


def _deviation_facts(deviation: Deviation) -> dict[str, Any]:
    return {
        "metric": deviation.metric,
        "expected": deviation.expected,
        "found": deviation.found,
        "spread": deviation.spread,
        "is_within": deviation.is_within,
    }


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if "deviations" not in found:
        ignored = f" (not compared: {', '.join(found['not_compared'])})" if found["not_compared"] else ""
        yield f"{found['name']}: {found['difference'] or EQUAL}{ignored}"
        return
    head = f"{found['name']} ({found['configuration']})"
    if not found["deviations"]:
        yield f"{head}: {EQUAL}, {found['metrics']} metrics"
        return
    yield f"{head}: {'within the spread' if found['is_equal'] else 'differs'}"
    for each in found["deviations"]:
        verdict = f"within {each['spread']}" if each["is_within"] else "differs"
        yield f"  {each['metric']}: the file has {each['expected']!r}, here it is {each['found']!r}: {verdict}"
