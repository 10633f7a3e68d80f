"""The one function that is compiled as a whole and kept: everything that it calls is inside of what is kept.

numba knows a kept function by its own file and by what it encloses, not by what it calls. So it encloses a digest of
the text of all kernels and constants: whoever edits one of them gets a new compilation, and never the old one.
"""

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Final

from omegacell.core import kernels, outcomes, units
from omegacell.core.kernels import compiling_lightly, has_compiler, kept_kernel, make_gatherer
from omegacell.simulator import instances, labcell, metrics
from omegacell.simulator.compiled import (
    agenda,
    deciding,
    draws,
    jobheaps,
    judging,
    placing,
    settling,
    turns,
    waiting,
    world,
)

START: Final = 0
BEGIN: Final = 1
PROCEED: Final = 2
TELL: Final = 3

_TEXTS: Final = (kernels, agenda, deciding, draws, jobheaps, judging, placing, settling, turns, waiting, world)
_CONSTANTS: Final = (outcomes, units, instances, labcell, metrics)
"""The modules that hold kernels, and those whose constants stand in them."""

_gather = make_gatherer(world.World._fields)

Entry = Callable[[world.World, int, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The function, and how many CPU-seconds it took to compile it or to load what was kept."""

    run: Entry
    cpu_s: float


@cache
def find_digest() -> int:
    """Return a number that follows from the text of every kernel."""
    text = "".join(inspect.getsource(module) for module in (*_TEXTS, *_CONSTANTS))
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest())


def make_entry(digest: int) -> Entry:
    """Make the function for a digest: it starts an instance, begins a run, lets it proceed, or tells the digest."""

    @kept_kernel
    def act(columns: world.World, what: int, number: int) -> int:
        reference = _gather(columns)
        if what == START:
            return turns.start(reference, number)
        if what == BEGIN:
            turns.begin(reference)
            return 0
        if what == PROCEED:
            return turns.proceed(reference)
        return digest

    return act


def prepare(columns: world.World) -> Prepared:
    """Compile the function, or load what was kept, unless this process has done so; all worlds are of one type."""
    began = time.process_time()
    entry = _make_once(find_digest())
    if has_compiler():
        with compiling_lightly():
            entry(columns, TELL, 0)
    return Prepared(run=entry, cpu_s=time.process_time() - began)


@cache
def _make_once(digest: int) -> Entry:
    return make_entry(digest)
