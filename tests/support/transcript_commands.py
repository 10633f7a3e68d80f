"""The small language of transcripts: commands as people would write them, one line a transaction.

    s1 seen=4 coarse gang: place 1 0>2 1>2 ; evict 1 3@1

Each command has one spelling that `write_command` gives and `read_command` takes; what has a default may be left out.
``J/I@A`` is attempt A of task I of job J, ``M:E`` machine row M in epoch E, ``I>M`` task I on machine row M.
"""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omegacell.core.commands import (
    ActivateRules,
    CloseSession,
    Command,
    Evict,
    ExpireSession,
    ForgetJob,
    Genesis,
    Lack,
    OpenSession,
    Place,
    Reincarnate,
    Renew,
    StopJob,
    SubmitJob,
    Unplaced,
)
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.drains import Eligibility, EvictCause, SetEligibility
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.jobs import Gang, JobSpec, Kind, Port, StopCause
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.machine_commands import (
    ExitNote,
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    ReportKind,
    SetTaints,
    Tick,
)
from omegacell.core.outcomes import Reason
from omegacell.core.preemption import NO_VICTIMS, Victims
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.units import FORMAT, RESOURCE_NAMES, RULES, SECOND_US, Band, JobId, Role, SessionId
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks
from tests.support.transcript_holds import read_after, read_grow, read_hold, read_release, write_after, write_holds
from tests.support.transcript_placement import read_placement, read_taints, write_placement, write_taints
from tests.support.transcript_templates import read_parameters, read_schedule, read_spawn, write_spawn, write_template
from tests.support.transcript_updates import UPDATE_READERS, read_policy, write_policy, write_step

VICTIM_TYPES = (np.int32, np.int64, np.int32, np.int32)

Words = list[str]
Options = dict[str, str]
Reader = Callable[[Words, Options], Command]


def read_command(text: str) -> Command:
    """Read one command."""
    name, *rest = shlex.split(text)
    words = [word for word in rest if "=" not in word]
    options = dict(word.split("=", 1) for word in rest if "=" in word)
    return READERS[name](words, options)


def numbers(options: Options, names: Sequence[str], default: int = 0) -> list[int]:
    """Take integers from the options."""
    return [int(options.get(name, default)) for name in names]


def read_genesis(words: Words, options: Options) -> Genesis:
    """``genesis period=US ttl=US forget=US``."""
    return Genesis(
        format=FORMAT,
        rules=RULES,
        features=(),
        resource_names=RESOURCE_NAMES,
        cell="test",
        incarnation="0" * 31 + "1",
        tick_period_us=int(options.get("period", 2 * SECOND_US)),
        session_ttl_us=int(options.get("ttl", 60 * SECOND_US)),
        forget_after_us=int(options.get("forget", 100 * SECOND_US)),
    )


def read_open(words: Words, options: Options) -> OpenSession:
    """``open AUTHOR role=SCHEDULER scheduler=NAME``."""
    return OpenSession(
        author=words[0], role=Role[options.get("role", "SCHEDULER")], scheduler=options.get("scheduler", "batch")
    )


def read_submit(words: Words, options: Options) -> SubmitJob:
    """``submit NAME count=N band=BAND priority=N cpu=N memory=N disk=N ports=http,admin:80 devices=gpu*2 restarts=N
    unavailable=N at=US owner=NAME scheduler=NAME alloc=SET gang=SIZE:LEAST``.

    Words: ``service``, ``system`` or ``alloc``, the kind, ``replace``, ``checked`` for a job with a health check.
    """
    named = [port.partition(":") for port in options.get("ports", "").split(",") if port]
    spec = JobSpec(
        name=words[0],
        owner=options.get("owner", "ada"),
        kind=next((kind for kind in Kind if kind.name.lower() in words[1:]), Kind.BATCH),
        scheduler=options.get("scheduler", "batch"),
        band=Band[options.get("band", "BATCH")],
        priority=int(options.get("priority", 0)),
        count=int(options.get("count", 1)),
        resources=tuple(numbers(options, ("cpu", "memory", "disk"))),
        driver=options.get("driver", "exec"),
        ports=tuple(Port(name=name, number=int(number or 0)) for name, _, number in named),
        max_restarts=int(options.get("restarts", 0)),
        placement=read_placement(options),
        devices=tuple(
            DeviceRequest(name=name, count=count, where=where)
            for name, count, where in read_devices(options.get("devices", ""))
        ),
        max_unavailable=int(options.get("unavailable", -1)),
        is_health_checked="checked" in words,
        alloc=options.get("alloc", ""),
        after=read_after(options.get("after", "")),
        max_run_us=int(options.get("limit", 0)),
        deadline_us=int(options.get("deadline", 0)),
        schedule=read_schedule(options.get("schedule", "")),
        parameters=read_parameters(options.get("parameters", "")),
        payload=options.get("payload", "").encode(),
        gang=read_gang(options["gang"]) if "gang" in options else None,
        update=read_policy(options.get("policy", "")),
    )
    return SubmitJob(
        spec=spec, submitted_at_us=int(options.get("at", 1)), replace="replace" in words, update="update" in words
    )


