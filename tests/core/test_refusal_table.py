"""Every reason for a refusal, as a table: what was there, what was asked, and what exactly is answered.

The rows stand in the order of `Reason`. Each is tried on the core, and must leave no trace.
"""

from dataclasses import dataclass

import pytest

from omegacell.core import apply_jobs, apply_limits, invariants, outcomes
from omegacell.core.cell import Cell
from omegacell.core.outcomes import Reason, Status
from omegacell.core.units import MAX_DRIVERS, MAX_QUANTITY
from tests.support.histories import Entry
from tests.support.oracle_duel import find_difference
from tests.support.oracle_mirror import Picture, picture_of_cell, verdict_of
from tests.support.oracle_state import Row
from tests.support.transcripts import Player

# Machine 0 is up with room for four, machine 1 is joining; job 1 has four pending tasks.
WORLD = (
    "s1: genesis forget=5000000",
    "s2: open batch-0",
    "s2: register m0 cpu=4000 memory=4 disk=1 ports=8000-8001",
    "s2: inventory 0:1",
    "s2: register m1 cpu=4000 memory=4",
    "s2: submit sort count=4 cpu=1000 memory=1",
)
NEXT = len(WORLD) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: what happens first, what is asked, and the answer: of the whole (perhaps what lacks), or row by row."""

    asks: str
    reason: Reason = Reason.NONE
    is_conflict: bool = False
    lacks: tuple[int, int] = (0, 0)
    rows: tuple[Row, ...] = ()
    first: tuple[str, ...] = ()
    why: str


def whole(reason: Reason, asks: str, why: str, *first: str) -> Case:
    """Make a row about a refusal as a whole that is no conflict."""
    return Case(asks=asks, reason=reason, first=first, why=why)


def conflict(reason: Reason, asks: str, why: str, *first: str) -> Case:
    """Make a row about a refusal as a whole because of what happened since."""
    return Case(asks=asks, reason=reason, is_conflict=True, first=first, why=why)


def rows(asks: str, why: str, *refused: Row, first: tuple[str, ...] = ()) -> Case:
    """Make a row about refused claims, evictions or reports."""
    return Case(asks=asks, rows=refused, first=first, why=why)


BOX = "s2: submit box alloc cpu=1000 memory=1"
RUN_BOX = ("s2: place 2 0>0", "s2: report started,0:1,2/0@1")
PLACE_3 = "s2: place 1 0>0 1>0 2>0"
GPUS = ("s2: register m0 cpu=4000 memory=4 disk=1 ports=8000-8001 devices=gpu*3@model:t4,nic*1", "s2: inventory 0:2")
RUNNING = (
    "s2: submit web count=2 unavailable=1 service",
    "s2: place 2 0>0 1>0",
    "s2: report started,0:1,2/0@1 started,0:1,2/1@1",
    "s2: eligible draining 0",
)
TICKS = ("s2: tick 0 4000000 lost=0,1", "s2: tick 1 4000000", "s2: tick 2 1000000")
CRON = "s2: submit t schedule=*_*_*_*_*:skip:none at=5"
WATCH = ("s2: eligible cordoned 0", "s2: submit watch system")
VIP = (PLACE_3, "s2: submit vip band=PRODUCTION cpu=2000")
DEEP = (
    "s2: submit top band=MONITORING cpu=1000",
    "s2: submit prod band=PRODUCTION cpu=1000",
    *(f"s2: submit b{number} priority={number} cpu=1000" for number in (2, 1, 0)),
    *(f"s2: place {job} 0>0" for job in (3, 4, 5, 6)),
    *(
        line
        for job in (2, 3, 4)
        for line in (f"s2: place {job} 0>0!{job + 1}/0@1", f"s2: report exited,0:1,{job + 1}/0@1,-1,15")
    ),
)
NINE_JOBS = tuple(f"s2: submit sort count={count} cpu=1000 memory=1" for count in (3, 2, 1))

CASES = [
    whole(Reason.SESSION_UNKNOWN, "s9: place 1 0>0", "a session that never opened"),
    whole(Reason.SESSION_UNKNOWN, "s9 seq=2: open batch-9", "a session opens with its number 1"),
    whole(Reason.SESSION_GAP, "s2 seq=9: place 1 0>0", "a number was jumped over"),
    whole(Reason.SESSION_GAP, "s2: open batch-0", "a session opens once"),
    whole(Reason.NO_GENESIS, "s9: genesis", "a cell begins once"),
    whole(Reason.SEEN_AHEAD, f"s2 seen={NEXT}: place 1 0>0", "nobody has seen this transaction itself"),
    whole(Reason.RULES_UNKNOWN, "s2: rules 1", "the rules that hold already"),
    whole(Reason.RULES_UNKNOWN, "s2: rules 2", "rules of a later version"),
    whole(Reason.NOT_DUE, "s2: expire s2", "a session that was just heard"),
    whole(Reason.NOT_DUE, "s2: expire s77", "a session that is not there"),
    whole(Reason.NOT_DUE, "s2: forget 1", "a job that ended just now", "s2: stop 1"),
    whole(Reason.NOT_DUE, "s2: stop 1 late", "a job without a deadline"),
    whole(Reason.NOT_DUE, "s2: stop 2 late", "a deadline that is to come", "s2: submit timed deadline=5000000"),
    whole(Reason.STALE_TICK, "s2: tick 1 1000", "a tick that nobody saw", ),
    whole(Reason.STALE_TICK, "s2: tick 0 1000", "another server was first", "s2: tick 0 1000"),
    whole(Reason.UNKNOWN_JOB, "s2: stop 9", "a job that never was"),
    whole(Reason.UNKNOWN_JOB, "s2: unplaced 9 1", "a job that never was"),
    conflict(Reason.UNKNOWN_JOB, f"s2 seen={NEXT}: stop 1", "forgotten since", "s2: stop 1", *TICKS, "s2: forget 1"),
    whole(Reason.UNKNOWN_JOB, "s2: forget 1", "forgotten, as its author saw", "s2: stop 1", *TICKS, "s2: forget 1"),
    rows("s2: place 9 0>0 1>0", "all claims of the job", (0, Reason.UNKNOWN_JOB, False, -1, 0, 0),
         (1, Reason.UNKNOWN_JOB, False, -1, 0, 0)),
    rows("s2: evict 9 0@1", "a job that never was", (0, Reason.UNKNOWN_JOB, False, -1, 0, 0)),
    rows("s2: report started,0:1,9/0@1", "a job that never was", (0, Reason.UNKNOWN_JOB, False, -1, 0, 0)),
    rows(f"s2 seen={NEXT}: place 1 0>0", "forgotten since", (0, Reason.UNKNOWN_JOB, True, -1, 0, 0),
         first=("s2: stop 1", *TICKS, "s2: forget 1")),
    whole(Reason.NOT_A_TEMPLATE, "s2: spawn 1 sort-1", "a job that runs itself"),
    whole(Reason.NOT_A_TEMPLATE, "s2: spawn 2 t-1 instant=9", "only a schedule has instants",
          "s2: submit t parameters=x"),
    whole(Reason.NOT_A_TEMPLATE, "s2: spawn 1 sort", "before the name that is taken"),
    whole(Reason.JOB_EXISTS, "s2: spawn 2 sort", "the name of another job", "s2: submit t parameters=x"),
    conflict(Reason.JOB_EXISTS, f"s2 seen={NEXT}: spawn 2 web", "somebody was first with the name",
             "s2: submit t parameters=x", "s2: submit web"),
    whole(Reason.JOB_EXISTS, "s2: spawn 2 sort", "before it is stopping", "s2: submit t parameters=x", "s2: stop 2"),
    whole(Reason.JOB_EXISTS, "s2: submit sort count=4 cpu=2000 memory=1", "another spec under the name"),
    conflict(Reason.JOB_EXISTS, "s2 seen=5: submit sort count=4 cpu=2000", "somebody was first with the name"),
    whole(Reason.JOB_STOPPING, "s2: submit sort count=5 cpu=1000 memory=1", "no scaling any more", "s2: stop 1"),
    conflict(Reason.JOB_STOPPING, f"s2 seen={NEXT - 1}: submit sort count=5 cpu=1000 memory=1", "stopped since",
             "s2: stop 1"),
    whole(Reason.JOB_STOPPING, "s2: spawn 2 t-1 instant=1", "before the instant that is over", CRON, "s2: stop 2"),
    whole(Reason.ALREADY_SPAWNED, "s2: spawn 2 t-1 instant=5", "no instant after it was submitted", CRON),
    conflict(Reason.ALREADY_SPAWNED, f"s2 seen={NEXT}: spawn 2 t-1 instant=9", "another server was first", CRON,
             "s2: spawn 2 t-1 instant=9"),
    whole(Reason.ALREADY_SPAWNED, "s2: spawn 2 t-1 instant=5", "before what a quota says", CRON,
          "s2: quota ada cpu=1 memory=1"),
    rows("s2: place 1 0>0 9>9", "before every other reason", (0, Reason.JOB_STOPPING, False, -1, 0, 0),
         (1, Reason.JOB_STOPPING, False, -1, 0, 0), first=("s2: stop 1",)),
    rows(f"s2 seen={NEXT - 1}: place 1 0>0", "stopped since", (0, Reason.JOB_STOPPING, True, -1, 0, 0),
         first=("s2: stop 1",)),
    whole(Reason.JOB_ACTIVE, "s2: forget 1", "its tasks are pending"),
    conflict(Reason.JOB_ACTIVE, "s2 seen=5: forget 1", "its tasks are pending, and its author could not know"),
    whole(Reason.UNKNOWN_MACHINE, "s2: inventory 2:1", "a row that is not there"),
    whole(Reason.UNKNOWN_MACHINE, "s2: eligible draining 0 2", "one unknown row refuses all"),
    whole(Reason.UNKNOWN_MACHINE, "s2: lose 0 2 operator", "one unknown row refuses all"),
    rows("s2: place 1 0>2 9>2", "before what is wrong with the task", (0, Reason.UNKNOWN_MACHINE, False, -1, 0, 0),
         (1, Reason.UNKNOWN_MACHINE, False, -1, 0, 0)),
    rows("s2 seen=0: place 1 0>2", "never a conflict", (0, Reason.UNKNOWN_MACHINE, False, -1, 0, 0)),
    rows("s2: report started,2:1,1/0@1", "a row that is not there", (0, Reason.UNKNOWN_MACHINE, False, -1, 0, 0)),
    whole(Reason.STALE_EPOCH, "s2: inventory 0:2", "an epoch that it never had"),
    conflict(Reason.STALE_EPOCH, f"s2 seen={NEXT - 1}: inventory 0:1", "registered since", "s2: register m0 cpu=1"),
    rows("s2: report started,0:2,1/0@1", "before what is wrong with the attempt",
         (0, Reason.STALE_EPOCH, False, -1, 0, 0)),
    rows(f"s2 seen={NEXT - 1}: report started,0:1,1/0@1", "registered anew since",
         (0, Reason.STALE_EPOCH, True, -1, 0, 0), first=("s2: register m0 cpu=1",)),
    whole(Reason.MACHINE_ELSEWHERE, "s2: register m0 boot=other", "another boot while contact is fresh"),
    conflict(Reason.MACHINE_ELSEWHERE, "s2 seen=3: register m0 boot=other", "the other one was first"),
    whole(Reason.MACHINE_HEARD, "s2: lose 0", "contact is fresh"),
    whole(Reason.MACHINE_HEARD, "s2: lose 0 1", "silent, but not long enough", *TICKS[:2]),
    whole(Reason.TOO_MANY_LOST, "s2: lose 0 1", "two of two at once", *TICKS),
    whole(Reason.TOO_MANY_LOST, "s2: lose 1", "the second within five minutes", *TICKS, "s2: lose 0"),
    whole(Reason.UNKNOWN_ALLOC_SET, "s2: submit web alloc=box", "nobody submitted it"),
    whole(Reason.UNKNOWN_ALLOC_SET, "s2: submit web alloc=sort", "a job that is none"),
    whole(Reason.UNKNOWN_ALLOC_SET, "s2: submit web alloc=box", "it is told to end", BOX, "s2: stop 2"),
    conflict(Reason.UNKNOWN_ALLOC_SET, f"s2 seen={NEXT}: submit web alloc=box", "stopped since", BOX, "s2: stop 2"),
    Case(asks="s2: submit web alloc=box cpu=1000 memory=2", reason=Reason.ALLOC_TOO_SMALL, lacks=(1, 2),
         why="the first dimension in which it does not fit, and the set", first=(BOX,)),
    Case(asks=f"s2 seen={NEXT - 1}: submit web alloc=box cpu=1001", reason=Reason.ALLOC_TOO_SMALL, lacks=(0, 2),
         is_conflict=True, why="its author did not see the set", first=(BOX,)),
    Case(asks="s2: submit box alloc cpu=999 memory=1 replace", reason=Reason.ALLOC_TOO_SMALL, lacks=(0, 3),
         why="smaller than a task inside, and whose", first=(BOX, "s2: submit web alloc=box cpu=1000")),
    whole(Reason.LIMIT, "s2: register m2 drivers=one-more", "drivers are bits of a mask",
          "s2: register m1 drivers=" + ",".join(f"d{number}" for number in range(MAX_DRIVERS - 1))),
    Case(asks="s2: submit web cpu=1001", reason=Reason.QUOTA_EXCEEDED, lacks=(0, 1),
         why="the first dimension that lacks", first=("s2: quota ada cpu=5000 memory=4",)),
    Case(asks="s2: submit sort count=6 cpu=1000 memory=1", reason=Reason.QUOTA_EXCEEDED, lacks=(1, 1),
         why="scaled above it", first=("s2: quota ada cpu=9000 memory=5",)),
    Case(asks=f"s2 seen={NEXT - 1}: submit web cpu=2000", reason=Reason.QUOTA_EXCEEDED, lacks=(0, 1000),
         is_conflict=True, why="lowered since", first=("s2: quota ada cpu=5000",)),
    Case(asks=f"s2 seen={NEXT}: submit web cpu=2000", reason=Reason.QUOTA_EXCEEDED, lacks=(0, 2000),
         is_conflict=True, why="taken since", first=("s2: quota ada cpu=5000", "s2: submit odd cpu=1000")),
    Case(asks="s2: submit sort count=6 cpu=1000 memory=2 replace", reason=Reason.QUOTA_EXCEEDED, lacks=(0, 1000),
         why="what it replaces is given back, and is too little", first=("s2: quota ada cpu=5000",)),
    whole(Reason.DEPENDENCY_CYCLE, "s2: submit web after=web", "a job that waits for itself"),
    conflict(Reason.DEPENDENCY_CYCLE, f"s2 seen={NEXT - 1}: submit web after=late", "the other way round since",
             "s2: submit late after=web"),
    rows("s2: place 1 4>0", "beyond the count", (0, Reason.UNKNOWN_TASK, False, -1, 0, 0)),
    rows(f"s2 seen={NEXT - 1}: place 1 3>0", "scaled down since", (0, Reason.UNKNOWN_TASK, True, -1, 0, 0),
         first=NINE_JOBS[:1]),
    rows("s2: evict 1 4@0", "beyond all it ever had", (0, Reason.UNKNOWN_TASK, False, -1, 0, 0)),
    rows("s2: report exited,0:1,1/4@1,0", "beyond all it ever had", (0, Reason.UNKNOWN_TASK, False, -1, 0, 0)),
    rows("s2: place 1 0>0 3>0", "placed already, as its author saw", (0, Reason.TASK_NOT_PENDING, False, -1, 0, 0),
         first=(PLACE_3,)),
    rows("s2 seen=6: place 1 0>0", "placed since", (0, Reason.TASK_NOT_PENDING, True, -1, 0, 0), first=(PLACE_3,)),
    whole(Reason.NOT_UPDATING, "s2: revert 1", "nothing came before it"),
    conflict(Reason.NOT_UPDATING, "s2 seen=6: finish 1", "placed since", PLACE_3),
    whole(Reason.UPDATE_GOES_ON, "s2: finish 3", "the old tasks run", *RUNNING, "s2: submit web service cpu=1 update"),
    rows("s2: stop-tasks 1 0", "it has no successor", (0, Reason.NOT_UPDATING, False, -1, 0, 0)),
    rows("s2: release 1 0", "pending, not held", (0, Reason.TASK_NOT_HELD, False, -1, 0, 0)),
    rows("s2 seen=5: release 1 0", "its author did not know it", (0, Reason.TASK_NOT_HELD, True, -1, 0, 0)),
    rows("s2: release 2 0", "the other job has not ended", (0, Reason.STILL_HELD, False, -1, 0, 0),
         first=("s2: submit late after=sort",)),
    rows(f"s2 seen={NEXT}: release 2 0", "another job of the name since", (0, Reason.STILL_HELD, True, -1, 0, 0),
         first=("s2: submit late after=sort", "s2: submit sort count=1 replace")),
    rows("s2: release 2 0", "its machine is cordoned", (0, Reason.STILL_HELD, False, -1, 0, 0), first=WATCH),
    rows(f"s2 seen={NEXT + 1}: release 2 0", "opened and cordoned again since", (0, Reason.STILL_HELD, True, -1, 0, 0),
         first=(*WATCH, "s2: eligible open 0", "s2: eligible cordoned 0")),
    rows("s2: hold 2 0", "its machine matches", (0, Reason.NOTHING_HOLDS, False, -1, 0, 0),
         first=("s2: submit watch system",)),
    rows(f"s2 seen={NEXT}: hold 2 0", "opened since", (0, Reason.NOTHING_HOLDS, True, -1, 0, 0),
         first=("s2: submit watch system", "s2: eligible cordoned 0", "s2: eligible open 0")),
    rows("s2: hold 1 0", "a job of another kind", (0, Reason.NOTHING_HOLDS, False, -1, 0, 0)),
    rows("s2: hold 2 0", "held already", (0, Reason.TASK_NOT_PENDING, False, -1, 0, 0), first=WATCH),
    rows("s2: place 2 0>1", "a task of a system job on another's machine",
         (0, Reason.NOT_ITS_MACHINE, False, -1, 0, 0), first=("s2: submit watch system",)),
    rows(f"s2 seen={NEXT}: place 2 0>1", "nor is it a conflict when that one changed",
         (0, Reason.NOT_ITS_MACHINE, False, -1, 0, 0), first=("s2: submit watch system", "s2: eligible cordoned 1")),
    rows("s2: evict 1 0@0", "not placed at all", (0, Reason.STALE_ATTEMPT, False, -1, 0, 0)),
    rows("s2 seen=6: evict 1 0@0", "placed since", (0, Reason.STALE_ATTEMPT, True, -1, 0, 0), first=(PLACE_3,)),
    rows("s2: report started,0:1,1/0@2", "an attempt to come", (0, Reason.STALE_ATTEMPT, False, -1, 0, 0),
         first=(PLACE_3,)),
    rows("s2: report started,1:1,1/0@1", "placed on another machine", (0, Reason.STALE_ATTEMPT, False, -1, 0, 0),
         first=(PLACE_3,)),
    rows("s2: evict 1 0@1 cause=drain", "nobody drains it", (0, Reason.NOT_DRAINING, False, -1, 0, 0),
         first=(PLACE_3,)),
    rows(f"s2 seen={NEXT + 1}: evict 1 0@1 cause=drain", "opened again since", (0, Reason.NOT_DRAINING, True, -1, 0, 0),
         first=(PLACE_3, "s2: eligible draining 0", "s2: eligible open 0")),
    rows("s2: evict 1 0@0 cause=drain", "before the budget", (0, Reason.STALE_ATTEMPT, False, -1, 0, 0),
         first=(PLACE_3, "s2: eligible draining 0")),
    rows("s2: evict 2 0@1 1@1 cause=drain", "the second of two, one may be missing",
         (1, Reason.JOB_DISRUPTED, False, -1, 0, 0), first=RUNNING),
    rows(f"s2 seen={NEXT + 3}: evict 2 0@1 1@1 cause=drain", "one is missing since",
         (0, Reason.JOB_DISRUPTED, True, -1, 0, 0), first=(*RUNNING, "s2: evict 2 1@1")),
    rows("s2: evict 2 1@1 ; evict 2 0@1 cause=drain", "what the same transaction evicts counts",
         (1, Reason.JOB_DISRUPTED, False, -1, 0, 0), first=RUNNING),
    rows("s2 seen=0: place 1 0>0 0>0", "its own claim before it: never a conflict",
         (1, Reason.CLAIMED_TWICE, False, -1, 0, 0)),
    rows("s2: place 1 0>0 1>1 2>0 3>1", "in order; before what a machine lacks",
         (1, Reason.MACHINE_NOT_UP, False, -1, 0, 0),
         (3, Reason.CAP_EXCEEDED, False, 0, 1, 0), first=("s2: cap batch cpu=2999",)),
    rows("s2: place 1 0>0 0>0", "not claimed twice when the first was refused",
         (0, Reason.CAP_EXCEEDED, False, 1, 1, 0),
         (1, Reason.CAP_EXCEEDED, False, 1, 1, 0), first=("s2: cap batch memory=0",)),
    rows("s2: place 1 0>0 0>0 1>0", "claimed twice when the first was granted",
         (1, Reason.CLAIMED_TWICE, False, -1, 0, 0),
         (2, Reason.CAP_EXCEEDED, False, 1, 1, 0), first=("s2: cap batch memory=1",)),
    rows("s2: place 2 0>0", "one job of one holds tasks already", (0, Reason.CAP_EXCEEDED, False, 2, 1, 0),
         first=("s2: cap batch jobs=1", "s2: submit web", PLACE_3)),
    rows(f"s2 seen={NEXT}: place 1 3>0", "taken since", (0, Reason.CAP_EXCEEDED, True, 0, 1000, 0),
         first=("s2: cap batch cpu=3000", PLACE_3)),
    rows(f"s2 seen={NEXT - 1}: place 1 3>0", "lowered since", (0, Reason.CAP_EXCEEDED, True, 0, 1000, 0),
         first=("s2: cap batch cpu=0",)),
    rows("s2 gang: place 1 0>0 1>0", "a gang falls whole", (0, Reason.GANG_PARTNER, False, -1, 0, 0),
         (1, Reason.CAP_EXCEEDED, False, 0, 1, 0), first=("s2: cap batch cpu=1999",)),
    rows("s2: place 2 0>0!1/0@2", "no such attempt", (0, Reason.VICTIM_GONE, False, -1, 0, 0), first=VIP),
    rows("s2: place 2 0>0!1/0@0", "an attempt long ago", (0, Reason.VICTIM_GONE, False, -1, 0, 0), first=VIP),
    rows("s2: place 2 0>0!1/9@1", "no such task", (0, Reason.VICTIM_GONE, False, -1, 0, 0), first=VIP),
    rows("s2: place 2 0>0!9/0@1", "no such job", (0, Reason.VICTIM_GONE, False, -1, 0, 0), first=VIP),
    rows("s2 seen=8: place 2 0>0!1/0@1", "it ended since", (0, Reason.VICTIM_GONE, True, -1, 0, 0),
         first=(*VIP, "s2: report exited,0:1,1/0@1")),
    rows("s2: place 2 0>0!1/1@1!1/0@1", "one of two is gone", (0, Reason.VICTIM_GONE, False, -1, 0, 0),
         first=(*VIP, "s2: report exited,0:1,1/0@1")),
    rows("s2 seen=7: place 2 0>1!1/0@1", "it is on another machine", (0, Reason.VICTIM_ELSEWHERE, False, -1, 0, 0),
         first=VIP),
    rows("s2 seen=6: place 1 3>0!1/0@1", "of its own job", (0, Reason.VICTIM_PROTECTED, False, -1, 0, 0),
         first=VIP),
    rows("s2: place 3 0>0!2/0@1", "never inside production", (0, Reason.VICTIM_PROTECTED, False, -1, 0, 0),
         first=(*VIP, "s2: place 2 0>0!1/0@1", "s2: submit rival band=PRODUCTION priority=9 cpu=2000")),
    rows("s2: place 5 0>0!6/0@1", "three deep", (0, Reason.CASCADE_TOO_DEEP, False, -1, 0, 0), first=DEEP),
    rows("s2 seen=20: place 5 0>0!6/0@1", "since it saw", (0, Reason.CASCADE_TOO_DEEP, True, -1, 0, 0), first=DEEP),
    rows("s2 coarse seen=6: place 1 3>0", "somebody claimed since", (0, Reason.MACHINE_CHANGED, True, -1, 0, NEXT),
         first=(PLACE_3,)),
    rows("s2 coarse seen=3: place 1 3>0", "it came up since; nobody ever claimed",
         (0, Reason.MACHINE_CHANGED, True, -1, 0, 0)),
    rows("s2: place 1 0>1", "joining is not up", (0, Reason.MACHINE_NOT_UP, False, -1, 0, 0)),
    rows("s2 seen=4: place 1 0>1", "it registered since", (0, Reason.MACHINE_NOT_UP, True, -1, 0, 0)),
    rows(f"s2 seen={NEXT}: place 1 3>0", "lost since", (0, Reason.MACHINE_NOT_UP, True, -1, 0, NEXT),
         first=(PLACE_3, "s2: lose 0 operator")),
    rows("s2: place 1 0>0", "it is kept free of new work", (0, Reason.MACHINE_CORDONED, False, -1, 0, 0),
         first=("s2: eligible cordoned 0",)),
    rows(f"s2 seen={NEXT - 1}: place 1 0>0", "drained since", (0, Reason.MACHINE_CORDONED, True, -1, 0, 0),
         first=("s2: eligible draining 0",)),
    rows("s2: place 1 0>1", "cordoned or not", (0, Reason.MACHINE_NOT_UP, False, -1, 0, 0),
         first=("s2: eligible cordoned 1",)),
    rows("s2: place 2 0>0", "before the cordon: opened again, it still has no driver",
         (0, Reason.DRIVER_MISSING, False, -1, 0, 0),
         first=("s2: submit odd driver=simulated", "s2: eligible cordoned 0")),
    rows("s2: place 2 0>0", "nobody offers it", (0, Reason.DRIVER_MISSING, False, -1, 0, 0),
         first=("s2: submit odd driver=simulated",)),
    rows("s2 seen=3: place 2 0>0", "it changed since, drivers perhaps", (0, Reason.DRIVER_MISSING, True, -1, 0, 0),
         first=("s2: submit odd driver=simulated",)),
    rows("s2: place 3 0>0", "no alloc of the set is there", (0, Reason.NO_ALLOC, False, -1, 0, 0),
         first=(BOX, "s2: submit web alloc=box 'where=zone = a'")),
    rows("s2: place 3 0>0", "it does not run yet", (0, Reason.NO_ALLOC, False, -1, 0, NEXT + 2),
         first=(BOX, "s2: submit web alloc=box", "s2: place 2 0>0")),
    rows("s2: evict 2 0@1 ; place 3 0>0", "the same transaction takes it away",
         (1, Reason.NO_ALLOC, False, -1, 0, NEXT + 2), first=(BOX, "s2: submit web alloc=box", *RUN_BOX)),
    rows(f"s2 seen={NEXT + 3}: place 3 0>0", "told to end since", (0, Reason.NO_ALLOC, True, -1, 0, NEXT + 2),
         first=(BOX, "s2: submit web alloc=box", *RUN_BOX, "s2: evict 2 0@1")),
    rows("s2: place 2 0>0", "m0 is in no zone", (0, Reason.CONSTRAINT, False, -1, 0, 0),
         first=("s2: submit odd 'where=zone = a'",)),
    rows("s2: place 2 0>0", "m0 is in the default pool", (0, Reason.CONSTRAINT, False, -1, 0, 0),
         first=("s2: submit odd pool=gpu",)),
    rows("s2 seen=8: place 2 0>0", "it had the attribute", (0, Reason.CONSTRAINT, True, -1, 0, 0),
         first=("s2: submit odd 'where=ssd exists'", "s2: register m0 cpu=4000", "s2: inventory 0:2")),
    rows("s2: place 1 0>0", "a mark that nothing tolerates", (0, Reason.TAINTED, False, -1, 0, 0),
         first=("s2: taint 0 add=old=yes:no_place",)),
    rows(f"s2 seen={NEXT - 1}: place 1 0>0", "marked since", (0, Reason.TAINTED, True, -1, 0, 0),
         first=("s2: taint 0 add=old=yes:no_place",)),
    rows("s2: place 2 0>0", "apart from what is there", (0, Reason.NEIGHBOUR, False, -1, 0, NEXT),
         first=(PLACE_3, "s2: submit odd neighbours=apart:sort:machine")),
    rows("s2: place 1 3>0", "the other one's rule binds too", (0, Reason.NEIGHBOUR, False, -1, 0, 8),
         first=("s2: submit odd neighbours=apart:sort:machine", "s2: place 2 0>0")),
    rows(f"s2 seen={NEXT}: place 1 3>0", "it came since", (0, Reason.NEIGHBOUR, True, -1, 0, 8),
         first=("s2: submit odd neighbours=apart:sort:machine", "s2: place 2 0>0")),
    rows("s2: place 2 0>0", "near to nobody", (0, Reason.NEIGHBOUR, False, -1, 0, 0),
         first=("s2: submit odd neighbours=near:sort:machine",)),
    rows("s2: place 2 0>0 1>0", "its own claim before it", (1, Reason.TOO_MANY_ON_MACHINE, False, -1, 0, 0),
         first=("s2: submit odd count=2 max=1",)),
    rows("s2 seen=7: place 2 1>0", "one of its own was placed since",
         (0, Reason.TOO_MANY_ON_MACHINE, True, -1, 0, 8), first=("s2: submit odd count=2 max=1", "s2: place 2 0>0")),
    rows("s2: place 2 0>0 1>0", "the other machine has none", (1, Reason.SPREAD_SKEWED, False, -1, 0, 0),
         first=("s2: inventory 1:1", "s2: submit odd count=2 spread=machine:1")),
    rows("s2 seen=8: place 2 1>0", "another machine came up since", (0, Reason.SPREAD_SKEWED, True, -1, 0, 8),
         first=("s2: submit odd count=2 spread=machine:1", "s2: place 2 0>0", "s2: inventory 1:1")),
    rows(f"s2 seen={NEXT + 6}: place 3 1>0", "another machine has an alloc since",
         (0, Reason.SPREAD_SKEWED, True, -1, 0, NEXT + 5),
         first=("s2: inventory 1:1", "s2: submit box alloc count=2 cpu=1000 memory=1",
                "s2: submit web alloc=box count=2 spread=machine:1", "s2: place 2 0>0",
                "s2: report started,0:1,2/0@1", "s2: place 3 0>0", "s2: place 2 1>1",
                "s2: report started,1:1,2/1@1")),
    rows("s2: place 2 0>0", "static inside the range", (0, Reason.PORT_IN_RANGE, False, -1, 0, 0),
         first=("s2: submit web ports=http:8001",)),
    rows("s2: place 2 1>0", "held by another task", (0, Reason.PORT_TAKEN, False, -1, 0, 8),
         first=("s2: submit web count=2 ports=http:80", "s2: place 2 0>0")),
    rows("s2 seen=7: place 2 1>0", "taken since", (0, Reason.PORT_TAKEN, True, -1, 0, 8),
         first=("s2: submit web count=2 ports=http:80", "s2: place 2 0>0")),
    rows("s2: place 2 0>0", "three of two", (0, Reason.PORTS_EXHAUSTED, False, -1, 0, 0),
         first=("s2: submit web ports=a,b,c",)),
    rows("s2 seen=7: place 2 2>0", "the last was taken since", (0, Reason.PORTS_EXHAUSTED, True, -1, 0, 8),
         first=("s2: submit web count=3 ports=a", "s2: place 2 0>0 1>0")),
    rows("s2: place 2 0>0", "nobody ever offered it", (0, Reason.DEVICE_MISSING, False, 0, 2, 0),
         first=("s2: submit learn devices=tpu*2",)),
    rows("s2: place 2 0>0", "of another model", (0, Reason.DEVICE_MISSING, False, 1, 1, 0),
         first=("s2: submit learn devices=gpu*2,nic*1@model:x", *GPUS)),
    rows("s2: place 2 0>0", "fewer than it wants", (0, Reason.DEVICE_MISSING, False, 0, 1, 0),
         first=("s2: submit learn devices=gpu*4", *GPUS)),
    rows("s2: place 2 0>0", "comes before ports and resources", (0, Reason.DEVICE_MISSING, False, 0, 1, 0),
         first=("s2: submit learn devices=gpu*4 ports=a,b,c cpu=9000", *GPUS)),
    rows("s2: place 2 1>0", "one of three is left", (0, Reason.DEVICES_EXHAUSTED, False, 0, 1, 10),
         first=("s2: submit learn count=2 devices=gpu*2@model:t4", *GPUS, "s2: place 2 0>0")),
    rows("s2 seen=9: place 2 1>0", "taken since", (0, Reason.DEVICES_EXHAUSTED, True, 0, 1, 10),
         first=("s2: submit learn count=2 devices=gpu*2", *GPUS, "s2: place 2 0>0")),
    rows("s2: place 2 0>0 1>0", "its own claim took them", (1, Reason.DEVICES_EXHAUSTED, False, 0, 1, 0),
         first=("s2: submit learn count=2 cpu=4000 devices=gpu*2", *GPUS)),
    rows("s2: place 2 0>0", "ports come before devices in use", (0, Reason.PORTS_EXHAUSTED, False, -1, 0, 11),
         first=("s2: submit learn devices=gpu*2 ports=a,b,c", *GPUS, "s2: submit more devices=gpu*2",
                "s2: place 3 0>0")),
    rows("s2: place 3 0>0 1>0", "there is room for one inside, whatever the machine has",
         (1, Reason.ALLOC_FULL, False, 0, 200, NEXT + 2),
         first=(BOX, "s2: submit web alloc=box count=2 cpu=600", *RUN_BOX)),
    rows(f"s2 seen={NEXT + 3}: place 3 1>0", "taken since", (0, Reason.ALLOC_FULL, True, 1, 1, NEXT + 4),
         first=(BOX, "s2: submit web alloc=box count=2 memory=1", *RUN_BOX, "s2: place 3 0>0")),
    rows("s2: place 5 0>0", "the alloc that comes nearest says it: one lacks CPU, the other only memory",
         (0, Reason.ALLOC_FULL, False, 1, 1, NEXT + 5),
         first=("s2: submit box alloc count=2 cpu=1000 memory=1", "s2: submit web alloc=box cpu=600",
                "s2: place 2 0>0 1>0", "s2: report started,0:1,2/0@1 started,0:1,2/1@1",
                "s2: submit log alloc=box cpu=500 memory=1", "s2: place 3 0>0 ; place 4 0>0",
                "s2: submit big alloc=box cpu=500 memory=1")),
    rows("s2: place 2 0>0", "the first dimension that lacks", (0, Reason.RESOURCES, False, 0, 1, 0),
         first=("s2: submit big cpu=4001 memory=9 disk=9",)),
    rows("s2: place 2 0>0", "the second", (0, Reason.RESOURCES, False, 1, 5, 0),
         first=("s2: submit big cpu=4000 memory=9 disk=9",)),
    rows("s2: place 2 0>0", "the third", (0, Reason.RESOURCES, False, 2, 8, 0),
         first=("s2: submit big cpu=4000 memory=4 disk=9",)),
    rows("s2 seen=6: place 2 0>0", "taken since", (0, Reason.RESOURCES, True, 0, 1000, NEXT),
         first=(PLACE_3, "s2: submit big cpu=2000")),
    rows("s2: place 2 0>0!1/0@1", "its victims are not enough", (0, Reason.RESOURCES, False, 0, 2000, 7),
         first=(PLACE_3, "s2: submit vip band=PRODUCTION cpu=4000")),
    rows("s2: place 2 1>0", "what ends is promised to one", (0, Reason.RESOURCES, False, 0, 3000, 9),
         first=(*VIP[:1], "s2: submit vip count=2 band=PRODUCTION cpu=2000", "s2: place 2 0>0!1/0@1!1/1@1")),
    rows("s2: place 2 1>0!1/0@1", "and not to another", (0, Reason.RESOURCES, False, 0, 2000, 9),
         first=(*VIP[:1], "s2: submit vip count=2 band=PRODUCTION cpu=2000", "s2: place 2 0>0!1/0@1!1/1@1")),
    rows("s2: place 2 0>0", "what is not asked for is never short",
         (0, Reason.RESOURCES, False, 0, 3000, 7), first=(
             PLACE_3, "s2: register m0 cpu=1000 memory=1", "s2: inventory 0:2", "s2: submit big cpu=1000")),
    rows("s2: place 2 0>0 1>0", "two of a gang of four", (0, Reason.GANG_INCOMPLETE, False, -1, 0, 0),
         (1, Reason.GANG_INCOMPLETE, False, -1, 0, 0), first=("s2: submit odd count=4 gang=0:0",)),
    rows("s2: place 2 0>0 2>0 3>0", "one of a pair; another pair stands", (0, Reason.GANG_INCOMPLETE, False, -1, 0, 0),
         first=("s2: submit odd count=4 gang=2:0",)),
    rows(f"s2 seen={NEXT + 1}: place 2 0>0", "the other was at rest and is evicted since",
         (0, Reason.GANG_INCOMPLETE, True, -1, 0, 0),
         first=("s2: submit odd count=3 gang=0:3", "s2: place 2 0>0 1>0 2>0", "s2: evict 2 0@1 1@1",
                "s2: report exited,0:1,2/0@1,0,15 exited,0:1,2/1@1,0,15")),
    rows("s2: place 2 0>0 1>1 2>0 3>0", "what fell with another of its group",
         (0, Reason.GANG_PARTNER, False, -1, 0, 0), (1, Reason.MACHINE_NOT_UP, False, -1, 0, 0),
         first=("s2: submit odd count=4 gang=2:0",)),
    rows("s2: place 2 0>0 1>1 2>0 3>0", "a group that gets too little takes no room from the next",
         (0, Reason.GANG_PARTNER, False, -1, 0, 0), (1, Reason.MACHINE_NOT_UP, False, -1, 0, 0),
         first=("s2: submit odd count=4 cpu=2000 gang=2:0",)),
    rows("s2: place 2 2>0 0>0 3>0 1>1", "whatever the order of the claims",
         (1, Reason.GANG_PARTNER, False, -1, 0, 0), (3, Reason.MACHINE_NOT_UP, False, -1, 0, 0),
         first=("s2: submit odd count=4 cpu=2000 gang=2:0",)),
    rows("s2 gang: place 1 0>0 1>1 2>0", "with its partners", (0, Reason.GANG_PARTNER, False, -1, 0, 0),
         (1, Reason.MACHINE_NOT_UP, False, -1, 0, 0), (2, Reason.GANG_PARTNER, False, -1, 0, 0)),
    rows("s2 gang seen=4: place 1 0>0 1>1", "partners of a conflict", (0, Reason.GANG_PARTNER, True, -1, 0, 0),
         (1, Reason.MACHINE_NOT_UP, True, -1, 0, 0)),
]  # fmt: skip


def state_of(cell: Cell) -> Picture:
    """Picture a cell without revision, sessions and counters: what a refusal must not touch."""
    picture = picture_of_cell(cell)
    kept = {path: line for path, line in picture.items() if not path.startswith(("session ", "author "))}
    jobs = {path: (*line[:8], *line[9:]) for path, line in kept.items() if path.startswith("job ")}
    return kept | jobs | {"cell": picture["cell"][1:]}


def prepare(*lines: str) -> Player:
    """Play a world; everything in it is granted."""
    player = Player()
    for line in (*WORLD, *lines):
        assert player.ask(line)[0].status == Status.COMMITTED, line
    return player


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.why}: {case.asks}")
def test_a_refusal_says_exactly_why(case: Case) -> None:
    """Reason, dimension, shortage, who took it, conflict or not: as the table says; refused claims change nothing."""
    player = prepare(*case.first)
    before = state_of(player.cell)
    verdict = verdict_of(player.ask(case.asks)[0])
    assert (verdict.reason, verdict.is_conflict, verdict.rows) == (case.reason, case.is_conflict, case.rows)
    assert case.rows or (verdict.detail, verdict.value) == case.lacks
    assert verdict.status == (Status.PARTIAL if verdict.granted else Status.REFUSED)
    if not verdict.granted:
        assert state_of(player.cell) == before
    invariants.check(player.cell)
    entries = [Entry(raw=each) if isinstance(each, bytes) else Entry(transactions=each) for each in player.log]
    assert find_difference(entries, every=1) == ""


def test_the_table_has_every_reason() -> None:
    """No reason is without a row, but for those that have a test of their own or come only from proposers."""
    elsewhere = {Reason.NONE, Reason.DEFECT, Reason.SUSPENDED, Reason.PLUGIN_FAILED}
    named = {case.reason for case in CASES} | {row[1] for case in CASES for row in case.rows}
    assert named - {Reason.NONE} == set(Reason) - elsewhere


def test_before_genesis_nothing_is_judged() -> None:
    """A cell that has not begun refuses everything but its beginning."""
    player = Player()
    verdict = verdict_of(player.ask("s2: open batch-0")[0])
    assert (verdict.status, verdict.reason) == (Status.REFUSED, Reason.NO_GENESIS)
    assert player.cell.sessions == {}


def test_a_defect_of_the_check_refuses_and_uses_the_number_up() -> None:
    """An exception while judging is answered, not raised: the session goes on, and nothing else changed."""
    player = prepare()
    row = player.cell.jobs.row_of(1)
    assert row is not None
    spec, player.cell.jobs.specs[row] = player.cell.jobs.specs[row], None
    outcome = player.ask("s2: place 1 0>0")[0]
    assert (outcome.status, outcome.reason, outcome.granted) == (Status.REFUSED, Reason.DEFECT, 0)
    player.cell.jobs.specs[row] = spec
    assert player.ask("s2: place 1 0>0")[0].status == Status.COMMITTED
    invariants.check(player.cell)


def test_the_arena_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that the cell has no rows left for is refused; what needs none is not."""
    monkeypatch.setattr(apply_jobs, "MAX_TASK_ROWS", 6)
    player = prepare()
    before = state_of(player.cell)
    assert player.ask("s2: submit web count=3")[0].reason == Reason.LIMIT
    assert player.ask("s2: submit sort count=7 cpu=1000 memory=1")[0].reason == Reason.LIMIT
    assert player.ask("s2: submit sort count=4 cpu=1000 memory=2 replace")[0].reason == Reason.LIMIT
    assert player.ask("s2: submit sort count=4 cpu=1000 memory=2")[0].reason == Reason.JOB_EXISTS
    assert state_of(player.cell) == before
    assert player.ask("s2: submit web count=2")[0].status == Status.COMMITTED
    assert player.ask("s2: submit sort count=4 cpu=1000 memory=1")[0].status == Status.COMMITTED
    assert player.ask("s2: submit sort count=3 cpu=1000 memory=1")[0].status == Status.COMMITTED


