"""Opening the first of several endpoints that lets us; what stands in the way, in words."""

import logging
from collections.abc import Sequence

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.wires import Endpoint, Listener, Misconfigured, Wire
from edge_agent.drivers.modbus.wires.stream import reason

log = logging.getLogger(__name__)

MENDING = 60.0
"""Seconds between attempts when somebody has to put certificates right."""


async def open_first(endpoints: Sequence[Endpoint], listener: Listener, timeout: float) -> Wire:
    """Try each endpoint for `timeout` seconds. Raises `LinkDown`, with the reason of the last."""
    down = LinkDown("there is nowhere to connect to")
    for endpoint in endpoints:
        try:
            wire = await endpoint.open(listener, timeout)
        except TimeoutError:
            down = LinkDown(f"no connection within {timeout:g} s")
        except Misconfigured as error:
            down = LinkDown(reason(error), patience=MENDING)
        except OSError as error:
            down = LinkDown(reason(error))
        else:
            if endpoint is not endpoints[0]:
                log.warning("%s does not connect (%s); %s does", endpoints[0], down, endpoint)
            return wire
    raise down
