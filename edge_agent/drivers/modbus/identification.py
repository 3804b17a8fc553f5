"""Device identification: who a device says it is (MODBUS Application Protocol V1.1b3, 6.21)."""

from typing import NamedTuple

from edge_agent.drivers.modbus.pdu import BadReply, Request

OBJECTS = {
    0: "vendor",
    1: "product code",
    2: "revision",
    3: "vendor url",
    4: "product name",
    5: "model name",
    6: "application name",
}
BASIC, REGULAR, EXTENDED = 1, 2, 3
_MORE_FOLLOWS = 0xFF


class Page(NamedTuple):
    """What one reply holds: `level` is the highest that the device can be asked for.

    `following` is where to go on, None at the end.
    """

    level: int
    objects: dict[int, bytes]
    following: int | None


def identify(level: int = BASIC, first: int = 0) -> Request:
    """Build the request for a device's identification from object `first` on: FC 43/14."""
    return Request(bytes((43, 14, level, first)), bytes((43, 14, level)), None)


def page(data: bytes) -> Page:
    """Return what the data of a reply to `identify` hold. Raises `BadReply`."""
    if len(data) < 4:
        raise BadReply(f"an identification of {len(data)} bytes")
    conformity, more, following, count = data[:4]
    level = conformity & 0x7F  # above that bit it says whether single objects can be asked for
    found: dict[int, bytes] = {}
    at = 4
    for _ in range(count):
        end = at + 2 + data[at + 1] if at + 1 < len(data) else len(data) + 1
        if end > len(data):
            raise BadReply(f"an identification that ends within object {len(found)} of {count}")
        found[data[at]] = data[at + 2 : end]
        at = end
    if at != len(data):
        raise BadReply(f"{len(data) - at} bytes behind the last object of an identification")
    if more != _MORE_FOLLOWS:
        return Page(level, found, None)
    if not found or following <= max(found):
        raise BadReply(f"an identification that goes on at object {following}, which it has given")
    return Page(level, found, following)


def length(data: bytes) -> int | None:
    """Return how long a reply of FC 43/14 is, function code included, or None while that is not known.

    A line without lengths of its own needs this to find the end of a frame.
    """
    if len(data) < 7:
        return None
    at = 7
    for _ in range(data[6]):
        if at + 1 >= len(data):
            return None
        at += 2 + data[at + 1]
    return at
