"""Which cell commands mean when none is named: told when it changes, and let go when that cell goes down.

The context file (`omegacell.api.contexts`) keeps the choice; here is who of its cells is up on this machine.
"""

from pathlib import Path

from omegacell.api.cli.output import warn
from omegacell.api.contexts import Context, read_contexts, write_context
from omegacell.api.up.folder import StateFolder, find_holder
from omegacell.core.errors import StoreError


def is_up(context: Context) -> bool:
    """Whether an `omega up` of this machine and user keeps the cell."""
    if not context.state_folder:
        return False
    try:
        return find_holder(StateFolder(Path(context.state_folder))) > 0
    except (OSError, StoreError):
        return False  # another user's


def others_up(cell: str) -> list[Context]:
    """Return the other cells that are up on this machine, by name."""
    known = read_contexts().by_name
    return [context for name, context in sorted(known.items()) if name != cell and is_up(context)]


def take_default(context: Context) -> None:
    """Make a cell the default one, and say so when another was that is still up."""
    before = read_contexts()
    write_context(context)
    last = before.by_name.get(before.current)
    if last is not None and last.name != context.name and is_up(last):
        warn(f"commands mean cell {context.name} from now on, and {last.name} with `--cell {last.name}`")


def let_go(cell: str) -> None:
    """Let commands mean another cell that is up, when they meant this one; without another it stays."""
    others = others_up(cell)
    if others and read_contexts().current == cell:
        write_context(others[0])
        warn(f"commands mean cell {others[0].name} from now on")
