"""Compiling the kernels once: of the processes that run tests, one compiles and the others load what it kept."""

import fcntl
import tempfile
from functools import cache
from pathlib import Path

from omegacell.simulator.compiled.engine import CompiledSimulation
from omegacell.simulator.compiled.entry import find_digest
from omegacell.simulator.settings import Architecture
from omegacell.simulator.workloads import Workload
from tests.simulator.worlds import make_setup


@cache
def compile_once() -> None:
    """Make sure that this process has the compiled kernels."""
    with (Path(tempfile.gettempdir()) / f"omegacell-{find_digest():x}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        CompiledSimulation(make_setup(Architecture.SHARED_STATE), Workload.of([]))