def read_gang(text: str) -> Gang:
    """``SIZE:LEAST``; 0 is all."""
    size, _, least = text.partition(":")
    return Gang(size=int(size), least=int(least or 0))


def read_devices(text: str) -> list[tuple[str, int, tuple[tuple[str, str], ...]]]:
    """``NAME*COUNT@ATTRIBUTE:VALUE@...,NAME*COUNT``: names, counts and attributes, in order of the names."""
    devices = []
    for part in sorted(text.split(",")) if text else []:
        head, *pairs = part.split("@")
        name, _, count = head.partition("*")
        found = [pair.partition(":") for pair in pairs]
        devices.append((name, int(count), tuple(sorted((key, value) for key, _, value in found))))
    return devices


def write_devices(devices: Sequence[tuple[str, int, tuple[tuple[str, str], ...]]]) -> str:
    """Write what `read_devices` reads, as an option; nothing when there are none."""
    parts = [
        "@".join([f"{name}*{count}", *(f"{key}:{value}" for key, value in pairs)]) for name, count, pairs in devices
    ]
    return f" devices={','.join(parts)}" if parts else ""


def read_place(words: Words, options: Options) -> Place:
    """``place JOB I>M ...``; ``I>M!J/I@A!J/I@A`` names tasks that are to give way to the claim."""
    claims = [word.split("!") for word in words[1:]]
    pairs = [claim[0].split(">") for claim in claims]
    named = [(at, *read_attempt(each)) for at, claim in enumerate(claims) for each in claim[1:]]
    columns = zip(*named, strict=True) if named else ()
    victims = [np.array(column, dtype) for column, dtype in zip(columns, VICTIM_TYPES, strict=False)]
    return Place(
        job=JobId(int(words[0])),
        indices=np.array([pair[0] for pair in pairs], np.int32),
        machines=np.array([pair[1] for pair in pairs], np.int32),
        victims=Victims(claims=victims[0], jobs=victims[1], indices=victims[2], attempts=victims[3])
        if named
        else NO_VICTIMS,
    )


def read_quota(words: Words, options: Options) -> SetQuota:
    """``quota OWNER band=BAND cpu=N memory=N disk=N``; what is left out has no limit."""
    amounts = tuple(numbers(options, ("cpu", "memory", "disk"), default=-1))
    return SetQuota(owner=words[0], band=Band[options.get("band", "BATCH")], amounts=amounts)


def read_cap(words: Words, options: Options) -> SetCaps:
    """``cap SCHEDULER cpu=N memory=N jobs=N``; what is left out has no limit."""
    return SetCaps(scheduler=words[0], amounts=tuple(numbers(options, ("cpu", "memory", "jobs"), default=-1)))


def read_evict(words: Words, options: Options) -> Evict:
    """``evict JOB I@A ... cause=CAUSE``."""
    pairs = [word.split("@") for word in words[1:]]
    return Evict(
        job=JobId(int(words[0])),
        indices=np.array([pair[0] for pair in pairs], np.int32),
        attempts=np.array([pair[1] for pair in pairs], np.int32),
        cause=EvictCause[options.get("cause", "OPERATOR").upper()],
    )


