"""`omega store ...`: work on a store without a cell."""

import re
from collections.abc import Iterable
from pathlib import Path

from omegacell.api.cli.exits import CommandError
from omegacell.api.cli.facts import plain
from omegacell.api.cli.output import Format, Table, show, size, stamp
from omegacell.api.errors import ExitCode
from omegacell.api.up.folder import StateFolder, find_holder
from omegacell.core import invariants, snapshots
from omegacell.core.errors import InvariantError, StoreCorruptError, StoreNotFoundError, UsageError
from omegacell.store import backup as copies
from omegacell.store.checkpoints import fold_to, load_oldest, read_fold
from omegacell.store.engines import open_store
from omegacell.store.etcd_address import hide_password
from omegacell.store.folding import Fold
from omegacell.store.log import Store
from omegacell.store.sqlite_database import Access

DATABASE_NAME = "cell.db"


def find_store(text: str) -> str:
    """Return the URL of the store that a user names: by URL, by its file, or by the state folder around it.

    Raises:
        StoreNotFoundError: Nothing is there.
    """
    if "://" in text:
        return text
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        path /= DATABASE_NAME
    if not path.exists():
        raise StoreNotFoundError(f"{path}: no store is there; name cell.db, the state folder around it, or a URL")
    return f"sqlite://{quote(path)}"


def quote(path: Path) -> str:
    """Return an absolute path as it stands in a URL."""
    from urllib.parse import quote as escape

    return escape(str(path))


def path_of(text: str) -> Path:
    """Return the database file that a user names.

    Raises:
        UsageError: It is a store that has no file.
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(find_store(text))
    if parts.scheme != "sqlite":
        raise UsageError(
            f"store {hide_password(text)!r}: only a store in a file can be copied; name cell.db or its folder, or move"
            " it to a file with `omega store migrate`"
        )
    return Path(unquote(parts.path))


def verify(text: str, form: Format) -> None:
    """Read and fold everything again, and exit with 1 when anything is not as it should be."""
    with open_store(find_store(text), access=Access.READ_ONLY) as store:
        faults = _plain(store.find_faults())
        facts: dict[str, object] = {
            "store": str(store.stat().path or hide_password(text)),
            "entries": store.stat().entry_count,
        }
        if not faults:
            folded, found = fold_again(store)
            facts |= folded
            faults += _plain(found)
    facts |= {"is_sound": not faults, "faults": faults}
    rows = [(name, str(value)) for name, value in facts.items() if name != "faults"]
    tables = [Table(columns=("STORE", "VERIFIED"), rows=rows)]
    if faults:
        tables.append(Table(columns=("FAULT",), rows=[(fault,) for fault in faults]))
    show(facts, form, *tables)
    if faults:
        count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        raise CommandError(f"{facts['store']}: {count}, as listed", code=ExitCode.FAILED)


def _plain(faults: Iterable[str]) -> list[str]:
    """Return faults, each once, without SQLite's own words: they differ from version to version and help nobody.

    >>> _plain(["cell.db: SQLite: Tree 9 page 5", "cell.db: bad (SQLite: malformed, SQLITE_CORRUPT)", "cell.db: bad"])
    ['cell.db: the structure of the database is damaged', 'cell.db: bad']
    """
    told = (
        re.sub(r": SQLite: .*", ": the structure of the database is damaged", fault, flags=re.S) for fault in faults
    )
    return list(dict.fromkeys(re.sub(r" ?\(SQLite: .*?\)", "", fault) for fault in told))


def fold_again(store: Store) -> tuple[dict[str, object], list[str]]:
    """Fold a store from the oldest state that can be reached; return what it holds, and what is wrong with it.

    Every checkpoint is read and compared with this fold where it comes by: revision, chain and full digest.
    """
    faults: list[str] = []
    compared = 0
    try:
        fold = load_oldest(store)
        begun_at = fold.revision
        for head in sorted(store.checkpoints.heads(), key=lambda each: each.cursor):
            fault = _read_fault(store, head.checkpoint_id)
            if fault:
                faults.append(fault)
            if head.cursor < fold.cursor:
                continue
            fold_to(store, fold, head.cursor)
            compared += 1
            if (fold.revision, fold.chain, snapshots.digest(fold.cell)) != (head.revision, head.chain, head.digest):
                faults.append(
                    f"checkpoint {head.checkpoint_id} at revision {head.revision} is not what the log folds to"
                )
        fold_to(store, fold, store.head())
        faults += _find_contradictions(fold)
    except (StoreCorruptError, InvariantError) as error:
        return {}, [*faults, str(error)]
    facts: dict[str, object] = {
        "cell": fold.cell.name,
        "first_revision": begun_at + 1,
        "revision": fold.revision,
        "chain": fold.chain.hex(),
        "digest": snapshots.digest(fold.cell).hex(),
        "checkpoints_compared": compared,
        "voided": sorted(store.voids()),
    }
    return facts, faults


def _read_fault(store: Store, checkpoint_id: int) -> str:
    head = next((each for each in store.checkpoints.heads() if each.checkpoint_id == checkpoint_id), None)
    if head is None:
        return ""
    try:
        read_fold(store, head)
    except StoreCorruptError as error:
        return str(error)
    return ""


def _find_contradictions(fold: Fold) -> list[str]:
    try:
        invariants.check(fold.cell)
    except InvariantError as error:
        return [f"the cell at revision {fold.revision} contradicts itself: {error}"]
    return [
        f"session {each.session} saw another chain at revision {each.seen} than this fold: one of the two is wrong"
        for each in fold.mismatches
    ]


def stat(text: str, form: Format) -> None:
    """Print how large a store is and what it holds."""
    with open_store(find_store(text), access=Access.READ_ONLY) as store:
        found = store.stat()
        heads = store.checkpoints.heads()
    facts = plain(found)
    rows = [(name, size(value) if name.endswith("byte_count") else str(value)) for name, value in facts.items()]
    facts["checkpoints"] = [plain(head) for head in heads]
    checkpoints = [
        (
            str(head.checkpoint_id),
            str(head.revision),
            size(head.byte_count),
            "yes" if head.is_confirmed else "no",
            stamp(head.made_at_us),
        )
        for head in heads
    ]
    show(
        facts,
        form,
        Table(columns=("STORE", str(found.path or found.engine)), rows=rows),
        Table(
            columns=("CHECKPOINT", "REVISION", "SIZE", "CONFIRMED", "MADE"),
            rows=checkpoints,
            right=frozenset({"CHECKPOINT", "REVISION", "SIZE"}),
            empty="no checkpoints",
        ),
    )


def void(text: str, revision: int, *, is_meant: bool, form: Format) -> None:
    """Put a revision on the list of those that every fold skips."""
    path = path_of(text)
    holder = find_holder(StateFolder(path.parent))
    if holder:
        raise CommandError(f"the cell in {path.parent} is up (pid {holder}): stop it first", code=ExitCode.REFUSED)
    with open_store(find_store(text), access=Access.EXISTING) as store:
        head = _revision_of_head(store)
        if revision > head + 1:
            raise UsageError(f"revision {revision} is beyond the log, which ends at {head}")
        if not is_meant:
            raise UsageError(f"every fold will skip revision {revision} for ever; say --yes when that is meant")
        store.void(revision)
        voided = sorted(store.voids())
    rows = [(str(each),) for each in voided]
    show({"store": str(path), "voided": voided}, form, Table(columns=("VOIDED",), rows=rows))


def _revision_of_head(store: Store) -> int:
    """Return the revision of the log's end, or of the last that can be folded when one stops every fold."""
    fold = load_oldest(store)
    try:
        fold_to(store, fold, store.head())
    except InvariantError:
        return fold.revision
    return fold.revision


