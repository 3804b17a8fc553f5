"""What is sent for a value: proven by the codec that reads, and compared with what is there afterwards."""

import math

import msgspec
import numpy as np

from edge_agent.core.codec import Codec
from edge_agent.core.kinds import KINDS
from edge_agent.core.readcycle import ReadCycle, address_of
from edge_agent.core.readplan import DEFAULT_LIMITS
from edge_agent.core.registers import Address
from edge_agent.core.tags import Reason, Sample, Tag
from edge_agent.core.typed import Value, raw


def bare_of(tag: Tag) -> Tag:
    """Return the raw value of a tag as a tag of its own, without scale, factor, and marks of no value."""
    address = tag.address
    if isinstance(address, Address):
        address = msgspec.structs.replace(address, factor=None, nan=())
    return Tag(name=tag.name, address=address)


class Sent:
    """The `raw` value for a value of a tag, an integer, a float or a text.

    `power` is what the tag's scale-factor register holds. Raises ValueError for a value that would not be
    read back as it is.
    """

    def __init__(self, tag: Tag, value: Value, power: int = 0) -> None:
        self.raw = raw(tag, value, power)
        self._expected: Sample | None = None
        address = tag.address
        if not isinstance(address, Address):
            return  # the type is the server's affair
        bare = bare_of(tag)
        read = self._expected = _read(bare, self.raw)
        if not _comes_out(address, self.raw, read):
            there = read.value if read.exact is None else read.exact
            raise ValueError(f"{value} does not fit {address.type}: it would be read back as {there}")
        marked = msgspec.structs.replace(bare, address=msgspec.structs.replace(address, factor=None))
        if _read(marked, self.raw).reason is Reason.NO_VALUE:
            raise ValueError(f"{value} is what this device means by no value")

    def is_there(self, back: Sample) -> bool:
        """Whether that is what was read of the bare tag: to the bit, of a node as a Float or a Double."""
        expected = self._expected
        if expected is not None:
            same = (back.value, back.exact, back.reason) == (expected.value, expected.exact, expected.reason)
            return same or back.reason is expected.reason is Reason.NOT_FINITE
        if isinstance(self.raw, str) or isinstance(back.exact, int):
            return back.exact == self.raw
        with np.errstate(over="ignore"):
            return back.value in (float(self.raw), float(np.float32(self.raw)))


def _read(tag: Tag, sent: float | str) -> Sample:
    """Return what a device that takes a raw value is read as. Raises ValueError if it does not fit."""
    cycle = ReadCycle([tag], DEFAULT_LIMITS)
    (part,) = cycle.begin(0)
    (data,) = Codec([address_of(tag)], cycle.blocks).encode([sent])
    cycle.answered(part, data)
    return cycle.columns(0)[0]


def _comes_out(address: Address, sent: float | str, read: Sample) -> bool:
    """Whether what is read is what was sent, of a float as near as its type can be."""
    if isinstance(sent, str):
        return read.exact == sent.rstrip()
    if not math.isfinite(sent):
        return True
    kind = KINDS.get(address.type)
    if kind is not None and kind.is_float:
        return abs(read.value - sent) <= float(np.finfo(kind.carrier).eps) * abs(sent)
    return (read.exact if isinstance(read.exact, int) else read.value) == sent