def read_unplaced(words: Words, options: Options) -> Unplaced:
    """``unplaced JOB COUNT REASON:DIMENSION:MACHINES ... note=TEXT``."""
    parts = [word.split(":") for word in words[2:]]
    lacks = [
        Lack(reason=Reason[reason], dimension=int(dimension), machine_count=int(count))
        for reason, dimension, count in parts
    ]
    return Unplaced(
        job=JobId(int(words[0])), task_count=int(words[1]), lacks=tuple(lacks), note=options.get("note", "")
    )


def read_register(words: Words, options: Options) -> RegisterMachine:
    """``register NAME boot=ID cpu=N memory=N disk=N drivers=exec ports=8000-8007 devices=gpu*4@model:t4 rack=r1``."""
    first, last = (options["ports"].split("-", 1)) if "ports" in options else ("0", "-1")
    known = ("boot", "cpu", "memory", "disk", "drivers", "ports", "devices")
    return RegisterMachine(
        name=words[0],
        boot_id=options.get("boot", "boot-1"),
        capacity=tuple(numbers(options, ("cpu", "memory", "disk"))),
        drivers=tuple(each for each in options.get("drivers", "exec").split(",") if each),
        attributes=tuple(sorted((key, value) for key, value in options.items() if key not in known)),
        port_first=int(first),
        port_last=int(last),
        devices=tuple(
            DeviceOffer(name=name, count=count, attributes=attributes)
            for name, count, attributes in read_devices(options.get("devices", ""))
        ),
    )


def read_inventory(words: Words, options: Options) -> Inventory:
    """``inventory M:E J/I@A ...``."""
    machine, epoch = words[0].split(":")
    attempts = [read_attempt(word) for word in words[1:]]
    return Inventory(
        machine=int(machine),
        epoch=int(epoch),
        jobs=np.array([each[0] for each in attempts], np.int64),
        indices=np.array([each[1] for each in attempts], np.int32),
        attempts=np.array([each[2] for each in attempts], np.int32),
    )


def read_attempt(word: str) -> tuple[int, int, int]:
    """``J/I@A``."""
    job, _, rest = word.partition("/")
    index, _, attempt = rest.partition("@")
    return int(job), int(index), int(attempt)


def read_report(words: Words, options: Options) -> Report:
    """``report KIND,M:E,J/I@A,CODE,SIGNAL,NOTE,AT ...``; what follows the attempt may be left out."""
    rows = []
    for word in words:
        kind, machine, attempt, *end = word.split(",")
        row, epoch = machine.split(":")
        code, signal, note, at_us = (*end, *("-1", "0", "NONE", "1")[len(end) :])
        rows.append(
            (int(row), int(epoch), *read_attempt(attempt), ReportKind[kind.upper()], int(code), int(signal),
             ExitNote[note], int(at_us))
        )  # fmt: skip
    return report_of(rows)


def report_of(rows: Sequence[Sequence[int]]) -> Report:
    """Make a report of rows: machine, epoch, job, index, attempt, kind, exit code, signal, note, stamp."""
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    machines, epochs, jobs, indices, attempts, kinds, exit_codes, signals, notes, at_us = columns
    return Report(
        machines=machines.astype(np.int32),
        epochs=epochs.astype(np.int32),
        jobs=jobs,
        indices=indices.astype(np.int32),
        attempts=attempts.astype(np.int32),
        kinds=kinds.astype(np.uint8),
        exit_codes=exit_codes.astype(np.int32),
        signals=signals.astype(np.uint8),
        notes=notes.astype(np.uint8),
        at_us=at_us,
    )


def read_tick(words: Words, options: Options) -> Tick:
    """``tick AFTER DT_US gained=M:E,... lost=M,...``."""
    gained = [pair.split(":") for pair in options.get("gained", "").split(",") if pair]
    return Tick(
        after=int(words[0]),
        dt_us=int(words[1]),
        gained=np.array([pair[0] for pair in gained], np.int32),
        gained_epochs=np.array([pair[1] for pair in gained], np.int32),
        lost_contact=np.array([row for row in options.get("lost", "").split(",") if row], np.int32),
    )


