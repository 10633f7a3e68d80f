"""Commands that no proposer of this version writes: each breaks the format in one place."""

from dataclasses import replace

import numpy as np

from omegacell.core.commands import Command, OpenSession, Renew, SubmitJob
from omegacell.core.drains import Eligibility, SetEligibility
from omegacell.core.jobs import Kind, Port
from omegacell.core.machine_commands import LoseMachines, SetTaints
from omegacell.core.placement import PlacementRules
from omegacell.core.units import JobId, Role
from tests.support.history_commands import CommandWriter
from tests.support.history_devices import break_devices
from tests.support.history_limits import draw_broken_limit
from tests.support.history_preemption import break_victims


def broken_commands(writer: CommandWriter) -> tuple[Command, ...]:
    """Write commands that no proposer of this version writes."""
    place, report, spec = writer.place(), writer.report(), writer.spec("web")
    none = np.empty(0, np.int32)
    lists: tuple[tuple[Command, ...], ...] = (
        (),
        (place, Renew()),
        (Renew(), place),
        (Renew(), Renew()),
        (place, OpenSession(author="x", role=Role.API)),
        (replace(place, indices=none, machines=none),),
        (replace(place, indices=none),),
        (replace(place, indices=np.array([-1], np.int32), machines=np.array([0], np.int32)),),
        (replace(place, job=JobId(0)),),
        *[(each,) for each in break_victims(place)],
        (replace(report, machines=none),),
        (replace(report, kinds=report.kinds + np.uint8(9)),),
        (replace(report, notes=report.notes + np.uint8(9)),),
        (SubmitJob(spec=replace(spec, count=0), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, name="No/Name"), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, resources=(1, 1)), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, resources=(-1, 1, 1)), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, max_restarts=-2), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, placement=PlacementRules(max_per_machine=-1)), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, placement=PlacementRules(pool="\n")), submitted_at_us=1),),
        (SetTaints(machines=(0,)),),
        *break_devices(SubmitJob(spec=spec, submitted_at_us=1), writer.register()),
        (replace(writer.register(), name="\n"),),
        (replace(writer.register(), capacity=(1 << 51, 1, 1)),),
        (replace(writer.tick(), dt_us=-1),),
        (LoseMachines(machines=(1, 0)),),
        (SubmitJob(spec=replace(spec, max_unavailable=-2), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, max_run_us=-1), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, deadline_us=-1), submitted_at_us=1),),
        (SetEligibility(machines=(), eligibility=Eligibility.CORDONED),),
        (SetEligibility(machines=(0,), eligibility=Eligibility.CORDONED, deadline_us=5),),
        (SetEligibility(machines=(0,), eligibility=Eligibility.DRAINING, deadline_us=-2),),
        (draw_broken_limit(writer.rng),),
        (SubmitJob(spec=replace(spec, alloc="No/Name"), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, kind=Kind.ALLOC, alloc="box"), submitted_at_us=1),),
        (SubmitJob(spec=replace(spec, kind=Kind.ALLOC, ports=(Port(name="x"),), alloc=""), submitted_at_us=1),),
        (replace(writer.genesis(), resource_names=("cpu",)),),
        (OpenSession(author="x", role=Role.API), writer.genesis()),
        (writer.genesis(),),
    )  # fmt: skip
    return writer.rng.choice(lists)
