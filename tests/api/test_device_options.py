"""Devices on the command line: what is taken, and what is said about the rest."""

import pytest

from omegacell.api.device_options import parse_devices, parse_simulated_devices
from omegacell.core.devices import DeviceOffer
from omegacell.core.errors import UsageError


def test_devices_are_taken_in_the_order_of_their_names() -> None:
    """Name, count and attributes; the order of options and attributes does not matter."""
    assert parse_devices(["nvidia/gpu=2,model=a100,memory=80", "fpga=1"]) == (
        DeviceOffer(name="fpga", count=1),
        DeviceOffer(name="nvidia/gpu", count=2, attributes=(("memory", "80"), ("model", "a100"))),
    )


WRONG = [
    (["gpu"], "expected NAME=COUNT"),
    (["gpu=0"], "expected 1 to 1024 devices, found 0"),
    (["gpu=1025"], "expected 1 to 1024 devices, found 1025"),
    (["gpu=-1"], "expected NAME=COUNT"),
    (["gpu=many"], "expected NAME=COUNT"),
    (["GPU=1"], "is no name"),
    (["nvidia/=1"], "is no name"),
    (["gpu=1,model"], "'model': expected ATTRIBUTE=VALUE"),
    (["gpu=1,model=a,model=b"], "each attribute once"),
    (["gpu=1", "gpu=2"], "'gpu' stands twice"),
    ([f"d{number}=1" for number in range(33)], "33 kinds of devices; expected at most 32"),
]


@pytest.mark.parametrize(("texts", "message"), WRONG)
def test_what_is_no_device_is_refused(texts: list[str], message: str) -> None:
    """One line says which option, and what was expected."""
    with pytest.raises(UsageError, match=message) as refused:
        parse_devices(texts)
    assert str(refused.value).startswith("--device")


@pytest.mark.parametrize("text", ["0:gpu=1", "6:gpu=1"])
def test_simulated_devices_are_on_machines_that_there_are(text: str) -> None:
    """The number of machines is between one and all of them."""
    with pytest.raises(UsageError, match="expected 1 to 5 machines"):
        parse_simulated_devices([text], machines=5)
    with pytest.raises(UsageError, match="there are no simulated machines"):
        parse_simulated_devices([text], machines=0)
