"""Agents' messages on the wire: what goes in comes out, shapes travel once, and what is malformed is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.agent import messages as agent
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.wire_agent import read_up, write_up
from omegacell.api.wire_agent_down import DownReader, DownWriter
from omegacell.core.devices import DeviceOffer, Granted
from omegacell.core.errors import MalformedError
from omegacell.core.units import JobId, MachineRow, Revision

numbers = st.integers(0, 2**31 - 1)
stamps = st.integers(0, 2**60)
texts = st.text(max_size=20)
keys = st.builds(agent.AttemptKey, job_id=st.integers(1, 2**62).map(JobId), index=numbers, attempt=numbers)


@st.composite
def offers(draw: st.DrawFn) -> agent.MachineOffer:
    held = tuple(draw(st.lists(keys, max_size=4)))
    return agent.MachineOffer(
        name=draw(texts),
        boot_id=draw(texts),
        capacity=tuple(draw(st.lists(st.integers(0, 2**50), max_size=3))),
        attributes=tuple(draw(st.lists(st.tuples(texts, texts), max_size=3))),
        drivers=tuple(draw(st.lists(texts, max_size=3))),
        devices=tuple(
            DeviceOffer(name=draw(texts), count=draw(numbers), attributes=((draw(texts), draw(texts)),))
            for _ in range(draw(st.integers(0, 2)))
        ),
        held=held,
        held_states=tuple(draw(st.sampled_from(agent.HeldState)) for _ in held),
        incarnation=draw(texts),
    )


reports = st.lists(
    st.builds(
        agent.TaskReport,
        row=numbers.map(MachineRow),
        epoch=numbers,
        key=keys,
        kind=st.sampled_from(agent.ReportKind),
        code=st.integers(-1, 2**31 - 1),
        at_us=stamps,
        message=texts,
    ),
    max_size=6,
)
ups = st.one_of(
    st.builds(agent.Register, machines=st.lists(offers(), max_size=3).map(tuple)),
    st.builds(agent.Heartbeat, sent_boot_us=stamps, missing=st.lists(numbers.map(MachineRow), max_size=3).map(tuple)),
    st.builds(agent.Reports.of, st.integers(1, 2**40), reports),
    st.builds(
        agent.LogChunk,
        request_id=stamps,
        offset=stamps,
        data=st.binary(max_size=20),
        is_last=st.booleans(),
        error=texts,
    ),
)


@given(ups)
def test_what_an_agent_says_arrives(message: agent.Up) -> None:
    """Every message of an agent is the same after it went over the wire."""
    assert read_up(pb.AgentUp.FromString(write_up(message).SerializeToString())) == message


@st.composite
def wanted_states(draw: st.DrawFn) -> agent.Wanted:
    """Wanted states of three jobs, each of one shape for ever."""
    jobs = draw(st.lists(st.integers(1, 3), max_size=6))
    used = list(dict.fromkeys(jobs))
    columns = st.lists(numbers, min_size=len(jobs), max_size=len(jobs)).map(tuple)
    stops = draw(st.lists(st.tuples(numbers, stamps, numbers, numbers), max_size=4))
    return agent.Wanted(
        incarnation=draw(st.text("abcdef", min_size=1)),
        revision=Revision(draw(stamps)),
        complete=tuple(draw(st.lists(numbers, max_size=3))),
        shapes=tuple(shape(job) for job in used),
        start_rows=draw(columns),
        start_shapes=tuple(used.index(job) for job in jobs),
        start_job_ids=tuple(jobs),
        start_indexes=draw(columns),
        start_attempts=draw(columns),
        start_ports=tuple((place, tuple(range(job - 1))) for place, job in enumerate(jobs) if job > 1),
        start_devices=tuple((place, devices_of(place, job)) for place, job in enumerate(jobs) if job > 1),
        stop_rows=tuple(stop[0] for stop in stops),
        stop_job_ids=tuple(stop[1] for stop in stops),
        stop_indexes=tuple(stop[2] for stop in stops),
        stop_attempts=tuple(stop[3] for stop in stops),
    )


def devices_of(place: int, job: int) -> Granted:
    """Return what a start holds: of the first device one, of the second two."""
    return tuple(tuple(range(place, place + count)) for count in range(1, job))


def shape(job: int) -> agent.TaskShape:
    """Return the one shape of a job; job N has N - 1 ports, and as many kinds of devices."""
    return agent.TaskShape(
        job_name=f"job-{job}",
        driver="exec",
        payload=b"payload %d" % job,
        resources=(job, 2, 3),
        port_names=tuple(f"p{number}" for number in range(job - 1)),
        devices=tuple((f"d{count}", count) for count in range(1, job)),
    )


@given(st.lists(wanted_states(), max_size=5))
def test_wanted_states_arrive_and_shapes_travel_once(states: list[agent.Wanted]) -> None:
    """All wanted states of a stream arrive as they were, and no payload is sent a second time."""
    writer, reader = DownWriter(), DownReader()
    sent: list[int] = []
    for state in states:
        message = pb.AgentDown.FromString(writer.write(state).SerializeToString())
        sent += [each.number for each in message.wanted.shapes]
        assert reader.read(message) == state
    assert len(sent) == len(set(sent))


OTHERS: list[agent.Down] = [
    agent.Registered(incarnation="ab", names=("a",), rows=(0,), epochs=(3,), lease_us=9, heartbeat_us=2),
    agent.Rejected(names=("a", "b"), reason="because"),
    agent.Lease(sent_boot_us=7),
    agent.ReportsFolded(batch=8),
    agent.LogRequest(
        request_id=1,
        key=agent.AttemptKey(job_id=JobId(1), index=2, attempt=3),
        stream=agent.LogStream.STDERR,
        offset=-5,
        limit_bytes=6,
        is_followed=True,
    ),
    agent.LogCancel(request_id=1),
]


@pytest.mark.parametrize("message", OTHERS, ids=lambda message: type(message).__name__)
def test_what_an_agent_is_told_arrives(message: agent.Down) -> None:
    """Every message to an agent is the same after it went over the wire."""
    data = DownWriter().write(message).SerializeToString()
    assert DownReader().read(pb.AgentDown.FromString(data)) == message


def test_forgotten_shapes_are_sent_again() -> None:
    """A job that left the cell is forgotten at both ends; a reader that was never told of a shape refuses it."""
    writer, reader = DownWriter(), DownReader()
    state = agent.Wanted(
        incarnation="ab",
        revision=Revision(1),
        shapes=(shape(1),),
        start_rows=(0,),
        start_shapes=(0,),
        start_job_ids=(1,),
        start_indexes=(0,),
        start_attempts=(1,),
    )
    assert reader.read(writer.write(state)) == state
    forget = writer.forget([1, 2])
    assert forget is not None
    assert reader.read(forget) is None
    assert writer.forget([1, 2]) is None
    with pytest.raises(MalformedError, match="never came"):
        reader.read(pb.AgentDown(wanted=pb.Wanted(incarnation="ab", start_shapes=[1])))
    with pytest.raises(MalformedError, match="1 device indices; its starts need 0"):
        reader.read(pb.AgentDown(wanted=pb.Wanted(incarnation="ab", start_devices=[1])))
    assert reader.read(writer.write(replace(state, revision=Revision(2)))) is not None


MALFORMED = [
    pb.AgentUp(),
    pb.AgentUp(reports=pb.Reports(batch=1, rows=[1], epochs=[1, 2])),
    pb.AgentUp(
        reports=pb.Reports(
            rows=[1], epochs=[1], jobs=[1], indices=[1], attempts=[1], kinds=b"\xff", codes=[1], at_us=[1]
        )
    ),
    pb.AgentUp(register=pb.Register(machines=[pb.MachineOffer(held_jobs=[1])])),
    pb.AgentUp(register=pb.Register(machines=[pb.MachineOffer(held_jobs=[1], held_indices=[1], held_attempts=[1])])),
]


@pytest.mark.parametrize("message", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_malformed_is_refused(message: pb.AgentUp) -> None:
    """Columns of unequal length and unknown values are errors, never a wrong row."""
    with pytest.raises(MalformedError):
        read_up(message)
