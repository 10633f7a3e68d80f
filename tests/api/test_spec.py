"""Job files: what they become, and what is said about wrong ones."""

from pathlib import Path

import pytest

from omegacell.agent.payload import LimitsConfig, parse_payload
from omegacell.api.documents import MAX_FILE_BYTES
from omegacell.api.spec import JobFileError, json_schema, load_jobs, parse_jobs, salted_hash
from omegacell.api.spec_model import ExecPart, HealthPart, JobFile, LogsPart, SimulatedPart
from omegacell.core.devices import DeviceRequest
from omegacell.core.errors import UsageError
from omegacell.core.jobs import WHOLE_JOB, Gang, JobSpec, Kind, OnPartition, Port
from omegacell.core.units import Band

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
TASK = "task: {exec: {command: /bin/true}}\n"

# text of the file, line, column, field, part of what was expected, what was found
WRONG: list[tuple[str, int, int, str, str, str]] = [
    (TASK, 1, 1, "name", "missing; this field is required", ""),
    ("name: a\n", 1, 1, "task", "missing; this field is required", ""),
    ("name: a/b\n" + TASK, 1, 7, "name", "lower-case letters", "'a/b'"),
    ('name: "a\\nb"\n' + TASK, 1, 7, "name", "lower-case letters", "'a\\nb'"),
    ("name: " + "a" * 64 + "\n" + TASK, 1, 7, "name", "63", "'" + "a" * 56 + "..."),
    ("name: 7\n" + TASK, 1, 7, "name", "expected text", "7"),
    ("name: a\ncount: 0\n" + TASK, 2, 8, "count", "expected at least 1", "0"),
    ("name: a\ncount: 10000000\n" + TASK, 2, 8, "count", "expected at most 1000000", "10000000"),
    ("name: a\ncount: many\n" + TASK, 2, 8, "count", "expected a whole number", "'many'"),
    ("name: a\ncount: 1.5\n" + TASK, 2, 8, "count", "expected a whole number", "1.5"),
    ("name: a\ncuont: 3\n" + TASK, 2, 1, "cuont", "did you mean 'count'?", ""),
    ("name: a\nzzz: 3\n" + TASK, 2, 1, "zzz", "expected one of name, owner, kind", ""),
    ("name: a\nkind: cron\n" + TASK, 2, 7, "kind", "'service', 'system' or 'alloc'", "'cron'"),
    ("name: a\nkind: system\ncount: 1\n" + TASK, 3, 8, "count", "expected none with `kind: system`", ""),
    ("name: a\nkind: system\ngang: true\n" + TASK, 3, 7, "gang", "expected none with `kind: system`", ""),
    ("name: a\nkind: system\nmax_per_machine: 1\n" + TASK, 3, 18, "max_per_machine", "expected none", ""),
    ("name: a\nkind: system\nnear: [{job: b}]\n" + TASK, 3, 7, "near", "expected none", ""),
    ("name: a\nkind: system\nspread: [{over: zone}]\n" + TASK, 3, 9, "spread", "expected none", ""),
    ("name: a\nkind: system\nprefer: [{constraint: zone = a, weight: 3}]\n" + TASK, 3, 9, "prefer", "expected", ""),
    ("name: a\npriority: high\n" + TASK, 2, 11, "priority", "'production'", "'high'"),
    ("name: a\npriority: {band: batch, number: -1}\n" + TASK, 2, 33, "priority.number", "at least 0", "-1"),
    ("name: a\nconstraints: [zone like a]\n" + TASK, 2, 15, "constraints.0", "ATTRIBUTE and one of", "'zone like a'"),
    ("name: a\nconstraints: [cores > many]\n" + TASK, 2, 15, "constraints.0", "whole numbers", "'cores > many'"),
    ("name: a\nconstraints: [zone = a, zone = b]\n" + TASK, 2, 14, "constraints", "both 'zone = a' and 'zone = b'", ""),
    ("name: a\nconstraints: [n > 5, n < 6]\n" + TASK, 2, 14, "constraints", "both 'n > 5' and 'n < 6'", ""),
    ("name: a\nconstraints: [zone == a]\n" + TASK, 2, 15, "constraints.0", "did you mean 'zone = a'?", "'zone == a'"),
    ("name: a\nconstraints: [zone in (a, b)]\n" + TASK, 2, 15, "constraints.0", "put it in quotes", "'zone in (a'"),
    ("name: a\nresources: {cpu: -1}\n" + TASK, 2, 18, "resources.cpu", "not below 0", "-1"),
    ("name: a\nresources: {memory: -5Mi}\n" + TASK, 2, 21, "resources.memory", "not below 0", "'-5Mi'"),
    ("name: a\nconstraints: [n => 5]\n" + TASK, 2, 15, "constraints.0", "'>' does not belong", "'n => 5'"),
    ("name: a\nconstraints: [k version > new]\n" + TASK, 2, 15, "constraints.0", "begins with a", "'k version > new'"),
    ("name: a\nconstraints: [5]\n" + TASK, 2, 15, "constraints.0", "such as 'zone = a'", "5"),
    ("name: a\nmax_unavailable: -1\n" + TASK, 2, 18, "max_unavailable", "at least 0, or", "-1"),
    ("name: a\ntolerations: [a b]\n" + TASK, 2, 15, "tolerations.0", "KEY = VALUE", "'a b'"),
    ("name: a\ntolerations: [=]\n" + TASK, 2, 15, "tolerations.0", "KEY = VALUE", "'='"),
    ("name: a\nspread: [{over: zone, max_skew: 1, weight: 3}]\n" + TASK, 2, 10, "spread.0", "not both", ""),
    ("name: a\nspread: [{over: zone, targets: {a: 90, b: 20}}]\n" + TASK, 2, 32, "spread.0.targets", "110 percent", ""),
    ("name: a\nspread: [{over: '', max_skew: 1}]\n" + TASK, 2, 17, "spread.0.over", "printable ASCII", "''"),
    ("name: a\nprefer: [{constraint: zone = a, weight: 0}]\n" + TASK, 2, 41, "prefer.0.weight", "not 0", ""),
    ("name: a\napart: [{job: B}]\n" + TASK, 2, 15, "apart.0.job", "lower-case letters", "'B'"),
    ("name: a\nmax_per_machine: 0\n" + TASK, 2, 18, "max_per_machine", "at least 1", "0"),
    ("name: a\nresources: {cpu: lots}\n" + TASK, 2, 18, "resources.cpu", "number of CPUs", "'lots'"),
    ("name: a\nresources: {cpu: 0}\n" + TASK, 2, 18, "resources.cpu", "at least 1", "0"),
    ("name: a\nresources: {cpu: 0.0001}\n" + TASK, 2, 18, "resources.cpu", "finer than", "0.0001"),
    ("name: a\nresources: {memory: 12XB}\n" + TASK, 2, 21, "resources.memory", '"256Mi"', "'12XB'"),
    ("name: a\nresources: {memory: 9999999Ti}\n" + TASK, 2, 21, "resources.memory", "at most", "'9999999Ti'"),
    ("name: a\ndevices: {gpu: 0}\n" + TASK, 2, 16, "devices.gpu", "at least 1", "0"),
    ("name: a\ndevices: {gpu: {count: 2000}}\n" + TASK, 2, 24, "devices.gpu.count", "at most 1024", "2000"),
    ("name: a\ndevices: {gpu: many}\n" + TASK, 2, 16, "devices.gpu", "mapping of fields", "'many'"),
    ("name: a\ndevices: {gpu: {where: {'': x}}}\n" + TASK, 2, 29, "devices.gpu.where.", "name of an attribute", "''"),
    ("name: a\ndevices: {gpu: {were: {}}}\n" + TASK, 2, 17, "devices.gpu.were", "did you mean 'where'?", ""),
    ("name: a\ndevices: {GPU: 1}\n" + TASK, 2, 16, "devices.GPU", "such as nvidia/gpu", "'GPU'"),
    ("name: a\ndevices: {a/b: 1, a-b: 1}\n" + TASK, 2, 10, "devices", "would both be OMEGA_DEVICE_A_B", ""),
    ("name: a\nresources: {cpu: 2}\nlimits: {cpu: 1}\n" + TASK, 3, 15, "limits.cpu", "resources.cpu (2), found 1", ""),
    ("name: a\nlimits: {memory: 1Mi}\n" + TASK, 2, 18, "limits.memory", "expected at least resources.memory", ""),
    ("name: a\nclass: quick\n" + TASK, 2, 8, "class", "'latency_sensitive' or 'batch'", "'quick'"),
    (
        "name: a\nlimits: {cpu: 2}\ntask: {exec: {command: x, cpu_capped: true}}\n",
        *(1, 1, "", "one of limits.cpu and task.exec.cpu_capped", ""),
    ),
    ("name: a\nports: {http: 70000}\n" + TASK, 2, 15, "ports.http", "at most 65535", "70000"),
    ("name: a\nports: {HTTP: 0}\n" + TASK, 2, 15, "ports.HTTP", "lower-case word", "'HTTP'"),
    ("name: a\ngrace: soon\n" + TASK, 2, 8, "grace", '"30s"', "'soon'"),
    ("name: a\nrestarts: {max: -5}\n" + TASK, 2, 17, "restarts.max", "at least 0, or", "-5"),
    ("name: a\ngang: maybe\n" + TASK, 2, 7, "gang", "true or false", "'maybe'"),
    ("name: a\ngang: {size: 1}\n" + TASK, 2, 14, "gang.size", "at least 2", "1"),
    ("name: a\ngang: {sise: 4}\n" + TASK, 2, 8, "gang.sise", "did you mean 'size'?", ""),
    ("name: a\ngang: {size: 4, min: 5}\n" + TASK, 2, 7, "gang", "a min of at most its size (4)", ""),
    ("name: a\ncount: 3\ngang: {min: 4}\n" + TASK, 3, 13, "gang.min", "expected at most count (3)", ""),
    ("name: a\ntask: 4\n", 2, 7, "task", "mapping of fields", "4"),
    ("name: a\ntask:\n  exec:\n    comand: x\n", 4, 5, "task.exec.comand", "did you mean 'command'?", ""),
    ("name: a\ntask: {exec: {}}\n", 2, 14, "task.exec", "exactly one of command and script", ""),
    ("name: a\ntask: {exec: {command: x, script: y}}\n", 2, 14, "task.exec", "exactly one of", ""),
    ("name: a\ntask: {exec: {script: y, args: [z]}}\n", 2, 14, "task.exec", "no args beside a script", ""),
    ("name: a\ntask: {exec: {command: x}, simulated: {}}\n", 2, 7, "task", "exactly one of exec", ""),
    ("name: a\ntask: {exec: {command: x, files: {../x: y}}}\n", 2, 14, "task.exec", "'../x'", ""),
    (
        "name: a\ntask: {exec: {command: x, env: {A-B: y}}}\n",
        2,
        38,
        "task.exec.env.A-B",
        "environment variable",
        "'A-B'",
    ),
    (
        "name: a\ntask: {exec: {command: x}, health: {port: web}}\n",
        2,
        43,
        "task.health.port",
        "one of the job's ports",
        "",
    ),
    ("- a\n- b\n", 1, 1, "", "expected a job", "a list"),
    ("name: a\n" + TASK + "---\nname: a\n" + TASK, 4, 7, "name", "another name for each job", "'a'"),
]


