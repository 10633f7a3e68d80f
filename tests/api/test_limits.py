"""Quotas and caps over real gRPC: set, changed in part, listed with what is used, refused in words, taken away."""

from dataclasses import replace

import pytest

from omegacell.api.client import Client
from omegacell.api.errors import ExitCode, RefusedError, exit_code_of
from omegacell.api.figures import HistoryQuery
from omegacell.api.limit_records import NO_LIMIT, Cap, CapAmounts, Quota
from omegacell.api.limit_text import word_amount
from omegacell.api.records import Resources, Submission
from omegacell.core.errors import OmegaError, UsageError
from omegacell.core.units import MAX_QUANTITY, MAX_TOTAL, Band
from tests.api.serving import job

MIB = 1 << 20


def asking(name: str, *, count: int = 1, cpu_milli: int = 0, memory_bytes: int = 0, owner: str = "ada") -> Submission:
    """Return a submission of ada's in band batch."""
    found = job(name, count=count)
    resources = (cpu_milli, memory_bytes, 0)
    return replace(found, spec=replace(found.spec, owner=owner, band=Band.BATCH, resources=resources))


def test_a_quota_is_set_and_says_what_is_used(client: Client) -> None:
    """What is set comes back; jobs count from their submission on, and those of a band without a quota show too."""
    client.submit(asking("early", count=2, cpu_milli=500))
    client.submit(asking("other", count=3, memory_bytes=MIB, owner="bob"))
    quota = client.set_quota("ada", Band.BATCH, cpu_milli=4_000)
    expected = Quota(
        owner="ada",
        band=Band.BATCH,
        is_set=True,
        limit=Resources(cpu_milli=4_000, memory_bytes=-1, disk_bytes=-1),
        used=Resources(cpu_milli=1_000),
    )
    assert quota == expected
    found = client.quotas()
    assert found.quotas == (
        expected,
        Quota(owner="bob", band=Band.BATCH, is_set=False, limit=NO_LIMIT, used=Resources(memory_bytes=3 * MIB)),
    )
    assert client.quotas(owner="ada").quotas == (expected,)
    assert client.quotas(owner="eve").quotas == ()


def test_what_is_not_named_stays_and_minus_one_takes_a_limit_away(client: Client) -> None:
    """A quota is changed dimension by dimension; without any limit it is gone."""
    client.set_quota("ada", Band.PRODUCTION, cpu_milli=1, memory_bytes=2)
    changed = client.set_quota("ada", Band.PRODUCTION, disk_bytes=MAX_TOTAL, memory_bytes=-1)
    assert changed.limit == Resources(cpu_milli=1, memory_bytes=-1, disk_bytes=MAX_TOTAL)
    assert not client.remove_quota("ada", Band.PRODUCTION).is_set
    assert client.quotas().quotas == ()


def test_a_job_above_its_owners_quota_is_refused_in_words(client: Client) -> None:
    """The refusal says what is asked, what is missing, whose quota it is, what is used, and what to do; nothing is
    changed. In a batch of jobs it refuses the one job."""
    client.set_quota("ada", Band.BATCH, cpu_milli=4_000, memory_bytes=3 * MIB)
    client.submit(asking("early", count=2, cpu_milli=1_500))
    with pytest.raises(RefusedError) as raised:
        client.submit(asking("late", count=3, cpu_milli=500))
    assert str(raised.value) == (
        "job 'late' was not submitted: it asks for 1.5 cpu, which is 0.5 cpu more than the quota of owner 'ada' in band"
        " batch leaves (3 cpu of 4 cpu used); ask for less, stop a job, use a lower band, or have it raised:"
        " `omega quota show ada`"
    )
    assert raised.value.reason == "QUOTA_EXCEEDED"
    assert exit_code_of(raised.value) is ExitCode.REFUSED
    some = [asking("one", cpu_milli=500), asking("two", count=4, memory_bytes=MIB), asking("three", cpu_milli=500)]
    results = list(client.submit_many(some))
    assert [(each.name, each.reason) for each in results] == [("one", ""), ("two", "QUOTA_EXCEEDED"), ("three", "")]
    assert "1 MiB memory more" in results[1].message
    assert [each.name for each in client.jobs().jobs] == ["early", "one", "three"]