def read_loss(words: Words, options: Options) -> LoseMachines:
    """``lose M ... operator``."""
    rows = tuple(int(word) for word in words if word != "operator")
    return LoseMachines(machines=rows, by_operator="operator" in words)


def read_eligibility(words: Words, options: Options) -> SetEligibility:
    """``eligible OPEN|CORDONED|DRAINING M ... deadline=US``."""
    rows = tuple(int(word) for word in words[1:])
    deadline_us = int(options.get("deadline", -1))
    return SetEligibility(machines=rows, eligibility=Eligibility[words[0].upper()], deadline_us=deadline_us)


READERS: dict[str, Reader] = {
    "genesis": read_genesis,
    "open": read_open,
    "renew": lambda words, options: Renew(),
    "close": lambda words, options: CloseSession(),
    "expire": lambda words, options: ExpireSession(session=SessionId(int(words[0].removeprefix("s")))),
    "rules": lambda words, options: ActivateRules(rules=int(words[0])),
    "reincarnate": lambda words, options: Reincarnate(incarnation=words[0]),
    "submit": read_submit,
    "stop": lambda words, options: StopJob(
        job=JobId(int(words[0])), cause=StopCause.DEADLINE if "late" in words else StopCause.ASKED
    ),
    "forget": lambda words, options: ForgetJob(job=JobId(int(words[0]))),
    "release": lambda words, options: read_release(words),
    **UPDATE_READERS,
    "spawn": read_spawn,
    "hold": lambda words, options: read_hold(words),
    "grow": lambda words, options: read_grow(words),
    "place": read_place,
    "evict": read_evict,
    "quota": read_quota,
    "cap": read_cap,
    "unplaced": read_unplaced,
    "register": read_register,
    "inventory": read_inventory,
    "lose": read_loss,
    "taint": read_taints,
    "eligible": read_eligibility,
    "report": read_report,
    "tick": read_tick,
}


def write_command(command: Command) -> str:  # noqa: PLR0911 -- one case a command
    """Write one command as `read_command` takes it."""
    match command:
        case Genesis():
            times = (command.tick_period_us, command.session_ttl_us, command.forget_after_us)
            return "genesis period={} ttl={} forget={}".format(*times)
        case OpenSession():
            return f"open {command.author} role={command.role.name} scheduler={command.scheduler}"
        case Renew():
            return "renew"
        case CloseSession():
            return "close"
        case ExpireSession():
            return f"expire s{command.session}"
        case ActivateRules():
            return f"rules {command.rules}"
        case Reincarnate():
            return f"reincarnate {command.incarnation}"
        case StopJob():
            return f"stop {command.job}" + " late" * (command.cause == StopCause.DEADLINE)
        case ForgetJob():
            return f"forget {command.job}"
        case SetQuota():
            return "quota {} band={} cpu={} memory={} disk={}".format(
                command.owner, command.band.name, *command.amounts
            )
        case SetCaps():
            return "cap {} cpu={} memory={} jobs={}".format(command.scheduler, *command.amounts)
        case SubmitJob() | RegisterMachine():
            return write_offer(command)
        case _:
            return write_rows(command)


def write_offer(command: SubmitJob | RegisterMachine) -> str:
    """Write a job or a machine."""
    if isinstance(command, SubmitJob):
        spec = command.spec
        amounts = "cpu={} memory={} disk={}".format(*spec.resources)
        ports = ",".join(f"{port.name}:{port.number}" for port in spec.ports)
        flags = f" {spec.kind.name.lower()}" * (spec.kind != Kind.BATCH) + " replace" * command.replace
        flags += " update" * command.update
        flags += " checked" * spec.is_health_checked
        flags += f" alloc={spec.alloc}" if spec.alloc else ""
        flags += f" limit={spec.max_run_us}" * bool(spec.max_run_us)
        flags += f" deadline={spec.deadline_us}" * bool(spec.deadline_us)
        flags += "" if spec.gang is None else f" gang={spec.gang.size}:{spec.gang.least}"
        return (
            f"submit {spec.name} count={spec.count} {amounts} driver={spec.driver} band={spec.band.name}"
            f" priority={spec.priority} ports={ports}"
            f"{write_devices([(each.name, each.count, each.where) for each in spec.devices])}"
            f" owner={spec.owner} scheduler={spec.scheduler}"
            f" restarts={spec.max_restarts} unavailable={spec.max_unavailable} at={command.submitted_at_us}{flags}"
            f"{write_placement(spec.placement)}{write_after(spec.after)}"
            f"{write_template(spec)}{write_policy(spec.update)}"
        )
    amounts = "cpu={} memory={} disk={}".format(*command.capacity)
    attributes = "".join(f" {key}={value}" for key, value in command.attributes)
    return (
        f"register {command.name} boot={command.boot_id} {amounts} drivers={','.join(command.drivers)}"
        f" ports={command.port_first}-{command.port_last}"
        f"{write_devices([(each.name, each.count, each.attributes) for each in command.devices])}{attributes}"
    )


