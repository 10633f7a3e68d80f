"""Translates what a stream tells its agents into the messages of `omegacell.agent.messages`, and back.

A task's shape (its payload above all) travels once on a stream: the writer numbers shapes by job and remembers which
it has sent, the reader keeps them until it is told to forget.
"""

from collections.abc import Iterable
from typing import assert_never, cast

from omegacell.agent import messages as agent
from omegacell.agent.attempts import make_key
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.core.devices import Granted
from omegacell.core.errors import MalformedError
from omegacell.core.units import JobId, Revision


class DownWriter:
    """Writes what one stream is told; remembers which shapes it was told already."""

    def __init__(self) -> None:
        self._sent: set[int] = set()

    def write(self, message: agent.Down) -> pb.AgentDown:
        """Return the wire's form of a message."""
        match message:
            case agent.Wanted():
                return pb.AgentDown(wanted=self._write_wanted(message))
            case agent.Registered():
                return pb.AgentDown(
                    registered=pb.Registered(
                        incarnation=message.incarnation,
                        names=message.names,
                        rows=message.rows,
                        epochs=message.epochs,
                        lease_us=message.lease_us,
                        heartbeat_us=message.heartbeat_us,
                    )
                )
            case agent.Rejected():
                return pb.AgentDown(rejected=pb.Rejected(names=message.names, reason=message.reason))
            case agent.Lease():
                return pb.AgentDown(lease=pb.Lease(sent_boot_us=message.sent_boot_us))
            case agent.ReportsFolded():
                return pb.AgentDown(reports_folded=pb.ReportsFolded(batch=message.batch))
            case agent.LogRequest():
                return pb.AgentDown(log_request=_write_log_request(message))
            case agent.LogCancel():
                return pb.AgentDown(log_cancel=pb.LogCancel(request_id=message.request_id))
            case _:
                assert_never(message)

    def forget(self, jobs: Iterable[int]) -> pb.AgentDown | None:
        """Return the message that makes the reader forget shapes of jobs that left the cell; None if it has none."""
        gone = sorted(self._sent.intersection(jobs))
        self._sent.difference_update(gone)
        return pb.AgentDown(wanted=pb.Wanted(forgotten_shapes=gone)) if gone else None

    def _write_wanted(self, wanted: agent.Wanted) -> pb.Wanted:
        # A job has one shape for ever, so that its id numbers it.
        numbers = [0] * len(wanted.shapes)
        for shape, job_id in zip(wanted.start_shapes, wanted.start_job_ids, strict=True):
            numbers[shape] = job_id
        new = [place for place, number in enumerate(numbers) if number and number not in self._sent]
        self._sent.update(numbers[place] for place in new)
        ports, devices = dict(wanted.start_ports), dict(wanted.start_devices)
        return pb.Wanted(
            incarnation=wanted.incarnation,
            revision=wanted.revision,
            complete=wanted.complete,
            shapes=[_write_shape(numbers[place], wanted.shapes[place]) for place in new],
            start_rows=wanted.start_rows,
            start_shapes=[numbers[shape] for shape in wanted.start_shapes],
            start_jobs=wanted.start_job_ids,
            start_indices=wanted.start_indexes,
            start_attempts=wanted.start_attempts,
            start_ports=[number for place in sorted(ports) for number in ports[place]],
            start_devices=[index for place in sorted(devices) for indices in devices[place] for index in indices],
            start_alloc_jobs=[alloc.job_id for _, alloc in wanted.start_allocs],
            start_alloc_indices=[alloc.index for _, alloc in wanted.start_allocs],
            start_alloc_attempts=[alloc.attempt for _, alloc in wanted.start_allocs],
            stop_rows=wanted.stop_rows,
            stop_jobs=wanted.stop_job_ids,
            stop_indices=wanted.stop_indexes,
            stop_attempts=wanted.stop_attempts,
        )


