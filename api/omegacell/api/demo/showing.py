"""Runs the demo and shows it: as it goes along on a terminal, in plain lines in a pipe, as data for programs."""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.output import Format, Table, show, write
from omegacell.api.demo.story import SIMULATED, Record, Story, Teller
from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.errors import UsageError
from omegacell.store.engines import open_store
from omegacell.store.etcd_address import hide_password
from omegacell.store.log import START
from omegacell.store.sqlite_database import Access


def demo(*, form: Format, keep: bool, store: str | None = None) -> None:
    """Run the demo, with its log in a store if one is named; raise when a check did not hold."""
    if store is not None:
        _check_vacant(store)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="omega-demo-"))
    folder.chmod(0o711)
    results = folder / "results"
    results.mkdir()
    results.chmod(0o777)  # root's tasks run as another user
    teller: Teller = Silence() if form is not Format.TABLE else Voice()
    try:
        record = _play(folder, store, teller)
        record.figures["seconds"] = round(time.monotonic() - began, 1)
        _show(record, form)
        if not record.is_held:
            broken = [each["name"] for each in record.checks if not each["is_held"]]
            raise CommandError(f"not held: {'; '.join(broken)}")
    finally:
        if keep:
            write(f"kept: {folder}") if form is Format.TABLE else None
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _check_vacant(store: str) -> None:
    with open_store(store) as opened:
        if opened.head() != START:
            raise UsageError(f"store {hide_password(store)!r} holds a cell: name another place for the demo's")


def _play(folder: Path, store: str | None, teller: Teller) -> Record:
    teller.begin(f"omega up: the API, 3 schedulers, an agent, {SIMULATED} simulated machines")
    shape = CellShape(schedulers="batch=2,service=1", simulated=SIMULATED, name="demo", store=store)
    cell = EphemeralCell(folder, shape)
    with cell:
        story = Story(cell, folder / "results", teller)
        story.run()
        before = cell.ask("conflicts")
        teller.begin("Ctrl-C: everything stops")
        code = cell.stop()
    left = find_left_over(folder)
    story.check(
        "no process is left", is_held=code == 0 and not left, detail=f"exit code {code}, left: {left or 'none'}"
    )
    _check_store(story, cell, before)
    return story.record


def _check_store(story: Story, cell: EphemeralCell, before: Any) -> None:
    """Check the log with everything stopped: it is sound, and gives the same answer as the cell did."""
    from omegacell.api.cli.actions.stores import fold_again

    with open_store(cell.store_url, access=Access.READ_ONLY) as store:
        facts, faults = fold_again(store)
    detail = "; ".join(faults) or f"{facts.get('revision')} revisions, chain {str(facts.get('chain'))[:12]}"
    story.check("the log folds again to the same cell", is_held=not faults, detail=detail)
    after = cell.ask("conflicts", "--store", cell.store_url)
    same = [key for key in ("refused_claims",) if before[key] == after[key]]
    counters = [_counters(each) for each in (before, after)]
    story.check(
        "the stopped log answers as the cell did",
        is_held=len(same) == 1 and counters[0] == counters[1],
        detail="omega conflicts --store",
    )


def _counters(facts: Any) -> list[tuple[Any, ...]]:
    names = ("author", "placements", "committed", "conflicted", "disagreed", "claims_conflicted")
    return [tuple(row[name] for name in names) for row in facts["schedulers"]]


def find_left_over(folder: Path) -> list[str]:
    """Return the processes whose command line or working folder names a folder."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(folder) in word for word in words) and process.pid != psutil.Process().pid:
            found.append(f"{process.pid} {' '.join(words[:4])}")
    return found


def _show(record: Record, form: Format) -> None:
    facts = {"is_held": record.is_held, "checks": record.checks, "race": record.race, "figures": record.figures}
    if form is not Format.TABLE:
        show(facts, form)
        return
    figures = record.figures
    reasons = figures["refused_claims_by_reason"]
    rows = [
        ("placements", str(figures["placements"])),
        ("commits", str(figures["commits"])),
        ("conflicts", str(figures["conflicts"])),
        *((f"  claims refused: {reason}", str(count)) for reason, count in sorted(reasons.items())),
        ("submit to running, p50", f"{figures['submit_to_running_p50_ms']} ms"),
        ("submit to running, p99", f"{figures['submit_to_running_p99_ms']} ms"),
        ("lost", "nothing" if not figures["lost_tasks"] else str(figures["lost_tasks"])),
        ("checks held", f"{sum(each['is_held'] for each in record.checks)} of {len(record.checks)}"),
        ("seconds", str(figures["seconds"])),
    ]
    write("")
    show(facts, form, Table(columns=("DEMO", ""), rows=rows, right=frozenset({""})))


class Silence:
    """Tells nothing: the answer is data."""

    def begin(self, title: str) -> None:
        """Say nothing."""

    def check(self, name: str, detail: str, *, is_held: bool) -> None:
        """Say nothing."""

    def tell(self, line: str) -> None:
        """Say nothing."""


class Voice:
    """Tells it line by line; in colour on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, soft_wrap=True) if sys.stdout.isatty() else None

    def begin(self, title: str) -> None:
        """Say what happens now."""
        self._say(f"\n{title}", style="bold")

    def check(self, name: str, detail: str, *, is_held: bool) -> None:
        """Say whether it holds."""
        mark, style = ("ok  ", "green") if is_held else ("FAIL", "red")
        self._say(f"  {mark}  {name}" + (f": {detail}" if detail else ""), style=style)

    def tell(self, line: str) -> None:
        """Say something."""
        self._say(f"        {line}", style="cyan")

    def _say(self, line: str, *, style: str) -> None:
        if self._console is None:
            write(line)
            sys.stdout.flush()
        else:
            from rich.text import Text

            self._console.print(Text(line, style=style))
