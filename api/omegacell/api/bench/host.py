"""The machine under a figure: without it a figure means nothing."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show
from omegacell.api.up.folder import default_state
from omegacell.core.errors import UsageError
from omegacell.store.mounts import file_system_of

IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a figure was measured on."""

    processor: str
    cores: int
    memory_bytes: int
    kernel: str
    python: str
    file_system: str
    folder: str


def describe_host(folder: Path | None) -> Host:
    """Return what this machine is; ``folder`` is where something durable was measured, None when nothing was."""
    import psutil

    return Host(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        file_system=file_system_of(folder) if folder is not None else "",
        folder=str(folder.parent) if folder is not None else "",
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()


@contextmanager
def bench_folder(parent: Path | None) -> Iterator[Path]:
    """Give a folder to measure in, on a disk, and remove it afterwards.

    Raises:
        UsageError: It would lie in memory, where nothing is durable.
    """
    place = parent if parent is not None else default_state("bench").parent
    place = place.expanduser().absolute()
    place.mkdir(mode=0o711, parents=True, exist_ok=True)
    file_system = file_system_of(place)
    if file_system in IN_MEMORY:
        raise UsageError(f"{place} is on {file_system}, which is memory: name a folder on a disk with --folder")
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=place))
    folder.chmod(0o711)  # tasks of a cell that root runs pass through as another user
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(name: str, figures: dict[str, Any], host: Host, form: Format) -> None:
    """Print figures with the machine they belong to."""
    rows = [(key.replace("_", " "), _write_figure(value)) for key, value in figures.items()]
    machine = [(key.replace("_", " "), str(value)) for key, value in plain(host).items() if value]
    show(
        {"bench": name, "figures": figures, "host": plain(host)},
        form,
        Table(columns=(name.upper(), "MEASURED"), rows=rows, right=frozenset({"MEASURED"})),
        Table(columns=("ON", "THIS MACHINE"), rows=machine),
    )


def report_columns(name: str, columns: Mapping[str, Mapping[str, Any]], host: Host, form: Format) -> None:
    """Print the figures of several stores side by side, with the machine they belong to."""
    if len(columns) == 1:
        report(name, dict(next(iter(columns.values()))), host, form)
        return
    keys = list(dict.fromkeys(key for figures in columns.values() for key in figures))
    rows = [
        (key.replace("_", " "), *(_write_figure(figures.get(key, "")) for figures in columns.values())) for key in keys
    ]
    machine = [(key.replace("_", " "), str(value)) for key, value in plain(host).items() if value]
    heads = tuple(each.upper() for each in columns)
    show(
        {"bench": name, "figures": {each: dict(figures) for each, figures in columns.items()}, "host": plain(host)},
        form,
        Table(columns=(name.upper(), *heads), rows=rows, right=frozenset(heads)),
        Table(columns=("ON", "THIS MACHINE"), rows=machine),
    )


def _write_figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: a value that was measured, never one in between.

    >>> percentile([3.0, 1.0, 2.0, 4.0], 50), percentile([3.0, 1.0, 2.0, 4.0], 99)
    (2.0, 4.0)
    """
    import math

    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
