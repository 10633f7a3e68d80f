"""Small worlds drawn by Hypothesis, whose examples shrink to the least that fails: claims above all."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omegacell.core import invariants
from omegacell.core.apply import apply
from omegacell.core.cell import Cell
from omegacell.core.commands import Command, Evict, Place, SubmitJob, Transaction
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.jobs import JobSpec, Kind, Port, TaskState
from omegacell.core.machine_commands import RegisterMachine
from omegacell.core.outcomes import Reason
from omegacell.core.overlays import Overlay
from omegacell.core.units import Atomicity, Band, Detection, JobId, Revision, SessionId
from tests.support.histories import Entry
from tests.support.oracle_duel import find_difference, fold_entries
from tests.support.transcript_commands import read_command

SESSION = SessionId(2)

registrations = st.builds(
    RegisterMachine,
    name=st.sampled_from(("m0", "m1", "m2")),
    boot_id=st.just("boot"),
    capacity=st.tuples(st.integers(0, 4), st.integers(0, 4), st.just(1)),
    drivers=st.sampled_from((("exec",), ("exec", "other"), ())),
    port_first=st.just(8000),
    port_last=st.sampled_from((7999, 8000, 8002)),
    devices=st.sampled_from(
        (
            (),
            (DeviceOffer(name="gpu", count=1),),
            (DeviceOffer(name="gpu", count=3, attributes=(("model", "t4"),)),),
            (DeviceOffer(name="gpu", count=2), DeviceOffer(name="nic", count=1)),
        )
    ),
)
ports = st.lists(st.sampled_from((0, 0, 80, 81, 8000)), max_size=3).map(
    lambda numbers: tuple(
        Port(name=f"p{at}", number=number if number not in numbers[:at] else 0) for at, number in enumerate(numbers)
    )
)
devices = st.dictionaries(
    st.sampled_from(("gpu", "nic")),
    st.tuples(st.integers(1, 3), st.sampled_from(((), (("model", "t4"),)))),
    max_size=2,
).map(
    lambda asked: tuple(
        DeviceRequest(name=name, count=count, where=where) for name, (count, where) in sorted(asked.items())
    )
)
specs = st.builds(
    JobSpec,
    name=st.sampled_from(("a", "b")),
    owner=st.just("ada"),
    kind=st.sampled_from(Kind),
    scheduler=st.just("batch"),
    band=st.sampled_from((Band.BATCH, Band.PRODUCTION)),
    priority=st.just(0),
    count=st.integers(1, 5),
    resources=st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)),
    driver=st.sampled_from(("exec", "exec", "other")),
    ports=ports,
    devices=devices,
)
submissions = st.builds(SubmitJob, spec=specs, submitted_at_us=st.just(1), replace=st.booleans())
claims = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=6)


def place(job: int, pairs: list[tuple[int, int]]) -> Place:
    """Make claims of pairs of task index and machine row."""
    indices, rows = zip(*pairs, strict=True)
    return Place(job=JobId(job), indices=np.array(indices, np.int32), machines=np.array(rows, np.int32))


def evict(job: int, pairs: list[tuple[int, int]]) -> Evict:
    """Make evictions of pairs of task index and attempt."""
    indices, attempts = zip(*pairs, strict=True)
    return Evict(job=JobId(job), indices=np.array(indices, np.int32), attempts=np.array(attempts, np.int32))


scheduling = st.lists(
    st.builds(place, st.integers(1, 2), claims) | st.builds(evict, st.integers(1, 2), claims), min_size=1, max_size=3
)
decisions = st.tuples(scheduling, st.integers(0, 6), st.sampled_from(Detection), st.sampled_from(Atomicity))
worlds = st.tuples(
    st.lists(registrations, min_size=1, max_size=4),
    st.lists(submissions, min_size=1, max_size=4),
    st.lists(st.lists(decisions, min_size=1, max_size=3), max_size=4),
)
World = tuple[
    list[RegisterMachine], list[SubmitJob], list[list[tuple[list[Command], int, Detection, Atomicity]]]
]  # fmt: skip


def write(world: World) -> list[Entry]:
    """Write the log of a world: its machines are up, its jobs submitted, then come the decisions, entry by entry."""
    machines, jobs, entries_of = world
    log = [Entry(transactions=(transaction_of((read_command("genesis"),), 1, session=SessionId(1)),))]
    setup: list[tuple[Command, ...]] = [(read_command("open batch-0"),)]
    epochs: dict[str, int] = {}
    for machine in machines:
        epochs[machine.name] = epochs.get(machine.name, 0) + 1
        row = list(epochs).index(machine.name)
        setup += [(machine,), (read_command(f"inventory {row}:{epochs[machine.name]}"),)]
    setup += [(job,) for job in jobs]
    log += [Entry(transactions=(transaction_of(commands, seq),)) for seq, commands in enumerate(setup, 1)]
    seq = len(setup)
    for entry in entries_of:
        transactions = []
        for position, (commands, lag, detection, atomicity) in enumerate(entry):
            seq += 1
            made = transaction_of(tuple(commands), seq)
            seen = Revision(max(0, seq - position - lag))
            transactions.append(replace(made, seen=seen, detection=detection, atomicity=atomicity, position=position))
        log.append(Entry(transactions=tuple(transactions)))
    return log


def transaction_of(commands: tuple[Command, ...], seq: int, *, session: SessionId = SESSION) -> Transaction:
    """Make a transaction that saw everything before it."""
    return Transaction(session=session, seq=seq, seen=Revision(0 if session == 1 else seq), commands=commands)


@given(worlds)
def test_core_and_twin_agree_on_small_worlds(world: World) -> None:
    """Whatever is claimed and evicted on a few machines, the two give the same outcomes and hold the same state."""
    assert find_difference(write(world), every=1) == ""


@given(worlds)
def test_no_machine_is_ever_over_committed(world: World) -> None:
    """No claim takes what is not there: less than nothing is free only where a registration took capacity away."""
    log = write(world)
    machines = world[0]
    cell = Cell()
    fold_entries(cell, log)
    invariants.check(cell)
    names = [machine.name for machine in machines]
    for row, name in enumerate(cell.machines.names):
        if names.count(name) == 1:
            assert cell.machines.free[row].min() >= 0


@given(worlds)
def test_what_fits_is_granted_and_what_does_not_is_refused(world: World) -> None:
    """For every pending task and machine: as many claims as there is room for are granted together, and no more."""
    cell = Cell()
    fold_entries(cell, write(world))
    session = cell.sessions[SESSION]
    overlay = Overlay(cell)
    for job in cell.jobs.ids():
        row = cell.jobs.row_of(job)
        assert row is not None
        first = int(cell.jobs.offset[row])
        states = cell.tasks.state[first : first + int(cell.jobs.count_wanted[row])].tolist()
        pending = [index for index, state in enumerate(states) if state == TaskState.PENDING]
        room = overlay.room(cell.jobs.spec_of(row))
        reasons, _ = overlay.reasons(cell.jobs.spec_of(row))
        assert ((room > 0) == (reasons == Reason.NONE)).all()
        for machine in range(cell.machines.count if pending else 0):
            claims = place(job, [(index, machine) for index in pending])
            made = transaction_of((claims,), session.last_seq + 1)
            outcome = apply(cell.clone(), replace(made, seen=cell.revision))
            assert outcome.granted == min(len(pending), int(room[machine]))
