"""Allocs at the edge: the job file, the agent's wire, and one task of a job in each alloc before a second in any."""

import pytest

from omegacell.agent.attempts import make_key
from omegacell.agent.messages import TaskShape, Wanted
from omegacell.agent.payload import parse_payload
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.spec import parse_jobs
from omegacell.api.wire import read_spec, write_spec
from omegacell.api.wire_agent_down import DownReader, DownWriter
from omegacell.core.errors import MalformedError, UsageError
from omegacell.core.jobs import Kind
from omegacell.core.units import Band, Revision

BOX = b"name: box\nkind: alloc\ncount: 2\nresources: {cpu: 2, memory: 1Gi}\n"
TASK = 'task: {exec: {command: "true"}}\n'


def test_an_alloc_set_needs_no_task() -> None:
    """What holds its place is made up; in all else it is a service."""
    [box] = parse_jobs("a.yaml", BOX)
    spec = box.spec
    assert (spec.kind, spec.scheduler, spec.band, spec.max_restarts, spec.max_unavailable) == (
        Kind.ALLOC, "service", Band.PRODUCTION, -1, 1,
    )  # fmt: skip
    run = parse_payload(box.payload).exec
    assert run is not None
    assert run.command == ("sleep", "infinity")
    [simulated] = parse_jobs("a.yaml", BOX + b"task: {simulated: {}}\n")
    assert simulated.spec.driver == "simulated"
    pretended = parse_payload(simulated.payload).simulated
    assert pretended is not None
    assert pretended.duration_ms == -1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: a\nkind: alloc\n" + TASK, "an alloc set runs nothing of its own"),
        ("name: a\nkind: alloc\nports: {http: 0}\n", "ports: an alloc set has none"),
        ("name: a\nkind: alloc\nalloc: b\n", "an alloc set runs inside no other"),
        ("name: a\nalloc: b\ndevices: {gpu: 1}\n" + TASK, "a task inside an alloc shares those of the alloc"),
        ("name: a\nkind: system\nalloc: b\n" + TASK, "a system job runs inside none"),
    ],
)
def test_what_an_alloc_cannot_have_is_named(text: str, words: str) -> None:
    """One line that says what is wrong, and what to do instead."""
    with pytest.raises(UsageError, match=words):
        parse_jobs("a.yaml", text.encode())


def test_a_spec_keeps_its_alloc_on_the_wire() -> None:
    """Kind and set come back as they were sent."""
    for text in (BOX, b"name: a\nalloc: box\n" + TASK.encode()):
        [job] = parse_jobs("a.yaml", text)
        assert read_spec(write_spec(job.spec)) == job.spec


def test_an_agent_is_told_the_alloc_of_each_start() -> None:
    """Starts inside allocs name them, others none; a message with too few of them is refused."""
    shape = TaskShape(job_name="web", driver="exec", payload=b"", resources=(1, 1, 1), is_inside=True)
    box = TaskShape(job_name="box", driver="exec", payload=b"", resources=(1, 1, 1), is_alloc=True)
    wanted = Wanted(
        incarnation="a", revision=Revision(3), shapes=(box, shape), start_rows=(0, 0), start_shapes=(0, 1),
        start_job_ids=(1, 2), start_indexes=(0, 5), start_attempts=(1, 3), start_allocs=((1, make_key(1, 0, 1)),),
    )  # fmt: skip
    message = DownWriter().write(wanted)
    told = DownReader().read(message)
    assert told == wanted
    assert isinstance(told, Wanted)
    assert [task.alloc for _, task in told.starts()] == [None, make_key(1, 0, 1)]
    broken = pb.AgentDown()
    broken.CopyFrom(message)
    del broken.wanted.start_alloc_attempts[:]
    with pytest.raises(MalformedError, match="names 1 allocs; 1 of its starts are in one"):
        DownReader().read(broken)
    assert list(message.wanted.start_alloc_jobs) == [1]
