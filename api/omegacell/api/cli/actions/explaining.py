"""`omega explain`: why a task waits, or why it is where it is, as tables."""

from collections.abc import Iterator

from omegacell.api.cli.actions.jobs import held_table
from omegacell.api.cli.actions.reaching import open_client
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, stamp
from omegacell.api.planning.records import Explanation, LostClaim, MachineChoice
from omegacell.core.jobs import TaskState

TIMEOUT_S = 120.0
NAMES_SHOWN = 5


def explain(name: str, form: Format, *, cell: str | None) -> None:
    """Print why a task, or tasks of a job, wait, or why they are where they are."""
    job, index = _read_name(name)
    with open_client(cell, timeout_s=TIMEOUT_S) as client:
        found = client.explain(job, index)
    show(plain(found), form, *_tables(found))


def _read_name(name: str) -> tuple[str, int | None]:
    """Return job and index; a job's name holds no slash.

    >>> _read_name("web/2"), _read_name("web"), _read_name("#6/0")
    (('web', 2), ('web', None), ('#6', 0))
    """
    from omegacell.api.client import read_task_name

    return read_task_name(name) if "/" in name else (name, None)


def _tables(found: Explanation) -> Iterator[Table]:
    yield Table(columns=("TASK" if found.index is not None else "JOB", _label(found)), rows=_head(found))
    if found.held is not None and (found.index is None or found.state is TaskState.HELD):
        yield held_table(found.held)
    if found.state is TaskState.PENDING:
        yield from _pending_tables(found)
    elif found.index is None and found.machines:
        rows = [(machine, str(count)) for machine, count in found.machines.items()]
        held = found.counts.get(TaskState.PLACED, 0) + found.counts.get(TaskState.RUNNING, 0)
        title = "" if sum(found.machines.values()) == held else f"the {len(rows)} machines with most of its tasks"
        yield Table(columns=("MACHINE", "TASKS"), rows=rows, right=frozenset({"TASKS"}), title=title)
    if found.attempts:
        yield _attempts(found)
    if found.conflicts:
        yield _conflicts(found)


def _label(found: Explanation) -> str:
    return found.job if found.index is None else f"{found.job}/{found.index}"


def _head(found: Explanation) -> list[tuple[str, str]]:
    if found.index is None:
        counts = ", ".join(f"{count} {state.name.lower()}" for state, count in found.counts.items() if count)
        about = f"{found.pending_count} pending: " if found.state is TaskState.PENDING else ""
        rows = [("tasks", f"{sum(found.counts.values())}: {counts}"), ("why", about + found.summary)]
    else:
        rows = [("state", found.state.name.lower()), ("why", found.summary)]
    if found.state is TaskState.PENDING:
        rows.append(("room", f"{found.fitting_count} of {found.machine_count} machines take one more task now"))
        if found.planned_on:
            rows.append(("would go to", f"{found.planned_on}, if scheduler {found.planned_by!r} decided now"))
    if found.preemption:
        rows.append(("preemption", found.preemption))
    if found.waits_for:
        rows.append(
            ("waits for", ", ".join([*found.waits_for[:NAMES_SHOWN], *["..."][: len(found.waits_for) - NAMES_SHOWN]]))
        )
    for when, choice in (("room then", found.then), ("room now", found.now)):
        if choice is not None:
            rows.append((when, _describe_choice(choice)))
    if found.then_unknown:
        rows.append(("room then", f"not known: {found.then_unknown}"))
    rows.append(("log", f"read back to revision {found.oldest_revision}, answered at {found.at.revision}"))
    return rows


def _describe_choice(choice: MachineChoice) -> str:
    """Say which machines had room, at which revision, and how the one that was taken stood among them."""
    rank = "it the least loaded" if not choice.lighter_count else f"{choice.lighter_count} of them less loaded than it"
    words = f"{choice.fitting_count} of {choice.machine_count} machines at revision {choice.revision}"
    if not choice.others:
        return f"{words}, it alone" if choice.fitting_count == 1 else words
    names = ", ".join(choice.others[:NAMES_SHOWN]) + (", ..." if len(choice.others) > NAMES_SHOWN else "")
    return f"{words}, {rank}; besides it {names}"


def _pending_tables(found: Explanation) -> Iterator[Table]:
    lacks = [(f"{lack.reason.lower()} {lack.dimension}".strip(), str(lack.machine_count)) for lack in found.lacks]
    if lacks:
        yield Table(columns=("WHY NOT", "MACHINES"), rows=lacks, right=frozenset({"MACHINES"}))
    if found.misses:
        misses = [(miss.machine, miss.reason.lower(), miss.message) for miss in found.misses]
        yield Table(columns=("NEAREST", "REASON", "WHAT IT LACKS"), rows=misses)
    if found.changes:
        changes = [
            (str(place), change.message, f"{change.fit_count} of {found.pending_count}")
            for place, change in enumerate(found.changes, start=1)
        ]
        yield Table(columns=("", "IT WOULD FIT NOW", "TASKS"), rows=changes, right=frozenset({"TASKS"}))
    if found.is_cut_off:
        yield Table(columns=(), rows=(), title="the time was over before every change was tried", empty="")
    elif not found.changes and not found.fitting_count and found.machine_count:
        title = "no change of one or two things would make it fit now"
        yield Table(columns=(), rows=(), title=title, empty="")
    if found.evicted:
        evicted = [(f"{task.job}/{task.index}", task.machine) for task in found.evicted]
        yield Table(columns=("WOULD BE EVICTED", "FROM"), rows=evicted)


def _attempts(found: Explanation) -> Table:
    has_ended = any(attempt.end for attempt in found.attempts)
    rows = [
        (
            str(attempt.attempt),
            attempt.machine or "-",
            f"gave way to {attempt.preempted_by}" if attempt.preempted_by else attempt.state.name.lower(),
            attempt.author or "-",
            str(attempt.revision or "-"),
            str(attempt.seen) if attempt.author else "-",
            stamp(attempt.placed_at_us),
            *([attempt.end] if has_ended else []),
        )
        for attempt in found.attempts
    ]
    columns = ("ATTEMPT", "MACHINE", "STATE", "PLACED BY", "REVISION", "SEEN", "AT", *["END"][: int(has_ended)])
    return Table(columns=columns, rows=rows, right=frozenset({"ATTEMPT", "REVISION", "SEEN"}), least=("AT",))


def _conflicts(found: Explanation) -> Table:
    columns = ("LOST AT", "TASK", "MACHINE", "WHY", "SEEN", "TAKEN AT", "BY", "FOR", "WHAT")
    rows = [_conflict_row(lost) for lost in found.conflicts]
    return Table(columns=columns, rows=rows, right=frozenset({"LOST AT", "TASK", "SEEN", "TAKEN AT"}))


def _conflict_row(lost: LostClaim) -> tuple[str, ...]:
    conflict = lost.conflict
    taken = f"{lost.taken_count} {'task' if lost.taken_count == 1 else 'tasks'} of {lost.taken_by_job}"
    return (
        str(conflict.revision),
        str(conflict.index),
        conflict.machine or "-",
        f"{conflict.reason} {conflict.dimension}".strip(),
        str(conflict.seen),
        str(conflict.taken_at or "-"),
        conflict.taken_by or "-",
        taken if lost.taken_by_job else "-",
        "conflict" if conflict.is_conflict else "disagreement",
    )
