"""Prometheus metrics of a cell, over HTTP, with the same token as every other call.

A scrape reads numbers that the loop's thread writes; each is a whole Python integer or one numpy reduction, and a
scrape that falls between two folds may mix them, which counters bear.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from omegacell.api.server.auth import is_authorized
from omegacell.api.statistics import scheduler_statistics
from omegacell.controllers.drains import find_drained
from omegacell.core.drains import Eligibility
from omegacell.core.errors import UsageError
from omegacell.core.jobs import TaskState
from omegacell.core.machines import MachineState
from omegacell.core.units import RESOURCE_NAMES

if TYPE_CHECKING:
    from omegacell.api.server.agents import AgentDesk
    from omegacell.api.server.host import CellHost

PATH: Final = "/metrics"


class CellCollector(Collector):
    """Reads a cell when Prometheus asks.

    Args:
        host: The cell.
        desk: The agents' streams.
    """

    def __init__(self, host: "CellHost", desk: "AgentDesk") -> None:
        self._host = host
        self._desk = desk

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        cell = self._host.cell
        yield GaugeMetricFamily("omega_revision", "Transactions folded since genesis.", value=cell.revision)
        yield CounterMetricFamily("omega_elapsed_seconds", "The cell's own time.", value=cell.elapsed / 1e6)
        yield GaugeMetricFamily("omega_can_write", "Whether the log is reached.", value=int(self._host.can_write))
        yield GaugeMetricFamily("omega_queued_transactions", "Waiting to be appended.", value=self._host.queued_count)
        yield GaugeMetricFamily("omega_agent_streams", "Agents' streams here.", value=self._desk.stream_count)
        yield GaugeMetricFamily(
            "omega_fold_slice_seconds_worst", "Longest time that folding held the loop.", value=self._host.fold_s_worst
        )
        machines = GaugeMetricFamily("omega_machines", "Machines by state.", labels=["state"])
        states = np.bincount(cell.machines.state, minlength=len(MachineState)).tolist()
        for state in MachineState:
            machines.add_metric([state.name.lower()], states[state])
        yield machines
        eligibility = GaugeMetricFamily("omega_machine_eligibility", "Machines by eligibility.", labels=["eligibility"])
        eligible = np.bincount(cell.machines.eligibility, minlength=len(Eligibility)).tolist()
        for each in Eligibility:
            eligibility.add_metric([each.name.lower()], eligible[each])
        yield eligibility
        yield GaugeMetricFamily("omega_drain_tasks", "Tasks on draining machines.", value=len(find_drained(cell)))
        tasks = GaugeMetricFamily("omega_tasks", "Tasks by state.", labels=["state"])
        counts = cell.jobs.counts[cell.jobs.id > 0].sum(axis=0).tolist()
        for task_state in TaskState:
            tasks.add_metric([task_state.name.lower()], counts[task_state])
        yield tasks
        yield from self._collect_resources()
        yield from self._collect_schedulers()

    def _collect_resources(self) -> Iterator[Metric]:
        cell = self._host.cell
        is_up = cell.machines.state == MachineState.UP
        capacity = GaugeMetricFamily("omega_capacity", "Of machines that are up, base units.", labels=["resource"])
        free = GaugeMetricFamily("omega_free", "Of machines that are up, base units.", labels=["resource"])
        for place, name in enumerate(RESOURCE_NAMES):
            capacity.add_metric([name], sum(cell.machines.capacity[is_up, place].tolist()))
            free.add_metric([name], sum(cell.machines.free[is_up, place].tolist()))
        yield capacity
        yield free
        devices = GaugeMetricFamily("omega_devices", "Of machines that are up.", labels=["device"])
        free_devices = GaugeMetricFamily("omega_devices_free", "Of machines that are up.", labels=["device"])
        for name, count, free_count in cell.machines.devices.totals(is_up):
            devices.add_metric([name], count)
            free_devices.add_metric([name], free_count)
        yield devices
        yield free_devices

    def _collect_schedulers(self) -> Iterator[Metric]:
        rows = scheduler_statistics(self._host.cell)
        for name, text in (
            ("decisions", "Transactions with claims, or that found no room."),
            ("committed", "Transactions with every claim granted."),
            ("conflicted", "Transactions with at least one conflict."),
            ("disagreed", "Transactions with a refusal that no change explains."),
            ("no_fit", "Decisions that found no room."),
            ("placements", "Claims granted."),
            ("claims_conflicted", "Claims refused as conflicts."),
        ):
            metric = CounterMetricFamily(f"omega_scheduler_{name}", text, labels=["author"])
            for row in rows:
                metric.add_metric([row.author], getattr(row, name))
            yield metric
        busy = CounterMetricFamily("omega_scheduler_busy_seconds", "Time spent deciding.", labels=["author"])
        refusals = CounterMetricFamily("omega_claims_refused", "Claims refused.", labels=["author", "reason"])
        for row in rows:
            busy.add_metric([row.author], row.busy_us / 1e6)
            for reason, count in row.refusals.items():
                refusals.add_metric([row.author, reason], count)
        yield busy
        yield refusals


@contextlib.contextmanager
def serve_metrics(address: str, token: str, host: "CellHost", desk: "AgentDesk") -> Iterator[str]:
    """Serve metrics on an address until the block ends; yield where, or an empty string when the address is empty.

    Raises:
        UsageError: The address cannot be listened on.
    """
    if not address:
        yield ""
        return
    registry = CollectorRegistry(auto_describe=False)
    registry.register(CellCollector(host, desk))
    hostname, _, port = address.rpartition(":")
    try:
        server = ThreadingHTTPServer((hostname, int(port)), _handler(token, lambda: generate_latest(registry)))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot serve metrics on {address}: {error}") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"{hostname}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(token: str, render: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers scrapes that carry the token."""

        timeout = 10

        def do_GET(self) -> None:
            """Answer one scrape."""
            if not is_authorized(self.headers.get("Authorization", ""), token):
                self._answer(401, b"the token is missing or wrong\n", "text/plain")
            elif self.path.partition("?")[0] != PATH:
                self._answer(404, f"there is only {PATH} here\n".encode(), "text/plain")
            else:
                self._answer(200, render(), CONTENT_TYPE_LATEST)

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", "Bearer")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the parent has it
            """Say nothing: scrapes are no news."""

    return Handler
