"""Transcripts: what was asked of a cell and what became of it, as text that people write, read and compare.

A line is a transaction: ``SESSION OPTIONS: COMMAND ; COMMAND``. Options are ``seen=N`` (else the newest revision),
``seq=N`` (else the next), ``from=US``, ``to=US``, ``coarse`` and ``gang``. A line that begins with ``+`` goes into
the entry of the line before. ``bytes HEX`` is an entry of exactly these bytes, ``repeat N LINE`` the same line again
and again, ``show THING`` prints the cell. Lines that begin with ``=`` or ``|`` are answers; `Player` writes them.
"""

from collections.abc import Iterator

from omegacell.core import invariants
from omegacell.core.apply import apply, apply_malformed
from omegacell.core.cell import Cell
from omegacell.core.commands import Transaction
from omegacell.core.errors import MalformedError
from omegacell.core.jobs import TaskState
from omegacell.core.outcomes import Change, Outcome, Reason, Spawning, name_dimension
from omegacell.core.units import RESOURCE_NAMES, Atomicity, Detection, Revision, SessionId
from omegacell.core.updates import Updating
from omegacell.store.codec import decode_entry, encode_entry
from tests.support.oracle_mirror import picture_of_cell, verdict_of
from tests.support.transcript_commands import read_command, write_command

ANSWERS = ("=", "|")


def write_transaction(transaction: Transaction) -> str:
    """Write a transaction on one line, complete; what is broken beyond writing as its values."""
    options = f"seq={transaction.seq} seen={transaction.seen}"
    options += f" from={transaction.decided_from_us} to={transaction.decided_to_us}"
    options += " coarse" * (transaction.detection == Detection.COARSE)
    options += " gang" * (transaction.atomicity == Atomicity.ALL_OR_NOTHING)
    try:
        commands = " ; ".join(write_command(each) for each in transaction.commands)
    except (ValueError, IndexError):
        commands = repr(transaction.commands)
    return f"{'+ ' * (transaction.position > 0)}s{transaction.session} {options}: {commands}"


def read_transaction(line: str, cell: Cell, *, position: int = 0) -> Transaction:
    """Read a transaction; what the line leaves open follows from the cell."""
    head, _, body = line.partition(": ")
    session, *words = head.split()
    options = dict(word.split("=") for word in words if "=" in word)
    number = SessionId(int(session.removeprefix("s")))
    known = cell.sessions.get(number)
    stamp = 1_000 * (cell.revision + 1)
    return Transaction(
        session=number,
        seq=int(options.get("seq", known.last_seq + 1 + position if known else 1 + position)),
        seen=Revision(int(options.get("seen", cell.revision))),
        detection=Detection.COARSE if "coarse" in words else Detection.FINE,
        atomicity=Atomicity.ALL_OR_NOTHING if "gang" in words else Atomicity.INCREMENTAL,
        decided_from_us=int(options.get("from", stamp)),
        decided_to_us=int(options.get("to", stamp + 10)),
        commands=tuple(read_command(each) for each in body.split(" ; ")),
        position=position,
    )


def entries_of(lines: list[str]) -> Iterator[list[str]]:
    """Group lines into entries; what is no entry is a group of its own."""
    group: list[str] = []
    for line in lines:
        if group and not line.startswith("+ "):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


