"""Payloads: what is encoded is read back, and what is not one is refused with the field's name."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omegacell.agent.payload import (
    ExecConfig,
    HealthConfig,
    InlineFile,
    LimitsConfig,
    SimulatedConfig,
    TaskPayload,
    encode_payload,
    parse_payload,
)
from omegacell.core.errors import MalformedError

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
FILES = st.builds(InlineFile, path=TEXT, content=st.binary(max_size=50), mode=st.integers(0, 0o777))
CONFIGS = st.builds(
    ExecConfig,
    command=st.lists(TEXT, min_size=1, max_size=4).map(tuple),
    env=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    user=TEXT,
    files=st.lists(FILES, max_size=2).map(tuple),
)
PAYLOADS = st.builds(
    TaskPayload,
    exec=st.none() | CONFIGS,
    simulated=st.none() | st.builds(SimulatedConfig, duration_ms=st.integers(-1, 1 << 40)),
    health=st.none() | st.builds(HealthConfig, port=TEXT),
    limits=st.none() | st.builds(LimitsConfig, cpu_milli=st.integers(0, 1 << 40), is_latency_sensitive=st.booleans()),
)


@given(PAYLOADS)
def test_what_is_encoded_is_read_back(payload: TaskPayload) -> None:
    """Encoding is canonical and loses nothing."""
    data = encode_payload(payload)
    assert parse_payload(data) == payload
    assert encode_payload(parse_payload(data)) == data


REFUSED = [
    (b"\xff", "not JSON"),
    (b"[]", "expected an object of version 1"),
    (b'{"version":2}', "expected an object of version 1"),
    (b'{"version":1,"docker":{}}', "unknown part 'docker'"),
    (b'{"version":1,"exec":{}}', "exec: field 'command' is missing"),
    (b'{"version":1,"exec":{"command":[]}}', "exec.command: expected at least the program"),
    (b'{"version":1,"exec":{"command":"ls"}}', "exec.command: expected a list of strings"),
    (b'{"version":1,"exec":{"command":["ls"],"shell":true}}', "exec: unknown field 'shell'"),
    (b'{"version":1,"exec":{"command":["ls"],"pids":"9"}}', "exec.pids: expected int"),
    (b'{"version":1,"exec":{"command":["ls"],"env":[["A"]]}}', "exec.env: expected pairs"),
    (b'{"version":1,"exec":{"command":["ls"],"files":[{"path":"a","content":"!"}]}}', "not base64"),
    (b'{"version":1,"limits":{"cpu_milli":"2"}}', "limits.cpu_milli: expected int"),
    (b'{"version":1,"simulated":{"duration_ms":true}}', "simulated.duration_ms: expected int"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED)
def test_what_is_no_payload_is_refused(data: bytes, message: str) -> None:
    """One clear line names the field."""
    with pytest.raises(MalformedError, match=message.replace("[", r"\[")):
        parse_payload(data)


@given(st.binary(max_size=200) | st.sampled_from([b'{"version":1,"exec":null}', b'{"version":1,"health":[]}']))
def test_no_bytes_do_worse_than_malformed(data: bytes) -> None:
    """Whatever comes, it is a payload or it is malformed."""
    with contextlib.suppress(MalformedError):
        assert isinstance(parse_payload(data), TaskPayload)
