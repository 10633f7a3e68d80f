"""Templates over a real API server: dispatched, triggered, run by their schedule, shown, stopped, and refused."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from omegacell.agent.payload import parse_payload
from omegacell.api.client import Client
from omegacell.api.errors import ApiError, NotFoundError, RefusedError
from omegacell.api.records import Change, JobDetail, JobState, Submission
from omegacell.api.spec import JobFileError, parse_jobs
from omegacell.core.errors import UsageError
from omegacell.core.units import Band
from tests.api.serving import Served, serving, store_url

LIMIT_S = 20.0
ENCODE = (
    "{name: encode, parameters: {required: [input], optional: {level: 1, fast: true}, payload: optional},"
    " task: {exec: {script: 'echo', env: {A: b, OMEGA_PARAM_LEVEL: mine}}}}"
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Give a server that runs."""
    with serving(store_url(tmp_path)) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """Give a client of it."""
    with served.client() as found:
        yield found


def read(text: str) -> Submission:
    """Return the one job of a file."""
    [submission] = parse_jobs("job.yaml", text.encode(), owner="tests")
    return submission


def cron(name: str, line: str = "* * * * * *", **rules: str) -> Submission:
    """Return a job on a schedule."""
    schedule = json.dumps({"cron": line, **rules})
    return read(f"{{name: {name}, schedule: {schedule}, task: {{simulated: {{}}}}}}")


