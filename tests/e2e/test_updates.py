"""An update of a real service with health checks, through the `omega` command, over a `kill -9` of the API server."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from omegacell.api.up.ephemeral import CellShape, EphemeralCell
from omegacell.core.budgets import find_served
from omegacell.core.cell import Cell
from omegacell.store.engines import open_store
from omegacell.store.replica import Replica
from omegacell.store.sqlite_database import Access
from tests.e2e.looking import await_seen

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SHAPE = CellShape(schedulers="service=1", simulated=0, name="updates", has_agent=True)
SERVER = "exec python3 -m http.server --bind 127.0.0.1 $OMEGA_PORT_HTTP"


def write_service(path: Path, version: str, script: str = SERVER) -> str:
    """Write a service of four replicas that answer HTTP."""
    job = {
        "name": "web", "kind": "service", "count": 4, "ports": {"http": 0}, "grace": "1s",
        "resources": {"cpu": "50m", "memory": "32Mi"},
        "update": {"max_parallel": 1, "min_healthy": "1s", "deadline": "20s", "on_failure": "revert"},
        "task": {
            "exec": {"env": {"VERSION": version}, "script": script},
            "health": {"port": "http", "interval": "500ms"},
        },
    }  # fmt: skip
    path.write_text(json.dumps(job))
    return str(path)


def most_missing(cell: EphemeralCell, *, since: int, until: int) -> int:
    """Fold the log, and return how many indices were unavailable at most between two revisions."""
    most = 0
    with open_store(cell.state.store_url, access=Access.READ_ONLY) as store:
        replica = Replica.at_oldest(store)
        while replica.revision < until:
            replica.catch_up(1)
            if replica.revision > since:
                most = max(most, missing(replica.cell))
    return most


def missing(cell: Cell) -> int:
    """Return how many indices of the service nobody serves."""
    rows = cell.jobs.rows_of_name("web")
    return int(np.count_nonzero(~find_served(cell, rows[0]))) if rows else 0


def test_a_service_is_updated_one_by_one_and_a_broken_version_is_reverted(place: Path, tmp_path: Path) -> None:
    """Never more than one replica is missing, whoever is killed; a version that never gets healthy goes away again."""
    with EphemeralCell(place / tmp_path.name, SHAPE) as cell:
        client = cell.client
        assert cell.command("run", write_service(tmp_path / "1.json", "1")).returncode == 0
        since = client.job("web").at.revision
        assert cell.command("run", "--detach", write_service(tmp_path / "2.json", "2")).returncode == 0
        second = client.wait_job("web", until=lambda job: job.update is not None and job.update.updated > 0)
        os.kill(cell.processes()["api"], signal.SIGKILL)
        await_seen(lambda: cell.command("job", "status", "web").returncode, lambda code: code == 0, limit_s=60)
        done = client.wait_job("web", until=lambda job: job.update is None)
        assert (done.job_id, done.healthy_count) == (second.job_id, 4)
        broken = cell.command("run", write_service(tmp_path / "3.json", "3", "sleep 600"), limit_s=180)
        assert (broken.returncode, broken.stderr.count("is reverted")) == (1, 1), broken.stderr
        back = client.wait_job(f"#{second.job_id}", until=lambda job: job.update is None and job.is_current)
        assert back.healthy_count == 4
        assert cell.stop() == 0
        assert most_missing(cell, since=since, until=back.changed_at) == 1
