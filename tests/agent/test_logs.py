"""Reading, following and trimming of output that is being written."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.agent import logs
from omegacell.agent.logs import Trim, follow_log, read_log, resolve_offset, trim_log

BLOCK = 1 << 16


def test_reading_from_an_offset(tmp_path: Path) -> None:
    """An offset is a place in the whole output; at the end there is nothing, and no file reads as empty."""
    path = tmp_path / "stdout"
    assert read_log(str(path), 0).data == b""
    path.write_bytes(b"hello world")
    assert (read_log(str(path), 6).offset, read_log(str(path), 6).data) == (6, b"world")
    assert read_log(str(path), 0, 5).data == b"hello"
    assert read_log(str(path), 11).data == b""
    assert resolve_offset(str(path), -5) == 6
    assert resolve_offset(str(path), -50) == 0


def test_trimming_keeps_the_tail_and_its_offsets(tmp_path: Path) -> None:
    """After a trim the same offset means the same byte, the room on disk is bounded, and reading begins at a line."""
    path = tmp_path / "stdout"
    lines = b"".join(b"line %06d\n" % number for number in range(100_000))
    path.write_bytes(lines)
    assert trim_log(str(path), 4 * BLOCK) is Trim.FREED
    assert path.stat().st_blocks * 512 <= 6 * BLOCK
    tail = read_log(str(path), len(lines) - 12)
    assert tail.data == b"line 099999\n"
    first = read_log(str(path), 0)
    assert first.data.startswith(b"line ")
    assert lines[first.offset : first.offset + len(first.data)] == first.data
    assert len(lines) - first.offset >= 4 * BLOCK - 12
    assert trim_log(str(path), 4 * BLOCK) is Trim.FITS


def test_trimming_under_a_writer_moves_and_loses_nothing_of_the_tail(tmp_path: Path) -> None:
    """A process writes numbered lines as fast as it can, is trimmed all the while, and is read: every line read is the
    one that belongs at its offset, none is torn or blank, and what is kept at the end is the whole tail."""
    path = str(tmp_path / "stdout")
    script = "import sys\nfor n in range(400000): sys.stdout.write('%09d\\n' % n)"
    with open(path, "ab") as file:
        writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", script], stdout=file)
    try:
        trimmed_count = check_reader(path, writer)
    finally:
        writer.kill()
        writer.wait()
    assert trimmed_count > 0
    first = read_log(path, 0)
    assert first.offset <= 4_000_000 - 4 * BLOCK + 10
    tail = read_log(path, first.offset, 4_000_000)
    assert tail.offset + len(tail.data) == 4_000_000


def check_reader(path: str, writer: "subprocess.Popen[bytes]") -> int:
    """Read behind a writer to its end, trimming; return how often something was freed."""
    offset = trimmed_count = 0
    while True:
        has_ended = writer.poll() is not None
        piece = read_log(path, offset)
        assert piece.offset % 10 == 0
        for place in range(0, len(piece.data) - 9, 10):
            assert piece.data[place : place + 10] == b"%09d\n" % ((piece.offset + place) // 10)
        offset = piece.offset + len(piece.data) // 10 * 10
        trimmed_count += trim_log(path, 4 * BLOCK) is Trim.FREED
        if has_ended and not piece.data:
            return trimmed_count


def test_where_heads_cannot_be_freed_all_is_dropped_at_twice_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without hole punching the file is truncated, it says so, and a reader begins anew."""
    monkeypatch.setattr(logs, "_punch", lambda fd, upto: False)
    path = tmp_path / "stdout"
    path.write_bytes(b"x" * (BLOCK * 7))
    assert trim_log(str(path), 4 * BLOCK) is Trim.FITS
    path.write_bytes(b"x" * (BLOCK * 9))
    assert trim_log(str(path), 4 * BLOCK) is Trim.TRUNCATED
    path.write_bytes(b"new\n")
    assert read_log(str(path), BLOCK * 9).data == b"new\n"


def test_following_sees_all_and_ends(tmp_path: Path) -> None:
    """A follower that begins before the file is there sees every byte, and returns when the attempt has ended."""
    path = str(tmp_path / "stdout")

    async def scenario() -> bytes:
        ended = asyncio.Event()
        seen = bytearray()
        first = asyncio.Event()

        async def follow() -> None:
            async for piece in follow_log(path, 0, ended):
                assert piece.offset == len(seen)
                seen.extend(piece.data)
                first.set()

        task = asyncio.create_task(follow())
        await asyncio.to_thread(append, path, b"one\n")
        await asyncio.wait_for(first.wait(), 10)
        await asyncio.to_thread(append, path, b"two\n")
        ended.set()
        await asyncio.wait_for(task, 10)
        return bytes(seen)

    assert asyncio.run(scenario()) == b"one\ntwo\n"


def append(path: str, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5 * BLOCK), st.booleans()), max_size=12), st.integers(0, 30 * BLOCK))
def test_a_slice_is_always_what_stood_there(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, bool]], offset: int
) -> None:
    """Whatever was written and trimmed, what is read at an offset is what was written there."""
    path = str(tmp_path_factory.mktemp("log") / "stdout")
    whole = bytearray()
    for size, is_trimmed in writes:
        data = bytes((len(whole) + place) * 7 % 251 for place in range(0, size, 1000)).ljust(size, b"\n")
        append(path, data)
        whole += data
        if is_trimmed:
            assert trim_log(path, 2 * BLOCK) is not Trim.TRUNCATED
    piece = read_log(path, min(offset, len(whole)), 1000)
    assert bytes(whole[piece.offset : piece.offset + len(piece.data)]) == piece.data
    assert piece.offset >= min(offset, len(whole))
