"""`omega cell status`, `omega history`, `omega conflicts`: the cell and its log as tables."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, ago, duration, show, size, stamp, write
from omegacell.api.client import Client
from omegacell.api.errors import NotFoundError
from omegacell.api.figures import (
    KINDS,
    STATUSES,
    CellStatus,
    ConflictPage,
    ConflictQuery,
    ConflictRow,
    HistoryQuery,
    HistoryRow,
    SchedulerList,
    SchedulerStatistics,
)
from omegacell.core.errors import UsageError
from omegacell.core.jobs import TaskState

FOLLOW_PERIOD_S = 0.5
FOLLOW_PAGE = 10_000
MAX_NAMES = 3


def show_status(form: Format, *, cell: str | None) -> None:
    """Print the cell at a glance."""
    with open_client(cell) as client:
        status = client.status()
    facts = plain(status)
    show(facts, form, _head(status), scheduler_table(status.schedulers))


def _head(status: CellStatus) -> Table:
    machines = ", ".join(f"{count} {state.name.lower()}" for state, count in status.machine_counts.items() if count)
    tasks = ", ".join(f"{count} {state.name.lower()}" for state, count in status.task_counts.items() if count)
    capacity, allocated = status.capacity, status.allocated
    active = sum(status.task_counts.get(state, 0) for state in (TaskState.PLACED, TaskState.RUNNING))
    store = status.store
    rows = [
        (
            "revision",
            f"{status.at.revision} (chain {status.chain.hex()[:12]}, incarnation {status.at.incarnation[:12]})",
        ),
        ("writable", "yes" if status.can_write else "no: the store's head was not confirmed for 5 s"),
        ("machines", (machines or "none") + _silence(status)),
        ("jobs", f"{status.active_job_count} active of {status.job_count}"),
        ("tasks", f"{active} active: {tasks}" if tasks else "none"),
        ("cpu", _use(allocated.cpu_milli, capacity.cpu_milli, lambda milli: f"{milli / 1000:g}")),
        ("memory", _use(allocated.memory_bytes, capacity.memory_bytes, size)),
        ("disk", _use(allocated.disk_bytes, capacity.disk_bytes, size)),
        *((device.name, _use(device.count - device.free, device.count, str)) for device in status.devices),
        ("elapsed", duration(status.elapsed_us)),
        ("store", f"{f'{store.engine} {store.path}'.strip()}, {size(store.byte_count)}, {store.entry_count} entries"),
        # what is kept elsewhere does not say
        ("disk free", size(store.disk_free_byte_count) if store.path else "-"),
        ("version", f"{status.version}, rules {status.rules}, up since {stamp(status.started_at_us)}"),
    ]
    return Table(columns=("CELL", status.name), rows=rows)


def _silence(status: CellStatus) -> str:
    """Say how many machines are silent, and which of them wait for an operator."""
    if not status.silent_count:
        return ""
    silent = f"; {status.silent_count} silent"
    if not status.waiting_count:
        return silent
    verb = "waits" if status.waiting_count == 1 else "wait"
    more = ", ..." if status.waiting_count > len(status.waiting) else ""
    names = ", ".join(status.waiting) + more
    return f"{silent}, {status.waiting_count} {verb} for `omega machine lost NAME`: {names}"


def _use(part: int, whole: int, write_amount: Callable[[int], str]) -> str:
    share = f" ({100 * part / whole:.0f} %)" if whole else ""
    return f"{write_amount(part)} of {write_amount(whole)}{share}"


def scheduler_table(rows: Sequence[SchedulerStatistics], *, with_heard: bool = False) -> Table:
    """Return what each scheduler did, one row an instance; ``with_heard`` tells how long ago each was heard."""
    columns = (
        "SCHEDULER",
        "LIVE",
        *(("HEARD",) if with_heard else ()),
        "PLACEMENTS",
        "COMMITS",
        "CONFLICTS",
        "FRACTION",
        "DISAGREEMENTS",
        "NO ROOM",
        "BUSY",
        "WAIT",
    )
    body = [
        (
            row.author,
            "yes" if row.is_live else "no",
            *((ago(row.last_at_us),) if with_heard else ()),
            str(row.placements),
            str(row.committed),
            str(row.conflicted),
            f"{row.conflict_fraction:.3f}",
            str(row.disagreed),
            str(row.no_fit),
            f"{100 * row.busy_fraction:.2f} %",
            duration(round(row.mean_wait_s * 1_000_000)) if row.wait_count else "-",
        )
        for row in rows
    ]
    return Table(
        columns=columns,
        rows=body,
        right=frozenset(columns[2:]),
        empty="no scheduler has been at work yet",
        least=("LIVE", "WAIT", "BUSY", "COMMITS"),
    )


def show_history(query: HistoryQuery, form: Format, *, follow: bool, cell: str | None) -> None:
    """Print transactions, oldest first; go on with new ones as long as the reader wants."""
    _check_words(query)
    with open_client(cell) as client:
        page = client.history(query)
        if not page.rows:
            _check_names(client, query)
        rows = tuple(reversed(page.rows))
        facts = {
            "at": plain(page.at),
            "oldest_revision": page.oldest_revision,
            "transactions": [plain(row) for row in rows],
        }
        show(facts, form, _history_table(rows))
        last = page.at.revision
        while follow:
            time.sleep(FOLLOW_PERIOD_S)
            page = client.history(replace(query, before=0, limit=FOLLOW_PAGE))
            fresh = tuple(row for row in reversed(page.rows) if row.revision > last)
            last = max(last, page.at.revision)
            _go_on(fresh, form)


def _check_words(query: HistoryQuery) -> None:
    """Raise when a filter is no word that a transaction could have."""
    for option, word, known in (("--kind", query.kind, KINDS), ("--status", query.status, STATUSES)):
        if word and word.lower() not in known:
            raise UsageError(f"{option} {word!r}: expected one of {', '.join(known)}")


def _check_names(client: Client, query: HistoryQuery) -> None:
    """Raise when nothing was found because nobody has that name."""
    if query.author and not client.history(HistoryQuery(author=query.author, limit=1, with_ticks=True)).rows:
        raise NotFoundError(f"there is no author {query.author!r} in the log; `omega history` shows those there are")
    if query.job and not client.history(HistoryQuery(job=query.job, limit=1)).rows:
        client.job(query.job, limit=1)


def _go_on(rows: Sequence[HistoryRow], form: Format) -> None:
    import json
    import sys

    for row in rows:
        write(json.dumps(plain(row)) if form is Format.JSON else "  ".join(_history_line(row)))
    sys.stdout.flush()


def _history_table(rows: Iterable[HistoryRow]) -> Table:
    columns = ("REVISION", "AUTHOR", "KIND", "WHAT", "SEEN", "STATUS", "GRANTED", "REFUSED", "WHY", "AT")
    right = frozenset({"REVISION", "SEEN", "GRANTED", "REFUSED"})
    return Table(
        columns=columns,
        rows=[_history_line(row) for row in rows],
        right=right,
        empty="no transactions",
        least=("AT", "SEEN", "GRANTED"),
    )


def _names(jobs: Sequence[str]) -> str:
    more = f" and {len(jobs) - MAX_NAMES} more" if len(jobs) > MAX_NAMES else ""
    return ", ".join(jobs[:MAX_NAMES]) + more


def _history_line(row: HistoryRow) -> tuple[str, ...]:
    why = row.reason.lower() if row.reason.lower() != "none" else ""
    if row.conflicts:
        why = f"{why} {row.conflicts} {'conflict' if row.conflicts == 1 else 'conflicts'}".strip()
    return (
        str(row.revision),
        row.author or "-",
        row.kind,
        ": ".join(part for part in (_names(row.jobs), row.summary) if part),
        str(row.seen),
        row.status.lower(),
        str(row.granted),
        str(row.refused),
        why,
        stamp(row.at_us),
    )


def show_conflicts(form: Format, *, count: int, store: str | None, cell: str | None) -> None:
    """Print what each scheduler committed and what it was refused, from the running cell or from a store."""
    query = ConflictQuery(limit=max(count, 1))
    if store is None:
        with open_client(cell) as client:
            schedulers, page = client.schedulers(), client.conflicts(query)
    else:
        from omegacell.api.cli.actions import offline

        schedulers, page = offline.read_conflicts(store, query)
    shown = page.rows[:count]
    show(
        conflict_facts(schedulers, page, shown),
        form,
        scheduler_table(schedulers.schedulers),
        _reason_table(schedulers.schedulers),
        _conflict_table(shown),
    )


def conflict_facts(schedulers: SchedulerList, page: ConflictPage, shown: Sequence[ConflictRow]) -> dict[str, object]:
    """Return conflicts as data; the same for the same log, whether a cell or a file answered."""
    rows = [{name: value for name, value in plain(row).items() if name != "is_live"} for row in schedulers.schedulers]
    return {
        "at": plain(schedulers.at),
        "schedulers": rows,
        "oldest_revision": page.oldest_revision,
        "refused_claims": [plain(row) for row in shown],
    }


def _reason_table(rows: Sequence[SchedulerStatistics]) -> Table:
    body = [(row.author, reason.lower(), str(count)) for row in rows for reason, count in row.refusals.items() if count]
    return Table(
        columns=("SCHEDULER", "REFUSED BECAUSE", "CLAIMS"),
        rows=body,
        right=frozenset({"CLAIMS"}),
        empty="no claim was refused",
    )


def _conflict_table(rows: Sequence[ConflictRow]) -> Table:
    body = [
        (
            str(row.revision),
            row.author,
            f"{row.job}/{row.index}",
            row.machine or "-",
            f"{row.reason.lower()} {row.dimension}".strip(),
            str(row.seen),
            f"{row.taken_by} at {row.taken_at}" if row.taken_at else "-",
            "conflict" if row.is_conflict else "disagreement",
        )
        for row in rows
    ]
    columns = ("REVISION", "AUTHOR", "CLAIM", "MACHINE", "REASON", "SEEN", "TAKEN BY", "AS")
    return Table(
        columns=columns,
        rows=body,
        right=frozenset({"REVISION", "SEEN"}),
        title="the last refused claims:" if body else "",
        empty="",
    )