class Player:
    """Plays a transcript on a new cell, and keeps what was appended to its log.

    Attributes:
        cell: the cell.
        log: the entries so far: transactions as they were judged, or the bytes of those that are given as bytes.
    """

    def __init__(self) -> None:
        self.cell = Cell()
        self.log: list[tuple[Transaction, ...] | bytes] = []

    def play(self, text: str) -> str:
        """Play lines; give them with their answers."""
        lines = [line for line in text.splitlines() if not line.startswith(ANSWERS)]
        written: list[str] = []
        for group in entries_of(lines):
            written += self._play_group(group)
            invariants.check(self.cell)
        return "\n".join(written) + "\n"

    def ask(self, *lines: str) -> list[Outcome]:
        """Append one entry of these lines; give what became of its transactions."""
        transactions = [read_transaction(line, self.cell, position=at) for at, line in enumerate(lines)]
        self.log.append(tuple(transactions))
        try:
            entry = encode_entry(transactions)
        except MalformedError:
            # What the format does not even hold is judged as it is.
            return [apply(self.cell, each) for each in transactions]
        return fold_entry(self.cell, entry)

    def _play_group(self, group: list[str]) -> list[str]:
        """Play the lines of one entry; give them with their answers."""
        line = group[0]
        if not line or line.startswith("#"):
            return group
        if line.startswith("show "):
            return [line, *(f"| {each}" for each in show(self.cell, line.split()[1:]))]
        if line.startswith("repeat "):
            _, count, rest = line.split(" ", 2)
            last = [self.ask(rest) for _ in range(int(count))][-1]
            return [line, f"= the last: {describe(last[0])}"]
        if line.startswith("bytes "):
            self.log.append(bytes.fromhex(line.split()[1]))
            return [line, *(f"= {describe(each)}" for each in fold_entry(self.cell, bytes.fromhex(line.split()[1])))]
        outcomes = self.ask(*(each.removeprefix("+ ") for each in group))
        written = []
        for each, outcome in zip(group, outcomes, strict=True):
            written += [each, f"= {describe(outcome, each)}", *(f"=   {row}" for row in describe_rows(outcome))]
        return written


def fold_entry(cell: Cell, entry: bytes) -> list[Outcome]:
    """Fold the bytes of an entry as a participant does."""
    try:
        transactions = decode_entry(entry)
    except MalformedError:
        return [apply_malformed(cell)]
    return [apply(cell, each) for each in transactions]


def describe(outcome: Outcome, line: str = "") -> str:
    """Say what became of the transaction of a line."""
    words = [str(outcome.revision), outcome.status.name]
    if outcome.reason:
        words.append(Reason(outcome.reason).name + (" conflict" if outcome.is_conflict else ""))
    if outcome.granted != 1 or len(outcome.refusals):
        words.append(f"granted {outcome.granted}")
    if outcome.reason == Reason.QUOTA_EXCEEDED:
        words[-1:] = [f"lacks {outcome.value} {RESOURCE_NAMES[outcome.detail]}"]
    elif outcome.reason == Reason.ALLOC_TOO_SMALL:
        words[-1:] = [f"against job {outcome.value} in {RESOURCE_NAMES[outcome.detail]}"]
    elif outcome.detail and "submit " in line:
        words.append(f"job {outcome.value} {Change(outcome.detail).name}")
    elif outcome.detail and "spawn " in line:
        words.append(f"{Spawning(outcome.detail).name} job {outcome.value}")
    elif outcome.detail:
        words.append(f"machine {outcome.value} epoch {outcome.detail}")
    return " ".join(words)


def describe_rows(outcome: Outcome) -> Iterator[str]:
    """Say what was refused, row by row."""
    for position, reason, is_conflict, dimension, shortage, taken_at in verdict_of(outcome).rows:
        words = [str(position), reason.name, "conflict" if is_conflict else "disagreement"]
        if reason in (Reason.DEVICE_MISSING, Reason.DEVICES_EXHAUSTED):
            words.append(f"lacks {shortage} of device {dimension}")
        elif dimension >= 0:
            words.append(f"lacks {shortage} {name_dimension(reason, dimension, None)}")
        if taken_at:
            words.append(f"taken at {taken_at}")
        yield " ".join(words)


def show(cell: Cell, words: list[str]) -> Iterator[str]:
    """Print what is asked for: ``tasks JOB``, ``jobs``, ``machines``, ``authors``, ``limits``, ``time``."""
    picture = picture_of_cell(cell)
    match words:
        case ["time"]:
            yield f"tick {cell.tick} elapsed {cell.elapsed}"
        case ["tasks", job]:
            for path, task in picture.items():
                if path.startswith(f"task {job}/"):
                    yield describe_task(path, task)
        case ["jobs"]:
            for number in cell.jobs.ids():
                name, _, count, extent, is_stopping, _, changed_at, ended, _, why, family, deadline, is_late, pair = (
                    picture[f"job {number}"]
                )
                mark = f" deadline {deadline}" * (deadline >= 0) + " late" * is_late
                mark += " stopping" * is_stopping + (f" ended {ended}" if ended >= 0 else "")
                successor, updating, _ = pair
                mark += f" replaced by {successor}" if successor else ""
                mark += f" updating {Updating(updating).name}" if updating else ""
                facts = f"job {number} {name} count {count} of {extent} changed {changed_at}{mark}"
                yield f"{facts}{' why' if why else ''}{describe_family(*family)}"
        case ["machines"]:
            for row in range(cell.machines.count):
                yield describe_machine(row, picture[f"machine {row}"])
        case ["limits"]:
            for path, value in picture.items():
                if path.startswith(("quota ", "cap ")):
                    yield "{0} {2} of {1} changed {3}".format(path, *value)
        case ["authors"]:
            for path, value in picture.items():
                if path.startswith("author "):
                    yield describe_author(path, value)
        case _:
            raise AssertionError(f"nothing to show: {words}")


