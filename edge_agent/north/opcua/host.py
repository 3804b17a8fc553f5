"""The agent's side of its OPC UA server: a child process that is started again when it ends."""

import asyncio
import logging
import sys
from collections.abc import Callable

import msgspec

from edge_agent.build import Parts
from edge_agent.config import Config
from edge_agent.north.opcua.site import Input, Machine, Site

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before a child that ended is started again."""
LOOK = 1.0
"""Seconds between looks whether the configuration is still the one that the child shows."""
DEADLINE = 5.0


class OpcUaHost:
    """Keeps the server's process. `parts` are what the agent is made of at present."""

    def __init__(self, parts: Callable[[], Parts]) -> None:
        self._parts = parts

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
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            assert child.stdin is not None
            child.stdin.write(msgspec.json.encode(site) + b"\n")
            while site_of(self._parts().config) == site:
                try:
                    await asyncio.wait_for(child.wait(), LOOK)
                except TimeoutError:
                    continue
                return False
            return True
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()


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
    )


def _finite(limit: float) -> float | None:
    return limit if abs(limit) != float("inf") else None
