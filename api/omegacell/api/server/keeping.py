"""The controllers' shell: ticks, losses, expiries, forgetting, and checkpoints of the cell, while the server runs."""

import asyncio
import logging
import time
from typing import Final

from omegacell.api.server.host import CellHost
from omegacell.controllers.keeper import Keeper
from omegacell.core.errors import DivergedError, InvariantError, OmegaError
from omegacell.store.checkpointer import Checkpointer
from omegacell.store.checkpoints import confirm, write
from omegacell.store.proposer import Proposal

_LOG = logging.getLogger(__name__)

RETRY_S: Final = 1.0
CHECKPOINT_LOOK_S: Final = 5.0


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
