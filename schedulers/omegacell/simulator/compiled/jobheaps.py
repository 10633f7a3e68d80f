"""Heaps of jobs that are linked through the jobs' own records: pairing heaps, by age or by the time they are due.

A job stands in one heap at a time, so one pair of links does for all heaps of all instances, and nothing is allocated.
`backlog` keeps stamped items in heaps of Python; here an item that no longer counts is a job that is `Standing.GONE`,
since in a simulation a job leaves its heap only from the top, or for good.
"""

import numpy as np

from omegacell.core.kernels import Whole, part
from omegacell.simulator.compiled.world import Records

NOBODY = np.int64(-1)
BY_AGE = np.int64(0)
BY_DUE = np.int64(1)


@part
def add(jobs: Records, root: Whole, job: Whole, by_due: Whole) -> Whole:
    """Add a job to a heap; return the new root."""
    record = jobs[job]
    record.child = NOBODY
    record.sibling = NOBODY
    return job if root == NOBODY else _link(jobs, root, job, by_due)


@part
def drop_root(jobs: Records, root: Whole, by_due: Whole) -> Whole:
    """Take out the first job; return the new root."""
    child = jobs[root].child
    jobs[root].child = NOBODY
    pairs = NOBODY
    while child != NOBODY:
        one, other = child, jobs[child].sibling
        if other == NOBODY:
            child, joined = NOBODY, one
        else:
            child = jobs[other].sibling
            joined = _link(jobs, one, other, by_due)
        jobs[joined].sibling = pairs
        pairs = joined
    root = NOBODY
    while pairs != NOBODY:
        rest = jobs[pairs].sibling
        jobs[pairs].sibling = NOBODY
        root = pairs if root == NOBODY else _link(jobs, root, pairs, by_due)
        pairs = rest
    return root


@part
def _link(jobs: Records, one: Whole, other: Whole, by_due: Whole) -> Whole:
    """Hang the later of two roots under the earlier; age is the job's number, and breaks ties of time."""
    is_later = one > other
    if by_due and jobs[one].due_us != jobs[other].due_us:
        is_later = jobs[one].due_us > jobs[other].due_us
    first, second = (other, one) if is_later else (one, other)
    jobs[second].sibling = jobs[first].child
    jobs[first].child = second
    jobs[first].sibling = NOBODY
    return first
