"""Health: verdicts as a table, and checks against a real server."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from omegacell.agent.health import HealthTracker, Verdict, check_http, watch_health
from omegacell.agent.payload import HealthConfig

CONFIG = HealthConfig(port="p", interval_ms=10, timeout_ms=200, grace_ms=1_000, healthy_after=2, unhealthy_after=3)

# Checks as (good or bad, milliseconds since the start), and the verdicts they bring: + and -.
ROWS = [
    ("it takes two good ones", [("+", 0), ("+", 10)], "+"),
    ("one is not enough", [("+", 0)], ""),
    ("failures within the grace do not count", [("-", 0), ("-", 10), ("-", 20), ("-", 999)], ""),
    ("after it they do", [("-", 1000), ("-", 1001), ("-", 1002)], "-"),
    ("those within do not add up with those after", [("-", 998), ("-", 999), ("-", 1000), ("-", 1001)], ""),
    ("once healthy, the grace is over", [("+", 0), ("+", 1), ("-", 2), ("-", 3), ("-", 4)], "+-"),
    ("a good one in between begins anew", [("-", 1000), ("-", 1001), ("+", 1002), ("-", 1003), ("-", 1004)], ""),
    ("a verdict is said once", [("+", 0), ("+", 1), ("+", 2), ("+", 3)], "+"),
    ("and taken back", [("-", 1000), ("-", 1000), ("-", 1000), ("+", 1000), ("+", 1000)], "-+"),
]


@pytest.mark.parametrize(("name", "checks", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_verdicts(name: str, checks: list[tuple[str, int]], expected: str) -> None:
    """Thresholds and grace decide when checks become a verdict."""
    tracker = HealthTracker(CONFIG)
    verdicts = [tracker.observe("" if good == "+" else "bad", at_ms) for good, at_ms in checks]
    assert "".join("+" if verdict.is_healthy else "-" for verdict in verdicts if verdict is not None) == expected


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(answer: Answer) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def answering(head: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        writer.close()

    return answer


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\n\r\n", ""),
    (b"HTTP/1.1 302 Found\r\n\r\n", ""),
    (b"HTTP/1.1 503 No\r\n\r\n", "GET /ok on port {port} answered 503"),
    (b"SSH-2.0-x\r\n", "port {port} does not speak HTTP"),
    (b"", "port {port} does not speak HTTP"),
    (b"x" * 100_000, "port {port}:"),
]


@pytest.mark.parametrize(("head", "expected"), ANSWERS)
def test_what_an_answer_means(head: bytes, expected: str) -> None:
    """A status below 400 is good; anything else is told in words; an endless head is not read."""

    async def scenario() -> None:
        server, port = await serve(answering(head))
        async with server:
            failure = await check_http(port, "/ok", 5)
        want = expected.format(port=port)
        assert failure.startswith(want)
        assert bool(failure) == bool(want)

    asyncio.run(scenario())


def test_silence_and_refusal_are_failures() -> None:
    """Nobody listening, and somebody who never answers, fail within the time allowed."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def scenario() -> None:
        server, port = await serve(silent)
        async with server:
            assert await check_http(port, "/", 0.05) == f"no answer on port {port} in 0.05 s"
        assert await check_http(port, "/", 5) == f"port {port}: connection refused"

    asyncio.run(scenario())


def test_watching_tells_changes() -> None:
    """A watched server that begins to fail is told once as healthy and once as not."""
    heads = [b"HTTP/1.1 200 OK\r\n\r\n"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(heads[-1])(reader, writer)

    async def scenario() -> list[Verdict]:
        server, port = await serve(answer)
        verdicts: list[Verdict] = []
        changed = asyncio.Event()

        def on_change(verdict: Verdict) -> None:
            verdicts.append(verdict)
            heads.append(b"HTTP/1.1 500 No\r\n\r\n")
            if not verdict.is_healthy:
                changed.set()

        async with server:
            watch = asyncio.create_task(watch_health(CONFIG, port, on_change))
            await asyncio.wait_for(changed.wait(), 10)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        return verdicts

    assert [verdict.is_healthy for verdict in asyncio.run(scenario())] == [True, False]
