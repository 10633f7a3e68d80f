"""Opens a store by its URL, so that nothing else has to know which engines there are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from omegacell.core.errors import UsageError
from omegacell.store.etcd_address import hide_password, parse_address
from omegacell.store.log import Store, Synchronous
from omegacell.store.memory import MemoryDisk, MemoryStore, named_disk
from omegacell.store.sqlite import SqliteStore
from omegacell.store.sqlite_database import DEFAULT_PATIENCE_S, Access, SqliteOptions

if TYPE_CHECKING:
    from omegacell.store.etcd import EtcdStore

URL_FORMS: Final = "memory://, memory://NAME, sqlite:///PATH or etcd://HOST:PORT,.../PREFIX"
SYNCHRONOUS_VALUES: Final = {"full": Synchronous.FULL, "normal": Synchronous.NORMAL}


def open_store(url: str, *, access: Access = Access.CREATE, patience_s: float = DEFAULT_PATIENCE_S) -> Store:
    """Open a store.

    ``memory://`` is a new one; ``memory://NAME`` is shared by all who open it in this process.
    ``sqlite:///var/lib/omega/cell.db`` is a file (three slashes and an absolute path); with ``?synchronous=normal``
    a power cut may erase commits that were acknowledged.
    ``etcd://user:password@host:2379,host:2379/prefix?ca=/path`` is a prefix in an etcd (``etcd_address``).

    >>> with open_store("memory://") as store:
    ...     store.head()
    0

    Args:
        url: Which engine, and where.
        access: What for; an engine in memory is always made new.
        patience_s: How long to wait for other processes.

    Raises:
        UsageError: The URL names no engine, or something an engine does not know.
        StoreError: It cannot be opened; the subclass and the message say why and what to do.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    match parts.scheme:
        case "memory":
            _check_empty(url, query)
            name = parts.netloc + parts.path
            return MemoryStore(named_disk(name) if name else MemoryDisk())
        case "sqlite":
            if parts.netloc or not parts.path.strip("/"):
                raise UsageError(f"store {url!r}: expected sqlite:/// and an absolute path (three slashes)")
            synchronous = _take_synchronous(url, query)
            _check_empty(url, query)
            options = SqliteOptions(access=access, synchronous=synchronous, patience_s=patience_s)
            # Four slashes are what others write for an absolute path, and SQLite would take the second name for a host.
            return SqliteStore(Path("/" + unquote(parts.path).lstrip("/")), options)
        case "etcd":
            return open_etcd(url, access=access)
        case _:
            raise UsageError(f"store {hide_password(url)!r}: no such engine; expected {URL_FORMS}")


def open_etcd(url: str, *, access: Access = Access.CREATE, is_draft: bool = False) -> "EtcdStore":
    """Open a store in etcd; see `open_store`. gRPC is loaded only here."""
    from omegacell.store.etcd import EtcdConnection, EtcdStore

    address = parse_address(url, dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)))
    return EtcdStore(EtcdConnection(address), address.prefix, access, is_draft=is_draft)


def erase_etcd(url: str) -> None:
    """Delete a store in etcd, whole; one that is not there stays so."""
    from omegacell.store.etcd import EtcdConnection
    from omegacell.store.etcd_layout import Keys
    from omegacell.store.etcd_meta import erase

    address = parse_address(url, dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)))
    connection = EtcdConnection(address)
    try:
        erase(connection, Keys(address.prefix))
    finally:
        connection.close()


def _take_synchronous(url: str, query: dict[str, str]) -> Synchronous:
    value = query.pop("synchronous", "full")
    if value not in SYNCHRONOUS_VALUES:
        raise UsageError(f"store {url!r}: synchronous={value!r}; expected full or normal")
    return SYNCHRONOUS_VALUES[value]


def _check_empty(url: str, query: Mapping[str, str]) -> None:
    if query:
        raise UsageError(f"store {url!r}: unknown setting {', '.join(sorted(query))}; expected none, or synchronous")
