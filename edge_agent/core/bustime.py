"""How long a request and its answer take: arithmetic on a serial line, an assumption on a network.

All times are seconds.
"""

from dataclasses import dataclass

TURNAROUND = 5e-3
"""What a device on a serial line is taken to need for an answer."""
_READ = 7
"""Bytes of the PDUs of a read and of its answer without data (MODBUS Application Protocol V1.1b3, 6.3)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Time of a read and its answer without data, and of each register."""

    request: float
    register: float

    def of(self, asked: int, answered: int) -> float:
        """Return the time of an exchange whose PDUs have so many bytes."""
        return self.request + self.register / 2 * (asked + answered - _READ)

    def later(self, delay: float, at_once: int = 1) -> "Cost":
        """Return the cost where each request waits for `delay`, and so many may be under way at once."""
        return Cost((self.request + delay) / at_once, self.register / at_once)


NETWORK = Cost(request=1e-3, register=2e-6)
"""A PLC on Ethernet: a millisecond of its cycle weighs more than any gap that `max_gap` allows."""
FASTEST = Cost(request=1e-4, register=0.0)
"""What no request over a cable is faster than: to a C server on the same box it takes 0.11 ms
(bench/RESULTS.md, one scan cycle)."""


def silence(baud: int, bits: int = 11) -> float:
    """Return the silence between RTU frames (MODBUS over Serial Line V1.02, 2.5.1.1)."""
    return max(3.5 * bits / baud, 1.75e-3)


@dataclass(frozen=True, slots=True)
class Line:
    """A serial line. A character has so many `bits`, those of start, parity and stop included."""

    baud: int
    bits: int = 11
    ascii: bool = False

    def cost(self, turnaround: float = TURNAROUND, delay: float | None = None) -> Cost:
        """Return the cost of requests.

        A frame of RTU has 3 characters more than its PDU has bytes, and is followed by silence, ours being
        `delay` if that is given. One of ASCII has 7 more, and two for each byte (MODBUS over Serial Line
        V1.02, 2.5.1 and 2.5.2).
        """
        character = self.bits / self.baud
        if self.ascii:
            each, around, silences = 2 * character, 14 * character, delay or 0.0
        else:
            ours = silence(self.baud) if delay is None else delay
            each, around, silences = character, 6 * character, silence(self.baud, self.bits) + ours
        return Cost(around + _READ * each + silences + turnaround, 2 * each)