def test_all_that_is_wrong_with_the_parts_of_a_job_is_told() -> None:
    """Limits, ports and what a system job may not have: every mistake, each at its line."""
    text = "name: a\nkind: system\nmax_per_machine: 1\nlimits: {cpu: 1m, memory: 1Mi}\nports: {a: 80, b: 80}\n" + TASK
    with pytest.raises(JobFileError) as caught:
        parse_jobs("job.yaml", text.encode())
    fields = [(problem.line, problem.field) for problem in caught.value.problems]
    assert fields == [(3, "max_per_machine"), (4, "limits.cpu"), (4, "limits.memory"), (5, "ports")]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[3]}: {row[4]}")
def test_what_is_wrong_is_named(row: tuple[str, int, int, str, str, str]) -> None:
    """A problem gives file, line, column, field, what was expected and what was found."""
    text, line, column, field, expected, found = row
    with pytest.raises(JobFileError) as raised:
        parse_jobs("job.yaml", text.encode(), owner="me")
    problem = next(each for each in raised.value.problems if each.field == field)
    assert (problem.source, problem.line, problem.column) == ("job.yaml", line, column)
    assert expected in problem.expected
    assert problem.found == found
    assert f"job.yaml:{line}:{column}: " in str(raised.value)


# text of the file, part of the message
UNREADABLE: list[tuple[bytes, str]] = [
    (b"", "no job in it"),
    (b"---\n---\n", "no job in it"),
    (b"name: [a\n", "job.yaml:2:1: not YAML"),
    (b"\tname: a\n", "job.yaml:1:1: not YAML"),
    (b"name: a\n  count: 1\n", "job.yaml:2:8: not YAML"),
    (b"name: a\nname: b\n", "job.yaml:2:1: key 'name' stands twice"),
    (b"name: caf\xe9\n", "job.yaml:1:10: expected UTF-8"),
    (b"name: a\x00b\n", "not YAML"),
    (b"[" * 1_000, "nested more than 32 levels deep"),
    (b"name: !!python/object:os.system x\n", "tag"),
    (b"name: !secret x\n", "tag '!secret'"),
    (b"? [a]\n: b\n", "a key is a list"),
    (b"a: &a\n  b: *a\n", "aliases"),
    (b"a: *nowhere\n", "not YAML"),
]


