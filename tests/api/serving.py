"""An API server in a thread of the test, over a real store and real gRPC."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from omegacell.api.client import Client
from omegacell.api.records import Submission
from omegacell.api.server.app import Running, ServerSettings, serve
from omegacell.api.spec import parse_jobs
from omegacell.store.engines import open_store
from omegacell.store.log import Store

TOKEN = "a token of the tests, long enough"
LIMIT_S = 20.0

[EXAMPLE] = parse_jobs("example", b"name: example\ntask: {exec: {command: /bin/true}}", owner="tests")
[SIMULATED] = parse_jobs("example", b"name: example\ntask: {simulated: {duration: 100ms}}", owner="tests")


def job(name: str, *, count: int = 1, like: Submission = EXAMPLE, replaces: bool = False) -> Submission:
    """Return a submission like an example's."""
    return replace(like, spec=replace(like.spec, name=name, count=count), replace=replaces)


class Served:
    """A server that runs, and its store."""

    def __init__(self, store: Store, settings: ServerSettings) -> None:
        self.store = store
        self._settings = settings
        self._ready = threading.Event()
        self._running: Running | None = None
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="server")
        self._thread.start()
        assert self._ready.wait(LIMIT_S)
        self._check()

    @property
    def running(self) -> Running:
        """What the server said when it was ready."""
        assert self._running is not None
        return self._running

    def client(self, token: str = TOKEN) -> Client:
        """Return a client of it; the caller closes it."""
        return Client(self.running.address, token, timeout_s=LIMIT_S)

    def stop(self) -> None:
        """Stop it and wait until it has ended; raises what it died of."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # its loop ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        self._check()

    def _check(self) -> None:
        """Raise what the server died of."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

        def say_ready(running: Running) -> None:
            self._running = running
            self._ready.set()

        await serve(self.store, self._settings, stop=self._stop, on_ready=say_ready)


@contextlib.contextmanager
def serving(url: str, settings: ServerSettings | None = None) -> Iterator[Served]:
    """Run a server over the store at a URL."""
    with open_store(url) as store:
        served = Served(store, settings or ServerSettings(token=TOKEN))
        try:
            yield served
        finally:
            served.stop()


def store_url(folder: Path) -> str:
    """Return the URL of a store in a folder."""
    return f"sqlite://{folder}/cell.db"
