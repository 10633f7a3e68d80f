"""The friendly quantities of a job file as types: what they are read from, and what its schema says of them."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from omegacell.api.quantities import (
    BYTES_EXPECTED,
    CPU_EXPECTED,
    DURATION_EXPECTED,
    parse_bytes,
    parse_cpu,
    parse_duration,
)


def _quantity(parse: Callable[[object], int], expected: str, *, example: str) -> tuple[BeforeValidator, WithJsonSchema]:
    schema = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}], "description": f"{expected}"}
    return BeforeValidator(parse), WithJsonSchema({**schema, "examples": [example]})


Cpu = Annotated[int, *_quantity(parse_cpu, CPU_EXPECTED, example="500m")]
Bytes = Annotated[int, *_quantity(parse_bytes, BYTES_EXPECTED, example="256Mi")]
Duration = Annotated[int, *_quantity(parse_duration, DURATION_EXPECTED, example="30s")]