def test_quotas_and_caps_are_not_without_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than a cell may hold is refused; those there are can be changed and taken away."""
    monkeypatch.setattr(apply_limits, "MAX_QUOTAS", 1)
    monkeypatch.setattr(apply_limits, "MAX_CAPS", 1)
    player = prepare("s2: quota ada cpu=1", "s2: cap batch cpu=9000")
    before = state_of(player.cell)
    assert player.ask("s2: quota bob cpu=1")[0].reason == Reason.LIMIT
    assert player.ask("s2: cap service cpu=1")[0].reason == Reason.LIMIT
    assert state_of(player.cell) == before
    for line in (
        "s2: quota ada cpu=2",
        "s2: quota ada",
        "s2: quota bob cpu=1",
        "s2: cap batch",
        "s2: cap service cpu=1",
    ):
        assert player.ask(line)[0].status == Status.COMMITTED, line


def test_a_shortage_beyond_64_bits_is_the_most_that_an_outcome_holds() -> None:
    """A million tasks may ask for more than 2^63 bytes: the refusal is encoded all the same."""
    player = prepare("s2: quota ada memory=1")
    outcome = player.ask(f"s2: submit huge count=1000000 memory={MAX_QUANTITY}")[0]
    assert (outcome.reason, outcome.detail, outcome.value) == (Reason.QUOTA_EXCEEDED, 1, (1 << 63) - 1)
    assert outcomes.decode(outcomes.encode(outcome)).value == outcome.value
