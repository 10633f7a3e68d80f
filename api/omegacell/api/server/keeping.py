"""The controllers' shell, while the server runs: ticks, losses, expiries, forgetting, releases, and checkpoints.

Payloads that no job of the cell refers to any more are erased here, too: those of jobs that were forgotten or refused.
"""

import asyncio
import logging
import time
from typing import Final

from omegacell.api.server.admission import Admission
from omegacell.api.server.host import CellHost
from omegacell.controllers.keeper import Keeper
from omegacell.controllers.releases import Releases
from omegacell.core.errors import DivergedError, InvariantError, OmegaError
from omegacell.core.outcomes import Status
from omegacell.store.checkpointer import Checkpointer
from omegacell.store.checkpoints import confirm, write
from omegacell.store.proposer import Proposal
from omegacell.store.replica import Folded

_LOG = logging.getLogger(__name__)

RETRY_S: Final = 1.0
CHECKPOINT_LOOK_S: Final = 5.0
SWEEP_PERIOD_S: Final = 600.0
ERASED_PER_SWEEP: Final = 256
"""Payloads that one sweep erases at most, because each costs a flush; the others follow with the next."""


async def run_keeper(host: CellHost, keeper: Keeper) -> None:
    """Propose what is due until cancelled. A proposal that cannot be appended is made anew later."""
    while True:
        now_us = time.monotonic_ns() // 1_000
        commands = keeper.step(host.cell, session=host.session.number, now_us=now_us)
        wait_s = max(0.0, (keeper.ticker.next_due_us() - now_us) / 1e6)
        if commands:
            stamp_us = time.time_ns() // 1_000
            proposals = [
                Proposal(commands=(command,), decided_from_us=stamp_us, decided_to_us=stamp_us) for command in commands
            ]
            try:
                await host.propose_all(proposals)
                wait_s = 0.0  # what follows from the tick is due at once
            except (DivergedError, InvariantError):
                raise
            except OmegaError as error:
                _LOG.warning("%d proposals of the controllers were not appended: %s", len(commands), error)
                wait_s = RETRY_S
        await asyncio.sleep(wait_s)


async def run_releases(host: CellHost) -> None:
    """Release held tasks as soon as nothing holds them, until cancelled.

    What is refused is no error: another server was first, or what is waited for changed. It is looked at again a while
    later, in case the refusal was about something else.
    """
    releases, news = Releases(), asyncio.Event()

    def on_folded(folded: Folded) -> None:
        if folded.is_reloaded:
            releases.load(host.cell)
        else:
            releases.note(host.cell, folded.delta)
        if releases.is_due:
            news.set()

    releases.load(host.cell)
    news.set()
    host.listeners.append(on_folded)
    while True:
        await news.wait()
        news.clear()
        commands = releases.step(host.cell)
        failed = [command.job for command in commands]
        if commands:
            stamp_us = time.time_ns() // 1_000
            proposals = [
                Proposal(commands=(command,), decided_from_us=stamp_us, decided_to_us=stamp_us) for command in commands
            ]
            try:
                outcomes = await host.propose_all(proposals)
                pairs = zip(failed, outcomes, strict=True)
                failed = [job for job, outcome in pairs if outcome.status is not Status.COMMITTED]
            except (DivergedError, InvariantError):
                raise
            except OmegaError as error:
                _LOG.warning("%d releases of held tasks were not appended: %s", len(commands), error)
        if failed:
            releases.look_again(failed)
            asyncio.get_running_loop().call_later(RETRY_S, news.set)
        elif releases.is_due:
            news.set()


async def run_checkpointer(host: CellHost, checkpointer: Checkpointer) -> None:
    """Make a checkpoint whenever one is due, until cancelled. Writing and confirming happen off the loop."""
    while True:
        await asyncio.sleep(CHECKPOINT_LOOK_S)
        if not checkpointer.is_due():
            continue
        captured = checkpointer.capture()
        try:
            head = await asyncio.to_thread(write, host.store, captured)
            await asyncio.to_thread(confirm, host.store, head.checkpoint_id)
            await asyncio.to_thread(checkpointer.retain)
            _LOG.info("checkpoint of revision %d: %d bytes", head.revision, head.byte_count)
        except (DivergedError, InvariantError):
            raise
        except OmegaError as error:
            _LOG.error("no checkpoint was made: %s", error)


async def run_sweeper(host: CellHost, admission: Admission) -> None:
    """Erase payloads that nobody refers to, at once and then every ten minutes, until cancelled."""
    while True:
        try:
            count = await sweep_payloads(host, admission)
            if count:
                _LOG.info("erased %d payloads of jobs that left the cell or were refused", count)
        except (DivergedError, InvariantError):
            raise
        except OmegaError as error:
            _LOG.warning("payloads were not swept: %s", error)
        await asyncio.sleep(SWEEP_PERIOD_S)


async def sweep_payloads(host: CellHost, admission: Admission) -> int:
    """Erase payloads that no job of the cell refers to; return how many.

    A payload is committed with the submit that names it, so once the log is folded up to what was its head after the
    payloads were listed, whoever names one of them is known. A later submit may name one again: this server draws
    another salt for it first, and what another submitted meanwhile is put back.

    Raises:
        OmegaError: The store or the log cannot be read or written.
    """
    payloads = host.store.payloads
    listed = await asyncio.to_thread(payloads.hashes)
    await host.refresh()
    unused = frozenset(sorted(listed - _find_named(host))[:ERASED_PER_SWEEP])
    if not unused:
        return 0
    admission.forget(unused)
    await host.refresh()
    kept: dict[bytes, bytes] = {}
    for payload_hash in sorted(unused - _find_named(host)):
        payload = await asyncio.to_thread(payloads.get, payload_hash)
        if payload is not None and await asyncio.to_thread(payloads.erase, payload_hash):
            kept[payload_hash] = payload
    await host.refresh()
    again = kept.keys() & _find_named(host)
    for payload_hash in sorted(again):
        await asyncio.to_thread(payloads.put, payload_hash, kept[payload_hash])
    return len(kept) - len(again)


def _find_named(host: CellHost) -> frozenset[bytes]:
    """Return the payloads that jobs of the cell refer to. Cost: O(jobs)."""
    return frozenset(spec.payload for spec in host.cell.jobs.specs if spec is not None)
