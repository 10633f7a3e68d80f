"""Devices as an option says them: ``gpu=4,model=a100`` on this machine, ``10:gpu=4,model=a100`` on simulated ones."""

from collections.abc import Sequence
from typing import Final

from omegacell.core.devices import DeviceOffer
from omegacell.core.errors import MalformedError, UsageError
from omegacell.core.units import MAX_DEVICE_COUNT, MAX_DEVICES_PER_MACHINE
from omegacell.core.validate_values import check_device_name

FORM: Final = "NAME=COUNT[,ATTRIBUTE=VALUE...]"
SIMULATED_FORM: Final = f"[MACHINES:]{FORM}"


def parse_devices(texts: Sequence[str], option: str = "--device") -> tuple[DeviceOffer, ...]:
    """Return what a machine has, in the order of the names.

    >>> parse_devices(["gpu=4,model=a100"])
    (DeviceOffer(name='gpu', count=4, attributes=(('model', 'a100'),)),)

    Raises:
        UsageError: It is not of this form, there are none of it, or it is named twice.
    """
    offers = [_parse(text, option) for text in texts]
    _check_once([offer.name for offer in offers], option)
    return tuple(sorted(offers, key=lambda offer: offer.name))


def parse_simulated_devices(texts: Sequence[str], *, machines: int) -> tuple[tuple[int, DeviceOffer], ...]:
    """Return what simulated machines have, each with the number of machines that do: the first ones.

    >>> parse_simulated_devices(["10:gpu=4"], machines=50)
    ((10, DeviceOffer(name='gpu', count=4, attributes=())),)

    Raises:
        UsageError: As `parse_devices`, or it is on more machines than there are.
    """
    found = []
    for text in texts:
        head, colon, rest = text.partition(":")
        is_limited = bool(colon) and head.isascii() and head.isdigit()
        count = int(head) if is_limited else machines
        if not machines:
            raise UsageError(
                f"--simulated-device {text!r}: there are no simulated machines; expected --simulated N, too"
            )
        if not 1 <= count <= machines:
            raise UsageError(
                f"--simulated-device {text!r}: expected 1 to {machines} machines (--simulated), found {count}"
            )
        found.append((count, _parse(rest if is_limited else text, "--simulated-device")))
    _check_once([offer.name for _, offer in found], "--simulated-device")
    return tuple(found)


def _parse(text: str, option: str) -> DeviceOffer:
    form = FORM if option == "--device" else SIMULATED_FORM
    head, *pairs = text.split(",")
    name, equals, count = head.partition("=")
    if not equals or not (count.isascii() and count.isdigit()):
        raise UsageError(f"{option} {text!r}: expected {form}, such as gpu=4,model=a100")
    try:
        check_device_name(name)
    except MalformedError as error:
        raise UsageError(f"{option} {text!r}: {error}") from error
    if not 1 <= int(count) <= MAX_DEVICE_COUNT:
        raise UsageError(f"{option} {text!r}: expected 1 to {MAX_DEVICE_COUNT} devices, found {count}")
    attributes: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals or key in attributes or not pair.isprintable():
            raise UsageError(f"{option} {text!r}: {pair!r}: expected ATTRIBUTE=VALUE, each attribute once")
        attributes[key] = value
    return DeviceOffer(name=name, count=int(count), attributes=tuple(sorted(attributes.items())))


def _check_once(names: Sequence[str], option: str) -> None:
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise UsageError(f"{option}: {twice[0]!r} stands twice; devices of another model need another name")
    if len(names) > MAX_DEVICES_PER_MACHINE:
        raise UsageError(f"{option}: {len(names)} kinds of devices; expected at most {MAX_DEVICES_PER_MACHINE}")
