"""`omega version`."""

import platform

from omegacell.api.cli.output import Format, Table, show
from omegacell.core.units import FORMAT, RULES


def show_version(form: Format) -> None:
    """Print which omegacell this is."""
    facts = {"version": installed_version(), "format": FORMAT, "rules": RULES, "python": platform.python_version()}
    rows = [(name, str(value)) for name, value in facts.items()]
    show(facts, form, Table(columns=("OMEGACELL", str(facts["version"])), rows=rows[1:]))


def installed_version() -> str:
    """Return the version of omegacell that is installed, or "source" when it runs from its sources alone."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("omegacell")
    except PackageNotFoundError:
        return "source"
