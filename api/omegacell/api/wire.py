"""Translates between the API's messages and the client's values.

Both directions of a message stand next to each other where both are needed. Nothing here decides anything.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias, cast

from omegacell.api import records, records_machines, records_templates
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.api.wire_placement import read_placement, write_placement
from omegacell.api.wire_templates import read_parameters, read_schedule, write_template
from omegacell.api.wire_updates import read_policy, read_progress, write_policy
from omegacell.core.dependencies import Condition, Dependency
from omegacell.core.devices import DeviceRequest
from omegacell.core.drains import Eligibility
from omegacell.core.jobs import Gang, JobSpec, Kind, OnPartition, Port, Stopping, TaskState
from omegacell.core.placement import NO_RULES
from omegacell.core.units import Band, JobId


def read_at(message: pb.At) -> records.At:
    """Return which state an answer shows."""
    return records.At(revision=message.revision, incarnation=message.incarnation)


def read_resources(message: pb.Resources) -> records.Resources:
    """Return amounts."""
    return records.Resources(
        cpu_milli=message.cpu_milli, memory_bytes=message.memory_bytes, disk_bytes=message.disk_bytes
    )


def write_spec(spec: JobSpec, payload: bytes = b"") -> pb.JobSpec:
    """Return the message of a spec; the payload is what its tasks run, not its hash."""
    cpu_milli, memory_bytes, disk_bytes = spec.resources
    message = pb.JobSpec(
        name=spec.name,
        owner=spec.owner,
        kind=cast("pb.Kind", spec.kind),
        scheduler=spec.scheduler,
        band=cast("pb.Band", spec.band),
        priority=spec.priority,
        count=spec.count,
        resources=pb.Resources(cpu_milli=cpu_milli, memory_bytes=memory_bytes, disk_bytes=disk_bytes),
        driver=spec.driver,
        ports=[pb.Port(name=port.name, number=port.number) for port in spec.ports],
        max_restarts=spec.max_restarts,
        restart_delay_us=spec.restart_delay_us,
        grace_us=spec.grace_us,
        on_partition=cast("pb.OnPartition", spec.on_partition),
        payload=payload,
        placement=write_placement(spec.placement),
        devices=[
            pb.DeviceRequest(
                name=request.name,
                count=request.count,
                where=[pb.Attribute(name=name, value=value) for name, value in request.where],
            )
            for request in spec.devices
        ],
        max_unavailable=spec.max_unavailable,
        is_health_checked=spec.is_health_checked,
        update=None if spec.update is None else write_policy(spec.update),
        alloc=spec.alloc,
        after=[pb.Dependency(job=each.job, condition=cast("pb.Condition", each.condition)) for each in spec.after],
        max_run_us=spec.max_run_us,
        deadline_us=spec.deadline_us,
        gang=None if spec.gang is None else pb.Gang(size=spec.gang.size, least=spec.gang.least),
    )
    write_template(message, spec)
    return message


def read_spec(message: pb.JobSpec, payload_hash: bytes = b"") -> JobSpec:
    """Return the spec of a message, with the hash that its payload has got.

    Raises:
        ValueError: An enum's number is unknown.
    """
    resources = message.resources
    return JobSpec(
        name=message.name,
        owner=message.owner,
        kind=Kind(message.kind),
        scheduler=message.scheduler,
        band=Band(message.band),
        priority=message.priority,
        count=message.count,
        resources=(resources.cpu_milli, resources.memory_bytes, resources.disk_bytes),
        driver=message.driver,
        ports=tuple([Port(name=port.name, number=port.number) for port in message.ports]),
        max_restarts=message.max_restarts,
        restart_delay_us=message.restart_delay_us,
        grace_us=message.grace_us,
        on_partition=OnPartition(message.on_partition),
        payload=payload_hash,
        placement=read_placement(message.placement) if message.HasField("placement") else NO_RULES,
        devices=tuple([_read_request(request) for request in message.devices]),
        max_unavailable=message.max_unavailable,
        is_health_checked=message.is_health_checked,
        update=read_policy(message.update) if message.HasField("update") else None,
        schedule=read_schedule(message),
        parameters=read_parameters(message),
        alloc=message.alloc,
        after=tuple([Dependency(job=each.job, condition=Condition(each.condition)) for each in message.after]),
        max_run_us=message.max_run_us,
        deadline_us=message.deadline_us,
        gang=Gang(size=message.gang.size, least=message.gang.least) if message.HasField("gang") else None,
    )


def _read_request(message: pb.DeviceRequest) -> DeviceRequest:
    where = tuple([(attribute.name, attribute.value) for attribute in message.where])
    return DeviceRequest(name=message.name, count=message.count, where=where)


def write_submission(submission: records.Submission) -> pb.SubmitJobRequest:
    """Return the request that submits a job."""
    return pb.SubmitJobRequest(spec=write_spec(submission.spec, submission.payload), replace=submission.replace)


def read_result(name: str, message: pb.SubmitResult) -> records.Submitted:
    """Return what became of one of many submits."""
    return records.Submitted(
        name=name,
        job_id=JobId(message.job_id),
        change=records.Change(message.change),
        revision=message.revision,
        reason=message.reason,
        message=message.message,
        warnings=tuple(message.warnings),
        note=message.note,
    )


def read_job(message: pb.Job) -> records.Job:
    """Return a job."""
    return records.Job(
        job_id=JobId(message.job_id),
        spec=read_spec(message.spec),
        state=records.JobState(message.state),
        counts={TaskState(place): count for place, count in enumerate(message.counts)},
        healthy_count=message.healthy_count,
        changed_at=message.changed_at,
        submitted_at_us=message.submitted_at_us,
        first_decided_at_us=message.first_decided_at_us,
        is_current=message.is_current,
        stopping_count=message.stopping_count,
        update=read_progress(message.update) if message.HasField("update") else None,
        successor=message.successor,
        parent_id=JobId(message.parent_id),
        parent=message.parent,
        instant_us=message.instant_us,
        held=read_held(message.held) if message.HasField("held") else None,
        deadline_left_us=message.deadline_left_us,
        is_stopped_late=message.is_stopped_late,
    )


def read_held(message: pb.HeldReason) -> records.HeldReason:
    """Return what held tasks wait for."""
    waits = tuple(
        records.JobWait(
            job=wait.job,
            job_id=JobId(wait.job_id),
            condition=Condition(wait.condition),
            done_count=wait.done_count,
            wanted_count=wait.wanted_count,
            is_stuck=wait.is_stuck,
            summary=wait.summary,
        )
        for wait in message.waits
    )
    return records.HeldReason(
        summary=message.summary,
        task_count=message.task_count,
        waits=waits,
        is_stuck=message.is_stuck,
        lacks=read_lacks(message.lacks),
    )


def read_job_changes(message: pb.WatchJobsResponse) -> records.JobChanges:
    """Return one step of a watch."""
    return records.JobChanges(
        at=read_at(message.at),
        jobs=tuple(read_job(job) for job in message.jobs),
        forgotten=tuple(JobId(job) for job in message.forgotten),
    )


def read_job_detail(message: pb.GetJobResponse) -> records.JobDetail:
    """Return a job with the tasks that the answer holds."""
    return records.JobDetail(
        at=read_at(message.at),
        job=read_job(message.job),
        pending=read_pending(message.pending) if message.HasField("pending") else None,
        tasks=read_tasks(message),
        template=read_template(message.template) if message.HasField("template") else None,
    )


def read_template(message: pb.TemplateStatus) -> records_templates.TemplateStatus:
    """Return how it is with a template."""
    return records_templates.TemplateStatus(
        next_us=tuple(message.next_us),
        last_us=message.last_us,
        made_count=message.made_count,
        skipped_count=message.skipped_count,
        missed_count=message.missed_count,
        due_us=message.due_us,
        hindrance=message.hindrance,
        child_count=message.child_count,
        active_child_count=message.active_child_count,
        children=tuple(read_job(child) for child in message.children),
    )


def read_pending(message: pb.PendingReason) -> records.PendingReason:
    """Return why tasks are pending."""
    lacks = read_lacks(message.lacks)
    return records.PendingReason(summary=message.summary, task_count=message.task_count, lacks=lacks)


def read_lacks(messages: Iterable[pb.Lack]) -> tuple[records.Lack, ...]:
    """Return how many machines cannot take a task, by reason."""
    return tuple(
        records.Lack(reason=lack.reason, dimension=lack.dimension, machine_count=lack.machine_count)
        for lack in messages
    )


def read_tasks(message: pb.GetJobResponse) -> tuple[records.Task, ...]:
    """Return the tasks of an answer, each with its attempts."""
    texts = {(text.index, text.attempt): text.text for text in message.messages}
    displaced = {(entry.index, entry.attempt): entry for entry in message.displaced}
    past: dict[int, list[records.Attempt]] = {}
    for ended in message.past:
        text = texts.get((ended.index, ended.attempt), "")
        past.setdefault(ended.index, []).append(_read_past(ended, text, displaced))
    ports = {entry.index: {port.name: port.number for port in entry.ports} for entry in message.ports}
    devices = {
        entry.index: {device.name: tuple(device.indices) for device in entry.devices} for entry in message.devices
    }
    allocs = {entry.index: entry.alloc for entry in message.allocs}
    contents = {entry.index: read_contents(entry) for entry in message.contents}
    waits = {entry.index: tuple(entry.tasks) for entry in message.waits}
    columns = message.tasks
    tasks = []
    for place, index in enumerate(columns.indices):
        tasks.append(
            records.Task(
                index=index,
                state=TaskState(columns.states[place]),
                stopping=Stopping(columns.stopping[place]),
                health=records.Health(columns.health[place]),
                restarts=columns.restarts[place],
                last=_read_last(columns, place, texts.get((index, columns.attempts[place]), ""), displaced),
                past=tuple(past.get(index, ())),
                ports=ports.get(index, {}),
                devices=devices.get(index, {}),
                alloc=allocs.get(index, ""),
                contents=contents.get(index),
                waits_for=waits.get(index, ()),
                own_machine=columns.own_machines[place] if columns.own_machines else "",
                mismatch=columns.mismatches[place] if columns.mismatches else "",
            )
        )
    return tuple(tasks)


def read_contents(message: pb.AllocContents) -> records.AllocContents:
    """Return what is inside an alloc."""
    return records.AllocContents(
        free=read_resources(message.free),
        tasks=tuple(
            records.InsideTask(
                job=task.job,
                job_id=JobId(task.job_id),
                index=task.index,
                state=TaskState(task.state),
                stopping=Stopping(task.stopping),
            )
            for task in message.tasks
        ),
    )


_Displaced: TypeAlias = Mapping[tuple[int, int], pb.Displacement]


def _read_last(columns: pb.Tasks, place: int, text: str, displaced: _Displaced) -> records.Attempt | None:
    state = TaskState(columns.states[place])
    is_shown_as_past = state in (TaskState.PENDING, TaskState.HELD)  # its ended attempts are all among the past ones
    if columns.attempts[place] == 0 or is_shown_as_past:
        return None
    by = displaced.get((columns.indices[place], columns.attempts[place]), pb.Displacement())
    return records.Attempt(
        attempt=columns.attempts[place],
        machine=columns.machines[place],
        state=state,
        exit_code=columns.exit_codes[place],
        signal=columns.signals[place],
        note=records.ExitNote(columns.notes[place]),
        placed_at_us=columns.placed_at_us[place],
        started_at_us=columns.started_at_us[place],
        ended_at_us=columns.ended_at_us[place],
        message=text,
        preempted_by=by.job,
        preempted_at=by.revision,
    )


def _read_past(message: pb.PastAttempt, text: str, displaced: _Displaced) -> records.Attempt:
    by = displaced.get((message.index, message.attempt), pb.Displacement())
    return records.Attempt(
        attempt=message.attempt,
        machine=message.machine,
        state=TaskState(message.state),
        exit_code=message.exit_code,
        signal=message.signal,
        note=records.ExitNote(message.note),
        placed_at_us=message.placed_at_us,
        started_at_us=message.started_at_us,
        ended_at_us=message.ended_at_us,
        message=text,
        preempted_by=by.job,
        preempted_at=by.revision,
    )


def read_machine(message: pb.Machine) -> records_machines.Machine:
    """Return a machine."""
    return records_machines.Machine(
        row=message.row,
        name=message.name,
        state=records_machines.MachineState(message.state),
        epoch=message.epoch,
        capacity=read_resources(message.capacity),
        allocated=read_resources(message.allocated),
        allocated_by_band={
            Band(place): read_resources(amounts) for place, amounts in enumerate(message.allocated_by_band)
        },
        drivers=tuple(message.drivers),
        attributes=dict(message.attributes),
        is_connected=message.is_connected,
        silent_ticks=message.silent_ticks,
        changed_at=message.changed_at,
        port_first=message.port_first,
        port_last=message.port_last,
        port_free=message.port_free,
        taints=tuple(message.taints),
        devices=tuple(read_device(device) for device in message.devices),
        eligibility=Eligibility(message.eligibility),
        drain=read_drain(message.drain) if message.HasField("drain") else None,
    )


def read_device(message: pb.MachineDevice) -> records_machines.MachineDevice:
    """Return devices of one kind."""
    return records_machines.MachineDevice(
        name=message.name,
        count=message.count,
        free=message.free,
        attributes={attribute.name: attribute.value for attribute in message.attributes},
    )


def read_drain(message: pb.DrainProgress) -> records_machines.DrainProgress:
    """Return how far a drain has come."""
    blocks = tuple(
        records_machines.DrainBlock(
            hold=records_machines.DrainHold(block.hold),
            job=block.job,
            job_id=JobId(block.job_id),
            task_count=block.task_count,
            is_forever=block.is_forever,
            summary=block.summary,
        )
        for block in message.blocks
    )
    return records_machines.DrainProgress(
        task_count=message.task_count, ending_count=message.ending_count, left_us=message.left_us, blocks=blocks
    )


def read_machine_detail(message: pb.GetMachineResponse) -> records_machines.MachineDetail:
    """Return a machine with what it runs."""
    tasks = tuple(
        records_machines.MachineTask(
            job=task.job,
            job_id=JobId(task.job_id),
            index=task.index,
            attempt=task.attempt,
            state=TaskState(task.state),
        )
        for task in message.tasks
    )
    return records_machines.MachineDetail(at=read_at(message.at), machine=read_machine(message.machine), tasks=tasks)
