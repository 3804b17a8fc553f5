"""A command from the office: what a person could do at the gateway, and never what lets it write more."""

import time
from collections.abc import Callable
from pathlib import Path

from edge_agent import control, stop
from edge_agent.build import Parts
from edge_agent.bundles.store import Store, sequence_of
from edge_agent.config import Config
from edge_agent.fleet.documents import Command, Stage
from edge_agent.fleet.operator import Failed, edge_agent
from edge_agent.fleet.orders import Taken
from edge_agent.historian import Historian

CLOCKS = 300.0
"""Seconds that this clock may be behind the office's, before nobody knows whether a command has expired."""


class Commanding:
    """Carries out commands on one gateway."""

    def __init__(self, config: Config, parts: Callable[[], Parts], historian: Historian) -> None:
        self._config, self._parts, self._historian = config, parts, historian
        self._state = Path(config.state)

    async def begin(self, taken: Taken, command: Command) -> tuple[Stage, str]:
        """Do it, unless it is too old. Raises `Failed`, `StoreError`."""
        in_time(taken.desired.number / 1000, command.expires, time.time())
        by = f"office ({taken.signer})"
        self._historian.event(self._config.name, "order", f"{command.text()}, by {by}")
        match command.do:
            case "stop-writing":
                return self._stop_writing()
            case "acknowledge":
                return await self._acknowledge(command, by)
            case "rollback":
                return await self._roll_back(command)
            case "activate":
                await edge_agent(["bundle", "activate", f"{command.target}@{command.sequence}", *self._of()])
                return "trial", ""

    def _stop_writing(self) -> tuple[Stage, str]:
        file = self._state / stop.FILE
        try:
            file.touch()
        except OSError as error:
            raise Failed(f"{file}: {error.strerror}") from None
        return "done", "nothing is written until resume-writing at the gateway"

    async def _acknowledge(self, command: Command, by: str) -> tuple[Stage, str]:
        request = control.Request(do="acknowledge", machine=command.target, output=command.output)
        try:
            await control.obey(self._parts(), self._historian, request, by)
        except control.Refused as error:
            raise Failed(str(error)) from None
        return "done", ""

    async def _roll_back(self, command: Command) -> tuple[Stage, str]:
        """Leave the version that is named, once: who hears of it twice does not go back twice."""
        active = sequence_of(Store(self._state, command.target).read().active)
        if active != command.sequence:
            return "done", f"nothing to do: {command.target}@{active} is active, not {command.sequence}"
        said = await edge_agent(["bundle", "rollback", command.target, *self._of()])
        return "done", said.strip()

    def _of(self) -> list[str]:
        return ["--config", self._config.file]


def in_time(told: float, expires: float, now: float) -> None:
    """Raise `Failed` for a command that has expired, or of which that is not known. Seconds since 1970."""
    if now > expires:
        raise Failed(f"it expired {now - expires:.0f} s ago by this gateway's clock")
    if now < told - CLOCKS:
        raise Failed(f"this gateway's clock is {told - now:.0f} s behind the office's; it may have expired")
