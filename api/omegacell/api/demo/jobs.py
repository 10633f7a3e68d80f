"""The job files of the demo, as a user would write them."""

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Final

from omegacell.api.cli.exits import CommandError
from omegacell.api.records import Resources, Submission

BATCH_NAME: Final = "primes"
BATCH_COUNT: Final = 300
NUMBERS_PER_TASK: Final = 40
SERVICE_NAME: Final = "web"
SERVICE_COUNT: Final = 3
FILLER_NAME: Final = "filler"

# Counts the primes among its own numbers, slowly, and writes the count where the demo collects it.
_PRIMES: Final = """\
n=$((OMEGA_TASK_INDEX * NUMBERS)); end=$((n + NUMBERS)); count=0
while [ $n -lt $end ]; do
  d=2; prime=1; [ $n -lt 2 ] && prime=0
  while [ $((d * d)) -le $n ]; do [ $((n % d)) -eq 0 ] && prime=0; d=$((d + 1)); done
  count=$((count + prime)); n=$((n + 1))
done
echo "task $OMEGA_TASK_INDEX: $count primes below $end"
echo $count > "$RESULTS/.$OMEGA_TASK_INDEX" && mv "$RESULTS/.$OMEGA_TASK_INDEX" "$RESULTS/$OMEGA_TASK_INDEX"
sleep 0.2
"""

_SERVER: Final = """\
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['OMEGA_JOB']}/{os.environ['OMEGA_TASK_INDEX']} {os.getpid()}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        print(*words, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["OMEGA_PORT_HTTP"])), Answer).serve_forever()
"""


def _parse(value: object) -> Submission:
    import json

    from omegacell.api.spec import parse_jobs

    (job,) = parse_jobs("demo", json.dumps(value).encode())
    return job


def batch_job(results: Path) -> Submission:
    """Return 300 real tasks that each write a result into a folder."""
    return _parse(
        {
            "name": BATCH_NAME,
            "count": BATCH_COUNT,
            "resources": {"cpu": "25m", "memory": "8Mi"},
            "restarts": {"max": 2},
            "task": {"exec": {"script": _PRIMES, "env": {"RESULTS": str(results), "NUMBERS": str(NUMBERS_PER_TASK)}}},
        }
    )


def expected_result(index: int) -> int:
    """Return what the task of that index must write, computed another way.

    >>> expected_result(0), expected_result(1)
    (12, 10)
    """
    numbers = range(index * NUMBERS_PER_TASK, (index + 1) * NUMBERS_PER_TASK)
    return sum(1 for n in numbers if n > 1 and all(n % d for d in range(2, int(n**0.5) + 1)))


def service_job() -> Submission:
    """Return three replicas that answer HTTP and are health-checked."""
    return _parse(
        {
            "name": SERVICE_NAME,
            "kind": "service",
            "count": SERVICE_COUNT,
            "resources": {"cpu": "50m", "memory": "32Mi"},
            "ports": {"http": 0},
            "restarts": {"max": "unlimited", "delay": "100ms"},
            "grace": "1s",
            "task": {
                "exec": {"command": find_python(), "args": ["-I", "-S", "server.py"], "files": {"server.py": _SERVER}},
                "health": {"port": "http", "interval": "200ms", "timeout": "1s"},
            },
        }
    )


def filler_job(room: Resources, count: int) -> Submission:
    """Return tasks that each fill one simulated machine."""
    return _simulated(FILLER_NAME, "batch", room, count=count, duration="forever")


def racing_jobs(room: Resources, number: int) -> tuple[Submission, Submission]:
    """Return a batch and a service job that each want a whole machine; the second stays for as long as the first."""
    batch = _simulated(f"race-batch-{number}", "batch", room, count=1, duration="300ms")
    service = _simulated(f"race-service-{number}", "service", room, count=1, duration="300ms")
    return batch, service


def one_task_job(name: str) -> Submission:
    """Return a job of one short real task, to measure how long it takes to run."""
    resources = {"cpu": "25m", "memory": "8Mi"}
    return _parse({"name": name, "resources": resources, "task": {"exec": {"command": "/bin/sleep", "args": ["0.1"]}}})


def _simulated(name: str, kind: str, room: Resources, *, count: int, duration: str) -> Submission:
    return _parse(
        {
            "name": name,
            "kind": kind,
            "count": count,
            "resources": {"cpu": f"{room.cpu_milli}m", "memory": room.memory_bytes},
            "restarts": {"max": 0},
            "task": {"simulated": {"duration": duration}},
        }
    )


def find_python() -> str:
    """Return a Python that tasks can run: root's tasks run as another user, who may not reach root's own.

    Raises:
        CommandError: There is none.
    """
    candidates = [os.path.realpath(sys.executable), "/usr/bin/python3", shutil.which("python3") or ""]
    for candidate in candidates:
        path = Path(candidate)
        if candidate and path.exists() and (os.geteuid() != 0 or _is_public(path.resolve())):
            return str(path)
    raise CommandError("the demo's service needs a Python that every user can run, such as /usr/bin/python3")


def _is_public(path: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))
