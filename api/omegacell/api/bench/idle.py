"""`omega bench idle`: what a cell costs that has nothing to do: user and system time of all its processes."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omegacell.api.bench.host import bench_folder, describe_host, report
from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format
from omegacell.api.up.ephemeral import CellShape, EphemeralCell

SETTLE_S: Final = 5.0
"""After the start, before it counts as idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleOptions:
    """How long; the names are those of the command."""

    seconds: float
    folder: Path | None


def run(options: IdleOptions, form: Format) -> None:
    """Measure, and print the figures."""
    with bench_folder(options.folder) as folder, EphemeralCell(folder, CellShape(name="bench")) as cell:
        time.sleep(SETTLE_S)
        before = cpu_seconds(cell)
        start = time.perf_counter()
        time.sleep(options.seconds)
        after = cpu_seconds(cell)
        seconds = time.perf_counter() - start
        if before.keys() != after.keys():
            raise CommandError("a process of the cell died while it was idle: no figure")
        used = {name: after[name] - before[name] for name in after}
        figures: dict[str, float | int] = {
            "seconds": seconds,
            "processes": len(used),
            "percent_of_a_core": 100 * sum(used.values()) / seconds,
        }
        figures |= {f"percent_{name}": 100 * each / seconds for name, each in sorted(used.items())}
        report("idle", figures, describe_host(folder), form)


def cpu_seconds(cell: EphemeralCell) -> dict[str, float]:
    """Return the processor time that each process of a cell has used, the supervisor of tasks too."""
    import psutil

    found: dict[str, float] = {}
    pids = {"up": cell.pid, **cell.processes()}
    for name, pid in {**pids, **_task_supervisors(cell)}.items():
        times = psutil.Process(pid).cpu_times()
        found[name] = times.user + times.system
    return found


def _task_supervisors(cell: EphemeralCell) -> dict[str, int]:
    """Return the processes that supervise tasks: they are nobody's children."""
    import psutil

    state = str(cell.state.agent)
    found = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "omegacell.agent.supervisor" in (words := process.info["cmdline"] or [])
        and any(word.startswith(state) for word in words)
    ]
    return {f"tasks-{number}": pid for number, pid in enumerate(sorted(found))}
