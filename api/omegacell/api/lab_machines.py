"""The machine file of the lab: which machines a simulated cell has, a YAML document for each shape.

Models and their translation. What cannot be is said with file, line and field, as for job files.
"""

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from omegacell.api.documents import Document, parse_documents, read_file
from omegacell.api.rule_text import parse_taint
from omegacell.api.spec_model import AttributeName, AttributeValue, DeviceName, Name
from omegacell.api.spec_problems import JobFileError, describe, show, translate_errors
from omegacell.api.spec_quantities import Bytes, Cpu
from omegacell.core.devices import DeviceOffer
from omegacell.core.errors import UsageError
from omegacell.core.placement import POOL, Taint
from omegacell.core.units import MAX_ATTRIBUTES, MAX_DEVICE_COUNT, MAX_DEVICES_PER_MACHINE, MAX_NAME_LENGTH
from omegacell.simulator.machines import PORTS, Machine

MAX_COUNT: Final = 100_000
MAX_PORT: Final = 65_535
MAX_VALUES: Final = 10_000
ShapeName = Annotated[Name, StringConstraints(max_length=MAX_NAME_LENGTH - len(f"-{MAX_COUNT}"))]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


class CapacityPart(_Part):
    """What each machine has."""

    cpu: Cpu = Field(ge=1)
    memory: Bytes = Field(ge=1)
    disk: Bytes = 0


class OfferPart(_Part):
    """Devices of one kind that each machine has."""

    count: int = Field(ge=1, le=MAX_DEVICE_COUNT)
    attributes: dict[AttributeName, AttributeValue] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)


class PortsPart(_Part):
    """The first and the last port that each machine grants."""

    first: int = Field(default=PORTS[0], ge=1, le=MAX_PORT)
    last: int = Field(default=PORTS[1], ge=1, le=MAX_PORT)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last: expected at least first ({self.first})")
        return self


def _parse_values(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _parse_offer(value: object) -> object:
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _parse_taint(value: object) -> object:
    return parse_taint(value) if isinstance(value, str) else value


class ShapeFile(_Part):
    """Machines that are alike, but for attributes of which they have different values in turn."""

    name: ShapeName
    count: int = Field(default=1, ge=1, le=MAX_COUNT)
    resources: CapacityPart
    attributes: dict[
        AttributeName,
        Annotated[list[AttributeValue], BeforeValidator(_parse_values), Field(min_length=1, max_length=MAX_VALUES)],
    ] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES - 1)
    pool: Name | None = None
    devices: dict[DeviceName, Annotated[OfferPart, BeforeValidator(_parse_offer)]] = Field(
        default_factory=dict, max_length=MAX_DEVICES_PER_MACHINE
    )
    ports: PortsPart = Field(default_factory=PortsPart)
    taints: list[Annotated[Taint, BeforeValidator(_parse_taint)]] = Field(default_factory=list, max_length=64)


def load_machines(path: str) -> tuple[Machine, ...]:
    """Return the machines of a file, or of standard input for ``-``.

    Raises:
        UsageError: it cannot be read, or is not right; the message gives file, line and field.
    """
    source, data = read_file(path)
    documents = parse_documents(source, data)
    if not documents:
        raise UsageError(f"{source}: no machine in it; expected documents with name, count and resources")
    shapes = [_parse_document(document) for document in documents]
    names = [shape.name for shape in shapes]
    for document, (place, name) in zip(documents, enumerate(names), strict=True):
        if name in names[:place]:
            raise JobFileError([describe(document, ("name",), "expected another name for each document", repr(name))])
    return tuple(machine for shape in shapes for machine in _machines_of(shape))


def _parse_document(document: Document) -> ShapeFile:
    if not isinstance(document.value, dict):
        expected = "expected machines: name, count, resources and so on"
        raise JobFileError([describe(document, (), expected, show(document.value))])
    for path, text in document.texts.items():
        if path[0] == "attributes" or path[2:3] == ("attributes",):
            _put(document.value, path, text)
    try:
        return ShapeFile.model_validate(document.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise JobFileError(translate_errors(document, details, model=ShapeFile)) from error


def _put(value: Any, path: tuple[str | int, ...], text: str) -> None:
    """Put a value back as it was written: in attributes, ``6.10`` and ``true`` are words."""
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = text


def _machines_of(shape: ShapeFile) -> list[Machine]:
    devices = tuple(
        DeviceOffer(name=name, count=offer.count, attributes=tuple(sorted(offer.attributes.items())))
        for name, offer in sorted(shape.devices.items())
    )
    fixed = {} if shape.pool is None else {POOL: [shape.pool]}
    return [
        Machine(
            name=f"{shape.name}-{number}",
            capacity=(shape.resources.cpu, shape.resources.memory, shape.resources.disk),
            attributes=tuple(
                (name, values[number % len(values)]) for name, values in sorted((shape.attributes | fixed).items())
            ),
            devices=devices,
            ports=(shape.ports.first, shape.ports.last),
            taints=tuple(shape.taints),
        )
        for number in range(shape.count)
    ]
