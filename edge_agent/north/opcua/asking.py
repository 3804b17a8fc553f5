"""What the server's process asks of the agent, which says over standard input whether it was done."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Literal

from edge_agent.north.opcua.site import Asked, Told

DEADLINE = 5.0
"""Seconds for an answer: the agent looks at what is asked at once, and obeys in the machine's next cycle."""
MOST = 32
"""Questions that wait for an answer at a time."""


class Asking:
    """Questions under way. `say` sends one."""

    def __init__(self, say: Callable[[Asked], None]) -> None:
        self._say = say
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[str]] = {}

    async def ask(
        self, do: Literal["acknowledge", "comment"], machine: str, output: str, comment: str, by: str
    ) -> str | None:
        """Ask. Return why it was refused, "" if it was done, None if no answer came."""
        if len(self._waiting) >= MOST:
            return None
        number = next(self._numbers)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._say(Asked(number=number, do=do, machine=machine, output=output, comment=comment, by=by))
        try:
            async with asyncio.timeout(DEADLINE):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._waiting[number]

    def hear(self, told: Told) -> None:
        """Take an answer."""
        waiting = self._waiting.get(told.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(told.refused)
