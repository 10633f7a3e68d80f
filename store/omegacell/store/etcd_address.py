"""Where an etcd store is, and how to be let in, from one URL.

::

    etcd://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]...][/PREFIX][?SETTING=...&...]

    password_file   the password's file, so that it stands in no list of processes
    tls             yes: encrypt, and trust the system's authorities
    ca              the authority's certificate (implies tls)
    cert, key       the client's certificate and key (imply tls)
    patience_s      how long a call tries all endpoints before it fails (10)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from omegacell.core.errors import UsageError

DEFAULT_PORT: Final = 2379
DEFAULT_PREFIX: Final = "/omegacell"
DEFAULT_PATIENCE_S: Final = 10.0
SETTINGS: Final = ("password_file", "tls", "ca", "cert", "key", "patience_s")
FORM: Final = "etcd://[USER[:PASSWORD]@]HOST:PORT[,HOST:PORT...][/PREFIX]"


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdAddress:
    """Where an etcd store is.

    Attributes:
        endpoints: Host and port of members, any of which will do.
        prefix: What its keys begin with; beside others' keys in one etcd.
        user: Who asks; None without authentication.
        password: Their password; never in ``name`` or ``repr``.
        is_encrypted: Whether TLS is spoken.
        ca: The authority's certificate; None for the system's authorities.
        certificate: The client's certificate.
        key: The client's key.
        patience_s: How long a call tries.
    """

    endpoints: tuple[tuple[str, int], ...]
    prefix: str = DEFAULT_PREFIX
    user: str | None = None
    password: str | None = None
    is_encrypted: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    patience_s: float = DEFAULT_PATIENCE_S

    @property
    def name(self) -> str:
        """The address without its secrets."""
        return f"etcd://{','.join(f'{host}:{port}' for host, port in self.endpoints)}{self.prefix}"

    def __repr__(self) -> str:
        return f"EtcdAddress({self.name!r})"


def parse_address(url: str, query: Mapping[str, str]) -> EtcdAddress:
    """Return what a URL says; ``query`` are its settings, decoded.

    >>> parse_address("etcd://h1:1,h2/east", {}).name
    'etcd://h1:1,h2:2379/east'

    Raises:
        UsageError: It is written wrong, or a file that it names cannot be read.
    """
    parts = urlsplit(url)
    shown = hide_password(url)
    unknown = sorted(set(query) - set(SETTINGS))
    if unknown:
        raise UsageError(f"store {shown!r}: unknown setting {', '.join(unknown)}; expected {', '.join(SETTINGS)}")
    account, _, hosts = parts.netloc.rpartition("@")
    user, has_password, password = account.partition(":")
    if bool(query.get("cert")) != bool(query.get("key")):
        raise UsageError(f"store {shown!r}: cert and key go together")
    given = _read_password(shown, query["password_file"]) if "password_file" in query else unquote(password)
    if bool(user) != bool(given or has_password):
        raise UsageError(f"store {shown!r}: a user and a password go together")
    files = [_find_file(shown, query, name) for name in ("ca", "cert", "key")]
    return EtcdAddress(
        endpoints=tuple(_parse_endpoint(shown, each) for each in hosts.split(",")),
        prefix=_parse_prefix(shown, unquote(parts.path)),
        user=unquote(user) or None,
        password=given if user else None,
        is_encrypted=_is_yes(shown, query) or any(files),
        ca=files[0],
        certificate=files[1],
        key=files[2],
        patience_s=_parse_patience(shown, query),
    )


def hide_password(url: str) -> str:
    """Return a store's URL as it may be shown.

    >>> hide_password("etcd://me:secret@host:2379/east?tls=yes")
    'etcd://me:***@host:2379/east?tls=yes'
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    account, at, hosts = authority.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}{separator}{user}{colon and ':***'}{at}{hosts}{slash}{path}"


def _parse_endpoint(shown: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):  # a name alone, or [::1]
        host, port = text, str(DEFAULT_PORT)
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 1 << 16:
        raise UsageError(f"store {shown!r}: endpoint {text!r} is not HOST:PORT; expected {FORM}")
    return host, int(port)


def _parse_prefix(shown: str, path: str) -> str:
    prefix = "/" + path.strip("/") if path.strip("/") else DEFAULT_PREFIX
    if "//" in prefix or not prefix.isprintable():
        raise UsageError(f"store {shown!r}: prefix {prefix!r} is none; expected {FORM}")
    return prefix


def _is_yes(shown: str, query: Mapping[str, str]) -> bool:
    value = query.get("tls", "no")
    if value not in ("yes", "no"):
        raise UsageError(f"store {shown!r}: tls={value!r}; expected yes or no")
    return value == "yes"


def _parse_patience(shown: str, query: Mapping[str, str]) -> float:
    try:
        patience_s = float(query.get("patience_s", DEFAULT_PATIENCE_S))
    except ValueError:
        patience_s = 0.0
    if not 0.0 < patience_s <= 3600.0:
        raise UsageError(f"store {shown!r}: patience_s={query['patience_s']!r}; expected seconds, at most 3600")
    return patience_s


def _find_file(shown: str, query: Mapping[str, str], name: str) -> Path | None:
    if name not in query:
        return None
    path = Path(query[name])
    if not path.is_absolute() or not path.is_file():
        raise UsageError(f"store {shown!r}: {name}={query[name]!r} is no file; name one by its absolute path")
    return path


def _read_password(shown: str, text: str) -> str:
    try:
        return Path(text).read_text().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"store {shown!r}: password_file={text!r} cannot be read: {error}") from error
