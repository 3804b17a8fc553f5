"""Which of several endpoints a link is connected to; what stands in the way, in words."""

import logging
from collections.abc import Sequence

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.wires import Endpoint, Listener, Misconfigured, Wire
from edge_agent.drivers.modbus.wires.system import reason

log = logging.getLogger(__name__)

MENDING = 60.0
"""Seconds between attempts when somebody has to put certificates right."""


class Endpoints:
    """Opens the first endpoint that lets it.

    One that took a connection and never answered on it is tried last the next time: a PLC that hangs still
    takes connections, and its backup may be well.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._all = list(endpoints)
        self._opened: Endpoint | None = None
        self._mute: Endpoint | None = None

    def __str__(self) -> str:
        return " or ".join(map(str, self._all))

    async def open(self, listener: Listener, timeout: float) -> Wire:
        """Try each endpoint for `timeout` seconds. Raises `LinkDown`, with the reason of the last."""
        down = LinkDown("there is nowhere to connect to")
        order = sorted(self._all, key=lambda endpoint: endpoint is self._mute)
        for endpoint in order:
            try:
                wire = await endpoint.open(listener, timeout)
            except TimeoutError:
                down = LinkDown(f"no connection within {timeout:g} s")
            except Misconfigured as error:
                down = LinkDown(reason(error), patience=MENDING)
            except OSError as error:
                down = LinkDown(reason(error))
            else:
                if endpoint is not self._all[0]:
                    why = down if order[0] is self._all[0] else "it took a connection and did not answer"
                    log.warning("%s is used instead of %s: %s", endpoint, self._all[0], why)
                self._opened = endpoint
                return wire
        raise down

    def ended(self, *, heard: bool) -> None:
        """Learn that the connection has ended, and whether anything was ever answered on it."""
        self._mute = None if heard else self._opened
