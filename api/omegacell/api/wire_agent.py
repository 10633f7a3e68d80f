"""Translates what agents say on a stream between its wire form and the messages of `omegacell.agent.messages`."""

from typing import assert_never

from omegacell.agent import messages as agent
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.core.devices import DeviceOffer
from omegacell.core.errors import MalformedError
from omegacell.core.units import JobId, MachineRow


def write_up(message: agent.Up) -> pb.AgentUp:
    """Return the wire's form of what an agent says."""
    match message:
        case agent.Register():
            return pb.AgentUp(register=pb.Register(machines=[_write_offer(offer) for offer in message.machines]))
        case agent.Heartbeat():
            return pb.AgentUp(heartbeat=pb.Heartbeat(sent_boot_us=message.sent_boot_us, missing=message.missing))
        case agent.Reports():
            return pb.AgentUp(reports=_write_reports(message))
        case agent.LogChunk():
            return pb.AgentUp(
                log_chunk=pb.LogChunk(
                    request_id=message.request_id,
                    offset=message.offset,
                    data=message.data,
                    is_last=message.is_last,
                    error=message.error,
                )
            )
        case _:
            assert_never(message)


def read_up(message: pb.AgentUp) -> agent.Up:
    """Return what an agent said.

    Raises:
        MalformedError: Its columns are not of one length, or a value is unknown.
    """
    try:
        match message.WhichOneof("kind"):
            case "register":
                return agent.Register(machines=tuple([_read_offer(offer) for offer in message.register.machines]))
            case "heartbeat":
                missing = tuple([MachineRow(row) for row in message.heartbeat.missing])
                return agent.Heartbeat(sent_boot_us=message.heartbeat.sent_boot_us, missing=missing)
            case "reports":
                return _read_reports(message.reports)
            case "log_chunk":
                chunk = message.log_chunk
                return agent.LogChunk(
                    request_id=chunk.request_id,
                    offset=chunk.offset,
                    data=chunk.data,
                    is_last=chunk.is_last,
                    error=chunk.error,
                )
            case kind:
                raise MalformedError(f"an agent's message of kind {kind}, which this version does not know")
    except ValueError as error:
        raise MalformedError(f"an agent's message: {error}") from error


def _write_offer(offer: agent.MachineOffer) -> pb.MachineOffer:
    return pb.MachineOffer(
        name=offer.name,
        boot_id=offer.boot_id,
        capacity=offer.capacity,
        attributes=[pb.Attribute(name=name, value=value) for name, value in offer.attributes],
        drivers=offer.drivers,
        devices=[
            pb.MachineDevice(
                name=device.name,
                count=device.count,
                attributes=[pb.Attribute(name=name, value=value) for name, value in device.attributes],
            )
            for device in offer.devices
        ],
        held_jobs=[key.job_id for key in offer.held],
        held_indices=[key.index for key in offer.held],
        held_attempts=[key.attempt for key in offer.held],
        held_states=bytes(offer.held_states),
        incarnation=offer.incarnation,
    )


def _read_offer(offer: pb.MachineOffer) -> agent.MachineOffer:
    keys = zip(offer.held_jobs, offer.held_indices, offer.held_attempts, strict=True)
    held = tuple([agent.AttemptKey(job_id=JobId(job), index=index, attempt=attempt) for job, index, attempt in keys])
    if len(held) != len(offer.held_states):
        raise MalformedError(f"machine {offer.name}: {len(held)} attempts with {len(offer.held_states)} states")
    return agent.MachineOffer(
        name=offer.name,
        boot_id=offer.boot_id,
        capacity=tuple(offer.capacity),
        attributes=tuple([(attribute.name, attribute.value) for attribute in offer.attributes]),
        drivers=tuple(offer.drivers),
        devices=tuple([_read_device(device) for device in offer.devices]),
        held=held,
        held_states=tuple([agent.HeldState(state) for state in offer.held_states]),
        incarnation=offer.incarnation,
    )


def _read_device(device: pb.MachineDevice) -> DeviceOffer:
    attributes = tuple([(attribute.name, attribute.value) for attribute in device.attributes])
    return DeviceOffer(name=device.name, count=device.count, attributes=attributes)


def _write_reports(reports: agent.Reports) -> pb.Reports:
    return pb.Reports(
        batch=reports.batch,
        rows=reports.rows,
        epochs=reports.epochs,
        jobs=reports.job_ids,
        indices=reports.indexes,
        attempts=reports.attempts,
        kinds=bytes(reports.kinds),
        codes=reports.codes,
        at_us=reports.at_us,
        messages=[pb.ReportMessage(position=position, text=text) for position, text in reports.messages],
    )


def _read_reports(reports: pb.Reports) -> agent.Reports:
    columns = (
        tuple(reports.rows),
        tuple(reports.epochs),
        tuple(reports.jobs),
        tuple(reports.indices),
        tuple(reports.attempts),
        tuple(reports.kinds),
        tuple(reports.codes),
        tuple(reports.at_us),
    )
    count = len(columns[0])
    if any(len(column) != count for column in columns):
        raise MalformedError(
            f"reports as columns of lengths {[len(column) for column in columns]}; expected equal ones"
        )
    if count > agent.MAX_REPORTS_PER_MESSAGE:
        raise MalformedError(f"{count} reports in a message; expected at most {agent.MAX_REPORTS_PER_MESSAGE}")
    for kind in set(columns[5]):
        agent.ReportKind(kind)
    return agent.Reports(
        batch=reports.batch,
        rows=columns[0],
        epochs=columns[1],
        job_ids=columns[2],
        indexes=columns[3],
        attempts=columns[4],
        kinds=columns[5],
        codes=columns[6],
        at_us=columns[7],
        messages=tuple([(message.position, message.text) for message in reports.messages]),
    )
