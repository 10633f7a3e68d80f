"""Starts Python processes that see the same sources as the tests do."""

import os
import subprocess
import sys
from pathlib import Path

WRITER = Path(__file__).with_name("writer_process.py")
LIMIT_S = 30.0


def start_python(*arguments: str | Path) -> "subprocess.Popen[bytes]":
    """Start an interpreter with the search path of this one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )


def start_code(code: str, *arguments: str | Path) -> "subprocess.Popen[bytes]":
    """Start an interpreter on a piece of code."""
    return start_python("-c", code, *arguments)


def read_line(process: "subprocess.Popen[bytes]") -> str:
    """Read one line of its output; "" when it ended."""
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def kill(process: "subprocess.Popen[bytes]") -> bytes:
    """Kill a process at once, and return what it had still said."""
    assert process.stdout is not None
    assert process.stdin is not None
    process.kill()
    with process.stdout, process.stdin:
        output = process.stdout.read()  # and not communicate(), which passes over what readline() has buffered
    process.wait(LIMIT_S)
    return output
