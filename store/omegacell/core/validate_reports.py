"""Ranges and structure of reports of tasks, which are most of what is judged; the part of `validate` about them."""

from typing import Final

import numpy as np

from omegacell.core.column_checks import are_among, are_below, check_equal, check_rows
from omegacell.core.errors import MalformedError
from omegacell.core.machine_commands import ExitNote, Report, ReportKind
from omegacell.core.units import (
    MAX_EPOCH,
    MAX_ID,
    MAX_MACHINES,
    MAX_TASKS_PER_JOB,
    MAX_WALL_US,
)

_SMALL: Final = min(MAX_TASKS_PER_JOB, MAX_MACHINES)
"""Below every limit of an int32 column: where nothing reaches it, no column has to be looked at by itself."""
_KINDS: Final = bytes(ReportKind)
_NOTES: Final = bytes(ExitNote)


def check_report(command: Report) -> None:
    """Raise `MalformedError` when the columns of a report do not fit together or hold what is out of range."""
    if not _is_usual_report(command):
        _check_report_columns(command)


def _is_usual_report(command: Report) -> bool:
    """Tell whether all columns are of one length and hold small numbers: true of nearly every report that is right."""
    machines, epochs, indices, attempts = command.machines, command.epochs, command.indices, command.attempts
    codes, jobs, at_us = command.exit_codes, command.jobs, command.at_us
    count = len(jobs)
    return (
        len(machines) == len(epochs) == len(indices) == len(attempts) == len(codes) == len(at_us) == count
        and len(command.kinds) == len(command.signals) == len(command.notes) == count
        and are_below(_SMALL, np.int32, machines, epochs, indices, attempts, codes)
        and are_below(MAX_WALL_US, np.int64, jobs, at_us)
        and are_among(_KINDS, command.kinds)
        and are_among(_NOTES, command.notes)
    )


def _check_report_columns(command: Report) -> None:
    check_rows("machines", command.machines, MAX_MACHINES)
    check_rows("epochs", command.epochs, MAX_EPOCH)
    check_rows("jobs", command.jobs, MAX_ID)
    check_rows("indices", command.indices, MAX_TASKS_PER_JOB)
    check_rows("attempts", command.attempts, MAX_EPOCH)
    check_rows("kinds", command.kinds, len(ReportKind))
    check_rows("notes", command.notes, len(ExitNote))
    check_rows("at_us", command.at_us, MAX_WALL_US)
    if (command.exit_codes < -1).any():
        raise MalformedError("an exit code is below -1")
    check_equal(
        command.machines,
        command.epochs,
        command.jobs,
        command.indices,
        command.attempts,
        command.kinds,
        command.exit_codes,
        command.signals,
        command.notes,
        command.at_us,
    )
