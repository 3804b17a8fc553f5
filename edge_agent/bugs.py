"""A bug in a callback ends the process, as one in a task does: an event loop alone would only log it."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any

from edge_agent.asking import Spawner


def end_on_bug(spawner: Spawner) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return an exception handler for the event loop; `spawner` will hold the task that fails.

    A bug is what passes through code of the agent and is no OSError: errors of the world stay with the
    transports, and what goes wrong within a library ends nobody's process.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, OSError) and _is_ours(error.__traceback__):
            spawner.create_task(_fail(error))

    return handle


def _is_ours(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__", "").startswith("edge_agent."):
            return True
        traceback = traceback.tb_next
    return False


async def _fail(error: Exception) -> None:
    raise error
