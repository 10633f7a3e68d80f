"""The devices of random histories: few of each kind, so that they run out, and requests that nearly fit."""

import random
from dataclasses import replace

from omegacell.core.commands import Command, SubmitJob
from omegacell.core.devices import DeviceOffer, DeviceRequest
from omegacell.core.machine_commands import RegisterMachine

T4 = (("memory", "16Gi"), ("model", "t4"))
OFFERS = (
    (),
    (DeviceOffer(name="gpu", count=2),),
    (DeviceOffer(name="gpu", count=3, attributes=(("model", "a100"),)),),
    (DeviceOffer(name="gpu", count=1, attributes=T4), DeviceOffer(name="x/nic", count=2)),
)
EAGER = ((), (), (DeviceRequest(name="gpu", count=1),), (DeviceRequest(name="gpu", count=2),))
"""What jobs ask for that push others away, or are pushed."""
WISHES = ((), (), (("model", "a100"),), (("model", "t4"),), T4)


def draw_requests(rng: random.Random) -> tuple[DeviceRequest, ...]:
    """Ask for devices now and then; of a kind that there is mostly."""
    names = rng.sample(("gpu", "gpu", "x/nic", "tpu"), rng.choice((0, 0, 1, 1, 2)))
    return tuple(
        DeviceRequest(name=name, count=rng.choice((1, 1, 2, 3)), where=rng.choice(WISHES) if name == "gpu" else ())
        for name in sorted(set(names))
        if name != "tpu" or rng.random() < 0.2
    )


def break_devices(submit: SubmitJob, register: RegisterMachine) -> tuple[tuple[Command, ...], ...]:
    """Make commands that no proposer writes out of some that one does."""
    gpu, one = DeviceRequest(name="gpu", count=1), DeviceOffer(name="gpu", count=1)
    requests = (
        (replace(gpu, count=0),),
        (replace(gpu, name="gpu/"),),
        (replace(gpu, name="g" * 64),),
        (gpu, gpu),
        (replace(gpu, where=(("model", "a"), ("model", "b"))),),
    )
    offers = (
        (DeviceOffer(name="gpu", count=1_025),),
        (DeviceOffer(name="x", count=1), one),
        (DeviceOffer(name="x", count=1, attributes=(("b", ""), ("a", ""))),),
    )
    return (
        *((replace(submit, spec=replace(submit.spec, devices=each)),) for each in requests),
        *((replace(register, devices=each),) for each in offers),
    )
