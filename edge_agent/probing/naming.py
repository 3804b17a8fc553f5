"""Who a unit says it is: all levels of device identification, page by page."""

from edge_agent.drivers import LinkDown
from edge_agent.drivers.modbus.identification import BASIC, EXTENDED, OBJECTS, identify, page
from edge_agent.drivers.modbus.pdu import BadReply, DeviceException
from edge_agent.probing.found import UnitFound
from edge_agent.probing.prober import Prober

MOST_PAGES = 64
"""Replies that are read of one unit; a device may have more than a hundred objects, one in each."""


async def name(prober: Prober, found: UnitFound) -> bool:
    """Note what the unit says of itself, as soon as it does, and why it says no more.

    Higher levels are asked for as far as the device says that it has them; some repeat what is below.
    Returns whether its last answer was one, be it a no.
    """
    level, first, highest = BASIC, 0, BASIC
    for _ in range(MOST_PAGES):
        try:
            got = page(await prober.ask(identify(level, first)))
        except (DeviceException, LinkDown, BadReply) as error:
            found.unnamed = str(error)
            return isinstance(error, DeviceException)
        for number, value in got.objects.items():
            found.identification[OBJECTS.get(number, f"object {number}")] = value.decode("latin-1")
        highest = max(highest, min(got.level, EXTENDED))
        # There are devices that begin anew instead of going on where a level has no more.
        went_on = min(got.objects, default=first) >= first
        if got.following is not None and went_on:
            first = got.following
        elif level < highest:
            level, first = level + 1, 0
        else:
            return True
    found.unnamed = f"more than {MOST_PAGES} replies"
    return True