def backup(text: str, destination: Path, form: Format) -> None:
    """Copy a store to a file."""
    _show_copy(copies.backup(path_of(text), destination), form)


def restore(source: Path, destination: Path, form: Format) -> None:
    """Make a store of a backup."""
    is_folder = destination.is_dir() or not destination.suffix
    target = destination / DATABASE_NAME if is_folder else destination
    holder = find_holder(StateFolder(target.parent))
    if holder:
        raise CommandError(f"the cell in {target.parent} is up (pid {holder}): stop it first", code=ExitCode.REFUSED)
    _show_copy(copies.restore(path_of(str(source)), target), form)


def migrate(source: str, destination: str, form: Format) -> None:
    """Copy a store to another engine, with its history."""
    from omegacell.store.migration import check_quiet
    from omegacell.store.migration import migrate as move

    for text in (source, destination):
        _check_down(text)
    url = find_store(source)
    if url.startswith("etcd:"):  # a local cell has a process to look for; this one may run anywhere
        check_quiet(url)
    migrated = move(url, destination)
    facts = {"source": hide_password(source), "destination": hide_password(destination), **plain(migrated)}
    rows = [(name, str(value)) for name, value in facts.items()]
    show(facts, form, Table(columns=("STORE", "MIGRATED"), rows=rows))


def _check_down(text: str) -> None:
    """Refuse the store in a state folder whose cell is up."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(text)
    if parts.scheme in ("", "sqlite"):
        path = Path(unquote(parts.path)).expanduser().absolute()
        folder = path if path.is_dir() else path.parent
        holder = find_holder(StateFolder(folder))
        if holder:
            raise CommandError(f"the cell in {folder} is up (pid {holder}): stop it first", code=ExitCode.REFUSED)


def _show_copy(copy: copies.Copy, form: Format) -> None:
    facts = {
        "path": str(copy.path),
        "byte_count": copy.byte_count,
        "incarnation": copy.incarnation,
        "first": copy.first,
        "head": copy.head,
    }
    rows = [(name, size(copy.byte_count) if name == "byte_count" else str(value)) for name, value in facts.items()]
    show(facts, form, Table(columns=("COPY", "WRITTEN"), rows=rows))