def await_children(client: Client, name: str, count: int) -> JobDetail:
    """Wait until a template has made so many children."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        detail = client.job(name)
        assert detail.template is not None
        if detail.template.made_count >= count:
            return detail
        assert time.monotonic() < deadline, detail.template
        time.sleep(0.05)


def test_a_dispatch_makes_a_child_with_its_parameters(client: Client, served: Served) -> None:
    """In the environment, over defaults and over what the file says; the payload is a file; the template stays."""
    client.submit(read(ENCODE))
    made = client.dispatch("encode", {"input": "a.wav", "level": "3"}, payload=b"\x00bytes", name="run")
    detail = client.job("run")
    assert (made.name, made.job_id, made.existed) == ("run", detail.job.job_id, False)
    assert (detail.job.parent, detail.job.instant_us, detail.job.spec.parameters) == ("encode", 0, None)
    cell = served.running.host.cell
    stored = {spec.name: served.store.payloads.get(spec.payload) for spec in cell.jobs.specs if spec is not None}
    found = {name: parse_payload(payload[16:]) for name, payload in stored.items() if payload is not None}
    child, template = found["run"].exec, found["encode"].exec
    assert child is not None
    assert template is not None
    assert dict(child.env) == {
        "A": "b",
        "OMEGA_PARAM_FAST": "true",
        "OMEGA_PARAM_INPUT": "a.wav",
        "OMEGA_PARAM_LEVEL": "3",
        "OMEGA_DISPATCH_INPUT": "dispatch-input",
    }
    assert [(file.path, file.content) for file in child.files] == [("dispatch-input", b"\x00bytes")]
    assert (dict(template.env)["OMEGA_PARAM_LEVEL"], template.files) == ("1", ())


def test_the_same_token_gives_the_same_run(client: Client) -> None:
    """Whatever the parameters are then; another token, or none, gives another."""
    client.submit(read(ENCODE))
    first = client.dispatch("encode", {"input": "a"}, token="order-17")
    again = client.dispatch("encode", {"input": "b"}, token="order-17")
    assert (again.job_id, again.name, again.existed) == (first.job_id, first.name, True)
    others = [client.dispatch("encode", {"input": "a"}, token=token) for token in ("order-18", "", "")]
    assert len({first.job_id, *(each.job_id for each in others)}) == 4


@pytest.mark.parametrize(
    ("parameters", "payload", "expected"),
    [
        ({}, None, "parameter 'input' is missing; expected input, fast (optional), level (optional)"),
        ({"input": "a", "lvl": "2"}, None, "knows no parameter 'lvl'"),
        ({"input": "a\0"}, None, "without NUL"),
        ({"input": "a"}, b"x" * (257 << 10), "a payload of 263168 bytes; expected at most 262144"),
    ],
)
def test_what_is_dispatched_wrongly_says_how(
    client: Client, parameters: dict[str, str], payload: bytes | None, expected: str
) -> None:
    """Nothing is made; the parameter is named, with those that are known."""
    client.submit(read(ENCODE))
    with pytest.raises(UsageError) as raised:
        client.dispatch("encode", parameters, payload=payload)
    assert expected in str(raised.value)
    assert [job.name for job in client.jobs().jobs] == ["encode"]


def test_a_payload_is_taken_as_the_file_says(client: Client) -> None:
    """Forbidden unless the file allows it, and missed where it is required."""
    client.submit(read(ENCODE.replace("encode", "none").replace(", payload: optional", "")))
    client.submit(read(ENCODE.replace("encode", "must").replace("payload: optional", "payload: required")))
    with pytest.raises(UsageError, match="takes no payload"):
        client.dispatch("none", {"input": "a"}, payload=b"")
    with pytest.raises(UsageError, match="needs a payload"):
        client.dispatch("must", {"input": "a"})


def test_only_templates_have_runs(client: Client) -> None:
    """A job that is none, or of the other kind, is refused with what to do instead; so is a name that is taken."""
    client.submit(read("{name: plain, task: {simulated: {}}}"))
    client.submit(cron("nightly", "0 3 * * *"))
    client.submit(read(ENCODE))
    calls: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: client.dispatch("plain"), "takes no parameters; `omega run` runs it"),
        (lambda: client.dispatch("nightly"), "`omega job trigger nightly` runs it now"),
        (lambda: client.trigger("encode"), "`omega job dispatch encode` runs it"),
        (lambda: client.trigger("plain"), "has no schedule"),
    )
    for call, expected in calls:
        with pytest.raises(UsageError) as raised:
            call()
        assert expected in str(raised.value)
    with pytest.raises(NotFoundError):
        client.dispatch("nobody")
    with pytest.raises(RefusedError, match="another job is named 'plain'"):
        client.trigger("nightly", name="plain")
    client.trigger("nightly", name="once")
    with pytest.raises(RefusedError, match="has a run named 'once' already"):
        client.trigger("nightly", name="once")
    client.stop("nightly")
    with pytest.raises(RefusedError, match="was stopped, and has no more runs"):
        client.trigger("nightly")


def test_a_schedule_fires_by_itself(client: Client) -> None:
    """Every second: children of successive instants, each once, named after them; the status tells the next ones."""
    client.submit(cron("tick", overlap="allow", catch_up="all"))
    template = await_children(client, "tick", 3).template
    assert template is not None
    instants = sorted(child.instant_us for child in template.children)
    assert [each % 1_000_000 for each in instants] == [0] * len(instants)
    assert [b - a for a, b in pairwise(instants)] == [1_000_000] * (len(instants) - 1)
    assert template.last_us >= instants[-1]
    assert [b - a for a, b in pairwise(template.next_us)] == [1_000_000, 1_000_000]
    assert {child.parent for child in template.children} == {"tick"}


def test_a_run_that_goes_on_lets_instants_pass(client: Client) -> None:
    """No machine takes the child, so it goes on; the instants after it are skipped, and counted."""
    client.submit(cron("tick", overlap="skip"))
    await_children(client, "tick", 1)
    deadline = time.monotonic() + LIMIT_S
    while (template := client.job("tick").template) is not None and not template.skipped_count:
        assert time.monotonic() < deadline, template
        time.sleep(0.05)
    assert template is not None
    assert (template.made_count, template.active_child_count, template.child_count) == (1, 1, 1)


def test_a_stopped_template_leaves_its_children(client: Client) -> None:
    """Unless they are to be stopped, too; either way there are no more."""
    client.submit(cron("tick"))
    client.submit(cron("tock"))
    await_children(client, "tick", 2)
    await_children(client, "tock", 2)
    client.stop("tick")
    client.stop("tock", with_children=True)
    states = {job.name: job.state for job in client.jobs().jobs}
    assert {state for name, state in states.items() if name.startswith("tick-")} == {JobState.PENDING}
    assert {state for name, state in states.items() if name.startswith("tock-")} == {JobState.STOPPED}
    template = client.job("tick").template
    assert template is not None
    assert template.next_us == ()


def test_what_stands_in_the_way_of_an_instant_is_shown(client: Client) -> None:
    """A quota: the instant is due, the status says which quota; with room it is made."""
    client.set_quota("tests", Band.BATCH, cpu_milli=50)
    assert client.submit(cron("tick")).change is Change.CREATED
    deadline = time.monotonic() + LIMIT_S
    while (template := client.job("tick").template) is not None and not template.due_us:
        assert time.monotonic() < deadline, template
        time.sleep(0.05)
    assert template is not None
    assert "quota" in template.hindrance
    assert template.made_count == 0
    with pytest.raises(ApiError, match="quota"):
        client.trigger("tick")
    client.set_quota("tests", Band.BATCH, cpu_milli=-1)
    await_children(client, "tick", 1)


def test_an_explanation_says_that_it_never_runs(client: Client) -> None:
    """Nobody waits for a machine for it, and how it is run is said."""
    client.submit(read(ENCODE))
    client.submit(cron("nightly", "0 3 * * *"))
    assert "`omega job dispatch encode`" in client.explain("encode").summary
    assert "its schedule makes runs of it" in client.explain("nightly").summary
    held = client.plan([cron("monthly", line="0 0 1 * *")]).jobs[0].held
    assert held is not None
    assert re.fullmatch(r"it never runs itself: .*; next: (\d{4}-\d\d-01 00:00:00Z(, |$)){3}", held.summary)


def test_a_plan_names_what_differs(client: Client) -> None:
    """Line, zone and policies by their fields; the template itself asks for no machine."""
    client.submit(cron("nightly", "0 3 * * *"))
    other = cron("nightly", "0 4 * * *", time_zone="Europe/Berlin", overlap="skip")
    [planned] = client.plan([Submission(spec=other.spec, payload=other.payload, replace=True)]).jobs
    assert [(each.field, each.before, each.after) for each in planned.fields] == [
        ("schedule.cron", "0 3 * * *", "0 4 * * *"),
        ("schedule.time_zone", "UTC", "Europe/Berlin"),
        ("schedule.overlap", "allow", "skip"),
    ]
    assert planned.pending is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schedule: {cron: '0 25 * * *'}", "job.yaml:2:18: schedule.cron: field 2 of 5, hour, is '25'; expected 0-23"),
        ("schedule: '0 0 30 2 *'", "job.yaml:2:11: schedule: it never fires"),
        ("schedule: {cron: '@daily', time_zone: Europe/Berlni}", "did you mean Europe/Berlin"),
        ("schedule: {cron: '@daily', overlap: never}", "schedule.overlap: expected 'allow', 'skip' or 'replace'"),
        (
            "schedule: '@daily'\nkind: service",
            "job.yaml:3:7: kind: expected kind batch: a service with a schedule would",
        ),
        ("schedule: '@daily'\nparameters: {}", "expected one of schedule and parameters"),
        ("parameters: {required: [Input]}", "parameters.required.0: expected a lower-case word"),
        ("parameters: {required: [a], optional: {a: 1}}", "parameter 'a' stands twice"),
    ],
)
def test_a_template_that_is_wrong_says_where(text: str, expected: str) -> None:
    """File, line, column and field, and what is expected there."""
    with pytest.raises(JobFileError) as raised:
        read(f"name: a\n{text}\ntask: {{exec: {{script: echo}}}}")
    assert expected in str(raised.value)


def test_a_name_that_is_too_long_for_its_runs_is_refused() -> None:
    """39 characters are enough, 40 are too many; and a simulated task has nobody to read parameters."""
    assert cron("a" * 39).spec.schedule is not None
    with pytest.raises(JobFileError, match="at most 39 characters"):
        cron("a" * 40)
    with pytest.raises(JobFileError, match=r"expected task\.exec beside parameters"):
        read("{name: a, parameters: {}, task: {simulated: {}}}")


def test_a_schedule_of_another_client_is_looked_at_too(client: Client) -> None:
    """The server does not rely on whoever wrote the spec."""
    right = cron("a")
    assert right.spec.schedule is not None
    wrong = replace(right.spec, schedule=replace(right.spec.schedule, cron="0 0 31 4 *"))
    with pytest.raises(UsageError, match="never fires"):
        client.submit(Submission(spec=wrong, payload=right.payload))