def describe_family(parent: int, instant_us: int, tallies: list[int]) -> str:
    """Say whose child a job is, and how many it had itself; nothing of a job that has to do with none."""
    made, skipped, missed = tallies
    words = f" child of {parent}" * bool(parent) + f" instant {instant_us}" * bool(instant_us)
    return words + f" made {made} skipped {skipped} missed {missed}" * bool(made or skipped or missed)


def describe_task(path: str, task: tuple[object, ...]) -> str:
    """Say where a task is in its life."""
    (
        state,
        machine,
        _,
        stopping,
        health,
        attempt,
        restarts,
        code,
        signal,
        note,
        *_,
        ports,
        devices,
        past,
        alloc,
        waits,
        displaced,
    ) = task
    assert isinstance(state, int)
    assert isinstance(past, tuple)
    assert isinstance(waits, tuple)
    words = [path, TaskState(state).name, f"attempt {attempt} restarts {restarts}"]
    words += [f"on {machine}"] if machine != -1 else []
    words += [f"stopping {stopping}"] if stopping else []
    words += [f"health {health}"] if health else []
    words += [f"ports {ports}"] if ports else []
    words += [f"devices {devices}"] if devices else []
    words += [f"in {alloc}"] if alloc else []
    words += [f"waits for {' '.join(map(write_key, waits))}"] if waits else []
    words += [f"gave way in {write_displaced(displaced)}"] if displaced else []
    words += [f"exit {code} signal {signal} note {note}"] if (code, signal, note) != (-1, 0, 0) else []
    words += [f"past {' '.join(f'{each[0]}:{TaskState(each[2]).name}@{each[1]}' for each in past)}"] if past else []
    return " ".join(words)


def write_key(key: tuple[int, int, int]) -> str:
    """Write an attempt as in commands."""
    return "{}/{}@{}".format(*key)


def write_displaced(displaced: object) -> str:
    """Write whom a task gave way to, when, and how deep that was."""
    assert isinstance(displaced, tuple)
    return "attempt {} to {}/{} at {} depth {}".format(*displaced)


def describe_machine(row: int, machine: tuple[object, ...]) -> str:
    """Say what a machine has left, who changed it last, and who hears it."""
    name, _, epoch, state, capacity, _, free, _, _, ports, *rest = machine
    used, devices_of, changed_at, claimed_at, author, contact, silent, _, taints, eligibility, deadline = rest
    assert isinstance(ports, tuple)
    assert isinstance(taints, tuple)
    assert isinstance(devices_of, tuple)
    offers, held = devices_of
    devices = "".join(f" {offer.name} {left} free of {offer.count}" for offer, left in offers)
    devices += f" held {held}" if held else ""
    marks = f" taints {' '.join(map(str, taints))}" if taints else ""
    return (
        f"machine {row} {name} epoch {epoch} {state} free {free} of {capacity} next port {ports[2]} ports {used}"
        f"{devices} changed {changed_at} claimed {claimed_at} by {author} contact {contact} silent {silent}{marks}"
        + (f" {eligibility}" if eligibility != "OPEN" else "")
        + (f" deadline {deadline}" if deadline != -1 else "")
    )


def describe_author(path: str, value: tuple[object, ...]) -> str:
    """Say what an author did so far."""
    names = (
        "decisions", "committed", "conflicted", "disagreed", "no_fit", "placements", "claims_conflicted",
        "claims_disagreed", "busy_us", "wait_us", "wait_count", "refused_in_a_row", "suspended_until",
    )  # fmt: skip
    counts = [f"{name} {count}" for name, count in zip(names, value, strict=False) if count]
    return " ".join([path, *counts, str(value[-1])])