def write_rows(command: Command) -> str:  # noqa: PLR0911 -- one spelling a command
    """Write a command about tasks or machines."""
    match command:
        case Place():
            named = command.victims
            columns = (named.claims, named.jobs, named.indices, named.attempts)
            victims = zip(*(column.tolist() for column in columns), strict=True)
            pairs = zip(command.indices.tolist(), command.machines.tolist(), strict=True)
            claims = [f"{index}>{row}" for index, row in pairs]
            for claim, job, task, attempt in victims:
                claims[claim] += f"!{job}/{task}@{attempt}"
            return " ".join([f"place {command.job}", *claims])
        case Evict():
            pairs = zip(command.indices.tolist(), command.attempts.tolist(), strict=True)
            tasks = [f"{index}@{attempt}" for index, attempt in pairs]
            return " ".join([f"evict {command.job}", *tasks, f"cause={command.cause.name.lower()}"])
        case SpawnJob():
            return write_spawn(command)
        case ReleaseTasks() | HoldTasks() | GrowSystemJob():
            return write_holds(command)
        case StopTasks() | RevertUpdate() | FinishUpdate():
            return write_step(command)
        case Unplaced():
            lacks = [f"{Reason(each.reason).name}:{each.dimension}:{each.machine_count}" for each in command.lacks]
            note = shlex.quote(f"note={command.note}")
            return " ".join([f"unplaced {command.job} {command.task_count}", *lacks, note])
        case LoseMachines():
            return " ".join(["lose", *map(str, command.machines), *["operator"] * command.by_operator])
        case SetTaints():
            return write_taints(command)
        case SetEligibility():
            words = ["eligible", command.eligibility.name.lower(), *map(str, command.machines)]
            return " ".join([*words, f"deadline={command.deadline_us}"])
        case Inventory():
            rows = zip(command.jobs.tolist(), command.indices.tolist(), command.attempts.tolist(), strict=True)
            held = [f"{job}/{index}@{attempt}" for job, index, attempt in rows]
            return " ".join([f"inventory {command.machine}:{command.epoch}", *held])
        case Tick():
            pairs = zip(command.gained.tolist(), command.gained_epochs.tolist(), strict=True)
            gained = ",".join(f"{row}:{epoch}" for row, epoch in pairs)
            lost = ",".join(map(str, command.lost_contact.tolist()))
            return f"tick {command.after} {command.dt_us} gained={gained} lost={lost}"
        case Report():
            return write_report(command)
        case _:
            raise AssertionError(f"{command} has no spelling")


def write_report(command: Report) -> str:
    """Write a report, row by row."""
    columns: list[NDArray[Any]] = [
        command.machines, command.epochs, command.jobs, command.indices, command.attempts, command.kinds,
        command.exit_codes, command.signals, command.notes, command.at_us,
    ]  # fmt: skip
    rows = zip(*(column.tolist() for column in columns), strict=True)
    words = ["report"]
    for row, epoch, job, index, attempt, kind, code, signal, note, at_us in rows:
        end = f"{code},{signal},{ExitNote(note).name},{at_us}"
        words.append(f"{ReportKind(kind).name.lower()},{row}:{epoch},{job}/{index}@{attempt},{end}")
    return " ".join(words)