@pytest.mark.parametrize(("data", "expected"), UNREADABLE)
def test_what_cannot_be_read_is_refused_in_one_sentence(data: bytes, expected: str) -> None:
    """What is not YAML, or not plain, is one line with its place."""
    with pytest.raises(UsageError) as raised:
        parse_jobs("job.yaml", data, owner="me")
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_aliases_that_explode_are_refused() -> None:
    """Aliases count as often as they are used, so that a small file cannot become a large one."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for one, other in zip("bcdefgh", "abcdefg", strict=True):
        lines.append(f"{one}: &{one} [{','.join([f'*{other}'] * 10)}]")
    with pytest.raises(UsageError, match="aliases make more than 100000 values"):
        parse_jobs("bomb.yaml", "\n".join(lines).encode())


def test_a_large_file_is_refused_without_being_read(tmp_path: Path) -> None:
    """A file of 100 MB is one error that names its size and the limit; no more than the limit is read."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(UsageError, match=rf"large\.yaml: larger .* \(100000000 bytes\).* {MAX_FILE_BYTES} bytes"):
        load_jobs(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is a usage error with the system's reason."""
    with pytest.raises(UsageError, match=r"gone\.yaml: cannot be read: No such file"):
        load_jobs(str(tmp_path / "gone.yaml"))


WHOLE = """
name: web
owner: ada
kind: service
scheduler: mine
priority: {band: monitoring, number: 7}
count: 3
resources: {cpu: 0.5, memory: 256Mi, disk: 1Gi}
ports: {http: 0, admin: 9000}
gang: true
max_unavailable: 2
restarts: {max: 4, delay: 2s}
grace: 1m
on_partition: continue
task:
  exec:
    command: /usr/bin/serve
    args: [--port, 8080, yes, 1.10]
    env: {A: no, B: 1.10, C: "x"}
    user: www
    files:
      etc/a.conf: hello
      run.sh: {content: "#!/bin/sh", mode: "755"}
  health: {port: http, path: /ready, interval: 500ms}
  logs: {limit: 1Mi}
"""


@pytest.mark.parametrize(
    ("text", "gang"),
    [
        ("false", None),
        ("true", Gang()),
        ("{}", Gang()),
        ("{size: 4}", Gang(size=4)),
        ("{min: 3}", Gang(least=3)),
        ("{size: 4, min: 3}", Gang(size=4, least=3)),
    ],
)
def test_a_gang_is_the_whole_job_or_groups_of_it(text: str, gang: Gang | None) -> None:
    """What is left out means all of it."""
    [submission] = parse_jobs("job.yaml", f"name: a\ncount: 8\ngang: {text}\n{TASK}".encode())
    assert submission.spec.gang == gang


def test_every_field_arrives() -> None:
    """A job file with every field becomes the core's spec and the agent's payload, quantities as exact integers."""
    [submission] = parse_jobs("job.yaml", WHOLE.encode())
    assert submission.spec == JobSpec(
        name="web",
        owner="ada",
        kind=Kind.SERVICE,
        scheduler="mine",
        band=Band.MONITORING,
        priority=7,
        count=3,
        resources=(500, 256 << 20, 1 << 30),
        driver="exec",
        ports=(Port(name="http"), Port(name="admin", number=9000)),
        gang=WHOLE_JOB,
        max_restarts=4,
        restart_delay_us=2_000_000,
        grace_us=60_000_000,
        on_partition=OnPartition.CONTINUE,
        max_unavailable=2,
        is_health_checked=True,
    )
    payload = parse_payload(submission.payload)
    assert payload.exec is not None
    assert payload.exec.command == ("/usr/bin/serve", "--port", "8080", "yes", "1.10")
    assert payload.exec.env == (("A", "no"), ("B", "1.10"), ("C", "x"))
    assert payload.exec.user == "www"
    assert [(file.path, file.content, file.mode) for file in payload.exec.files] == [
        ("etc/a.conf", b"hello", 0o644),
        ("run.sh", b"#!/bin/sh", 0o755),
    ]
    assert payload.exec.log_limit_bytes == 1 << 20
    assert payload.health is not None
    assert (payload.health.port, payload.health.path, payload.health.interval_ms) == ("http", "/ready", 500)


def test_defaults_follow_from_the_kind() -> None:
    """A batch job gives up after its first failure, a service never; each goes to the scheduler of its kind."""
    [batch] = parse_jobs("job.yaml", b"name: a\n" + TASK.encode())
    [service] = parse_jobs("job.yaml", b"name: a\nkind: service\n" + TASK.encode())
    assert (batch.spec.scheduler, batch.spec.band, batch.spec.max_restarts) == ("batch", Band.BATCH, 0)
    assert (service.spec.scheduler, service.spec.band, service.spec.max_restarts) == ("service", Band.PRODUCTION, -1)
    assert [(each.spec.max_unavailable, each.spec.is_health_checked) for each in (batch, service)] == [
        (-1, False),
        (1, False),
    ]


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("5", 5), ("unlimited", -1)])
def test_how_much_a_drain_may_take_away(text: str, expected: int) -> None:
    """A number of tasks, none among them, or no limit."""
    [job] = parse_jobs("job.yaml", f"name: a\nkind: service\nmax_unavailable: {text}\n{TASK}".encode())
    assert job.spec.max_unavailable == expected