class DownReader:
    """Reads what one stream was told; keeps the shapes that came on it."""

    def __init__(self) -> None:
        self._shapes: dict[int, agent.TaskShape] = {}

    def read(self, message: pb.AgentDown) -> agent.Down | None:
        """Return a message; None for one that says something to the reader alone, or that this version does not know.

        Raises:
            MalformedError: A start names a shape that never came, or has too few ports.
        """
        match message.WhichOneof("kind"):
            case "wanted":
                return self._read_wanted(message.wanted)
            case "registered":
                registered = message.registered
                return agent.Registered(
                    incarnation=registered.incarnation,
                    names=tuple(registered.names),
                    rows=tuple(registered.rows),
                    epochs=tuple(registered.epochs),
                    lease_us=registered.lease_us,
                    heartbeat_us=registered.heartbeat_us,
                )
            case "rejected":
                return agent.Rejected(names=tuple(message.rejected.names), reason=message.rejected.reason)
            case "lease":
                return agent.Lease(sent_boot_us=message.lease.sent_boot_us)
            case "reports_folded":
                return agent.ReportsFolded(batch=message.reports_folded.batch)
            case "log_request":
                return _read_log_request(message.log_request)
            case "log_cancel":
                return agent.LogCancel(request_id=message.log_cancel.request_id)
            case _:
                return None

    def _read_wanted(self, wanted: pb.Wanted) -> agent.Wanted | None:
        for number in wanted.forgotten_shapes:
            self._shapes.pop(number, None)
        if not wanted.incarnation:
            return None
        for shape in wanted.shapes:
            self._shapes[shape.number] = _read_shape(shape)
        used = list(dict.fromkeys(wanted.start_shapes))
        missing = [number for number in used if number not in self._shapes]
        if missing:
            raise MalformedError(f"a wanted state names shapes {missing[:5]}, which never came on this link")
        places = {number: place for place, number in enumerate(used)}
        shapes = tuple([self._shapes[number] for number in used])
        start_shapes = tuple([places[number] for number in wanted.start_shapes])
        return agent.Wanted(
            incarnation=wanted.incarnation,
            revision=Revision(wanted.revision),
            complete=tuple(wanted.complete),
            shapes=shapes,
            start_rows=tuple(wanted.start_rows),
            start_shapes=start_shapes,
            start_job_ids=tuple(wanted.start_jobs),
            start_indexes=tuple(wanted.start_indices),
            start_attempts=tuple(wanted.start_attempts),
            start_ports=_read_ports(shapes, start_shapes, list(wanted.start_ports)),
            start_devices=_read_devices(shapes, start_shapes, list(wanted.start_devices)),
            start_allocs=_read_allocs(shapes, start_shapes, wanted),
            stop_rows=tuple(wanted.stop_rows),
            stop_job_ids=tuple(wanted.stop_jobs),
            stop_indexes=tuple(wanted.stop_indices),
            stop_attempts=tuple(wanted.stop_attempts),
        )


def _read_ports(
    shapes: tuple[agent.TaskShape, ...], start_shapes: tuple[int, ...], numbers: list[int]
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    widths = [len(shape.port_names) for shape in shapes]
    if not any(widths):
        return ()
    ports = []
    at = 0
    for place, shape in enumerate(start_shapes):
        if widths[shape]:
            ports.append((place, tuple(numbers[at : at + widths[shape]])))
            at += widths[shape]
    if at != len(numbers):
        raise MalformedError(f"a wanted state has {len(numbers)} port numbers; its starts need {at}")
    return tuple(ports)


def _read_devices(
    shapes: tuple[agent.TaskShape, ...], start_shapes: tuple[int, ...], indices: list[int]
) -> tuple[tuple[int, Granted], ...]:
    devices = []
    at = 0
    for place, shape in enumerate(start_shapes):
        granted: list[tuple[int, ...]] = []
        for _, count in shapes[shape].devices:
            granted.append(tuple(indices[at : at + count]))
            at += count
        if granted:
            devices.append((place, tuple(granted)))
    if at != len(indices):
        raise MalformedError(f"a wanted state has {len(indices)} device indices; its starts need {at}")
    return tuple(devices)


def _read_allocs(
    shapes: tuple[agent.TaskShape, ...], start_shapes: tuple[int, ...], wanted: pb.Wanted
) -> tuple[tuple[int, agent.AttemptKey], ...]:
    places = [place for place, shape in enumerate(start_shapes) if shapes[shape].is_inside]
    columns = (wanted.start_alloc_jobs, wanted.start_alloc_indices, wanted.start_alloc_attempts)
    if any(len(column) != len(places) for column in columns):
        raise MalformedError(f"a wanted state names {len(columns[0])} allocs; {len(places)} of its starts are in one")
    return tuple(zip(places, map(make_key, *columns), strict=True))


def _write_shape(number: int, shape: agent.TaskShape) -> pb.Shape:
    return pb.Shape(
        number=number,
        job_name=shape.job_name,
        driver=shape.driver,
        payload=shape.payload,
        resources=shape.resources,
        port_names=shape.port_names,
        devices=[pb.ShapeDevice(name=name, count=count) for name, count in shape.devices],
        grace_us=shape.grace_us,
        stop_on_partition=shape.stop_on_partition,
        is_alloc=shape.is_alloc,
        is_inside=shape.is_inside,
        max_run_us=shape.max_run_us,
    )


def _read_shape(shape: pb.Shape) -> agent.TaskShape:
    return agent.TaskShape(
        job_name=shape.job_name,
        driver=shape.driver,
        payload=shape.payload,
        resources=tuple(shape.resources),
        port_names=tuple(shape.port_names),
        devices=tuple([(device.name, device.count) for device in shape.devices]),
        grace_us=shape.grace_us,
        stop_on_partition=shape.stop_on_partition,
        is_alloc=shape.is_alloc,
        is_inside=shape.is_inside,
        max_run_us=shape.max_run_us,
    )


def _write_log_request(request: agent.LogRequest) -> pb.LogRequest:
    return pb.LogRequest(
        request_id=request.request_id,
        job_id=request.key.job_id,
        index=request.key.index,
        attempt=request.key.attempt,
        stream=cast("pb.LogStream", request.stream - 1),
        offset=request.offset,
        limit_bytes=request.limit_bytes,
        is_followed=request.is_followed,
    )


def _read_log_request(request: pb.LogRequest) -> agent.LogRequest:
    return agent.LogRequest(
        request_id=request.request_id,
        key=agent.AttemptKey(job_id=JobId(request.job_id), index=request.index, attempt=request.attempt),
        stream=agent.LogStream(request.stream + 1),
        offset=request.offset,
        limit_bytes=request.limit_bytes,
        is_followed=request.is_followed,
    )
