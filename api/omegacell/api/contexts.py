"""Which cell is meant: context files, and the environment that overrules them.

A context says where a cell's API listens and holds its token; the file is readable by its owner alone. In order of
precedence: an address given by the caller, ``OMEGA_ADDR`` with ``OMEGA_TOKEN``, a cell named by the caller,
``OMEGA_CELL``, the current context.
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from omegacell.api.errors import NoContextError
from omegacell.core.errors import UsageError

VERSION: Final = 1
LAST_PORT: Final = 65_535
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """How to reach a cell.

    Attributes:
        name: what the user calls it.
        address: host and port of its API.
        token: what every call carries; not shown by ``repr``.
        state_folder: where its store stands, for a cell of this machine; else empty.
    """

    name: str
    address: str
    token: str
    state_folder: str = ""

    def __repr__(self) -> str:
        return f"Context(name={self.name!r}, address={self.address!r}, state_folder={self.state_folder!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """What the context file holds."""

    current: str
    by_name: Mapping[str, Context]


def contexts_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the context file stands: ``$XDG_CONFIG_HOME/omegacell`` or ``~/.config/omegacell``."""
    environment = os.environ if environment is None else environment
    folder = environment.get("XDG_CONFIG_HOME")
    root = Path(folder) if folder else Path(environment.get("HOME") or Path.home()) / ".config"
    return root / "omegacell" / "contexts.json"


def read_contexts(path: Path | None = None) -> Contexts:
    """Read the context file; one that is not there holds nothing.

    Raises:
        UsageError: It cannot be read or is not what `write_context` wrote.
    """
    path = path or contexts_path()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise UsageError(f"{path}: version {data['version']!r}; this omega reads version {VERSION}")
        by_name = {name: Context(name=name, **entry) for name, entry in data["cells"].items()}
        return Contexts(current=data["current"], by_name=by_name)
    except FileNotFoundError:
        return Contexts(current="", by_name={})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: not a context file ({error}); expected what `omega up` writes: remove it and start the cell again"
        ) from error


def write_context(context: Context, *, make_current: bool = True, path: Path | None = None) -> None:
    """Add or replace a context, atomically, readable by its owner alone.

    Raises:
        UsageError: The name is none, or the file cannot be written.
    """
    if not _NAME.fullmatch(context.name):
        raise UsageError(f"cell name {context.name!r}: expected lower-case letters, digits, '.', '_' and '-'")
    path = path or contexts_path()
    known = read_contexts(path)
    current = context.name if make_current or not known.current else known.current
    _write(path, current, {**known.by_name, context.name: context})


def remove_context(name: str, *, path: Path | None = None) -> None:
    """Forget a cell; one that is not there stays so."""
    path = path or contexts_path()
    known = read_contexts(path)
    if name in known.by_name:
        by_name = {other: context for other, context in known.by_name.items() if other != name}
        current = known.current if known.current != name else next(iter(sorted(by_name)), "")
        _write(path, current, by_name)


def find_context(
    cell: str | None = None, *, environment: Mapping[str, str] | None = None, path: Path | None = None
) -> Context:
    """Return the context that is meant.

    Raises:
        NoContextError: Nothing names a cell, or none of that name is known.
        UsageError: The context file is damaged, or an address is none or has no token.
    """
    environment = os.environ if environment is None else environment
    if not cell and environment.get("OMEGA_ADDR"):
        token = environment.get("OMEGA_TOKEN", "")
        if not token:
            raise UsageError("OMEGA_ADDR is set and OMEGA_TOKEN is not; set both, or neither and name a cell")
        address = environment["OMEGA_ADDR"]
        _check_address(address)
        return Context(name=environment.get("OMEGA_CELL", ""), address=address, token=token)
    path = path or contexts_path(environment)
    known = read_contexts(path)
    name = cell or environment.get("OMEGA_CELL") or known.current
    if not name:
        raise NoContextError("no cell is known here: start one with `omega up`, or set OMEGA_ADDR and OMEGA_TOKEN")
    if name not in known.by_name:
        names = ", ".join(sorted(known.by_name)) or "none"
        raise NoContextError(f"cell {name!r} is not in {path}; known: {names}: start it with `omega up --cell {name}`")
    return known.by_name[name]


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) <= LAST_PORT:
        raise UsageError(f"OMEGA_ADDR {address!r}: expected HOST:PORT with a port from 1 to {LAST_PORT}")


def _write(path: Path, current: str, by_name: Mapping[str, Context]) -> None:
    cells = {}
    for name, context in sorted(by_name.items()):
        entry = asdict(context)
        del entry["name"]
        cells[name] = entry
    text = json.dumps({"version": VERSION, "current": current, "cells": cells}, indent=2) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".contexts-", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: cannot write the context file: {error.strerror}") from error