@pytest.mark.parametrize("text", ["-2", "none", "1.5", "25%", "2000000"])
def test_what_a_drain_may_take_away_is_a_number(text: str) -> None:
    """Anything else is refused, with the field."""
    with pytest.raises(JobFileError, match="max_unavailable"):
        parse_jobs("job.yaml", f"name: a\nmax_unavailable: {text}\n{TASK}".encode())


def test_json_is_read_too() -> None:
    """A JSON file is read as well, also one with surrogate pairs, which is no YAML."""
    data = b'{"name": "a", "task": {"exec": {"command": "x", "env": {"E": "\\ud83d\\ude00"}}}}'
    [submission] = parse_jobs("job.json", data)
    payload = parse_payload(submission.payload)
    assert payload.exec is not None
    assert payload.exec.env == (("E", "\N{GRINNING FACE}"),)


def test_several_documents_are_several_jobs() -> None:
    """Each document of a file is a job, in the order of the file."""
    jobs = parse_jobs("jobs.yaml", f"name: a\n{TASK}---\nname: b\n{TASK}".encode())
    assert [job.spec.name for job in jobs] == ["a", "b"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_right(path: Path) -> None:
    """Every example of the documentation is a valid job file."""
    assert load_jobs(str(path))


def test_the_schema_names_every_field() -> None:
    """The JSON schema has every field of the job file, refuses others, and says what is required."""
    schema = json_schema()
    assert set(schema["properties"]) == {field.alias or name for name, field in JobFile.model_fields.items()}
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name"]
    assert schema["anyOf"][0] == {"required": ["task"]}  # or it is an alloc set


def test_devices_limits_and_class_become_what_is_judged_and_what_is_run() -> None:
    """Devices are judged, so they stand in the spec, in order; limits and class are the machine's, in the payload."""
    text = (
        b"name: a\ncount: 2\nresources: {cpu: 1, memory: 1Gi}\nlimits: {cpu: 2, memory: 2Gi}\n"
        b"devices: {nic: {}, gpu: {count: 2, where: {memory: 80, cuda: 1.10}}}\n"
    )
    [submission] = parse_jobs("a.yaml", text + TASK.encode())
    assert submission.spec.devices == (
        DeviceRequest(name="gpu", count=2, where=(("cuda", "1.10"), ("memory", "80"))),
        DeviceRequest(name="nic", count=1),
    )
    assert submission.spec.resources == (1_000, 1 << 30, 0)
    assert parse_payload(submission.payload).limits == LimitsConfig(cpu_milli=2_000, memory_bytes=2 << 30)


# kind, class, exec, what becomes of it
CLASSES = [
    ("batch", "", "", LimitsConfig()),
    ("service", "", "", LimitsConfig(is_latency_sensitive=True)),
    ("service", "class: batch\n", "", LimitsConfig()),
    ("batch", "class: latency_sensitive\n", "", LimitsConfig(is_latency_sensitive=True)),
    ("batch", "resources: {cpu: 500m}\n", ", cpu_capped: true", LimitsConfig(cpu_milli=500)),
]


@pytest.mark.parametrize(("kind", "more", "capped", "expected"), CLASSES)
def test_the_class_follows_from_the_kind(kind: str, more: str, capped: str, expected: LimitsConfig) -> None:
    """A service is latency sensitive and a batch job is not, unless it says otherwise; a cap is a limit."""
    text = f"name: a\nkind: {kind}\n{more}task: {{exec: {{command: /bin/true{capped}}}}}\n"
    [submission] = parse_jobs("a.yaml", text.encode())
    assert parse_payload(submission.payload).limits == expected


def test_the_hash_of_a_payload_follows_from_its_salt() -> None:
    """The same payload has one hash under one salt, and another under another, so that it cannot be guessed."""
    assert salted_hash(b"s" * 16, b"payload") == salted_hash(b"s" * 16, b"payload")
    assert salted_hash(b"s" * 16, b"payload") != salted_hash(b"t" * 16, b"payload")
    assert len(salted_hash(b"s" * 16, b"payload")) == 32


def test_the_reference_is_right() -> None:
    """Every YAML block of the reference is a valid job file, and the reference names every field there is."""
    text = (EXAMPLES.parent / "reference" / "jobfile.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    assert len(blocks) == 10
    for block in blocks:
        assert parse_jobs("jobfile.md", block.encode())
    for field in json_schema()["properties"]:
        assert f"`{field}`" in text, field
    for part, model in (("exec", ExecPart), ("simulated", SimulatedPart), ("health", HealthPart), ("logs", LogsPart)):
        for field in model.model_fields:
            assert f"`{part}.{field}`" in text, f"{part}.{field}"