def test_what_is_stopped_is_given_back(client: Client) -> None:
    """A job that was asked to stop counts no more, and replacing one gives back what it had."""
    client.set_quota("ada", Band.BATCH, cpu_milli=2_000)
    client.submit(asking("a", count=2, cpu_milli=1_000))
    with pytest.raises(RefusedError):
        client.submit(asking("b", cpu_milli=1))
    client.submit(replace(asking("a", count=4, cpu_milli=400), replace=True))
    client.submit(asking("b", cpu_milli=400))
    client.stop("a")
    assert client.quotas().quotas[0].used == Resources(cpu_milli=400)


def test_usage_beyond_64_bits_is_shown_as_the_most_there_is(client: Client) -> None:
    """A million tasks of the largest size do not break the answer."""
    client.submit(asking("huge", count=1_000_000, memory_bytes=MAX_QUANTITY))
    assert client.quotas().quotas[0].used.memory_bytes == (1 << 63) - 1
    client.set_quota("ada", Band.BATCH, memory_bytes=1)
    with pytest.raises(RefusedError):
        client.submit(asking("more", memory_bytes=1))


# what is asked, words of the error
WRONG = [
    (lambda client: client.set_quota("ada", Band.BEST_EFFORT, cpu_milli=1), "best_effort has no quotas"),
    (lambda client: client.set_quota("Ada/x", Band.BATCH, cpu_milli=1), "owner 'Ada/x' is no name"),
    (lambda client: client.set_quota("ada", Band.BATCH, cpu_milli=-2), "expected -1 to"),
    (lambda client: client.set_quota("ada", Band.BATCH, disk_bytes=MAX_TOTAL + 1), "expected -1 to"),
    (lambda client: client.set_caps("Batch", cpu_milli=1), "scheduler 'Batch' is no name"),
    (lambda client: client.set_caps("batch", jobs=-2), "expected -1 to"),
]


@pytest.mark.parametrize(("ask", "words"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_no_limit_is_refused(client: Client, ask: object, words: str) -> None:
    """Names and amounts that are none get one sentence, and nothing is set."""
    assert callable(ask)
    with pytest.raises(OmegaError, match=words) as raised:
        ask(client)
    assert isinstance(raised.value, UsageError)
    assert client.quotas().quotas == ()
    assert client.caps().caps == ()


def test_a_cap_is_set_changed_and_taken_away(client: Client) -> None:
    """A scheduler that nobody knows may have one, and it is said; a job that names it makes it known."""
    cap = client.set_caps("mine", cpu_milli=2_000, jobs=3)
    assert cap == Cap(
        scheduler="mine",
        is_set=True,
        limit=CapAmounts(cpu_milli=2_000, memory_bytes=-1, jobs=3),
        used=CapAmounts(cpu_milli=0, memory_bytes=0, jobs=0),
        is_known=False,
    )
    client.submit(asking("a"))
    assert [(each.scheduler, each.is_set, each.is_known) for each in client.caps().caps] == [
        ("batch", False, True),
        ("mine", True, False),
    ]
    assert client.set_caps("mine", jobs=-1).limit == CapAmounts(cpu_milli=2_000, memory_bytes=-1, jobs=-1)
    assert not client.remove_caps("mine").is_set
    assert [each.scheduler for each in client.caps().caps] == ["batch"]


def test_history_tells_of_limits(client: Client) -> None:
    """Who set which limit stands in the history, in the units that people use, with its time."""
    client.set_quota("ada", Band.PRODUCTION, cpu_milli=1_500, memory_bytes=3 << 29)
    client.set_caps("batch", jobs=1)
    client.remove_caps("batch")
    rows = [row for row in client.history(HistoryQuery()).rows if row.kind in ("quota", "caps")]
    assert [(row.kind, row.summary) for row in rows] == [
        ("caps", "batch: no limit"),
        ("caps", "batch: 1 job"),
        ("quota", "ada production: 1.5 cpu, 1.5 GiB memory"),
    ]
    assert all(row.at_us for row in rows)


def test_amounts_are_exact_enough() -> None:
    """The largest amounts are written in the largest unit."""
    assert word_amount("memory_bytes", MAX_TOTAL) == "1024 PiB memory"
    assert word_amount("cpu_milli", 123_456_789) == "123456.789 cpu"
