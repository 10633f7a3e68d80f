"""Run as a program: makes itself die with its parent, and becomes the program it is told.

``python -I -S leash.py PARENT PROGRAM ARGUMENT...``. A program of its own, because code between fork and exec is not
safe in a process that has threads. Imports nothing but the standard library: it is run by its path.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> None:
    """Be killed when the parent dies; end at once when it has died already; else become the program."""
    parent, program = int(arguments[0]), arguments[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(program[0], list(program))


def leashed(argv: Sequence[str]) -> list[str]:
    """Return the arguments that start a program so that it dies with this process."""
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), *argv]


if __name__ == "__main__":
    main(sys.argv[1:])
