"""The agent's side of its OPC UA server: a child process that is started again when it ends."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable

import msgspec

from edge_agent.build import Parts
from edge_agent.config import Config
from edge_agent.config.tables import Priority, PriorityTable
from edge_agent.control import Refused, Request, obey
from edge_agent.historian import Historian
from edge_agent.north.opcua.site import Asked, Input, Machine, Site, Told, Word
from edge_agent.north.standing import OpcUaServerStatus, wall

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a child that ended is started again."""
LOOK = 1.0
"""Seconds between looks whether the configuration is still the one that the child shows."""


SEVERITY: dict[Priority, int] = {"urgent": 900, "high": 700, "medium": 400, "low": 200}
"""Of what is raised (OPC 10000-5, 6.4.2: 667 to 1000 is high, 334 to 666 medium, what is less low)."""


class OpcUaHost:
    """Keeps the server's process. `parts` are what the agent is made of at present.

    What its users ask of alarms is obeyed as `control` has it, and kept by the `historian`.
    """

    def __init__(self, parts: Callable[[], Parts], historian: Historian) -> None:
        self._parts, self._historian = parts, historian
        self._listening, self._since, self._error = False, time.monotonic(), ""
        self._starts = self._clients = 0

    @property
    def status(self) -> OpcUaServerStatus:
        """How it stands."""
        site = site_of(self._parts().config)
        host = f"[{site.host}]" if ":" in site.host else site.host
        return OpcUaServerStatus(
            endpoint=f"opc.tcp://{host}:{site.port}/",
            listening=self._listening,
            since=wall(self._since),
            error=self._error,
            starts=self._starts,
            clients=self._clients,
        )

    async def run(self) -> None:
        """Keep a server running, for ever."""
        wait = FIRST_WAIT
        while True:
            site = site_of(self._parts().config)
            if await self._one(site):
                wait = FIRST_WAIT
                continue
            log.warning("opcua-server: its process ended; it is started again in %g s", wait)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _one(self, site: Site) -> bool:
        """Run one process; return whether it was ended for another site to be shown."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "edge_agent.north.opcua.server"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._starts += 1
        word = Word()
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(msgspec.json.encode(site) + b"\n")
            while site_of(self._parts().config) == site:
                try:
                    line = await asyncio.wait_for(child.stdout.readline(), LOOK)
                except TimeoutError:
                    continue
                if not line:
                    self._error = word.error or "its process ended"
                    return False
                said = msgspec.json.decode(line, type=Word | Asked)
                if isinstance(said, Asked):
                    child.stdin.write(msgspec.json.encode(await self._obey(said)) + b"\n")
                    continue
                word = said
                self._set(listening=not word.error, clients=word.clients)
            return True
        finally:
            self._set(listening=False, clients=0)
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def _obey(self, asked: Asked) -> Told:
        request = Request(do=asked.do, machine=asked.machine, output=asked.output, comment=asked.comment)
        refused = ""
        try:
            await obey(self._parts(), self._historian, request, f"{asked.by} over OPC UA")
        except Refused as error:
            refused = str(error)
            log.warning("opcua-server: %s %s: refused: %s", asked.by, asked.do, refused)
        return Told(number=asked.number, refused=refused)

    def _set(self, *, listening: bool, clients: int) -> None:
        self._clients = clients
        if listening != self._listening:
            self._listening, self._since = listening, time.monotonic()


def site_of(config: Config) -> Site:
    """Say what the server of a configuration shows."""
    table = config.north.opcua_server
    assert table is not None
    tags = {scanned.tag.name: scanned.tag for device in config.devices for scanned in device.tags}
    machines = [
        Machine(
            name=machine.name,
            inputs=[
                Input(tag=n, unit=tags[n].unit, low=_finite(tags[n].low), high=_finite(tags[n].high))
                for n in machine.inputs
            ],
            outputs=[output.name for output in machine.bundle.manifest.outputs],
            warned=[output.name for output in machine.bundle.manifest.outputs if output.warning],
            severity=_severity(machine.alarm.priority),
            nameplate=table.nameplate.get(machine.name),
        )
        for machine in config.machines
    ]
    return Site(
        name=config.name,
        host=table.host,
        port=table.port,
        state=config.state,
        pki=table.pki,
        machines=machines,
        operators=table.operators,
    )


def _severity(priority: PriorityTable) -> dict[str, int]:
    return {"alarm": SEVERITY[priority.alarm], "warning": SEVERITY[priority.warning]}


def _finite(limit: float) -> float | None:
    return limit if abs(limit) != float("inf") else None
