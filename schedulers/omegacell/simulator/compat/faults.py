"""The faults of the old simulator, one by one: each can be mended alone, so that what it does to the metrics shows.

By default none is mended: then every outcome is that of the old simulator, to the last digit.
"""

from enum import Enum


class Fault(Enum):
    """What the old simulator does, in a few words."""

    ROLLBACK_KEEPS_NUMBERS = "a rolled-back transaction leaves the machines' sequence numbers bumped"
    ENDS_KEEP_NUMBERS = "the end of a task changes a machine, and not its sequence number"
    OWN_CLAIMS_MOVE_NUMBERS = "by sequence numbers, a claim after one that conflicted is accepted if the number fits"
    STOPS_AT_FIRST = "all-or-nothing stops at the first conflict: later claims are not even counted"
    HALF_A_GANG = "all-or-nothing commits a part of a job when only a part finds room"
    PARTIAL_IS_WASTED = "a partly committed transaction counts all its think time as wasted"
    NO_ROOM_IS_FREE = "an attempt that finds no room counts as no busy time"
    GIVES_UP_EARLY = "a job is given up after 100 attempts with nothing placed, not after 1,000"
    MEMORY_AS_CPUS = "offers: free memory is compared with what a task asks for in CPUs"
    LEAST_OFFER = "offers: none is made while fewer than 100 CPUs are free, in a cell of any size"
    OFFERS_OVERLAP = "offers: a framework decides on several at the same time, and is busy more than all the time"
    TIES_BY_HEAP = "events of one time come in the order of a heap, and the first event after the end still happens"
